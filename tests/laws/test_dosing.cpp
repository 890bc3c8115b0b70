// Laws of dosing: times, order, events.
#include <fmt/format.h>

#include "nkpk/core/error.hpp"
#include "support/scenarios.hpp"

using namespace nkpk;
using namespace nkpk::test;

namespace {

/// Something of every kind of state: chemotherapy, two infusions, IL-2, a graft.
const std::string busy =
    dose("flu", "fludarabine", "iv", "amount = '25 mg/m^2'\ndays = [-5, -4, -3]\nduration = '30 min'") +
    dose("cy", "cyclophosphamide", "iv", "amount = '20 mg/kg'\ndays = [-5]\nduration = '1 h'") +
    dose("nk", "nk_cells", "iv", "amount = '1e7 cells/kg'\ndays = [0, 4]\nduration = '30 min'") +
    dose("il2", "il2", "sc", "amount = '1e6 IU/m^2'\ndays = [0.5, 2.5]") + dose("graft", "graft", "iv", "days = [2]");

/// The same dose `n` times in a row, each 1/n of the amount and of the duration.
std::string in_a_row(const std::string& drug, double amount, const std::string& unit, int n, double hours,
                     double day = 0) {
  return dose("drug", drug, "iv",
              fmt::format("amount = '{} {}'\nstart = '{} d'\nevery = '{} h'\ncount = {}\nduration = '{} h'", amount / n,
                          unit, day, hours / n, n, hours / n));
}

/// Sum over the cohorts: lung, blood, tissue.
std::vector<double> over_cohorts(const std::vector<double>& y) {
  std::vector<double> sums(y.begin(), y.begin() + static_cast<std::ptrdiff_t>(at::infused_nk));
  sums.resize(at::infused_nk + InfusedNk::states_per_cohort, 0.0);
  for (std::size_t i = at::infused_nk; i < y.size(); ++i)
    sums[at::infused_nk + (i - at::infused_nk) % InfusedNk::states_per_cohort] += y[i];
  return sums;
}

}  // namespace

TEST_CASE("ten consecutive infusions of a drug equal one long one") {
  const std::pair<const char*, double> drugs[] = {
      {"fludarabine", 50}, {"cyclophosphamide", 2000}, {"thiotepa", 300}, {"treosulfan", 2e4}, {"busulfan", 60}};
  for (const auto& [drug, mg] : drugs) {
    CAPTURE(drug);
    const Scenario ten = scenario_from(in_a_row(drug, mg, "mg", 10, 10)),
                   one = scenario_from(in_a_row(drug, mg, "mg", 1, 10));
    const Trajectory a = solved(ten), b = solved(one);
    for (const double day : {0.2, 10.0 / 24, 1.0, 20.0}) CHECK(distance(a.at(day), b.at(day), 1e-8) < 1);
  }
}

TEST_CASE("eight consecutive infusions of unprimed NK cells equal one long one") {
  // eight, as each is a cohort; unprimed, as priming is counted from the start of each infusion
  const std::string il2 = dose("il2", "il2", "sc", "amount = '3e6 IU'\ndays = [0.5]");
  const std::vector<std::string> sets{"product.pr0=0", "horizon=20 d"};
  const Scenario eight = scenario_from(il2 + in_a_row("nk_cells", 2e9, "cells", 8, 8), sets);
  const Scenario one = scenario_from(il2 + in_a_row("nk_cells", 2e9, "cells", 1, 8), sets);
  REQUIRE(eight.constants.n_cohorts() == 8);
  const Trajectory a = solved(eight), b = solved(one);
  for (const double day : {0.2, 1.0 / 3, 1.0, 5.0, 20.0}) CHECK(distance(over_cohorts(a.at(day)), b.at(day), 1e-7) < 1);
  const auto primed = [&](int n) {
    const Scenario s = scenario_from(il2 + in_a_row("nk_cells", 2e9, "cells", n, 8), {"horizon=5 d"});
    return over_cohorts(solved(s).at(5));
  };
  CHECK(distance(primed(8), primed(1), 1e-4) > 1);  // with priming they differ, as they should
}

TEST_CASE("a bolus is the limit of short infusions: the error halves with the duration") {
  const auto central = [](const std::string& duration) {
    const Scenario s = scenario_from(dose("il2", "il2", "iv", "amount = '1e6 IU'\ndays = [0]" + duration));
    return solved(s, 1e-12).at(0.1)[at::il2 + Il2::central];
  };
  const double bolus = central("");
  // the shift by half a duration d is all but (alpha d) of the error, alpha = 77/d
  const double longer = central("\nduration = '4e-4 d'") - bolus, shorter = central("\nduration = '2e-4 d'") - bolus;
  CHECK(longer > 0);
  CHECK(std::abs(longer / shorter - 2) < 77 * 4e-4);
}

