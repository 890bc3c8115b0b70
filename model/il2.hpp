#pragma once
#include <array>
#include <cstddef>
#include <string_view>

#include "nkpk/core/fields.hpp"
#include "nkpk/model/physiology.hpp"
#include "nkpk/model/signals.hpp"

// IL-2 given as a drug (C18).
//
//   dS1/dt = -ka S1 (+ F dose),   dS2/dt = ka (S1 - S2)                      subcutaneous, two-stage transit
//   dC/dt  = ka S2 - CL C/V1 - Q (C/V1 - Cp/V2) - VmR (V_B/VB_ref)(R/R_ref)(C/V1)/((C/V1) + KmR)
//   dCp/dt = Q (C/V1 - Cp/V2)
//   I = C/V1 [IU/L]
//
// Volumes and clearances scale with BSA/1.73 m2. Treg carry the saturable loss: VmR belongs to a number of Treg, so its
// references VB_ref and R_ref are fixed and not the patient's own. Intravenous doses enter C.
// Konrad 1990, Cancer Res 1990;50:2009; Kirchner 1998, doi:10.1046/j.1365-2125.1998.00036.x.
// Leaves out: endogenous IL-2 (below assay), an absorption lag, uptake by NK (CD25 about 23 per cell).

namespace nkpk {

struct Il2 {
  static constexpr std::string_view name = "il2";
  enum : std::size_t { depot, transit, central, peripheral };
  static constexpr std::array states{StateInfo{"il2_depot", "IU", 1e-3, "IL-2 at the injection site"},
                                     StateInfo{"il2_transit", "IU", 1e-3, "IL-2 in transit"},
                                     StateInfo{"il2_central", "IU", 1e-3, "IL-2 in the central compartment"},
                                     StateInfo{"il2_peripheral", "IU", 1e-3, "IL-2 in the peripheral compartment"}};

  template <class T>
  struct Params {
    T V1, V2, Q, CL, F, ka, VmR, KmR, R_ref, VB_ref;
    template <class Self, class V>
    static void visit(Self& p, V&& v) {
      v("V1", "L/m^2", Domain::positive, p.V1);
      v("V2", "L/m^2", Domain::positive, p.V2);
      v("Q", "L/d/m^2", Domain::non_negative, p.Q);
      v("CL", "L/d/m^2", Domain::positive, p.CL);
      v("F", "1", Domain::fraction, p.F);
      v("ka", "1/d", Domain::positive, p.ka);
      v("VmR", "IU/d", Domain::non_negative, p.VmR);
      v("KmR", "IU/L", Domain::positive, p.KmR);
      v("R_ref", "cells/uL", Domain::positive, p.R_ref);
      v("VB_ref", "uL", Domain::positive, p.VB_ref);
    }
  };

  template <class T>
  struct Constants {
    T V1, k10, k12, k21, ka, F, KmR;
    T Vmax_per_treg;  ///< IU/d per (cell/uL) of Treg
    template <class Self, class V>
    static void visit(Self& c, V&& v) {
      v("V1", "L", c.V1);
      v("k10", "1/d", c.k10);
      v("k12", "1/d", c.k12);
      v("k21", "1/d", c.k21);
      v("ka", "1/d", c.ka);
      v("F", "1", c.F);
      v("KmR", "IU/L", c.KmR);
      v("Vmax_per_treg", "IU/d/(cells/uL)", c.Vmax_per_treg);
    }
  };

  template <class T>
  static Constants<T> prepare(const Params<T>& p, const Body<T>& body) {
    Constants<T> c;
    c.V1 = p.V1 * body.bsa_m2;
    c.k10 = p.CL / p.V1, c.k12 = p.Q / p.V1, c.k21 = p.Q / p.V2;  // BSA cancels
    c.ka = p.ka, c.F = p.F, c.KmR = p.KmR;
    c.Vmax_per_treg = p.VmR * (body.blood_uL / p.VB_ref) / p.R_ref;
    return c;
  }

  template <class T>
  static void publish(const T* y, const Constants<T>& c, Signals<T>& s) {
    s.il2_IU_per_L = y[central] / c.V1;
  }

  template <class T>
  static void add_rates(const T* y, const Constants<T>& c, const Signals<T>& s, T* dy) {
    const T by_treg = c.Vmax_per_treg * s.treg * s.il2_IU_per_L / (s.il2_IU_per_L + c.KmR);
    const T outward = c.k12 * y[central] - c.k21 * y[peripheral];
    dy[depot] += -c.ka * y[depot];
    dy[transit] += c.ka * (y[depot] - y[transit]);
    dy[central] += c.ka * y[transit] - c.k10 * y[central] - outward - by_treg;
    dy[peripheral] += outward;
  }
};

}  // namespace nkpk
