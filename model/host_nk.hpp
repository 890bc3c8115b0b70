#pragma once
#include <array>
#include <cstddef>
#include <string_view>

#include "nkpk/core/fields.hpp"
#include "nkpk/model/cytokine_signal.hpp"

// Host NK cells and their marrow precursors.
//
//   dH_B/dt = ktr P3 - kBT m H_B + kTB H_T + (p_H - d_H - kappa_N) H_B
//   dH_T/dt =          kBT m H_B - kTB H_T + (p_H - d_H - kappa_N) H_T
//   dP1/dt  = lamP P1 (g - (P1 + G1)/P_ss) - kappa_P P1           bounded logistic: host and graft share the niche
//   dP2/dt  = ktr (P1 - P2) - kappa_P P2,   dP3/dt = ktr (P2 - P3) - kappa_P P3
//
//   ktr = (n_P + 1)/MTT, N0 = H_B0/phi, H_B0 = NK0 V_B, P_ss = (d0 - p0) N0/ktr        exact equilibrium (C26)
//
// The logistic set-point replaces the power feedback of leukocyte models (Friberg 2002, doi:10.1200/JCO.2002.02.140), which
// overshot fourfold in trial runs; only the transit time is theirs. IL-15 is the one signal that feeds the marrow.
// Leaves out: CD56bright and CD56dim as separate pools, age.

namespace nkpk {

struct HostNk {
  static constexpr std::string_view name = "host_nk";
  enum : std::size_t { blood, tissue, P1, P2, P3 };
  static constexpr std::array states{StateInfo{"host_blood", "cells", 1e-3, "host NK in blood"},
                                     StateInfo{"host_tissue", "cells", 1e-3, "host NK in tissue"},
                                     StateInfo{"host_P1", "cells", 1e-3, "host NK precursors in marrow, renewing"},
                                     StateInfo{"host_P2", "cells", 1e-3, "host NK precursors in marrow, first transit stage"},
                                     StateInfo{"host_P3", "cells", 1e-3, "host NK precursors in marrow, second transit stage"}};

  template <class T>
  struct Params {
    T NK0, NK0_min, d0, pmax, dmax, E15, E2, MTT, n_P, lamP, kap, w2P;
    template <class Self, class V>
    static void visit(Self& p, V&& v) {
      v("NK0", "cells/uL", Domain::positive, p.NK0);
      v("NK0_min", "cells/uL", Domain::positive, p.NK0_min);
      v("d0", "1/d", Domain::positive, p.d0);
      v("pmax", "1/d", Domain::non_negative, p.pmax);
      v("dmax", "1/d", Domain::positive, p.dmax);
      v("E15", "1", Domain::positive, p.E15);
      v("E2", "IU/L", Domain::positive, p.E2);
      v("MTT", "d", Domain::positive, p.MTT);
      v("n_P", "1", Domain::positive, p.n_P);
      v("lamP", "1/d", Domain::non_negative, p.lamP);
      v("kap", "1", Domain::positive, p.kap);
      v("w2P", "1", Domain::non_negative, p.w2P);
    }
  };

  template <class T>
  struct Constants {
    T lamP, ktr, P_ss, N0, kBT, kTB;
    template <class Self, class V>
    static void visit(Self& c, V&& v) {
      v("lamP", "1/d", c.lamP);
      v("ktr", "1/d", c.ktr);
      v("P_ss", "cells", c.P_ss);
      v("N0", "cells", c.N0);
      v("kBT", "1/d", c.kBT);
      v("kTB", "1/d", c.kTB);
    }
  };

  template <class T, class P>
  static Constants<T> prepare(const P& p, const CytokineSignal::Constants<T>& nk, const Body<T>& body) {
    Constants<T> c;
    c.lamP = p.host_nk.lamP;
    c.ktr = (p.host_nk.n_P + 1.0) / p.host_nk.MTT;
    c.N0 = p.host_nk.NK0 * body.blood_uL / p.nk.phi;
    c.P_ss = (nk.d0 - nk.p0) * c.N0 / c.ktr;
    c.kBT = nk.kBT, c.kTB = nk.kTB;
    return c;
  }

  template <class T, class P>
  static void initial(const P& p, const Constants<T>& c, T* y) {
    y[blood] = c.N0 * p.nk.phi;
    y[tissue] = c.N0 * (1.0 - p.nk.phi);
    y[P1] = y[P2] = y[P3] = c.P_ss;
  }

  template <class T>
  static void publish(const T* y, const Constants<T>&, Signals<T>& s) {
    s.nk_sink += y[blood] + y[tissue];
    s.p1_total += y[P1];
    s.host_blood_nk = y[blood];
  }

  template <class T>
  static void add_rates(const T* y, const Constants<T>& c, const Signals<T>& s, T* dy) {
    const T net = s.p_host - s.d_host - s.kill.nk;
    const T to_tissue = c.kBT * s.margination * y[blood];
    const T to_blood = c.kTB * y[tissue];
    dy[blood] += c.ktr * y[P3] - to_tissue + to_blood + net * y[blood];
    dy[tissue] += to_tissue - to_blood + net * y[tissue];
    dy[P1] += c.lamP * y[P1] * (s.precursor_drive - s.p1_total / c.P_ss) - s.kill.precursor * y[P1];
    dy[P2] += c.ktr * (y[P1] - y[P2]) - s.kill.precursor * y[P2];
    dy[P3] += c.ktr * (y[P2] - y[P3]) - s.kill.precursor * y[P3];
  }
};

}  // namespace nkpk
