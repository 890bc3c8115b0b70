#pragma once
#include <array>
#include <cmath>
#include <cstddef>
#include <string_view>

#include "nkpk/core/fields.hpp"
#include "nkpk/model/kill.hpp"
#include "nkpk/model/physiology.hpp"

// Cyclophosphamide: one compartment that speeds up its own activation (C8, C10).
//
//   dcy/dt = In - k0 e cy,   de/dt = ke (1 + Emax c/(c + C50) - e),   c = cy/(V weight),   k0 = ln2/half_life
//   kill: s_T r_j a,  a = f_act k0 e c [mg/L/d]: the activation rate is per day already
//
// V and k0 do not follow weight^0.75. Without saturation the integrated kill is s_T r_j f_act dose/V whatever e does:
// induction moves the kill by hours, never its depth. Smooth in c, because an indicator of "drug present" would put a
// discontinuity at a time that is no event.
// PMID 1937169 (half-life 8.7 h, then 3.6 h).

namespace nkpk {

struct Cyclophosphamide {
  static constexpr std::string_view name = "cyclophosphamide";
  enum : std::size_t { central, induction };
  static constexpr std::array states{StateInfo{"cyclophosphamide", "mg", 1e-9, "cyclophosphamide"},
                                     StateInfo{"cyclophosphamide_induction", "1", 1e-9, "clearance of cyclophosphamide over its value before treatment"}};

  template <class T>
  struct Params {
    T half_life, V, f_act, ke, Emax, C50;
    KillParams<T> kill;
    template <class Self, class V_>
    static void visit(Self& p, V_&& v) {
      v("half_life", "d", Domain::positive, p.half_life);
      v("V", "L/kg", Domain::positive, p.V);
      v("f_act", "1", Domain::fraction, p.f_act);
      v("ke", "1/d", Domain::positive, p.ke);
      v("Emax", "1", Domain::non_negative, p.Emax);
      v("C50", "mg/L", Domain::positive, p.C50);
      KillParams<T>::visit(p.kill, v, "L/mg");
    }
  };

  template <class T>
  struct Constants {
    T V_L, k0, f_act, ke, Emax, C50;
    KillParams<T> kill;
    template <class Self, class V>
    static void visit(Self& c, V&& v) {
      v("V_L", "L", c.V_L);
      v("k0", "1/d", c.k0);
      v("f_act", "1", c.f_act);
      v("ke", "1/d", c.ke);
      v("Emax", "1", c.Emax);
      v("C50", "mg/L", c.C50);
      KillParams<T>::visit(c.kill, Under("kill", v), "L/mg");
    }
  };

  template <class T>
  static Constants<T> prepare(const Params<T>& p, const Body<T>& body) {
    return {p.V * body.weight_kg, std::log(2.0) / p.half_life, p.f_act, p.ke, p.Emax, p.C50, p.kill};
  }

  template <class T>
  static void initial(T* y) {
    y[central] = T(0);
    y[induction] = T(1);
  }

  template <class T>
  static void publish(const T* y, const Constants<T>& c, Signals<T>& s) {
    c.kill.add(c.f_act * c.k0 * y[induction] * c.kill.saturated(y[central] / c.V_L), s.kill);
  }

  template <class T>
  static void add_rates(const T* y, const Constants<T>& c, T* dy) {
    const T concentration = y[central] / c.V_L;
    dy[central] += -c.k0 * y[induction] * y[central];
    dy[induction] += c.ke * (1.0 + c.Emax * concentration / (concentration + c.C50) - y[induction]);
  }
};

}  // namespace nkpk
