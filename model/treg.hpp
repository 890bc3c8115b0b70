#pragma once
#include <array>
#include <cstddef>
#include <string_view>

#include "nkpk/core/fields.hpp"
#include "nkpk/core/scalar.hpp"
#include "nkpk/model/signals.hpp"

// Regulatory T cells of the host, as a blood count (C12, C43).
//
//   dR/dt = dR (R0 ((T + T_G)/T0)^hR - R) + pRmax I'/(I' + E2R) R/(1 + (R/R_cap)^2) - (kappa_R + kRdep) R
//
// I' is IL-2 under a steroid window; kRdep is the window `treg_depletion`, 0 outside it.
// Leaves out: graft-derived Treg, direct effects of conditioning on their set-point.

namespace nkpk {

struct Treg {
  static constexpr std::string_view name = "treg";
  static constexpr std::array states{StateInfo{"treg", "cells/uL", 1e-12, "host regulatory T cells in blood"}};

  template <class T>
  struct Params {
    T R0, dR, pRmax, E2, R_cap, hR;
    template <class Self, class V>
    static void visit(Self& p, V&& v) {
      v("R0", "cells/uL", Domain::positive, p.R0);
      v("dR", "1/d", Domain::non_negative, p.dR);
      v("pRmax", "1/d", Domain::non_negative, p.pRmax);
      v("E2", "IU/L", Domain::positive, p.E2);
      v("R_cap", "cells/uL", Domain::positive, p.R_cap);
      v("hR", "1", Domain::non_negative, p.hR);
    }
  };

  template <class T>
  static void initial(const Params<T>& p, T* y) {
    y[0] = p.R0;
  }

  template <class T>
  static void publish(const T* y, Signals<T>& s) {
    s.treg = y[0];
  }

  /// Gain of Treg [cells/uL/d]: T-cell help and IL-2.
  template <class T>
  static T gain(const T* y, const Params<T>& p, const T& T0, const Signals<T>& s) {
    const T ratio = y[0] / p.R_cap;
    return p.dR * p.R0 * power(max0(s.t_total / T0), p.hR) + p.pRmax * s.il2_effective / (s.il2_effective + p.E2) * y[0] / (1.0 + ratio * ratio);
  }

  template <class T, class W = double>
  static void add_rates(const T* y, const Params<T>& p, const T& T0, const WindowsOf<W>& w, const Signals<T>& s, T* dy) {
    dy[0] += gain(y, p, T0, s) - (p.dR + s.kill.treg + w.treg_depletion) * y[0];
  }
};

}  // namespace nkpk
