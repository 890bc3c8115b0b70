#pragma once
#include <string_view>

namespace nkpk {

/// What a parameter may be, whatever its plausible bounds in the parameter file.
enum class Domain { positive, non_negative, fraction };

/// A state variable: its name and unit in archives, and the absolute tolerance of the integration in that unit.
struct StateInfo {
  std::string_view name;
  std::string_view unit;
  double atol;
  std::string_view doc;
};

// Each list of parameters is written once, as
//   template <class Self, class V> static void visit(Self& p, V&& v) { v("d0", "1/d", Domain::positive, p.d0); ... }
// Reading, writing, checking, --set, archives and Python all come from that visit.

}  // namespace nkpk
