#pragma once
#include <array>
#include <cstddef>
#include <string_view>

#include "nkpk/core/fields.hpp"
#include "nkpk/model/kill.hpp"
#include "nkpk/model/physiology.hpp"

// Treosulfan: two compartments, clearances mature with postmenstrual age (C8). van der Stoep 2019, PMID 31144349.
//
//   dtr1/dt = In - (CL/V1) tr1 - Q (tr1/V1 - tr2/V2),   dtr2/dt = Q (tr1/V1 - tr2/V2)
//   CL, Q ~ weight^e_CL / (1 + (PMA/TM50)^-Hill),  V ~ weight^e_V;    kill: s_T r_j tr1/V1

namespace nkpk {

struct Treosulfan {
  static constexpr std::string_view name = "treosulfan";
  enum : std::size_t { central, peripheral };
  static constexpr std::array states{StateInfo{"treosulfan_1", "mg", 1e-9, "treosulfan, central"},
                                     StateInfo{"treosulfan_2", "mg", 1e-9, "treosulfan, peripheral"}};

  template <class T>
  struct Params {
    T CL, V1, Q, V2, TM50, Hill;
    KillParams<T> kill;
    template <class Self, class V>
    static void visit(Self& p, V&& v) {
      v("CL", "L/d", Domain::positive, p.CL);
      v("V1", "L", Domain::positive, p.V1);
      v("Q", "L/d", Domain::non_negative, p.Q);
      v("V2", "L", Domain::positive, p.V2);
      v("TM50", "weeks", Domain::positive, p.TM50);
      v("Hill", "1", Domain::positive, p.Hill);
      KillParams<T>::visit(p.kill, v, "L/mg/d");
    }
  };

  template <class T>
  struct Constants {
    T V1, k10, k12, k21;
    KillParams<T> kill;
    template <class Self, class V>
    static void visit(Self& c, V&& v) {
      v("V1", "L", c.V1);
      v("k10", "1/d", c.k10);
      v("k12", "1/d", c.k12);
      v("k21", "1/d", c.k21);
      KillParams<T>::visit(c.kill, Under("kill", v), "L/mg/d");
    }
  };

  template <class T>
  static Constants<T> prepare(const Params<T>& p, const Body<T>& body) {
    const T mature = body.size_CL * maturation(body.pma_weeks, p.TM50, p.Hill);
    const T V1 = p.V1 * body.size_V, V2 = p.V2 * body.size_V, Q = p.Q * mature;
    return {V1, p.CL * mature / V1, Q / V1, Q / V2, p.kill};
  }

  template <class T>
  static void publish(const T* y, const Constants<T>& c, Signals<T>& s) {
    c.kill.add(c.kill.saturated(y[central] / c.V1), s.kill);
  }

  template <class T>
  static void add_rates(const T* y, const Constants<T>& c, T* dy) {
    const T outward = c.k12 * y[central] - c.k21 * y[peripheral];
    dy[central] += -c.k10 * y[central] - outward;
    dy[peripheral] += outward;
  }
};

}  // namespace nkpk
