#pragma once
#include <array>
#include <cstddef>
#include <string_view>
#include <vector>

#include "nkpk/core/fields.hpp"
#include "nkpk/core/scalar.hpp"
#include "nkpk/model/cytokine_signal.hpp"

// Infused NK cells, one cohort per infusion (C25).
//
//   dL/dt   = fL fv Inf(t)       - (kLB + d_D + kappa_D + rho) L                       held in the lung; no division there
//   dD_B/dt = (1 - fL) fv Inf(t) + kLB L - kBT m D_B + kTB D_T + (p_D - d_D - kappa_D - rho) D_B        blood
//   dD_T/dt =                              kBT m D_B - kTB D_T + (p_D - d_D - kappa_D - rho) D_T        tissue
//
//   pr  = pr0 exp(-(t - t_k)/tau_pr)                 primed (CD25-high) share; E2D = 1/(pr/E2hi + (1 - pr)/E2rest)
//   u_D = x15/E15D + I_loc/E2D                       v_D = u_D + u0 I'/E2s
//   p_D = pmaxD u_D/(1 + u_D) * (1 - Isup R/(R + R50))          d_D = dmin + (dmaxD - dmin)/(1 + v_D/EsD)
//   rho = krej chi A + krejN H_B/V_B + k_hum         rejection: by effectors, by host NK (off), humoral (off)
//
// states per cohort k: lung, blood, tissue [cells]. Inf(t) holds NK cells only: composition and viability of the product
// are applied to the dose (C4), fv is the share of viable dosed NK that reaches the circulation.
// Cohorts stay apart because E2D is nonlinear in pr: an average cohort is not equivalent.
// Leaves out: NKT and T cells of the product, senescence, division in the lung, antigen-driven growth.

namespace nkpk {

/// What belongs to the product (C16): one set per cohort.
template <class T>
struct ProductParams {
  T pmax, dmax, Es, E15, E2hi, pr0, tau_pr, f_NK, f_T, viability;
  template <class Self, class V>
  static void visit(Self& p, V&& v) {
    v("pmax", "1/d", Domain::non_negative, p.pmax);
    v("dmax", "1/d", Domain::positive, p.dmax);
    v("Es", "1", Domain::positive, p.Es);
    v("E15", "1", Domain::positive, p.E15);
    v("E2hi", "IU/L", Domain::positive, p.E2hi);
    v("pr0", "1", Domain::fraction, p.pr0);
    v("tau_pr", "d", Domain::non_negative, p.tau_pr);
    v("f_NK", "1", Domain::fraction, p.f_NK);
    v("f_T", "1", Domain::fraction, p.f_T);
    v("viability", "1", Domain::fraction, p.viability);
  }
};

/// One infusion: its product and when it begins.
template <class T>
struct Cohort {
  T start_d;
  ProductParams<T> product;
};

struct InfusedNk {
  static constexpr std::string_view name = "infused_nk";
  static constexpr std::size_t max_cohorts = 8;
  static constexpr std::size_t states_per_cohort = 3;
  enum : std::size_t { lung, blood, tissue };
  static constexpr std::array<StateInfo, states_per_cohort> states{
      StateInfo{"infused_lung", "cells", 1e-3, "infused NK held in the lung"},
      StateInfo{"infused_blood", "cells", 1e-3, "infused NK in blood"},
      StateInfo{"infused_tissue", "cells", 1e-3, "infused NK in tissue"}};

  template <class T>
  struct Params {
    T fv, fL, kLB, E2rest, k_hum, Isup;
    template <class Self, class V>
    static void visit(Self& p, V&& v) {
      v("fv", "1", Domain::fraction, p.fv);
      v("fL", "1", Domain::fraction, p.fL);
      v("kLB", "1/d", Domain::positive, p.kLB);
      v("E2rest", "IU/L", Domain::positive, p.E2rest);
      v("k_hum", "1/d", Domain::non_negative, p.k_hum);
      v("Isup", "1", Domain::fraction, p.Isup);
    }
  };

  template <class T>
  struct CohortConstants {
    T start_d, pmax, dmax, Es, E15, E2hi, pr0, priming_loss;
    template <class Self, class V>
    static void visit(Self& c, V&& v) {
      v("start_d", "d", c.start_d);
      v("pmax", "1/d", c.pmax);
      v("dmax", "1/d", c.dmax);
      v("Es", "1", c.Es);
      v("E15", "1", c.E15);
      v("E2hi", "IU/L", c.E2hi);
      v("pr0", "1", c.pr0);
      v("priming_loss", "1/d", c.priming_loss);
    }
  };

