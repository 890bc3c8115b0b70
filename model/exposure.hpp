#pragma once
#include <array>
#include <string_view>

#include "nkpk/core/fields.hpp"
#include "nkpk/model/signals.hpp"

// Exposure to infused NK cells: the area under their blood count, as a state, so that it is as exact as the solution.
//
//   dAUC/dt = (sum of D_B + X_D)/V_B      [cells/uL * d]

namespace nkpk {

struct Exposure {
  static constexpr std::string_view name = "exposure";
  static constexpr std::array states{StateInfo{"donor_nk_auc", "d*cells/uL", 1e-9, "area under the infused NK count"}};

  template <class T>
  static void add_rates(const T& blood_uL, const Signals<T>& s, T* dy) {
    dy[0] += (s.donor_blood_nk + s.doomed_infused_nk) / blood_uL;
  }
};

}  // namespace nkpk
