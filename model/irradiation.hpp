#pragma once
#include <array>
#include <cmath>
#include <cstddef>
#include <string_view>

#include "nkpk/core/fields.hpp"
#include "nkpk/model/signals.hpp"

// Total body irradiation and the cells it dooms (C14, C15).
//
//   at each fraction of d Gy:  N -> N S_j,  S_j = exp(-d/D0_j)
//     with the switch linear_quadratic  S_j = exp(-alpha_j d - (alpha_j/alpha_beta) d^2),  alpha_j = alpha D0_T/D0_j (C43)
//   X += fX (1 - S_j) N for the blood cells hit;  dX/dt = -kx X
//     X_H from host and graft NK, X_D from infused NK [cells]; X_T from T, T_G, effectors and Treg [cells/uL]
//
// Doomed cells are counted in blood but do not exchange, divide, take up IL-15 or act as antigen. Drugs remove at once.
// Only the share fX is followed; the rest leaves within hours. Local irradiation stands in the calendar only.

namespace nkpk {

struct Irradiation {
  static constexpr std::string_view name = "irradiation";
  enum : std::size_t { X_H, X_D, X_T };
  static constexpr std::array states{StateInfo{"doomed_host_nk", "cells", 1e-3, "lethally irradiated host and graft NK still in blood"},
                                     StateInfo{"doomed_infused_nk", "cells", 1e-3, "lethally irradiated infused NK still in blood"},
                                     StateInfo{"doomed_t", "cells/uL", 1e-12, "lethally irradiated T cells, effectors and Treg still in blood"}};

  template <class T>
  struct Params {
    T D0_T, D0_treg, D0_NK, D0_donor, D0_precursor, fX, kx, alpha, alpha_beta;
    template <class Self, class V>
    static void visit(Self& p, V&& v) {
      v("D0_T", "Gy", Domain::positive, p.D0_T);
      v("D0_treg", "Gy", Domain::positive, p.D0_treg);
      v("D0_NK", "Gy", Domain::positive, p.D0_NK);
      v("D0_donor", "Gy", Domain::positive, p.D0_donor);
      v("D0_precursor", "Gy", Domain::positive, p.D0_precursor);
      v("fX", "1", Domain::fraction, p.fX);
      v("kx", "1/d", Domain::positive, p.kx);
      v("alpha", "1/Gy", Domain::non_negative, p.alpha);
      v("alpha_beta", "Gy", Domain::positive, p.alpha_beta);
    }
  };

  template <class T>
  struct Constants {
    Params<T> p;
    bool linear_quadratic = false;
    template <class Self, class V>
    static void visit(Self& c, V&& v) {
      Params<T>::visit(c.p, Under("p", v));
    }
  };

  /// Share of the population with radiosensitivity D0 [Gy] that survives one fraction [Gy].
  template <class T>
  static T survival(const Constants<T>& c, const T& D0, const T& fraction) {
    using std::exp;
    if (!c.linear_quadratic) return exp(-fraction / D0);
    const T alpha = c.p.alpha * c.p.D0_T / D0;
    return exp(-alpha * fraction * (1.0 + fraction / c.p.alpha_beta));
  }

  template <class T>
  static void publish(const T* y, Signals<T>& s) {
    s.doomed_infused_nk = y[X_D];
  }

  template <class T>
  static void add_rates(const T* y, const Constants<T>& c, T* dy) {
    for (std::size_t i = 0; i < states.size(); ++i) dy[i] += -c.p.kx * y[i];
  }
};

}  // namespace nkpk
