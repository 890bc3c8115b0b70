#pragma once
#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "support/scenarios.hpp"

// Bookkeeping beside the model: for every population what entered, was born, died, was killed, was rejected and left.
// The flows are written from the specification (6.4-6.10, C9-C12, C19-C23, C36), from parameters, patient and states:
// they share no formula with the right-hand side they check. Exchange between blood, tissue and lung is no flow.
//
//   infused NK of a cohort    L + D_B + D_T       enter by infusion
//   host NK, graft NK         H_B + H_T           enter from the marrow (ktr P3) and with the graft
//   precursors                P1 + P2 + P3        born: lamP P1 g, and ktr P1, as P1 keeps what it gives to P2;
//                                                 die: crowding lamP P1 (P1 + G1)/P_ss;  leave: ktr P3
//   T, graft T                                    born: pT T;  die: crowding
//   Treg                                          born: T help and IL-2
//   effectors                                     born: recruited and grown;  die: dA and the ceiling

namespace nkpk::test {

struct Flows {
  double entered = 0, born = 0, died = 0, killed = 0, rejected = 0, left = 0;
};

struct LedgerPopulation {
  std::string name;
  std::vector<std::size_t> states;
  double present(const double* y) const {
    double sum = 0;
    for (const std::size_t i : states) sum += y[i];
    return sum;
  }
};

class Ledger {
 public:
  static constexpr std::size_t n_accounts = 6;

  explicit Ledger(const Scenario& s) : s_(s), p_(s.p) {
    const auto three = [](std::size_t a) { return std::vector<std::size_t>{a, a + 1, a + 2}; };
    populations_ = {{"host NK", {at::host_nk, at::host_nk + 1}},
                    {"host precursors", three(at::host_nk + 2)},
                    {"graft NK", {at::graft, at::graft + 1}},
                    {"graft precursors", three(at::graft + 2)},
                    {"host T", {at::t_cells}},
                    {"graft T", {at::t_cells + 1}},
                    {"Treg", {at::treg}},
                    {"effectors", {at::rejection}}};
    for (std::size_t k = 0; k < s.cohorts.size(); ++k)
      populations_.push_back({"infused NK " + s.cohorts[k].name, three(at::infused_nk + 3 * k)});
    for (const auto& a : s.administrations)
      if (a.cohort >= 0) infusions_.push_back(a);

    const double WT = s.patient.weight_kg, BSA = std::sqrt(s.patient.height_cm * WT / 3600);
    const double size_V = std::pow(WT / p_.physiology.WT_ref, p_.physiology.e_V);
    V_B_ = s.constants.body.blood_uL;  // checked on its own
    V_flu_ = p_.fludarabine.V1 * size_V;
    V_cy_ = p_.cyclophosphamide.V * WT;
    V_tt_ = p_.thiotepa.CL * WT * p_.thiotepa.half_life / std::log(2.0);
    V_tepa_ = p_.thiotepa.CL * WT * p_.thiotepa.half_life_TEPA / std::log(2.0);
    V_treo_ = p_.treosulfan.V1 * size_V;
    const double age = s.patient.age_y;
    const auto& bu = p_.busulfan;
    V_bu_ = WT * (age <= bu.age_child ? bu.V_child
                  : age >= bu.age_adult
                      ? bu.V_adult
                      : bu.V_child + (bu.V_adult - bu.V_child) * (age - bu.age_child) / (bu.age_adult - bu.age_child));
    V_il2_ = p_.il2.V1 * BSA;

    const auto& h = p_.host_nk;
    u0_ = 1 / h.E15;
    p0_ = h.pmax * u0_ / (1 + u0_);
    EsH_ = u0_ / ((h.dmax - p_.nk.dmin) / (h.d0 - p_.nk.dmin) - 1);
    ktr_ = (h.n_P + 1) / h.MTT;
    P_ss_ = (h.d0 - p0_) * (h.NK0 * V_B_ / p_.nk.phi) / ktr_;
    const std::string& donor = s.regimen.donor;
    const auto& r = p_.rejection;
    chi_ = donor == "haploidentical" ? r.chi_haploidentical
           : donor == "matched"      ? r.chi_matched
           : donor == "cord-blood"   ? r.chi_cord_blood
                                     : r.chi_autologous;
  }

  const std::vector<LedgerPopulation>& populations() const { return populations_; }

