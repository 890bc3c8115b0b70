#pragma once
#include <string_view>

#include "nkpk/core/fields.hpp"
#include "nkpk/model/physiology.hpp"
#include "nkpk/model/signals.hpp"

// How IL-2 and IL-15 act on NK cells.
//
//   I'    = I * (1 - steroid (1 - fs2))                          steroid window; margination is left alone
//   I_loc = I' / (1 + R/R50)                                     Treg compete for IL-2 where the cells are
//   u_H   = x15/E15H + I_loc/E2H          v_H = x15/E15H + u0 I'/E2s
//   p_H   = pmaxH u_H/(1 + u_H)           d_H = dmin + (dmaxH - dmin)/(1 + v_H/EsH)
//   z     = x15 + w2P I'/E2s              g = kap z/(kap - 1 + z)            drive of the marrow
//   m     = 1 + mmax I/(I + Km_m)                                IL-2 moves NK out of the blood
//
// Both ligands share CD122 and the common gamma chain, hence one saturation of the sum: the signal cannot exceed pmax.
// IL-15 counts in folds of the patient's own baseline: soluble in-vitro half-signals are a thousandfold too high.
// Calibrated at baseline (x15 = 1, I = 0), never read:
//   u0 = 1/E15H, p0 = pmaxH u0/(1 + u0), EsH = u0/((dmaxH - dmin)/(d0 - dmin) - 1), so that p0 - d0 balances the marrow.
// Leaves out: a recruitment lag, direct suppression of host NK.

namespace nkpk {

/// What donor, host and graft NK share.
struct CytokineSignal {
  static constexpr std::string_view name = "nk";

  template <class T>
  struct Params {
    T phi, kBT, dmin, E2s, mmax, Km_m, R50, fs2;
    template <class Self, class V>
    static void visit(Self& p, V&& v) {
      v("phi", "1", Domain::fraction, p.phi);
      v("kBT", "1/d", Domain::positive, p.kBT);
      v("dmin", "1/d", Domain::positive, p.dmin);
      v("E2s", "IU/L", Domain::positive, p.E2s);
      v("mmax", "1", Domain::non_negative, p.mmax);
      v("Km_m", "IU/L", Domain::positive, p.Km_m);
      v("R50", "cells/uL", Domain::positive, p.R50);
      v("fs2", "1", Domain::fraction, p.fs2);
    }
  };

  template <class T>
  struct Constants {
    T E2s, mmax, Km_m, R50, fs2, dmin;
    T pmaxH, dmaxH, E15H, E2H, EsH, u0, kap, w2P;
    T kBT, kTB;  ///< exchange; kTB closes the balance of the blood pool at baseline
    T p0, d0;
    template <class Self, class V>
    static void visit(Self& c, V&& v) {
      v("E2s", "IU/L", c.E2s);
      v("mmax", "1", c.mmax);
      v("Km_m", "IU/L", c.Km_m);
      v("R50", "cells/uL", c.R50);
      v("fs2", "1", c.fs2);
      v("dmin", "1/d", c.dmin);
      v("pmaxH", "1/d", c.pmaxH);
      v("dmaxH", "1/d", c.dmaxH);
      v("E15H", "1", c.E15H);
      v("E2H", "IU/L", c.E2H);
      v("EsH", "1", c.EsH);
      v("u0", "1", c.u0);
      v("kap", "1", c.kap);
      v("w2P", "1", c.w2P);
      v("kBT", "1/d", c.kBT);
      v("kTB", "1/d", c.kTB);
      v("p0", "1/d", c.p0);
      v("d0", "1/d", c.d0);
    }
  };

  template <class T, class P>
  static Constants<T> prepare(const P& p) {
    Constants<T> c;
    c.E2s = p.nk.E2s, c.mmax = p.nk.mmax, c.Km_m = p.nk.Km_m, c.R50 = p.nk.R50, c.fs2 = p.nk.fs2, c.dmin = p.nk.dmin;
    c.pmaxH = p.host_nk.pmax, c.dmaxH = p.host_nk.dmax, c.E15H = p.host_nk.E15, c.E2H = p.host_nk.E2;
    c.kap = p.host_nk.kap, c.w2P = p.host_nk.w2P, c.d0 = p.host_nk.d0;
    c.u0 = 1.0 / c.E15H;
    c.p0 = c.pmaxH * c.u0 / (1.0 + c.u0);
    c.EsH = c.u0 / ((c.dmaxH - c.dmin) / (c.d0 - c.dmin) - 1.0);
    c.kBT = p.nk.kBT;
    c.kTB = c.kBT * p.nk.phi / (1.0 - p.nk.phi) - (c.d0 - c.p0);
    return c;
  }

  template <class T, class W = double>
  static void derive(const Constants<T>& c, const WindowsOf<W>& w, Signals<T>& s) {
    s.il2_effective = s.il2_IU_per_L * (1.0 - w.steroid * (1.0 - c.fs2));
    s.il2_local = s.il2_effective / (1.0 + s.treg / c.R50);
    s.margination = 1.0 + c.mmax * s.il2_IU_per_L / (s.il2_IU_per_L + c.Km_m);
    const T u = s.il15_fold / c.E15H + s.il2_local / c.E2H;
    const T v = s.il15_fold / c.E15H + c.u0 * s.il2_effective / c.E2s;
    s.p_host = c.pmaxH * u / (1.0 + u);
    s.d_host = c.dmin + (c.dmaxH - c.dmin) / (1.0 + v / c.EsH);
    const T z = s.il15_fold + c.w2P * s.il2_effective / c.E2s;
    s.precursor_drive = c.kap * z / (c.kap - 1.0 + z);
  }
};

}  // namespace nkpk
