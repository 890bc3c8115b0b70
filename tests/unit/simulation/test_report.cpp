// What is read off a trajectory (C33, C44), against a search over a fine grid of outputs.
#include "nkpk/simulation/report.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <string>
#include <tuple>

#include "support/scenarios.hpp"

using namespace nkpk;

namespace {

const Metric& metric(const std::vector<Metric>& all, const std::string& name) {
  for (const Metric& m : all)
    if (m.name == name) return m;
  FAIL("no metric " << name);
  return all.front();
}
double value(const std::vector<Metric>& all, const std::string& name) { return metric(all, name).value; }

Scenario scenario(const std::string& regimen, std::vector<std::string> arms, std::optional<double> days = {}, std::optional<double> step = {},
                  std::vector<std::string> sets = {}) {
  Request request;
  request.regimen = regimen;
  request.arms = std::move(arms);
  request.horizon_d = days;
  request.output_step_d = step;
  request.sets = std::move(sets);
  return make_scenario(test::library(), request);
}

double observed(const Scenario& s, const double* y, const std::string& wanted) {
  double result = NAN;
  visit_observables(s.constants, y, Leukocytes{}, [&](const char* name, const char*, const char*, const char*, double v) {
    if (wanted == name) result = v;
  });
  return result;
}
double observed(const Trajectory& t, std::size_t i, const std::string& wanted) {
  return observed(*t.scenario, t.solution.states.row(static_cast<Eigen::Index>(i)).data(), wanted);
}

/// The plain search: no refinement, no roots.
struct Brute {
  double cmax = 0, tmax = NAN, cont = 0, auc = 0, last = NAN, alc_nadir = INFINITY, alc_day = NAN, recovery = NAN, fold = 0, fold_day = NAN;
  double host = INFINITY, host_day = NAN, host_28 = NAN;
};
Brute brute(const Trajectory& t) {
  Brute b;
  const Scenario& s = *t.scenario;
  double before_t = NAN, before = NAN;
  for (std::size_t i = 0; i < s.output_times_d.size(); ++i) {
    const double day = s.output_times_d[i];
    const double donor = observed(t, i, "donor_nk_count"), alc = observed(t, i, "alc"), host = observed(t, i, "host_nk_count"), fold = observed(t, i, "il15_fold");
    bool settled = day >= s.cohorts.front().start_d;
    for (const auto& c : s.cohorts)
      if (day >= c.start_d && day < c.end_d + 1) settled = false;
    if (settled && donor > b.cmax) b.cmax = donor, b.tmax = day;
    b.cont = std::max(b.cont, donor);
    if (day > 0 && day <= 28 + 1e-9 && before_t >= 0) b.auc += 0.5 * (donor + before) * (day - before_t);
    if (donor >= 1) b.last = day;
    if (day <= 60 && alc < b.alc_nadir) b.alc_nadir = alc, b.alc_day = day, b.recovery = NAN;
    if (std::isnan(b.recovery) && alc >= 500 && b.alc_nadir < 500) b.recovery = day;
    if (fold > b.fold) b.fold = fold, b.fold_day = day;
    if (day <= 60 && host < b.host) b.host = host, b.host_day = day;
    if (day <= 28 + 1e-9) b.host_28 = host;
    before_t = day, before = donor;
  }
  return b;
}

}  // namespace

TEST_CASE("the report of a coarse run is what a fine grid shows") {
  for (const auto& [regimen, arms] : std::vector<std::pair<std::string, std::vector<std::string>>>{
           {"radboud-ucb", {"high-il2"}}, {"radboud-ucb", {"no-il2"}}, {"sankoma", {}}, {"peking-aml", {}}, {"rogachev-hsct", {"tbi"}}}) {
    CAPTURE(regimen);
    const Scenario coarse = scenario(regimen, arms), fine = scenario(regimen, arms, {}, 0.002);
    const Trajectory a = test::solved(coarse, 1e-9), b = test::solved(fine, 1e-9);
    const auto report_of = report(a);
    const Brute expected = brute(b);
    constexpr double step = 0.002;
    const auto near = [](double x) { return doctest::Approx(x).epsilon(2e-5); };
    CHECK(value(report_of, "donor_nk_cmax") == near(expected.cmax));
    CHECK(std::abs(value(report_of, "donor_nk_tmax") - expected.tmax) < 0.02);
    CHECK(value(report_of, "donor_nk_cmax_cont") == doctest::Approx(expected.cont).epsilon(1e-3));
    CHECK(value(report_of, "donor_nk_auc_0_28") == doctest::Approx(expected.auc).epsilon(1e-3));
    CHECK(std::abs(value(report_of, "donor_nk_last_day_above_1") - expected.last) <= step + 1e-6);
    // with a graft the count falls up to the jump: the search ends one step short of its lowest value
    CHECK(value(report_of, "alc_nadir") == doctest::Approx(expected.alc_nadir).epsilon(regimen == "rogachev-hsct" ? 1e-3 : 2e-5));
    CHECK(std::abs(value(report_of, "alc_nadir_day") - expected.alc_day) < 0.02);
    if (std::isnan(expected.recovery))
      CHECK(std::isnan(value(report_of, "alc_recovery_day")));
    else
      CHECK(std::abs(value(report_of, "alc_recovery_day") - expected.recovery) <= step + 1e-6);
    CHECK(value(report_of, "il15_peak_fold") == near(expected.fold));
    CHECK(std::abs(value(report_of, "il15_peak_day") - expected.fold_day) < 0.02);
    CHECK(value(report_of, "host_nk_nadir") == near(expected.host));
    CHECK(std::abs(value(report_of, "host_nk_nadir_day") - expected.host_day) < 0.02);
    CHECK(value(report_of, "host_nk_day_28") == near(expected.host_28));
  }
}

