#pragma once
#include <array>
#include <cstddef>
#include <string_view>

#include "nkpk/core/fields.hpp"
#include "nkpk/model/physiology.hpp"
#include "nkpk/model/signals.hpp"

// Host anti-donor effectors, as a blood-equivalent count (C23).
//
//   a(D)  = Dc/(Dc + KA),  Dc = sum of D_B / V_B             donor cells per uL of blood are the antigen
//   dA/dt = (1 - aba(t)) a(D) [kA0 f_allo T + pA A (1 - A/A_max)] - dA A - kappa_T A
//
// The effectors remove infused NK at the rate krej chi A (infused_nk.hpp), chi by the donor's relation (C21). aba(t) comes from abatacept.hpp. T cells are
// not consumed by becoming effectors; cells in the lung, doomed cells and graft cells are no antigen.
// Only krej*f_allo can be learned from the time of loss. Leaves out: memory against the donor, antibodies (see k_hum).

namespace nkpk {

struct Rejection {
  static constexpr std::string_view name = "rejection";
  // grows by e^0.55 a day from nothing: a coarser tolerance spoils donor NK weeks later
  static constexpr std::array states{StateInfo{"effectors", "cells/uL", 1e-12, "host anti-donor effectors in blood"}};

  template <class T>
  struct Params {
    T f_allo, kA0, pA, dA, A_max, KA, krej, krejN, chi_haploidentical, chi_matched, chi_cord_blood, chi_autologous;
    template <class Self, class V>
    static void visit(Self& p, V&& v) {
      v("f_allo", "1", Domain::fraction, p.f_allo);
      v("kA0", "1/d", Domain::non_negative, p.kA0);
      v("pA", "1/d", Domain::non_negative, p.pA);
      v("dA", "1/d", Domain::non_negative, p.dA);
      v("A_max", "cells/uL", Domain::positive, p.A_max);
      v("KA", "cells/uL", Domain::positive, p.KA);
      v("krej", "1/d/(cells/uL)", Domain::non_negative, p.krej);
      v("krejN", "1/d/(cells/uL)", Domain::non_negative, p.krejN);
      v("chi_haploidentical", "1", Domain::non_negative, p.chi_haploidentical);
      v("chi_matched", "1", Domain::non_negative, p.chi_matched);
      v("chi_cord_blood", "1", Domain::non_negative, p.chi_cord_blood);
      v("chi_autologous", "1", Domain::non_negative, p.chi_autologous);
    }
  };

  template <class T>
  struct Constants {
    T f_allo, kA0, pA, dA, A_max, KA, blood_uL;
    template <class Self, class V>
    static void visit(Self& c, V&& v) {
      v("f_allo", "1", c.f_allo);
      v("kA0", "1/d", c.kA0);
      v("pA", "1/d", c.pA);
      v("dA", "1/d", c.dA);
      v("A_max", "cells/uL", c.A_max);
      v("KA", "cells/uL", c.KA);
      v("blood_uL", "uL", c.blood_uL);
    }
  };

  template <class T>
  static Constants<T> prepare(const Params<T>& p, const Body<T>& body) {
    return {p.f_allo, p.kA0, p.pA, p.dA, p.A_max, p.KA, body.blood_uL};
  }

  template <class T>
  static void publish(const T* y, Signals<T>& s) {
    s.effectors = y[0];
  }

  /// (1 - aba) a(D): how much of the priming gets through.
  template <class T>
  static T drive(const Constants<T>& c, const Signals<T>& s) {
    const T per_uL = s.donor_blood_nk / c.blood_uL;
    return (1.0 - s.priming_block) * per_uL / (per_uL + c.KA);
  }

  template <class T>
  static void add_rates(const T* y, const Constants<T>& c, const Signals<T>& s, T* dy) {
    dy[0] += drive(c, s) * (c.kA0 * c.f_allo * s.t_host + c.pA * y[0] * (1.0 - y[0] / c.A_max)) - (c.dA + s.kill.t) * y[0];
  }
};

}  // namespace nkpk