  /// The flows of every population at (t, y); infusions are those of the segment around `inside`, a time within it.
  std::vector<Flows> flows(double t, const double* y, const Windows& w, double inside) const {
    const double x15 = y[at::il15], T = y[at::t_cells], TG = y[at::t_cells + 1], R = y[at::treg], A = y[at::rejection];
    const double I = y[at::il2 + 2] / V_il2_, I_eff = w.steroid == 1 ? p_.nk.fs2 * I : I,
                 I_loc = I_eff / (1 + R / p_.nk.R50);
    const double in_survival = u0_ * I_eff / p_.nk.E2s;

    // kill (C9): sum over drugs of potency on T, relative potency, concentration; C32: what saturates, C/(1 + C/C50)
    const auto left = [](double C, const KillParams<double>& k) { return C / (1 + C * k.kill_saturation); };
    const double C_flu = left(y[at::fludarabine] / V_flu_, p_.fludarabine.kill),
                 C_treo = left(y[at::treosulfan] / V_treo_, p_.treosulfan.kill),
                 C_bu = left(y[at::busulfan + 1] / V_bu_, p_.busulfan.kill);
    const double C_tt = left(
        (1 - p_.thiotepa.w_TEPA) * y[at::thiotepa] / V_tt_ + p_.thiotepa.w_TEPA * y[at::thiotepa + 1] / V_tepa_, p_.thiotepa.kill);
    const double k0 = std::log(2.0) / p_.cyclophosphamide.half_life;
    const double a_cy = p_.cyclophosphamide.f_act * k0 * y[at::cyclophosphamide + 1] *
                        left(y[at::cyclophosphamide] / V_cy_, p_.cyclophosphamide.kill);
    const auto kappa = [&](double KillParams<double>::*r) {
      const auto one = [&](const KillParams<double>& k, double exposure) {
        return k.s_T * (r ? k.*r : 1.0) * exposure;
      };
      return one(p_.fludarabine.kill, C_flu) + one(p_.treosulfan.kill, C_treo) + one(p_.busulfan.kill, C_bu) +
             one(p_.thiotepa.kill, C_tt) + one(p_.cyclophosphamide.kill, a_cy);
    };
    const double kappa_T = kappa(nullptr), kappa_N = kappa(&KillParams<double>::r_NK),
                 kappa_D = kappa(&KillParams<double>::r_donor), kappa_R = kappa(&KillParams<double>::r_treg),
                 kappa_P = kappa(&KillParams<double>::r_precursor);

    std::vector<Flows> f(populations_.size());
    const auto& h = p_.host_nk;
    const double u = x15 / h.E15 + I_loc / h.E2, v = x15 / h.E15 + in_survival;
    const double p_H = h.pmax * u / (1 + u), d_H = p_.nk.dmin + (h.dmax - p_.nk.dmin) / (1 + v / EsH_);
    const double z = x15 + h.w2P * I_eff / p_.nk.E2s, g = h.kap * z / (h.kap - 1 + z);
    const double niche = (y[at::host_nk + 2] + y[at::graft + 2]) / P_ss_;
    for (const std::size_t origin : {0, 1}) {
      const double* n = y + (origin == 0 ? at::host_nk : at::graft);
      Flows& mature = f[2 * origin];
      mature.entered = ktr_ * n[4];
      mature.born = p_H * (n[0] + n[1]);
      mature.died = d_H * (n[0] + n[1]);
      mature.killed = kappa_N * (n[0] + n[1]);
      Flows& precursors = f[2 * origin + 1];
      precursors.born = h.lamP * n[2] * g + ktr_ * n[2];
      precursors.died = h.lamP * n[2] * niche;
      precursors.killed = kappa_P * (n[2] + n[3] + n[4]);
      precursors.left = ktr_ * n[4];
    }
    const double crowding = (T + TG) / p_.t_cells.T0;
    f[4] = {0, p_.t_cells.pT * T, p_.t_cells.pT * T * crowding, kappa_T * T, 0, 0};
    f[5] = {0, p_.t_cells.pT * TG, p_.t_cells.pT * TG * crowding, kappa_T * TG, 0, 0};
    const auto& q = p_.treg;
    f[6] = {0,
            q.dR * q.R0 * std::pow(crowding, q.hR) +
                q.pRmax * I_eff / (I_eff + q.E2) * R / (1 + R * R / (q.R_cap * q.R_cap)),
            q.dR * R,
            (kappa_R + w.treg_depletion) * R,
            0,
            0};

    double donor_blood = 0;
    for (std::size_t k = 0; k < infusions_.size(); ++k) donor_blood += y[at::cohort(k) + 1];
    const auto& r = p_.rejection;
    const double Dc = donor_blood / V_B_, a = Dc / (Dc + r.KA);
    const double c_aba = y[at::abatacept] / (p_.abatacept.V * s_.patient.weight_kg);
    const double let_through = (1 - p_.abatacept.aba * c_aba / (c_aba + p_.abatacept.C50)) * a;
    f[7] = {0,
            let_through * (r.kA0 * r.f_allo * T + r.pA * A),
            r.dA * A + let_through * r.pA * A * A / r.A_max,
            kappa_T * A,
            0,
            0};

    const double rho = r.krej * chi_ * A + r.krejN * y[at::host_nk] / V_B_ + p_.infused_nk.k_hum;
    const double suppressed = 1 - p_.infused_nk.Isup * R / (R + p_.nk.R50);
    for (std::size_t k = 0; k < infusions_.size(); ++k) {
      const Administration& infusion = infusions_[k];
      const ProductParams<double> product = product_of(infusion);
      const double primed =
          product.tau_pr == 0 ? 0 : product.pr0 * std::exp(-std::max(0.0, t - infusion.start_d) / product.tau_pr);
      const double E2D = 1 / (primed / product.E2hi + (1 - primed) / p_.infused_nk.E2rest);
      const double u_D = x15 / product.E15 + I_loc / E2D, v_D = u_D + in_survival;
      const double p_D = product.pmax * u_D / (1 + u_D) * suppressed,
                   d_D = p_.nk.dmin + (product.dmax - p_.nk.dmin) / (1 + v_D / product.Es);
      const double* n = y + at::cohort(k);
      const double all = n[0] + n[1] + n[2];
      const bool runs = inside >= infusion.start_d && inside < infusion.start_d + infusion.duration_d;
      f[8 + k] = {
          runs ? p_.infused_nk.fv * infusion.amount * product.f_NK * product.viability / infusion.duration_d : 0.0,
          p_D * (n[1] + n[2]),
          d_D * all,
          kappa_D * all,
          rho * all,
          0};
    }
    return f;
  }

