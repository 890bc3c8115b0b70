#pragma once
#include <array>
#include <cstddef>
#include <string_view>

#include "nkpk/core/fields.hpp"
#include "nkpk/model/signals.hpp"

// Conventional T cells of the host and of the graft, as blood counts (C20, C36).
//
//   dT/dt   = pT T   (1 - (T + T_G)/T0) - kappa_T T
//   dT_G/dt = pT T_G (1 - (T + T_G)/T0) - kappa_T T_G
//
// Counts and not cells: their tissue pools are never observed. No maximum and no softplus: T starts at T0 and nothing lifts
// it above; a smoothed maximum would move the baseline. Leaves out: a thymic source, memory, IL-7.

namespace nkpk {

struct TCells {
  static constexpr std::string_view name = "t_cells";
  enum : std::size_t { host, graft };
  static constexpr std::array states{StateInfo{"t_host", "cells/uL", 1e-12, "host conventional T cells in blood"},
                                     StateInfo{"t_graft", "cells/uL", 1e-12, "graft-derived T cells in blood"}};

  template <class T>
  struct Params {
    T T0, pT, fT_blood;
    template <class Self, class V>
    static void visit(Self& p, V&& v) {
      v("T0", "cells/uL", Domain::positive, p.T0);
      v("pT", "1/d", Domain::non_negative, p.pT);
      v("fT_blood", "1", Domain::fraction, p.fT_blood);
    }
  };

  template <class T>
  static void initial(const Params<T>& p, T* y) {
    y[host] = p.T0;
    y[graft] = T(0);
  }

  template <class T>
  static void publish(const T* y, Signals<T>& s) {
    s.t_host = y[host];
    s.t_total = y[host] + y[graft];
  }

  template <class T>
  static void add_rates(const T* y, const Params<T>& p, const Signals<T>& s, T* dy) {
    const T net = p.pT * (1.0 - s.t_total / p.T0) - s.kill.t;
    dy[host] += net * y[host];
    dy[graft] += net * y[graft];
  }
};

}  // namespace nkpk
