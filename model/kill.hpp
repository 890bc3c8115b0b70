#pragma once
#include "nkpk/core/fields.hpp"
#include "nkpk/model/signals.hpp"

// The one kill law (C9): every drug adds s r_j C to the loss rate of population j, so that the integrated ln-kill is
// s r_j AUC. s is the potency on T cells, r_j the potency on j over that on T cells. Optional saturation (C32, off): C is
// replaced by C/(1 + C/C50), with 1/C50 = kill_saturation.

namespace nkpk {

template <class T>
struct KillParams {
  T s_T, r_NK, r_donor, r_treg, r_precursor, kill_saturation;
  template <class Self, class V>
  static void visit(Self& p, V&& v, const char* potency_unit) {
    v("s_T", potency_unit, Domain::non_negative, p.s_T);
    v("r_NK", "1", Domain::non_negative, p.r_NK);
    v("r_donor", "1", Domain::non_negative, p.r_donor);
    v("r_treg", "1", Domain::non_negative, p.r_treg);
    v("r_precursor", "1", Domain::non_negative, p.r_precursor);
    v("kill_saturation", "L/mg", Domain::non_negative, p.kill_saturation);
  }

  /// Share of the effect left at concentration c [mg/L].
  T saturated(const T& c) const { return c / (1.0 + c * kill_saturation); }

  /// Adds the kill at `exposure` [reciprocal of the potency's unit, per day].
  void add(const T& exposure, Kill<T>& kill) const {
    const T on_t = s_T * exposure;
    kill.t += on_t;
    kill.nk += r_NK * on_t;
    kill.donor += r_donor * on_t;
    kill.treg += r_treg * on_t;
    kill.precursor += r_precursor * on_t;
  }
};

}  // namespace nkpk
