#pragma once
#include <array>
#include <cstddef>
#include <string_view>

#include "nkpk/core/fields.hpp"
#include "nkpk/model/kill.hpp"
#include "nkpk/model/physiology.hpp"

// Fludarabine, followed as F-ara-A: three compartments (C8).
// Langenhorst 2019, PMC6451721.
//
//   dF1/dt = mass_ratio In - (CL/V1) F1 - Q2 (F1/V1 - F2/V2) - Q3 (F1/V1 - F3/V3),   dFi/dt = Qi (F1/V1 - Fi/Vi)
//   CL = (CL_nonrenal + renal_slope eGFR) (weight/70)^e_CL,  Q ~ weight^e_CL,  V ~ weight^e_V
//   kill: s_T r_j C,  C = F1/V1
//
// eGFR is used per 1.73 m2 inside the allometric bracket; no second de-indexing (C7).

namespace nkpk {

struct Fludarabine {
  static constexpr std::string_view name = "fludarabine";
  enum : std::size_t { central, second, third };
  static constexpr std::array states{StateInfo{"fludarabine_1", "mg", 1e-9, "F-ara-A, central"},
                                     StateInfo{"fludarabine_2", "mg", 1e-9, "F-ara-A, second compartment"},
                                     StateInfo{"fludarabine_3", "mg", 1e-9, "F-ara-A, third compartment"}};

  template <class T>
  struct Params {
    T CL_nonrenal, renal_slope, V1, V2, V3, Q2, Q3, mass_ratio;
    KillParams<T> kill;
    template <class Self, class V>
    static void visit(Self& p, V&& v) {
      v("CL_nonrenal", "L/d", Domain::non_negative, p.CL_nonrenal);
      v("renal_slope", "1", Domain::non_negative, p.renal_slope);
      v("V1", "L", Domain::positive, p.V1);
      v("V2", "L", Domain::positive, p.V2);
      v("V3", "L", Domain::positive, p.V3);
      v("Q2", "L/d", Domain::non_negative, p.Q2);
      v("Q3", "L/d", Domain::non_negative, p.Q3);
      v("mass_ratio", "1", Domain::fraction, p.mass_ratio);
      KillParams<T>::visit(p.kill, v, "L/mg/d");
    }
  };

  template <class T>
  struct Constants {
    T V1, k10, k12, k21, k13, k31, mass_ratio;
    KillParams<T> kill;
    template <class Self, class V>
    static void visit(Self& c, V&& v) {
      v("V1", "L", c.V1);
      v("k10", "1/d", c.k10);
      v("k12", "1/d", c.k12);
      v("k21", "1/d", c.k21);
      v("k13", "1/d", c.k13);
      v("k31", "1/d", c.k31);
      v("mass_ratio", "1", c.mass_ratio);
      KillParams<T>::visit(c.kill, Under("kill", v), "L/mg/d");
    }
  };

  template <class T>
  static Constants<T> prepare(const Params<T>& p, const Body<T>& body) {
    Constants<T> c;
    c.V1 = p.V1 * body.size_V;
    const T V2 = p.V2 * body.size_V, V3 = p.V3 * body.size_V;
    const T Q2 = p.Q2 * body.size_CL, Q3 = p.Q3 * body.size_CL;
    c.k10 = (p.CL_nonrenal + p.renal_slope * body.eGFR_L_per_d) * body.size_CL / c.V1;
    c.k12 = Q2 / c.V1, c.k21 = Q2 / V2, c.k13 = Q3 / c.V1, c.k31 = Q3 / V3;
    c.mass_ratio = p.mass_ratio;
    c.kill = p.kill;
    return c;
  }

  template <class T>
  static void publish(const T* y, const Constants<T>& c, Signals<T>& s) {
    c.kill.add(c.kill.saturated(y[central] / c.V1), s.kill);
  }

  template <class T>
  static void add_rates(const T* y, const Constants<T>& c, T* dy) {
    const T to_second = c.k12 * y[central] - c.k21 * y[second];
    const T to_third = c.k13 * y[central] - c.k31 * y[third];
    dy[central] += -c.k10 * y[central] - to_second - to_third;
    dy[second] += to_second;
    dy[third] += to_third;
  }
};

}  // namespace nkpk
