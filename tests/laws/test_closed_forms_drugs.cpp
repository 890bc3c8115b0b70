// Limiting cases with closed forms, C35: drugs, irradiation, IL-15 and IL-2.
#include <fmt/format.h>

#include "support/scenarios.hpp"

using namespace nkpk;
using namespace nkpk::test;

namespace {

/// A population and how a drug or a dose of irradiation acts on it.
struct Population {
  const char* name;
  std::vector<std::size_t> states;
  double KillParams<double>::*potency;  ///< null: that of T cells
  double Irradiation::Params<double>::*D0;
};

const std::vector<Population>& populations() {
  using K = KillParams<double>;
  using I = Irradiation::Params<double>;
  const auto host = [](std::size_t i) { return at::host_nk + i; };
  const auto graft = [](std::size_t i) { return at::graft + i; };
  static const std::vector<Population> all{
      {"T", {at::t_cells + TCells::host}, nullptr, &I::D0_T},
      {"graft T", {at::t_cells + TCells::graft}, nullptr, &I::D0_T},
      {"Treg", {at::treg}, &K::r_treg, &I::D0_treg},
      {"host NK", {host(HostNk::blood), host(HostNk::tissue)}, &K::r_NK, &I::D0_NK},
      {"graft NK", {graft(Graft::blood), graft(Graft::tissue)}, &K::r_NK, &I::D0_NK},
      {"host P1", {host(HostNk::P1)}, &K::r_precursor, &I::D0_precursor},
      {"host P2", {host(HostNk::P2)}, &K::r_precursor, &I::D0_precursor},
      {"host P3", {host(HostNk::P3)}, &K::r_precursor, &I::D0_precursor},
      {"graft P1", {graft(Graft::G1)}, &K::r_precursor, &I::D0_precursor},
      {"infused NK",
       {at::cohort(0) + InfusedNk::lung, at::cohort(0) + InfusedNk::blood, at::cohort(0) + InfusedNk::tissue},
       &K::r_donor,
       &I::D0_donor}};
  return all;
}

double sum(const std::vector<double>& y, const std::vector<std::size_t>& states) {
  double total = 0;
  for (const std::size_t i : states) total += y[i];
  return total;
}

/// Infused NK and a graft are there before the treatment `toml`; nothing grows or dies by itself.
Scenario without_turnover(const std::string& toml, std::vector<std::string> sets = {}) {
  sets.push_back("patient=boy-10y");
  sets.push_back("horizon=60 d");
  Scenario s =
      scenario_from(dose("cells", "nk_cells", "iv", "amount = '1e7 cells/kg'\ndays = [-3]\nduration = '30 min'") +
                        dose("graft", "graft", "iv", "days = [-2]") + toml,
                    sets);
  stop_turnover(s.constants);
  return s;
}

/// The ln-kill of T cells by each drug for 30 kg: potency times dose over clearance (C9, C10, C11), and its relative
/// potencies.
struct Course {
  const char* drug;
  const char* route;
  double dose_mg;
  double ln_kill_T;
  KillParams<double> kill;
};

std::vector<Course> courses() {
  const Scenario s = without_turnover("");
  const auto& p = s.p;
  const double size = std::pow(30.0 / 70, p.physiology.e_CL), pma = 40 + 52.18 * 10;
  const auto mature = [&](double TM50, double Hill) { return 1 / (1 + std::pow(pma / TM50, -Hill)); };
  const double eGFR = p.physiology.eGFR_ref * mature(p.physiology.eGFR_TM50, p.physiology.eGFR_Hill);
  const double CL_flu = (p.fludarabine.CL_nonrenal + p.fludarabine.renal_slope * eGFR) * size;
  const double CL_treo = p.treosulfan.CL * size * mature(p.treosulfan.TM50, p.treosulfan.Hill);
  const double CL_bu = p.busulfan.CL * size * mature(p.busulfan.TM50, p.busulfan.Hill);
  return {
      {"fludarabine", "iv", 50, p.fludarabine.kill.s_T * 50 * p.fludarabine.mass_ratio / CL_flu, p.fludarabine.kill},
      {"treosulfan", "iv", 1e4, p.treosulfan.kill.s_T * 1e4 / CL_treo, p.treosulfan.kill},
      {"busulfan", "iv", 60, p.busulfan.kill.s_T * 60 / CL_bu, p.busulfan.kill},
      {"busulfan", "po", 60, p.busulfan.kill.s_T * p.busulfan.F * 60 / CL_bu, p.busulfan.kill},
      {"thiotepa", "iv", 150, p.thiotepa.kill.s_T * 150 / (p.thiotepa.CL * 30), p.thiotepa.kill},
      {"cyclophosphamide", "iv", 1000,
       p.cyclophosphamide.kill.s_T * p.cyclophosphamide.f_act * 1000 / (p.cyclophosphamide.V * 30),
       p.cyclophosphamide.kill}};
}

}  // namespace

