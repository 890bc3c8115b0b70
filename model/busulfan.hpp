#pragma once
#include <array>
#include <cstddef>
#include <string_view>

#include "nkpk/core/fields.hpp"
#include "nkpk/model/kill.hpp"
#include "nkpk/model/physiology.hpp"

// Busulfan: one compartment with first-order absorption (C8, C13).
//
//   db0/dt = -ka b0 (+ F dose),   db1/dt = ka b0 - (CL/V) b1;    kill: s_T r_j b1/V
//   CL ~ weight^e_CL / (1 + (PMA/TM50)^-Hill)                     McCune 2014, Clin Cancer Res 2014;20:754
//         the maturation is ASSUMED, set to reach 95 % at 2.5 years as that paper reports
//   V  = V_child per kg up to age_child, V_adult from age_adult, linear between   Hassan 1994, Blood 1994;84:2144
//
// Weak on lymphocytes, strong on precursors. Intravenous doses enter b1. Leaves out: an absorption lag.

namespace nkpk {

struct Busulfan {
  static constexpr std::string_view name = "busulfan";
  enum : std::size_t { depot, central };
  static constexpr std::array states{StateInfo{"busulfan_depot", "mg", 1e-9, "busulfan in the gut"},
                                     StateInfo{"busulfan", "mg", 1e-9, "busulfan"}};

  template <class T>
  struct Params {
    T CL, V_child, V_adult, age_child, age_adult, F, ka, TM50, Hill;
    KillParams<T> kill;
    template <class Self, class V>
    static void visit(Self& p, V&& v) {
      v("CL", "L/d", Domain::positive, p.CL);
      v("V_child", "L/kg", Domain::positive, p.V_child);
      v("V_adult", "L/kg", Domain::positive, p.V_adult);
      v("age_child", "y", Domain::non_negative, p.age_child);
      v("age_adult", "y", Domain::positive, p.age_adult);
      v("F", "1", Domain::positive, p.F);  // above 1 has been published for children
      v("ka", "1/d", Domain::positive, p.ka);
      v("TM50", "weeks", Domain::positive, p.TM50);
      v("Hill", "1", Domain::positive, p.Hill);
      KillParams<T>::visit(p.kill, v, "L/mg/d");
    }
  };

  template <class T>
  struct Constants {
    T V_L, k10, ka, F;
    KillParams<T> kill;
    template <class Self, class V>
    static void visit(Self& c, V&& v) {
      v("V_L", "L", c.V_L);
      v("k10", "1/d", c.k10);
      v("ka", "1/d", c.ka);
      v("F", "1", c.F);
      KillParams<T>::visit(c.kill, Under("kill", v), "L/mg/d");
    }
  };

  template <class T>
  static Constants<T> prepare(const Params<T>& p, const Body<T>& body) {
    // share of the way from child to adult, clamped to [0, 1]
    const T linear = (body.age_y - p.age_child) / (p.age_adult - p.age_child);
    const T grown = 1.0 - max0(1.0 - max0(linear));
    const T V = (p.V_child + grown * (p.V_adult - p.V_child)) * body.weight_kg;
    const T CL = p.CL * body.size_CL * maturation(body.pma_weeks, p.TM50, p.Hill);
    return {V, CL / V, p.ka, p.F, p.kill};
  }

  template <class T>
  static void publish(const T* y, const Constants<T>& c, Signals<T>& s) {
    c.kill.add(c.kill.saturated(y[central] / c.V_L), s.kill);
  }

  template <class T>
  static void add_rates(const T* y, const Constants<T>& c, T* dy) {
    const T absorbed = c.ka * y[depot];
    dy[depot] += -absorbed;
    dy[central] += absorbed - c.k10 * y[central];
  }
};

}  // namespace nkpk
