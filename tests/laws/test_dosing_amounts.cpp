// Laws of dosing: amounts, depots, the graft, limits.
#include <fmt/format.h>

#include "nkpk/core/error.hpp"
#include "support/scenarios.hpp"

using namespace nkpk;
using namespace nkpk::test;

TEST_CASE("IL-15 given adds to the patient's own: a small bolus lifts the fold by dose over volume and baseline") {
  const Scenario s = scenario_from(dose("il15", "il15", "iv", "amount = '1 ug'\ndays = [0]"));
  const Trajectory run = solved(s);
  // 1e6 pg in 6 L of a 70-kg body over 2.4 pg/mL
  CHECK(off(run.at(0)[at::il15] - run.before(0)[at::il15], 1e6 / 6000 / 2.4) < 1e-9);
}

TEST_CASE("amounts are fixed, per kg, per m2, or a share of a course") {
  const Scenario s = scenario_from(
      "[courses]\nnk = '3e7 cells/kg'\ntreo = '42 g/m^2'\n" +
          dose("fixed", "busulfan", "iv", "amount = '0.06 g'\ndays = [0]\nduration = '1 h'") +
          dose("per-kg", "cyclophosphamide", "iv", "amount = '60 mg/kg'\ndays = [0]\nduration = '1 h'") +
          dose("per-m2", "fludarabine", "iv", "amount = '25 mg/m^2'\ndays = [0]\nduration = '1 h'") +
          dose("units", "il2", "sc", "amount = '1 MIU/m^2'\ndays = [0]") +
          dose("share", "nk_cells", "iv", "course = 'nk'\nfraction = '2/3'\ndays = [1]\nduration = '1 h'") +
          dose("equal", "treosulfan", "iv", "course = 'treo'\ndays = [0, 1, 2]\nduration = '1 h'"),
      {"patient=boy-10y"});
  const double bsa = std::sqrt(138.0 * 30 / 3600);
  const std::map<std::string, double> expected{{"fixed", 60},        {"per-kg", 1800}, {"per-m2", 25 * bsa},
                                               {"units", 1e6 * bsa}, {"share", 6e8},   {"equal", 14000 * bsa}};
  CHECK(s.administrations.size() == 8);
  for (const auto& a : s.administrations) {
    CAPTURE(s.regimen.doses[a.dose].id);
    CHECK(off(a.amount, expected.at(s.regimen.doses[a.dose].id)) < 1e-14);
  }
}

TEST_CASE("of an NK dose the viable NK cells enter, split between lung and blood") {
  const Scenario s = scenario_from(dose(
      "nk", "nk_cells", "iv", "amount = '1e9 cells'\ndays = [0]\nduration = '6 h'\nf_NK = '0.9'\nviability = '80 %'"));
  CHECK(off(s.administrations[0].entering, 0.72e9) < 1e-14);
  const double rate = 0.5 * 0.72e9 / 0.25;  // fv = 0.5
  for (const auto& r : s.timeline.rates[1]) CHECK(off(r.rate, rate * (r.state == at::cohort(0) ? 0.6 : 0.4)) < 1e-14);
  CHECK(s.timeline.rates[1].size() == 2);
}

TEST_CASE("busulfan by mouth is absorbed and eliminated as Bateman's function says") {
  const Scenario s = scenario_from(dose("bu", "busulfan", "po", "amount = '1 mg/kg'\ndays = [0]"));
  const Trajectory run = solved(s, 1e-11);
  const auto& b = s.p.busulfan;
  const double D = b.F * 70, ka = b.ka,
               k = b.CL / (1 + std::pow((40 + 52.18 * 45) / b.TM50, -b.Hill)) / (b.V_adult * 70);
  CHECK(off(run.at(0)[at::busulfan], D) < 1e-15);
  for (const double t : {0.02, 0.1, 0.5}) {
    CHECK(std::abs(run.at(t)[at::busulfan] - D * std::exp(-ka * t)) < 1e-9 * D);
    CHECK(off(run.at(t)[at::busulfan + Busulfan::central], D * ka / (ka - k) * (std::exp(-k * t) - std::exp(-ka * t))) <
          1e-8);
  }
}

TEST_CASE("IL-2 and IL-15 under the skin leave their depots exponentially") {
  const Scenario s = scenario_from(dose("il2", "il2", "sc", "amount = '2e6 IU'\ndays = [0]") +
                                   dose("il15", "il15", "sc", "amount = '50 ug'\ndays = [0]"));
  const Trajectory run = solved(s, 1e-11);
  for (const double t : {0.0, 0.05, 0.3}) {
    const double left = s.p.il2.F * 2e6 * std::exp(-s.p.il2.ka * t);
    CHECK(off(run.at(t)[at::il2 + Il2::depot], left) < 1e-9);
    CHECK(off(run.at(t)[at::il2 + Il2::transit], left * s.p.il2.ka * t) < 1e-9);
    CHECK(off(run.at(t)[at::il15 + Il15::depot], s.p.il15.F * 50e6 * std::exp(-s.p.il15.ka * t)) < 1e-9);
  }
}

