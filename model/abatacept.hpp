#pragma once
#include <array>
#include <cmath>
#include <string_view>

#include "nkpk/core/fields.hpp"
#include "nkpk/model/physiology.hpp"
#include "nkpk/model/signals.hpp"

// Abatacept blocks the priming of host effectors (C22).
//
//   aba(t) = aba c/(c + C50),  c = amount/(V weight),  amount decays with its half-life; each dose is added at once
//
// All ASSUMED: the mechanism is known, no kinetic effect size on NK cells is. Without doses the block is 0.
// Leaves out: tocilizumab, for which no kinetic effect was found; it stands in the calendar only.

namespace nkpk {

struct Abatacept {
  static constexpr std::string_view name = "abatacept";
  static constexpr std::array states{StateInfo{"abatacept", "mg", 1e-9, "abatacept"}};

  template <class T>
  struct Params {
    T aba, V, half_life, C50;
    template <class Self, class V_>
    static void visit(Self& p, V_&& v) {
      v("aba", "1", Domain::fraction, p.aba);
      v("V", "L/kg", Domain::positive, p.V);
      v("half_life", "d", Domain::positive, p.half_life);
      v("C50", "mg/L", Domain::positive, p.C50);
    }
  };

  template <class T>
  struct Constants {
    T aba, V_L, k, C50;
    template <class Self, class V>
    static void visit(Self& c, V&& v) {
      v("aba", "1", c.aba);
      v("V_L", "L", c.V_L);
      v("k", "1/d", c.k);
      v("C50", "mg/L", c.C50);
    }
  };

  template <class T>
  static Constants<T> prepare(const Params<T>& p, const Body<T>& body) {
    return {p.aba, p.V * body.weight_kg, std::log(2.0) / p.half_life, p.C50};
  }

  template <class T>
  static void publish(const T* y, const Constants<T>& c, Signals<T>& s) {
    const T concentration = y[0] / c.V_L;
    s.priming_block = c.aba * concentration / (concentration + c.C50);
  }

  template <class T>
  static void add_rates(const T* y, const Constants<T>& c, T* dy) {
    dy[0] += -c.k * y[0];
  }
};

}  // namespace nkpk