TEST_CASE("short infusions of NK cells have a limit: differences halve with the duration") {
  const auto cells = [](double minutes) {
    const Scenario s = scenario_from(
        dose("nk", "nk_cells", "iv", fmt::format("amount = '1e9 cells'\ndays = [0]\nduration = '{} min'", minutes)));
    return solved(s, 1e-12).at(0.5)[at::cohort(0) + InfusedNk::lung];
  };
  const double a = cells(4), b = cells(2), c = cells(1);
  CHECK(a > b);
  CHECK(std::abs((a - b) / (b - c) - 2) < 0.01);  // the loss of 3/d over 4 min
}

TEST_CASE("shifting all times shifts the result, leukocytes included") {
  const auto shifted = [](double by) {
    const auto days = [&](std::initializer_list<double> list) {
      std::vector<std::string> all;
      for (const double d : list) all.push_back(fmt::format("{}", d + by));
      return fmt::format("days = [{}]", fmt::join(all, ", "));
    };
    const auto point = [&](double day, double count) { return fmt::format("[{}, {}]", day + by, count); };
    return scenario_from(
        dose("flu", "fludarabine", "iv", "amount = '25 mg/m^2'\nduration = '30 min'\n" + days({-5, -4})) +
            dose("tbi", "tbi", "external", "amount = '2 Gy'\ntimes_of_day = ['0 h', '8 h']\n" + days({-3})) +
            dose("nk", "nk_cells", "iv", "amount = '1e7 cells/kg'\nduration = '30 min'\n" + days({0, 3.25})) +
            dose("graft", "graft", "iv", "myeloablative = true\n" + days({1})) +
            dose("aba", "abatacept", "iv", "amount = '10 mg/kg'\n" + days({-1, 7})) +
            dose("il2", "il2", "sc",
                 fmt::format("amount = '1e6 IU/m^2'\nstart = '{} h'\nevery = '2 d'\ncount = 3", 24 * by + 4)) +
            fmt::format("[[window]]\nid = 'w'\nswitch = 'steroid'\nstart = '{} d'\nend = '{} d'\nvalue = '1'\n", by + 2,
                        by + 4) +
            "[leukocytes]\nhost = [" + point(-5, 4000) + ", " + point(2, 100) + ", " + point(12, 1500) +
            "]\ngraft = [" + point(4, 1) + ", " + point(9, 800) + "]\n",
        {fmt::format("horizon={} d", by + 15)});
  };
  const Scenario base = shifted(0), later = shifted(128);
  const Trajectory a = solved(base, 1e-10), b = solved(later, 1e-10);
  CHECK(later.t_start_d == base.t_start_d + 128);
  for (double t = -6; t <= 15; t += 0.5) {
    CAPTURE(t);
    CHECK(distance(a.at(t), b.at(t + 128), 1e-8) < 1);
    const Leukocytes m = leukocytes_at(base.leukocytes, t), n = leukocytes_at(later.leukocytes, t + 128);
    CHECK(off(n.host, m.host) < 1e-12);
    CHECK(off(n.graft, m.graft) < 1e-12);
    std::vector<double> before, after;
    visit_observables(base.constants, a.at(t).data(), m,
                      [&](auto, auto, auto, auto, double v) { before.push_back(v); });
    visit_observables(later.constants, b.at(t + 128).data(), n,
                      [&](auto, auto, auto, auto, double v) { after.push_back(v); });
    for (std::size_t i = 0; i < before.size(); ++i)
      if (std::isfinite(before[i])) CHECK(std::abs(after[i] - before[i]) <= 1e-6 * std::abs(before[i]) + 1e-9);
  }
}

TEST_CASE(
    "leukocytes are log-linear between their points, constant after them, and the graft's are none before its first") {
  const Scenario s =
      scenario_from("[leukocytes]\nhost = [[-4, 4000], [4, 100], [8, 100]]\ngraft = [[8, 1], [20, 4000]]\n");
  CHECK(leukocytes_at(s.leukocytes, -9).host == 4000);
  CHECK(off(leukocytes_at(s.leukocytes, 0).host, std::sqrt(4000.0 * 100)) < 1e-12);
  CHECK(off(leukocytes_at(s.leukocytes, 6).host, 100) < 1e-12);
  CHECK(leukocytes_at(s.leukocytes, 50).host == 100);
  CHECK(leukocytes_at(s.leukocytes, 7.99).graft == 0);
  CHECK(leukocytes_at(s.leukocytes, 8).graft == 1);
  CHECK(off(leukocytes_at(s.leukocytes, 14).graft, std::sqrt(4000.0)) < 1e-12);
}