TEST_CASE("the states within an output interval are those of single integrations and end before the event") {
  const Scenario s = scenario("sankoma", {});
  const Trajectory t = test::solved(s, 1e-10);
  std::size_t event = 0;
  while (s.timeline.jumps[event].empty()) ++event;
  const double day = s.timeline.times[event];
  const auto i = static_cast<std::size_t>(std::find(s.output_times_d.begin(), s.output_times_d.end(), day) - s.output_times_d.begin());
  REQUIRE(i > 0);
  const double start = s.output_times_d[i - 1], middle = 0.5 * (start + day);
  const double times[] = {start, middle, day};
  const RowMatrix states = t.within(i - 1, times);
  const auto same = [&](Eigen::Index row, const std::vector<double>& expected) {
    for (std::size_t j = 0; j < expected.size(); ++j) CHECK(states(row, static_cast<Eigen::Index>(j)) == doctest::Approx(expected[j]).epsilon(1e-8).scale(1e-6));
  };
  same(0, t.at(start));
  same(1, t.at(middle));
  same(2, t.before_event(event));
}

TEST_CASE("no value between the outputs lies beyond the reported extrema, and each is taken on its day") {
  for (const auto& [regimen, arms] : std::vector<std::pair<std::string, std::vector<std::string>>>{
           {"radboud-ucb", {"high-il2"}}, {"sysu-ucb", {}}, {"sankoma", {}}, {"peking-aml", {}}, {"rogachev-hsct", {"tbi"}}})
    for (const double step : {0.1, 0.5}) {
      CAPTURE(regimen);
      CAPTURE(step);
      const Scenario s = scenario(regimen, arms, {}, step);
      const Trajectory t = test::solved(s);
      const auto m = report(t);
      const auto value_on = [&](const char* curve, double day) { return observed(s, t.at(day).data(), curve); };
      for (const auto& [name, on, curve, sign] : std::vector<std::tuple<const char*, const char*, const char*, double>>{
               {"donor_nk_cmax", "donor_nk_tmax", "donor_nk_count", 1},
               {"alc_nadir", "alc_nadir_day", "alc", -1},
               {"il15_peak_fold", "il15_peak_day", "il15_fold", 1},
               {"host_nk_nadir", "host_nk_nadir_day", "host_nk_count", -1}}) {
        CAPTURE(name);
        const double reported = value(m, name), day = value(m, on);
        // a maximum within beside_d of an output is shown on it, where an event may have changed the value
        const auto& outputs = s.output_times_d;
        if (!std::binary_search(outputs.begin(), outputs.end(), day)) CHECK(value_on(curve, day) == doctest::Approx(reported).epsilon(1e-9));
        // 33 samples in the output intervals beside it
        const auto next = static_cast<std::size_t>(std::upper_bound(outputs.begin(), outputs.end(), day) - outputs.begin());
        for (std::size_t i = next < 2 ? 0 : next - 2; i < std::min(next + 1, outputs.size() - 1); ++i) {
          if (std::string(name) == "donor_nk_cmax" && outputs[i] < s.cohorts.back().end_d + 1 - 1e-9) continue;
          if (sign < 0 && outputs[i + 1] > 60) continue;
          std::vector<double> times;
          for (int j = 0; j <= 32; ++j) times.push_back(std::min(outputs[i] + (outputs[i + 1] - outputs[i]) * j / 32, outputs[i + 1]));
          const RowMatrix states = t.within(i, times);
          for (Eigen::Index j = 0; j + 1 < states.rows(); ++j)
            CHECK(sign * observed(s, states.row(j).data(), curve) <= sign * reported + 1e-6 * std::abs(reported));
        }
      }
    }
}

TEST_CASE("the largest count is not looked for within infusions and the 24 h after them") {
  const Scenario s = scenario("radboud-ucb", {"no-il2"});
  const auto m = report(test::solved(s));
  CHECK(value(m, "donor_nk_tmax") >= s.cohorts[0].end_d + 1 - 1e-9);
  CHECK(value(m, "donor_nk_cmax_cont") > 1.5 * value(m, "donor_nk_cmax"));
}

TEST_CASE("a last day beyond the horizon is marked as later than the horizon") {
  const auto m = report(test::solved(scenario("radboud-ucb", {}, 3.0)));
  CHECK(metric(m, "donor_nk_last_day_above_1").qualifier == ">");
  CHECK(value(m, "donor_nk_last_day_above_1") == 3);
  CHECK(metric(report(test::solved(scenario("radboud-ucb", {}))), "donor_nk_last_day_above_1").qualifier.empty());
}

