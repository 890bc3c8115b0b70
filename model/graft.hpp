#pragma once
#include <array>
#include <cstddef>
#include <string_view>

#include "nkpk/core/fields.hpp"
#include "nkpk/model/host_nk.hpp"

// NK cells and precursors that a stem-cell graft brings (C19).
//
// At the graft: G_B += NK_dose * weight,  G1 += f34 * CD34_dose/CD34_ref * P_ss,  T_G += CD3_dose * weight * fT_blood/V_B (C36),
// and, when the regimen says `myeloablative`, host P1-P3 are multiplied by eps_host: logistic precursors would regrow from
// any remainder that drugs leave.
// Afterwards the equations of host NK with the same rates; host and graft precursors share the niche through (P1 + G1)/P_ss;
// graft NK are not rejected (rho = 0).
//
// The graft donor is the NK donor: chimerism cannot tell these cells from infused ones, so they are states of their own.

namespace nkpk {

struct Graft {
  static constexpr std::string_view name = "graft";
  enum : std::size_t { blood, tissue, G1, G2, G3 };
  static constexpr std::array states{StateInfo{"graft_blood", "cells", 1e-3, "graft-derived NK in blood"},
                                     StateInfo{"graft_tissue", "cells", 1e-3, "graft-derived NK in tissue"},
                                     StateInfo{"graft_P1", "cells", 1e-3, "graft NK precursors in marrow, renewing"},
                                     StateInfo{"graft_P2", "cells", 1e-3, "graft NK precursors in marrow, first transit stage"},
                                     StateInfo{"graft_P3", "cells", 1e-3, "graft NK precursors in marrow, second transit stage"}};

  template <class T>
  struct Params {
    T NK_dose, CD34_dose, CD34_ref, CD3_dose, f34, eps_host;
    template <class Self, class V>
    static void visit(Self& p, V&& v) {
      v("NK_dose", "cells/kg", Domain::non_negative, p.NK_dose);
      v("CD34_dose", "cells/kg", Domain::non_negative, p.CD34_dose);
      v("CD34_ref", "cells/kg", Domain::positive, p.CD34_ref);
      v("CD3_dose", "cells/kg", Domain::non_negative, p.CD3_dose);
      v("f34", "1", Domain::non_negative, p.f34);
      v("eps_host", "1", Domain::fraction, p.eps_host);
    }
  };

  template <class T>
  static void publish(const T* y, const HostNk::Constants<T>&, Signals<T>& s) {
    s.nk_sink += y[blood] + y[tissue];
    s.p1_total += y[G1];
  }

  template <class T>
  static void add_rates(const T* y, const HostNk::Constants<T>& c, const Signals<T>& s, T* dy) {
    HostNk::add_rates(y, c, s, dy);  // same cells, same rates; the niche is shared through p1_total
  }
};

static_assert(std::size_t(Graft::blood) == HostNk::blood && std::size_t(Graft::G1) == HostNk::P1 && std::size_t(Graft::G3) == HostNk::P3);

}  // namespace nkpk