TEST_CASE("output at an event is the value after it, and the value before it is kept beside") {
  const Scenario s = scenario_from(dose("tbi", "tbi", "external", "amount = '2 Gy'\ndays = [0, 1]"));
  const Trajectory run = solved(s);
  const double S = std::exp(-2 / s.p.irradiation.D0_T), T0 = s.p.t_cells.T0;
  CHECK(off(run.before_event(0)[at::t_cells], T0) < 1e-10);
  CHECK(off(run.at(0)[at::t_cells], T0 * S) < 1e-10);
  CHECK(off(run.at(1)[at::t_cells], S * run.before_event(1)[at::t_cells]) < 1e-14);
  CHECK(run.before(1) == run.before_event(1));
  CHECK(run.before(0.5) == run.at(0.5));
  // the row of the output table is the value after, too
  for (std::size_t i = 0; i < s.output_times_d.size(); ++i)
    if (s.output_times_d[i] == 0)
      CHECK(off(run.solution.states(static_cast<Eigen::Index>(i), at::t_cells), T0 * S) < 1e-10);
}

TEST_CASE("an infusion runs from its start up to but not including its end") {
  const Scenario s = scenario_from(dose("one", "treosulfan", "iv", "amount = '10 g'\ndays = [0]\nduration = '12 h'") +
                                   dose("two", "treosulfan", "iv", "amount = '20 g'\ndays = [0.5]\nduration = '12 h'"));
  REQUIRE(s.timeline.times == std::vector<double>{0, 0.5, 1});
  const auto rate = [&](std::size_t segment) {
    double sum = 0;
    for (const auto& r : s.timeline.rates[segment]) sum += r.rate;
    return sum;
  };
  CHECK(rate(0) == 0);
  CHECK(off(rate(1), 2e4) < 1e-15);  // mg/d: at no time both
  CHECK(off(rate(2), 4e4) < 1e-15);
  CHECK(rate(3) == 0);
  for (const auto& jumps : s.timeline.jumps) CHECK(jumps.empty());
  const Trajectory run = solved(s);
  for (std::size_t k = 0; k < 3; ++k)
    CHECK(run.before_event(k) == run.at(s.timeline.times[k]));  // no jump at either end
}

TEST_CASE("at one time irradiation comes first, then the graft, then doses, whatever the order in the file") {
  const std::string tbi = dose("tbi", "tbi", "external", "amount = '4 Gy'\ndays = [1]");
  const std::string graft = dose("graft", "graft", "iv", "days = [1]");
  const std::string il2 = dose("il2", "il2", "sc", "amount = '1e6 IU'\ndays = [1]");
  const std::string nk =
      dose("nk", "nk_cells", "iv", "amount = '1e9 cells'\ndays = [0.5]\nduration = '12 h'");  // ends then
  std::vector<double> first;
  for (const std::string& toml :
       {tbi + graft + il2 + nk, il2 + graft + nk + tbi, graft + tbi + nk + il2, nk + il2 + tbi + graft}) {
    const Scenario s = scenario_from(toml);
    const Trajectory run = solved(s);
    const auto before = run.before(1), after = run.at(1);
    // the graft is not hit; host cells, and infused NK that are all in by then, are
    CHECK(off(after[at::graft + Graft::blood], 2e7 * 70) < 1e-15);
    CHECK(off(after[at::t_cells + TCells::graft], 1e5 * 70 * 0.02 / s.constants.body.blood_uL) < 1e-14);
    CHECK(off(after[at::t_cells], before[at::t_cells] * std::exp(-4 / 1.2)) < 1e-14);
    CHECK(off(after[at::cohort(0)], before[at::cohort(0)] * std::exp(-4 / 2.9)) < 1e-14);
    CHECK(off(after[at::il2 + Il2::depot], s.p.il2.F * 1e6) < 1e-14);
    if (first.empty()) first = after;
    CHECK(distance(after, first, 1e-12) < 1);
  }
}

