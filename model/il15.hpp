#pragma once
#include <array>
#include <cstddef>
#include <string_view>

#include "nkpk/core/fields.hpp"
#include "nkpk/model/host_nk.hpp"

// Plasma IL-15 as fold of the patient's own baseline, and IL-15 given as a drug (C17, C37).
//
//   dx15/dt = kel [(1 + r)(1 + ind) - x15 (1 + r S)] + given,   r = fc/(1 - fc)
//   S = wNK N_tot/N0 + (1 - wNK)(T + T_G)/T0                     one sink: every NK population and T cells
//   given   = R_in/(B15 V),  R_in = the infused rate, or ka S15 from the subcutaneous depot;  dS15/dt = -ka S15
//
// kel is the loss that needs no lymphocytes; at baseline lymphocytes take fc of all. Without given IL-15,
// 0 < x15 <= (1 + r)(1 + sup ind). N_tot = H_B + H_T + G_B + G_T + wD (D_B + D_T); cells in the lung and doomed cells do not
// count (C17). ind is the window `il15_induction`.
// Without `il15_dynamics` kel is 1e5 times as fast, so that x15 stays within 1e-5 of its quasi-steady state (1 + r)(1 + ind)/(1 + r S).
// For comparison only: IL-15 is then wrong by up to a third or more, as it is slow where it matters (kel(1 + r S) is 7-10/d after
// depletion, while an infusion changes S within half an hour); benchmarks/il15_quasi_steady.md.
// Leaves out: the IL-15/IL-15Ra heterodimer as a species of its own, IL-7, N-803.

namespace nkpk {

struct Il15 {
  static constexpr std::string_view name = "il15";
  enum : std::size_t { fold, depot };
  static constexpr double quasi_steady_speed = 1e5;
  static constexpr std::array states{StateInfo{"il15_fold", "1", 1e-9, "plasma IL-15 over the patient's own baseline"},
                                     StateInfo{"il15_depot", "pg", 1e-3, "IL-15 given, in the subcutaneous depot"}};

  template <class T>
  struct Params {
    T B15, fc, wNK, wD, kel, V, F, ka;
    template <class Self, class V_>
    static void visit(Self& p, V_&& v) {
      v("B15", "pg/L", Domain::positive, p.B15);
      v("fc", "1", Domain::fraction, p.fc);
      v("wNK", "1", Domain::fraction, p.wNK);
      v("wD", "1", Domain::non_negative, p.wD);
      v("kel", "1/d", Domain::positive, p.kel);
      v("V", "L", Domain::positive, p.V);
      v("F", "1", Domain::fraction, p.F);
      v("ka", "1/d", Domain::positive, p.ka);
    }
  };

  template <class T>
  struct Constants {
    T r, wNK, kel, ka, F, N0, T0;
    T fold_per_pg;  ///< 1 pg in plasma raises the fold by this
    template <class Self, class V>
    static void visit(Self& c, V&& v) {
      v("r", "1", c.r);
      v("wNK", "1", c.wNK);
      v("kel", "1/d", c.kel);
      v("ka", "1/d", c.ka);
      v("F", "1", c.F);
      v("N0", "cells", c.N0);
      v("T0", "cells/uL", c.T0);
      v("fold_per_pg", "1/pg", c.fold_per_pg);
    }
  };

  template <class T, class P>
  static Constants<T> prepare(const P& p, const HostNk::Constants<T>& host, const Body<T>& body) {
    Constants<T> c;
    c.r = p.il15.fc / (1.0 - p.il15.fc);
    c.wNK = p.il15.wNK, c.kel = p.il15.kel, c.ka = p.il15.ka, c.F = p.il15.F;
    c.N0 = host.N0, c.T0 = p.t_cells.T0;
    c.fold_per_pg = 1.0 / (p.il15.B15 * p.il15.V * (body.weight_kg / p.physiology.WT_ref));
    return c;
  }

  template <class T>
  static void initial(T* y) {
    y[fold] = T(1);
    y[depot] = T(0);
  }

  template <class T>
  static void publish(const T* y, Signals<T>& s) {
    s.il15_fold = y[fold];
  }

  template <class T, class W = double>
  static void add_rates(const T* y, const Constants<T>& c, const WindowsOf<W>& w, const Signals<T>& s, T* dy) {
    const T S = c.wNK * s.nk_sink / c.N0 + (1.0 - c.wNK) * s.t_total / c.T0;
    const T absorbed = c.ka * y[depot];
    dy[fold] += c.kel * ((1.0 + c.r) * (1.0 + w.il15_induction) - y[fold] * (1.0 + c.r * S)) + c.fold_per_pg * absorbed;
    dy[depot] += -absorbed;
  }
};

}  // namespace nkpk