TEST_CASE("case 6: survival is exp(-potency times AUC) for every drug and population, whatever the duration") {
  for (const Course& course : courses()) {
    for (const double hours : {0.5, 24.0}) {
      CAPTURE(course.drug);
      CAPTURE(course.route);
      CAPTURE(hours);
      const Scenario s =
          without_turnover(dose("drug", course.drug, course.route,
                                fmt::format("amount = '{} mg'\ndays = [0]\nduration = '{} h'", course.dose_mg, hours)));
      const Trajectory run = solved(s, 1e-11);
      const auto before = run.before(0), after = run.at(60);
      CHECK(course.ln_kill_T > 0.1);
      for (const Population& population : populations()) {
        CAPTURE(population.name);
        const double r = population.potency ? course.kill.*population.potency : 1;
        REQUIRE(sum(before, population.states) > 0);
        CHECK(off(sum(after, population.states) / sum(before, population.states), std::exp(-r * course.ln_kill_T)) <
              1e-8);
      }
    }
  }
}

TEST_CASE("case 6: induction moves the kill by cyclophosphamide in time and not in depth") {
  const auto t_cells = [](const char* Emax, double day) {
    const Scenario s =
        without_turnover(dose("cy", "cyclophosphamide", "iv", "amount = '60 mg/kg'\ndays = [0]\nduration = '1 h'"),
                         {std::string("cyclophosphamide.Emax=") + Emax});
    return solved(s, 1e-11).at(day)[at::t_cells];
  };
  CHECK(off(t_cells("2.25", 60), t_cells("0", 60)) < 1e-8);
  CHECK(t_cells("2.25", 1) < 0.9 * t_cells("0", 1));
}

TEST_CASE(
    "case 7: survival of irradiation depends on the total alone, or with the linear-quadratic law on the fractions") {
  for (const bool linear_quadratic : {false, true}) {
    for (const int fractions : {1, 3, 6}) {
      CAPTURE(linear_quadratic);
      CAPTURE(fractions);
      const double total = 12, each = total / fractions;
      const Scenario s =
          without_turnover(fmt::format("[courses]\ntbi = '{} Gy'\n", total) +
                               dose("tbi", "tbi", "external",
                                    fmt::format("course = 'tbi'\nstart = '0 d'\nevery = '8 h'\ncount = {}", fractions)),
                           {fmt::format("switches.linear_quadratic={}", linear_quadratic)});
      const Trajectory run = solved(s, 1e-11);
      const auto before = run.before(0), after = run.at(10);
      const auto& p = s.p.irradiation;
      for (const Population& population : populations()) {
        CAPTURE(population.name);
        const double D0 = p.*population.D0, alpha = p.alpha * p.D0_T / D0;
        const double ln_kill = linear_quadratic ? alpha * total * (1 + each / p.alpha_beta) : total / D0;
        CHECK(off(sum(after, population.states) / sum(before, population.states), std::exp(-ln_kill)) < 1e-8);
      }
    }
  }
}

TEST_CASE("case 8: without lymphocytes IL-15 rises exponentially to 1/(1 - fc)") {
  const Scenario s = scenario_from("");
  std::vector<double> y0(s.constants.n_states(), 0.0);
  y0[at::il15] = 1;
  const std::vector<double> days{0.05, 0.2, 0.5, 1, 3, 10};
  const auto y = solved_from(s.constants, y0, days, 1e-12);
  const double r = s.p.il15.fc / (1 - s.p.il15.fc);
  for (std::size_t i = 0; i < days.size(); ++i)
    CHECK(off(y(static_cast<Eigen::Index>(i), at::il15), 1 + r - r * std::exp(-s.p.il15.kel * days[i])) < 1e-10);
  CHECK(off(y(5, at::il15), 1 / (1 - s.p.il15.fc)) < 1e-10);
}