TEST_CASE("abatacept is the sum of its doses, each decaying from its start, and blocks by its concentration") {
  const Scenario s =
      scenario_from(dose("aba", "abatacept", "iv", "amount = '10 mg/kg'\ndays = [-1, 7, 14]\nduration = '1 h'"));
  const Trajectory run = solved(s, 1e-11);
  CHECK(s.timeline.times == std::vector<double>{-1, 7, 14});  // an impulse: the end of the hour is no event
  for (const double t : {-1.0, 0.0, 7.0, 13.9, 14.0, 30.0}) {
    double c = 0;
    for (const double start : {-1.0, 7.0, 14.0})
      if (t >= start) c += 10 / 0.07 * std::exp(-std::log(2.0) * (t - start) / 13.1);
    const auto y = run.at(t);
    CHECK(off(y[at::abatacept] / (0.07 * 70), c) < 1e-9);
    CHECK(off(signals(s.constants, {}, y.data()).priming_block, 0.8 * c / (c + 3)) < 1e-9);
  }
}

TEST_CASE("a graft brings 267 NK/uL to a child of 30 kg at once, a tenth of the precursors, and its T cells") {
  for (const bool myeloablative : {false, true}) {
    for (const double eps : {0.0, 0.1}) {
      const Scenario s =
          scenario_from(dose("graft", "graft", "iv", fmt::format("days = [0]\nmyeloablative = {}", myeloablative)),
                        {"patient=boy-10y", fmt::format("graft.eps_host={}", eps)});
      const Trajectory run = solved(s);
      const auto a = run.at(0), b = run.before(0);
      const double V_B = 0.075e6 * 30;
      CHECK(off(a[at::graft + Graft::blood], 2e7 * 30) < 1e-14);
      CHECK(std::abs(a[at::graft + Graft::blood] / V_B - 267) < 0.5);
      CHECK(off(a[at::graft + Graft::G1], 0.1 * s.constants.host_nk.P_ss) < 1e-14);
      CHECK(off(a[at::t_cells + TCells::graft], 1e5 * 30 * 0.02 / V_B) < 1e-14);
      for (const std::size_t i : {HostNk::P1, HostNk::P2, HostNk::P3})
        CHECK(a[at::host_nk + i] == b[at::host_nk + i] * (myeloablative ? eps : 1));
      for (const std::size_t i : {Graft::tissue, Graft::G2, Graft::G3}) CHECK(a[at::graft + i] == 0);
      for (const std::size_t i : {at::host_nk + 0, at::host_nk + 1, at::t_cells + 0, at::treg}) CHECK(a[i] == b[i]);
    }
  }
}

TEST_CASE("a graft of another composition brings what it says") {
  const Scenario s =
      scenario_from(dose("graft", "graft", "iv",
                         "days = [0]\nnk_dose = '5e6 cells/kg'\ncd34_dose = '4e6 cells/kg'\ncd3_dose = '0 cells/kg'"));
  const auto y = solved(s).at(0);
  CHECK(off(y[at::graft + Graft::blood], 5e6 * 70) < 1e-14);
  CHECK(off(y[at::graft + Graft::G1], 0.04 * s.constants.host_nk.P_ss) < 1e-14);
  CHECK(y[at::t_cells + TCells::graft] == 0);
}

TEST_CASE("nine infusions of NK cells are refused and eight are not") {
  const auto infusions = [](int n) {
    return dose(
        "nk", "nk_cells", "iv",
        fmt::format("amount = '1e6 cells/kg'\nstart = '0 d'\nevery = '1 d'\ncount = {}\nduration = '30 min'", n));
  };
  CHECK(scenario_from(infusions(8)).constants.n_cohorts() == 8);
  CHECK_THROWS_AS(scenario_from(infusions(9)), InputError);
}

TEST_CASE("T cells of the product are limited in each infusion and in total") {
  const auto with = [](double f_T) {
    return scenario_from(
        "[limits]\nproduct_t_cells = '1e7 cells/kg'\n" +
            dose("nk-1", "nk_cells", "iv", "amount = '5e7 cells/kg'\ndays = [0]\nduration = '30 min'") +
            dose("nk-2", "nk_cells", "iv", "amount = '5e8 cells/kg'\ndays = [4]\nduration = '30 min'"),
        {fmt::format("product.f_T={}", f_T)});
  };
  CHECK_NOTHROW(with(0.018));                // 9.9e6 in total
  CHECK_THROWS_AS(with(0.019), InputError);  // 9.5e6 in the second, 1.045e7 in total
  CHECK_THROWS_AS(with(0.021), InputError);  // 1.05e7 in the second
  CHECK_NOTHROW(with(1e7 / 5.5e8));          // the limit itself
  CHECK(off(with(0.01).administrations[1].t_cells_per_kg, 5e6) < 1e-12);
}