 private:
  ProductParams<double> product_of(const Administration& infusion) const {
    const DoseEntry& dose = s_.regimen.doses[infusion.dose];
    const std::string& name = dose.product.empty() ? s_.regimen.product : dose.product;
    for (const Product& product : s_.products)
      if (product.name == name) return to_product(product.table);
    throw std::runtime_error("no product " + name);
  }

  const Scenario& s_;
  const Parameters<double>& p_;
  std::vector<LedgerPopulation> populations_;
  std::vector<Administration> infusions_;
  double V_B_, V_flu_, V_cy_, V_tt_, V_tepa_, V_treo_, V_bu_, V_il2_, u0_, p0_, EsH_, ktr_, P_ss_, chi_;
};

/// initial + entered + born - died - killed - rejected - left - present, over initial + entered + born:
/// [n_times][n_populations].
inline std::vector<std::vector<double>> ledger_errors(const Scenario& s, const std::vector<double>& times,
                                                      double rtol) {
  const Ledger ledger(s);
  const auto& populations = ledger.populations();
  const std::size_t n = s.constants.n_states(), accounts = Ledger::n_accounts;
  std::vector<double> y0 = initial_state(s.p, s.constants);
  y0.resize(n + populations.size() * accounts, 0.0);
  auto atol = tolerances(s.cohorts.size());
  atol.resize(y0.size(), 1e300);  // the books follow the steps of the model and set none

  const auto& events = s.timeline.times;
  const auto inside = [&](std::size_t segment) {
    if (events.empty()) return 0.0;
    if (segment == 0) return events.front() - 1;
    return segment == events.size() ? events.back() + 1 : (events[segment - 1] + events[segment]) / 2;
  };
  auto rhs = [&](std::size_t segment, double t, std::span<const double> y, std::span<double> dy) {
    right_hand_side(s.constants, s.timeline.windows[segment], t, y.data(), dy.data());
    for (const auto& in : s.timeline.rates[segment]) dy[in.state] += in.rate;
    const auto flows = ledger.flows(t, y.data(), s.timeline.windows[segment], inside(segment));
    for (std::size_t i = 0; i < flows.size(); ++i) {
      const Flows& f = flows[i];
      const double each[] = {f.entered, f.born, f.died, f.killed, f.rejected, f.left};
      for (std::size_t j = 0; j < accounts; ++j) dy[n + accounts * i + j] = each[j];
    }
  };
  auto jump = [&](std::size_t event, std::span<double> y) {
    std::vector<double> before;
    for (const auto& population : populations) before.push_back(population.present(y.data()));
    for (const auto& lines : s.timeline.jumps[event]) {
      const std::vector<double> old(y.begin(), y.end());
      for (const auto& line : lines) {
        y[line.target] = line.add;
        for (const auto& [source, weight] : line.sources) y[line.target] += weight * old[source];
      }
    }
    for (std::size_t i = 0; i < populations.size(); ++i) {
      const double change = populations[i].present(y.data()) - before[i];
      y[n + accounts * i + (change > 0 ? 0 : 3)] += std::abs(change);  // entered, or killed
    }
  };
  PiecewiseSystem system;
  system.size = y0.size();
  system.event_times = events;
  system.atol = atol;
  system.rhs = rhs;
  system.jump = jump;
  const Solution solution = integrate(system, y0, s.t_start_d, times, with_rtol(rtol));
  REQUIRE_MESSAGE(solution.status == Status::ok, solution.message);
  std::vector<std::vector<double>> errors;
  for (Eigen::Index row = 0; row < solution.states.rows(); ++row) {
    const double* y = &solution.states(row, 0);
    errors.emplace_back();
    for (std::size_t i = 0; i < populations.size(); ++i) {
      const double* book = y + n + accounts * i;
      const double gains = populations[i].present(y0.data()) + book[0] + book[1];
      const double rest = gains - book[2] - book[3] - book[4] - book[5] - populations[i].present(y);
      errors.back().push_back(gains > 0 ? rest / gains : rest);
    }
  }
  return errors;
}

}  // namespace nkpk::test