namespace {

/// Two half-lives of a sum of two exponentials, shorter first, from four values at equal intervals (Prony's method).
std::pair<double, double> half_lives(const std::vector<double>& v, double interval) {
  const double det = v[1] * v[1] - v[0] * v[2];
  const double b = (v[0] * v[3] - v[1] * v[2]) / det, c = (v[2] * v[2] - v[1] * v[3]) / det;  // x^2 + b x + c = 0
  const double root = std::sqrt(b * b / 4 - c);
  const auto half_life = [&](double x) { return -std::log(2.0) * interval / std::log(x); };
  return {half_life(-b / 2 - root), half_life(-b / 2 + root)};
}

/// Time of the highest IL-2 after 1e6 IU/m2 under the skin [h].
double il2_tmax_h(const std::vector<std::string>& sets) {
  const Scenario s = scenario_from(dose("il2", "il2", "sc", "amount = '1e6 IU/m^2'\ndays = [0]"), sets);
  const Trajectory run = solved(s, 1e-11);
  const auto central = [&](double hours) { return run.at(hours / 24)[at::il2 + Il2::central]; };
  double low = 1, high = 8;
  for (int i = 0; i < 60; ++i) {
    const double a = low + (high - low) / 3, b = high - (high - low) / 3;
    (central(a) < central(b) ? low : high) = central(a) < central(b) ? a : b;
  }
  return low;
}

}  // namespace

TEST_CASE("case 9: an IL-2 bolus falls with half-lives of 12.89 and 85.08 min") {
  const Scenario s = scenario_from(dose("il2", "il2", "iv", "amount = '1e6 IU'\ndays = [0]"),
                                   {"il2.CL=7.2 L/h/1.73m^2", "il2.VmR=0 IU/d"});
  const Trajectory run = solved(s, 1e-12);
  const double interval = 20.0 / 1440;
  std::vector<double> v;
  for (int i = 0; i < 4; ++i) v.push_back(run.at(i * interval)[at::il2 + Il2::central]);
  const auto [alpha, beta] = half_lives(v, interval);
  CHECK(std::abs(alpha * 1440 - 12.89) < 0.005);
  CHECK(std::abs(beta * 1440 - 85.08) < 0.005);
}

TEST_CASE("case 9: without uptake by Treg the AUC of IL-2 is the absorbed dose over clearance") {
  Scenario s =
      scenario_from(dose("il2", "il2", "sc", "amount = '1e6 IU/m^2'\ndays = [0]"), {"il2.VmR=0 IU/d", "horizon=10 d"});
  // the area under the concentration, integrated beside the model
  const std::size_t n = s.constants.n_states();
  std::vector<double> y0 = initial_state(s.p, s.constants);
  const double absorbed = s.p.il2.F * 1e6 * s.constants.body.bsa_m2;
  y0[at::il2 + Il2::depot] = absorbed;
  y0.push_back(0);
  auto atol = tolerances(0);
  atol.push_back(1e-3);
  auto rhs = [&](std::size_t, double t, std::span<const double> y, std::span<double> dy) {
    right_hand_side(s.constants, {}, t, y.data(), dy.data());
    dy[n] = y[at::il2 + Il2::central] / (s.p.il2.V1 * s.constants.body.bsa_m2);
  };
  PiecewiseSystem system;
  system.size = n + 1;
  system.atol = atol;
  system.rhs = rhs;
  const double end[] = {20.0};
  const Solution solution = integrate(system, y0, 0, end, with_rtol(1e-12));
  REQUIRE(solution.status == Status::ok);
  CHECK(off(solution.states(0, static_cast<Eigen::Index>(n)), absorbed / (s.p.il2.CL * s.constants.body.bsa_m2)) <
        1e-9);
}

TEST_CASE(
    "case 9: IL-2 under the skin peaks at 3.50 h at a clearance of 7.2, at 3.30 h at 10 and at 3.25 h with Treg") {
  // stated as read from a grid of 0.05 h
  CHECK(std::abs(il2_tmax_h({"il2.CL=7.2 L/h/1.73m^2", "il2.VmR=0 IU/d"}) - 3.50) < 0.025);
  CHECK(std::abs(il2_tmax_h({"il2.CL=10 L/h/1.73m^2", "il2.VmR=0 IU/d"}) - 3.30) < 0.025);
  CHECK(std::abs(il2_tmax_h({}) - 3.25) < 0.025);
}