  template <class T>
  struct Constants {
    CytokineSignal::Constants<T> nk;
    T fv, fL, kLB, E2rest, Isup, sink_weight;
    T krej_chi, krejN_per_uL, k_hum;
    std::vector<CohortConstants<T>> cohorts;
    /// What all cohorts share; `nk` is the copy of Constants::nk and visited there, a cohort has a visit of its own.
    template <class Self, class V>
    static void visit(Self& c, V&& v) {
      v("fv", "1", c.fv);
      v("fL", "1", c.fL);
      v("kLB", "1/d", c.kLB);
      v("E2rest", "IU/L", c.E2rest);
      v("Isup", "1", c.Isup);
      v("sink_weight", "1", c.sink_weight);
      v("krej_chi", "1/d/(cells/uL)", c.krej_chi);
      v("krejN_per_uL", "1/d/cells", c.krejN_per_uL);
      v("k_hum", "1/d", c.k_hum);
    }
  };

  template <class T, class P>
  static Constants<T> prepare(const P& p, const CytokineSignal::Constants<T>& nk, const Body<T>& body, const T& chi,
                              const std::vector<Cohort<T>>& cohorts) {
    Constants<T> c;
    c.nk = nk;
    c.fv = p.infused_nk.fv, c.fL = p.infused_nk.fL, c.kLB = p.infused_nk.kLB;
    c.E2rest = p.infused_nk.E2rest, c.Isup = p.infused_nk.Isup, c.sink_weight = p.il15.wD;
    c.krej_chi = p.rejection.krej * chi;
    c.krejN_per_uL = p.rejection.krejN / body.blood_uL;
    c.k_hum = p.infused_nk.k_hum;
    for (const Cohort<T>& k : cohorts) {
      // tau_pr = 0 means never primed (C25)
      const T pr0 = if_positive(k.product.tau_pr, k.product.pr0, T(0));
      const T priming_loss = if_positive(k.product.tau_pr, 1.0 / k.product.tau_pr, T(0));
      c.cohorts.push_back({k.start_d, k.product.pmax, k.product.dmax, k.product.Es, k.product.E15, k.product.E2hi, pr0, priming_loss});
    }
    return c;
  }

  template <class T>
  static void publish(const T* y, const Constants<T>& c, Signals<T>& s) {
    for (std::size_t k = 0; k < c.cohorts.size(); ++k, y += states_per_cohort) {
      s.nk_sink += c.sink_weight * (y[blood] + y[tissue]);
      s.donor_blood_nk += y[blood];
    }
  }

  /// Proliferation and death of one cohort at time t, 1/d.
  template <class T>
  struct Turnover {
    T p, d;
  };
  template <class T>
  static Turnover<T> turnover(double t, const CohortConstants<T>& k, const Constants<T>& c, const Signals<T>& s) {
    using std::exp;
    const T primed = k.pr0 * exp(-max0(t - k.start_d) * k.priming_loss);
    const T per_E2D = primed / k.E2hi + (1.0 - primed) / c.E2rest;
    const T u = s.il15_fold / k.E15 + s.il2_local * per_E2D;
    const T v = u + c.nk.u0 * s.il2_effective / c.nk.E2s;
    return {k.pmax * u / (1.0 + u) * (1.0 - c.Isup * s.treg / (s.treg + c.nk.R50)), c.nk.dmin + (k.dmax - c.nk.dmin) / (1.0 + v / k.Es)};
  }

  /// Loss to the host's immune system, 1/d.
  template <class T>
  static T rejection_rate(const Constants<T>& c, const Signals<T>& s) {
    return c.krej_chi * s.effectors + c.krejN_per_uL * s.host_blood_nk + c.k_hum;
  }

  template <class T>
  static void add_rates(double t, const T* y, const Constants<T>& c, const Signals<T>& s, T* dy) {
    const T rho = rejection_rate(c, s);
    for (std::size_t k = 0; k < c.cohorts.size(); ++k, y += states_per_cohort, dy += states_per_cohort) {
      const Turnover<T> rate = turnover(t, c.cohorts[k], c, s);
      const T net = rate.p - rate.d - s.kill.donor - rho;
      const T to_tissue = c.nk.kBT * s.margination * y[blood];
      const T to_blood = c.nk.kTB * y[tissue];
      dy[lung] += -(c.kLB + rate.d + s.kill.donor + rho) * y[lung];
      dy[blood] += c.kLB * y[lung] - to_tissue + to_blood + net * y[blood];
      dy[tissue] += to_tissue - to_blood + net * y[tissue];
    }
  }
};

}  // namespace nkpk