TEST_CASE("a threshold day is where the count crosses the threshold") {
  const Scenario s = scenario("radboud-ucb", {"high-il2"});
  const Trajectory t = test::solved(s);
  const auto m = report(t);
  const auto at = [&](double day, const std::string& wanted) {
    const auto y = t.at(day);
    double result = NAN;
    visit_observables(s.constants, y.data(), Leukocytes{}, [&](const char* name, const char*, const char*, const char*, double v) {
      if (wanted == name) result = v;
    });
    return result;
  };
  CHECK(at(value(m, "donor_nk_last_day_above_1"), "donor_nk_count") == doctest::Approx(1).epsilon(1e-7));
  CHECK(at(value(m, "alc_recovery_day"), "alc") == doctest::Approx(500).epsilon(1e-7));
}

TEST_CASE("what does not exist is not a number") {
  const auto early = report(test::solved(scenario("radboud-ucb", {}, 20.0)));
  CHECK(std::isnan(value(early, "donor_nk_auc_0_28")));
  CHECK(std::isnan(value(early, "host_nk_day_28")));
  const Scenario untreated = test::scenario_from("");
  const auto none = report(test::solved(untreated));
  for (const char* name : {"donor_nk_cmax", "donor_nk_tmax", "donor_nk_cmax_cont", "donor_nk_auc_0_28", "donor_nk_last_day_above_1", "alc_recovery_day"}) {
    CAPTURE(name);
    CHECK(std::isnan(value(none, name)));
  }
  CHECK(value(none, "il15_peak_fold") == doctest::Approx(1).epsilon(1e-12));
}

TEST_CASE("a failed run reports nothing that it did not reach") {
  const Scenario s = scenario("radboud-ucb", {});
  SolverOptions options;
  options.max_steps = 200;
  const Trajectory t = simulate(s, options);
  REQUIRE_FALSE(t.ok());
  const auto m = report(t);
  for (const char* name : {"donor_nk_cmax", "alc_nadir", "host_nk_day_28", "donor_nk_auc_0_28", "il15_peak_fold", "donor_nk_last_day_above_1"}) {
    CAPTURE(name);
    CHECK(std::isnan(value(m, name)));
  }
}

TEST_CASE("a report that is stopped holds values of outputs or none") {
  const Scenario s = scenario("sankoma", {});
  Trajectory t = test::solved(s);
  const auto whole = report(t);
  for (int polls = 0; polls < 30; ++polls) {
    CAPTURE(polls);
    int left = polls;
    const auto stop = [&left] { return left-- <= 0; };
    t.options.should_stop = stop;
    const auto m = report(t);
    REQUIRE(m.size() == whole.size());
    for (std::size_t i = 0; i < m.size(); ++i)
      if (std::isfinite(m[i].value)) CHECK((m[i].value >= -7 && m[i].value <= 1e5));
  }
}

TEST_CASE("nadirs are looked for up to day 60 only") {
  const auto cy = [](const std::string& id, const char* amount, const char* day) {
    return test::dose(id, "cyclophosphamide", "iv", "amount = '" + std::string(amount) + " mg/kg'\ndays = [" + day + "]\nduration = '1 h'");
  };
  const Scenario s = test::scenario_from(cy("early", "5", "0") + cy("late", "60", "70"), {"horizon=90 d"});
  const auto m = report(test::solved(s));
  CHECK(value(m, "alc_nadir_day") < 10);
  CHECK(value(m, "host_nk_nadir_day") < 30);
  const Scenario only_late = test::scenario_from(cy("late", "60", "70"), {"horizon=90 d"});
  CHECK(std::isnan(value(report(test::solved(only_late)), "alc_nadir")));
}

TEST_CASE("survival of the first infusion counts lung, blood and tissue just before the day") {
  const Scenario s = scenario("rogachev-hsct", {"tbi"});
  const Trajectory t = test::solved(s);
  const auto m = report(t);
  const auto cells = [&](double day) { return cohort_body(t.before(day).data(), 0); };
  CHECK(value(m, "first_infusion_at_second_conditioning") == doctest::Approx(cells(-4) / s.cohorts[0].nk_dosed).epsilon(1e-12));
  CHECK(value(m, "first_infusion_after_second_conditioning") == doctest::Approx(cells(0) / cells(-4)).epsilon(1e-12));
  // day -4 brings the first fraction of irradiation: before it there are more cells than after it
  CHECK(cells(-4) > 1.05 * cohort_body(t.at(-4).data(), 0));
}

TEST_CASE("the program's own metrics keep to the beginnings that regimens may not use, each once") {
  const Scenario s = scenario("radboud-ucb", {});
  std::set<std::string> names;
  for (const Metric& m : report(test::solved(s))) {
    CAPTURE(m.name);
    CHECK((m.name.starts_with("donor_nk_") || m.name.starts_with("alc_") || m.name.starts_with("il15_") || m.name.starts_with("host_nk_")));
    CHECK(names.insert(m.name).second);
  }
}
