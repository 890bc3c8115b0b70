#pragma once
#include <string>
#include <string_view>
#include <utility>

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
// Constants and signals, which no file holds, have a visit of the same kind in the order of their members, without a domain:
//   v("k10", "1/d", c.k10)
// with the name of the member. Names are texts (string literals, std::string from Under): take them as std::string_view.

/// Visits the members of a member: passes `key` on to v as "prefix.key", with its unit and value.
template <class V>
class Under {
 public:
  Under(std::string prefix, V& v) : prefix_(std::move(prefix) + "."), v_(v) {}
  void operator()(std::string_view key, const char* unit, auto& value) const { v_(prefix_ + std::string(key), unit, value); }
  void operator()(std::string_view key, const char* unit, Domain, auto& value) const { (*this)(key, unit, value); }

 private:
  std::string prefix_;
  V& v_;
};

}  // namespace nkpk