TEST_CASE("doses of drugs with linear kinetics add up") {
  struct Case {
    const char* drug;
    const char* route;
    const char* unit;
    std::vector<std::size_t> states;
  };
  const Case cases[] = {{"fludarabine", "iv", "mg", {at::fludarabine, at::fludarabine + 1, at::fludarabine + 2}},
                        {"treosulfan", "iv", "mg", {at::treosulfan, at::treosulfan + 1}},
                        {"thiotepa", "iv", "mg", {at::thiotepa, at::thiotepa + 1}},
                        {"busulfan", "po", "mg", {at::busulfan, at::busulfan + 1}},
                        {"abatacept", "iv", "mg", {at::abatacept}},
                        {"il2", "sc", "IU", {at::il2, at::il2 + 1, at::il2 + 2, at::il2 + 3}}};
  for (const Case& one : cases) {
    CAPTURE(one.drug);
    const auto amounts = [&](std::vector<std::pair<double, double>> doses) {
      std::string toml;
      for (const auto& [day, amount] : doses)
        toml += dose(fmt::format("d{}", toml.size()), one.drug, one.route,
                     fmt::format("amount = '{} {}'\ndays = [{}]\nduration = '2 h'", amount, one.unit, day));
      const Scenario s = scenario_from(toml, {"il2.VmR=0 IU/d"});
      const Trajectory run = solved(s, 1e-11);
      std::vector<double> values;
      for (const double t : {0.05, 0.3, 0.55, 1.5})
        for (const std::size_t i : one.states) values.push_back(run.at(t)[i]);
      return values;
    };
    const auto a = amounts({{0, 300}}), b = amounts({{0.25, 1100}}), both = amounts({{0, 300}, {0.25, 1100}});
    for (std::size_t i = 0; i < both.size(); ++i)
      CHECK(std::abs(both[i] - a[i] - b[i]) < 1e-8 * both[i] + (one.unit[0] == 'I' ? 1e-1 : 1e-7));
  }
}

TEST_CASE("a window acts from its start up to but not including its end") {
  const Scenario s = scenario_from(
      "[[window]]\nid = 'a'\nswitch = 'treg_depletion'\nstart = '1 d'\nend = '3 d'\nvalue = '0.7 1/d'\n"
      "[[window]]\nid = 'b'\nswitch = 'treg_depletion'\nstart = '3 d'\nend = '4 d'\nvalue = '0.2 1/d'\n"
      "[[window]]\nid = 'c'\nswitch = 'il15_induction'\nstart = '2 d'\nend = '4 d'\nvalue = '0.5'\n"
      "[[window]]\nid = 'd'\nswitch = 'steroid'\nstart = '2 d'\nend = '3 d'\nvalue = '1'\n");
  REQUIRE(s.timeline.times == std::vector<double>{1, 2, 3, 4});
  const double depletion[] = {0, 0.7, 0.7, 0.2, 0}, induction[] = {0, 0, 0.5, 0.5, 0}, steroid[] = {0, 0, 1, 0, 0};
  for (std::size_t k = 0; k < 5; ++k) {
    CHECK(s.timeline.windows[k].treg_depletion == depletion[k]);
    CHECK(s.timeline.windows[k].il15_induction == induction[k]);
    CHECK(s.timeline.windows[k].steroid == steroid[k]);
  }
  const Trajectory run = solved(s, 1e-11);
  const double dR = s.p.treg.dR, R0 = s.p.treg.R0;
  double R = R0;
  for (const auto& [end, k] : {std::pair{1.0, 0.0}, {2.0, 0.7}, {3.0, 0.7}, {4.0, 0.2}, {9.0, 0.0}}) {
    const double level = dR * R0 / (dR + k), length = end == 9 ? 5 : end == 1 ? 2 : 1;
    R = level + (R - level) * std::exp(-(dR + k) * length);
    CHECK(off(run.at(end)[at::treg], R) < 1e-9);
  }
}

TEST_CASE("under a steroid window the IL-2 signal is multiplied and margination is not") {
  Windows steroid;
  steroid.steroid = 1;
  const Scenario s = scenario_from("");
  auto y = initial_state(s.p, s.constants);
  y[at::il2 + Il2::central] = 1e5;
  const auto without = signals(s.constants, {}, y.data()), with = signals(s.constants, steroid, y.data());
  CHECK(off(with.il2_effective, 0.3 * without.il2_effective) < 1e-15);
  CHECK(off(with.il2_local, 0.3 * without.il2_local) < 1e-15);
  CHECK(with.il2_IU_per_L == without.il2_IU_per_L);
  CHECK(with.margination == without.margination);
}

