#pragma once
#include <array>
#include <cmath>
#include <cstddef>
#include <string_view>

#include "nkpk/core/fields.hpp"
#include "nkpk/model/kill.hpp"
#include "nkpk/model/physiology.hpp"

// Thiotepa and its metabolite TEPA, in thiotepa equivalents (C11). Ackland 1988, PMID 3134519.
//
//   dtt/dt = In - k tt,   dtp/dt = k tt - kT tp,   k = ln2/half_life,  kT = ln2/half_life_TEPA
//   V = CL/k, V_TEPA = CL/kT (so that both have the same AUC),  CL linear in weight
//   kill: s_T r_j C,  C = (1 - w_TEPA) tt/V + w_TEPA tp/V_TEPA: a weighted mean, so that C has the AUC of the dose
//
// V = 1.6 L/kg disagrees with a quoted terminal volume of 26 L/m2; only the AUC matters for the kill.

namespace nkpk {

struct Thiotepa {
  static constexpr std::string_view name = "thiotepa";
  enum : std::size_t { parent, tepa };
  static constexpr std::array states{StateInfo{"thiotepa", "mg", 1e-9, "thiotepa"},
                                     StateInfo{"tepa", "mg", 1e-9, "TEPA in thiotepa equivalents"}};

  template <class T>
  struct Params {
    T CL, half_life, half_life_TEPA, w_TEPA;
    KillParams<T> kill;
    template <class Self, class V>
    static void visit(Self& p, V&& v) {
      v("CL", "L/d/kg", Domain::positive, p.CL);
      v("half_life", "d", Domain::positive, p.half_life);
      v("half_life_TEPA", "d", Domain::positive, p.half_life_TEPA);
      v("w_TEPA", "1", Domain::fraction, p.w_TEPA);
      KillParams<T>::visit(p.kill, v, "L/mg/d");
    }
  };

  template <class T>
  struct Constants {
    T V_L, V_TEPA_L, k, k_TEPA, w_TEPA;
    KillParams<T> kill;
    template <class Self, class V>
    static void visit(Self& c, V&& v) {
      v("V_L", "L", c.V_L);
      v("V_TEPA_L", "L", c.V_TEPA_L);
      v("k", "1/d", c.k);
      v("k_TEPA", "1/d", c.k_TEPA);
      v("w_TEPA", "1", c.w_TEPA);
      KillParams<T>::visit(c.kill, Under("kill", v), "L/mg/d");
    }
  };

  template <class T>
  static Constants<T> prepare(const Params<T>& p, const Body<T>& body) {
    Constants<T> c;
    c.k = std::log(2.0) / p.half_life, c.k_TEPA = std::log(2.0) / p.half_life_TEPA;
    c.V_L = p.CL * body.weight_kg / c.k, c.V_TEPA_L = p.CL * body.weight_kg / c.k_TEPA;
    c.w_TEPA = p.w_TEPA;
    c.kill = p.kill;
    return c;
  }

  template <class T>
  static void publish(const T* y, const Constants<T>& c, Signals<T>& s) {
    const T mean = (1.0 - c.w_TEPA) * y[parent] / c.V_L + c.w_TEPA * y[tepa] / c.V_TEPA_L;
    c.kill.add(c.kill.saturated(mean), s.kill);
  }

  template <class T>
  static void add_rates(const T* y, const Constants<T>& c, T* dy) {
    dy[parent] += -c.k * y[parent];
    dy[tepa] += c.k * y[parent] - c.k_TEPA * y[tepa];
  }
};

}  // namespace nkpk