TEST_CASE("drugs on record change nothing") {
  const Scenario plain = scenario_from(busy);
  const Scenario with =
      scenario_from(busy + dose("toci", "tocilizumab", "iv", "amount = '8 mg/kg'\ndays = [-1, 1.5]\nduration = '1 h'") +
                    dose("rt", "local_radiotherapy", "local", "amount = '2 Gy'\ndays = [-1, 3]"));
  CHECK(with.administrations.size() == plain.administrations.size() + 4);
  const Trajectory a = solved(plain), b = solved(with);
  for (const double t : {-1.0, -0.97, 1.6, 3.0, 20.0}) CHECK(distance(a.at(t), b.at(t), 1e-8) < 1);
  for (const double t : {-1.0, 1.5, 3.0}) CHECK(b.before(t) == b.at(t));
}

TEST_CASE("a fraction of irradiation leaves exp(-dose/D0) of every population and dooms half of the blood cells hit") {
  // everybody is there: graft and infused NK from before, effectors and a first set of doomed cells too
  const Scenario s = scenario_from(busy + dose("tbi", "tbi", "external", "amount = '2 Gy'\ndays = [3, 6]"));
  const Trajectory run = solved(s);
  for (const double day : {3.0, 6.0}) {
    const auto b = run.before(day), a = run.at(day);
    const double S_T = std::exp(-2 / 1.2), S_NK = std::exp(-2 / 5.5), S_D = std::exp(-2 / 2.9),
                 S_P = std::exp(-2 / 1.0);
    std::vector<double> expected = b;
    for (const std::size_t base : {at::host_nk, at::graft}) {
      for (std::size_t i = 0; i < 2; ++i) expected[base + i] *= S_NK;
      for (std::size_t i = 2; i < 5; ++i) expected[base + i] *= S_P;
    }
    for (const std::size_t i : {at::t_cells + 0, at::t_cells + 1, at::treg, at::rejection}) expected[i] *= S_T;
    for (std::size_t i = at::infused_nk; i < b.size(); ++i) expected[i] *= S_D;
    expected[at::irradiation + Irradiation::X_H] += 0.5 * (1 - S_NK) * (b[at::host_nk] + b[at::graft]);
    expected[at::irradiation + Irradiation::X_D] += 0.5 * (1 - S_D) * (b[at::cohort(0) + 1] + b[at::cohort(1) + 1]);
    expected[at::irradiation + Irradiation::X_T] +=
        0.5 * (1 - S_T) * (b[at::t_cells] + b[at::t_cells + 1] + b[at::treg] + b[at::rejection]);
    REQUIRE(b[at::rejection] > 0);
    for (std::size_t i = 0; i < a.size(); ++i) CHECK(off(a[i], expected[i]) < 1e-14);
  }
  for (const std::size_t i : {Irradiation::X_H, Irradiation::X_D, Irradiation::X_T})
    CHECK(off(run.at(5.9)[at::irradiation + i], run.at(3)[at::irradiation + i] * std::exp(-0.55 * 2.9)) < 1e-8);
}

TEST_CASE("records that clash are an error") {
  const auto il2 = [](const char* id, const char* days) {
    return dose(id, "il2", "sc", std::string("amount = '1e6 IU'\n") + days);
  };
  CHECK_THROWS_AS(scenario_from(il2("a", "days = [0, 1, 0]")), InputError);
  CHECK_THROWS_AS(scenario_from(il2("a", "days = [0, 1]") + il2("b", "days = [1, 2]")), InputError);
  CHECK_THROWS_AS(scenario_from(il2("a", "days = [0.5]") + il2("b", "start = '12 h'")), InputError);
  CHECK_THROWS_AS(scenario_from(il2("a", "days = [0]") + il2("a", "days = [1]")), InputError);
  const auto window = [](const char* id, double start, double end) {
    return fmt::format("[[window]]\nid = '{}'\nswitch = 'steroid'\nstart = '{} d'\nend = '{} d'\nvalue = '1'\n", id,
                       start, end);
  };
  CHECK_THROWS_AS(scenario_from(window("a", 0, 2) + window("b", 1, 3)), InputError);
  CHECK_NOTHROW(scenario_from(window("a", 0, 2) + window("b", 2, 3)));
  CHECK_NOTHROW(scenario_from(il2("a", "days = [0, 1]") + il2("b", "days = [2]")));
}
