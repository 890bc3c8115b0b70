// Sensitivities to when a dose begins and how long it takes: closed forms, whole runs that differ, a shift of all events.
#include <algorithm>
#include <set>

#include "nkpk/core/error.hpp"
#include "nkpk/simulation/lift.hpp"
#include "support/observed.hpp"

using namespace nkpk;
using namespace nkpk::test;

namespace {

SolverOptions tight(const std::string& method = "dopri5") {
  SolverOptions options;
  options.method = method;
  options.rtol = method == "rodas5p" ? 1e-11 : 1e-10;  // tangents behind it are of order four, its states of order five
  options.atol_factor = 1e-4;
  return options;
}

Sensitivities sensitivities(const Scenario& s, const std::vector<std::string>& names, const SolverOptions& options) {
  Sensitivities d = simulate_sensitivities(s, names, options);
  REQUIRE_MESSAGE(d.status == Status::ok, d.message);
  return d;
}

/// The scenario whose administrations of one dose begin and last longer by so much, observed at the same times.
Scenario changed(Scenario s, const std::string& id, double later_d, double longer_d) {
  std::vector<Entering<double>> entering;
  for (Administration& a : s.administrations) {
    if (s.regimen.doses[a.dose].id == id) {
      a.start_d += later_d;
      a.duration_d += longer_d;
      if (a.cohort >= 0) s.lots[static_cast<std::size_t>(a.cohort)].start_d += later_d;
    }
    entering.push_back({a.entering, a.start_d, a.duration_d});
  }
  s.constants = prepare(s.p, s.constants.body, chi_of(s.regimen.donor, s.p), s.lots, s.constants.modules, s.parameters.linear_quadratic);
  s.timeline = make_timeline(s, s.p, s.constants, entering);
  return s;
}

/// Central difference of whole runs, [n_times x n_observables].
RowMatrix difference(const Scenario& s, const std::string& id, const std::string& what, double h, const SolverOptions& options) {
  const auto run = [&](double by) { return observables(what == "start" ? changed(s, id, by, 0) : changed(s, id, 0, by), options); };
  return (run(h) - run(-h)) / (2 * h);
}

/// Outputs on a grid, and soon after each event; none as near to an event as one might move.
void observe_between_events(Scenario& s, double step) {
  std::vector<double> times;
  for (double t = s.t_start_d + 0.37; t < s.t_end_d; t += step) times.push_back(t);
  for (const double event : s.timeline.times)
    for (const double after : {0.004, 0.012, 0.09}) times.push_back(event + after);
  std::erase_if(times, [&](double t) {
    return t > s.t_end_d || std::any_of(s.timeline.times.begin(), s.timeline.times.end(), [&](double event) { return std::abs(t - event) < 2e-3; });
  });
  std::sort(times.begin(), times.end());
  s.output_times_d = times;
}

void demand_differences(const Scenario& s, const Sensitivities& d, std::size_t parameter, const std::string& id, const std::string& what,
                        const SolverOptions& options) {
  CAPTURE(s.regimen.name);
  CAPTURE(id);
  CAPTURE(what);
  const double h = 1e-4;
  const RowMatrix expected = difference(s, id, what, h, options), coarse = difference(s, id, what, 2 * h, options);
  const RowMatrix found = derivatives_by(d, parameter);
  for (Eigen::Index k = 0; k < found.cols(); ++k) {
    CAPTURE(d.observables[static_cast<std::size_t>(k)].name);
    const double size = largest(d.values, k), slope = largest(found, k);
    for (Eigen::Index i = 0; i < found.rows(); ++i) {
      CAPTURE(d.times_d[static_cast<std::size_t>(i)]);
      CHECK(std::isnan(found(i, k)) == std::isnan(expected(i, k)));
      if (std::isnan(expected(i, k))) continue;
      // Truncation, from twice the step: three times as much where the solution is smooth in the time, once where two events that
      // pass each other commute to first order only (cells irradiated and killed by a drug at once). Solver: 10 rtol over h.
      const double truncation = std::abs(coarse(i, k) - expected(i, k));
      CHECK(std::abs(found(i, k) - expected(i, k)) <= 1.5 * truncation + 1e-6 * slope + 1e-9 * size / h);
    }
  }
}

}  // namespace

TEST_CASE("a bolus into one compartment, moved later, lags behind: d/dlag A exp(-k (t - lag)) = k A exp(-k (t - lag))") {
  const Scenario s = scenario_from(dose("aba", "abatacept", "iv", "amount = '10 mg/kg'\ndays = [2]"));
  const double k = s.constants.abatacept.k, c0 = s.administrations[0].amount / s.constants.abatacept.V_L;
  for (const char* method : {"dopri5", "rodas5p"}) {
    CAPTURE(method);
    const Sensitivities d = sensitivities(s, {"dose.aba.start"}, tight(method));
    CHECK(d.parameters[0].value == 2);
    CHECK(d.parameters[0].unit == "d");
    for (const double day : {1.5, 2.0, 2.5, 10.0, 30.0}) {
      const std::size_t i = index_of(d, day);
      const double expected = day < 2 ? 0 : k * c0 * std::exp(-k * (day - 2));
      CHECK(off(derivative(d, 0, "abatacept_conc", i), expected) < 1e-8);
    }
  }
}

// An amount A over D from t0 into one compartment, k its rate of loss, u = t - t0:
//   u <= D   x = A/(kD) (1 - exp(-k u))              dx/dt0 = -A/D exp(-k u)     dx/dD = -x/D
//   u >= D   x = A/(kD) (exp(kD) - 1) exp(-k u)      dx/dt0 = k x                dx/dD = A/D exp(-k (u - D)) - x/D
TEST_CASE("start and duration of an infusion into one compartment, during it and after it, each administration moving") {
  const Scenario s = scenario_from(dose("bu", "busulfan", "iv", "amount = '100 mg'\ndays = [1, 1.25]\nduration = '3 h'"));
  const double k = s.constants.busulfan.k10, A = 100 / s.constants.busulfan.V_L, D = 0.125;
  Scenario seen = s;
  seen.output_times_d = {0.9, 1.03, 1.1, 1.125, 1.2, 1.3, 1.36, 1.5, 2};
  for (const char* method : {"dopri5", "rodas5p"}) {
    CAPTURE(method);
    const Sensitivities d = sensitivities(seen, {"dose.bu.start", "dose.bu.duration"}, tight(method));
    CHECK(d.parameters[1].value == 0.125);
    for (std::size_t i = 0; i < seen.output_times_d.size(); ++i) {
      double by_start = 0, by_duration = 0;
      for (const double start : {1.0, 1.25}) {
        const double u = seen.output_times_d[i] - start;
        if (u < 0) continue;
        const bool over = u >= D;
        const double x = A / (k * D) * (over ? (std::exp(k * D) - 1) * std::exp(-k * u) : 1 - std::exp(-k * u));
        by_start += over ? k * x : -A / D * std::exp(-k * u);
        by_duration += (over ? A / D * std::exp(-k * (u - D)) : 0) - x / D;
      }
      CAPTURE(seen.output_times_d[i]);
      CHECK(off(derivative(d, 0, "busulfan_conc", i), by_start) < 1e-7);
      CHECK(off(derivative(d, 1, "busulfan_conc", i), by_duration) < 1e-7);
    }
  }
}

// Nothing but the doses knows the time: moved all together, they take the whole solution along.
TEST_CASE("moving every dose at once moves the whole solution: the derivatives by the starts add up to minus the slope in time") {
  for (const std::string& name : regimen_names()) {
    if (name == "rogachev-hsct") continue;  // below, with irradiation
    CAPTURE(name);
    Scenario s = shipped(name);
    std::vector<std::string> names;
    for (const DoseEntry& dose : s.regimen.doses)
      if (drug_route(dose).action != Action::record) names.push_back("dose." + dose.id + ".start");
    observe_between_events(s, 3);
    std::erase_if(s.output_times_d, [&](double t) {
      return std::any_of(s.timeline.times.begin(), s.timeline.times.end(), [&](double event) { return std::abs(t - event) < 1e-2; });
    });
    const Sensitivities d = sensitivities(s, names, tight());
    const double h = 1e-4;
    Scenario later = s, earlier = s;
    for (double& t : later.output_times_d) t += h;
    for (double& t : earlier.output_times_d) t -= h;
    const RowMatrix slope = (observables(later, tight()) - observables(earlier, tight())) / (2 * h);
    for (std::size_t k = 0; k < d.observables.size(); ++k) {
      // those that read tables of other leukocytes know the calendar
      const std::string& observable = d.observables[k].name;
      if (observable == "wbc_count" || observable.starts_with("chimerism_wb") || observable.starts_with("chimerism_pbmc")) continue;
      CAPTURE(observable);
      const auto column = static_cast<Eigen::Index>(k);
      const double size = largest(d.values, column), steepest = largest(slope, column);
      for (Eigen::Index i = 0; i < slope.rows(); ++i) {
        double sum = 0;
        for (std::size_t j = 0; j < names.size(); ++j) sum += d.derivative(static_cast<std::size_t>(i), k, j);
        CAPTURE(d.times_d[static_cast<std::size_t>(i)]);
        CHECK(std::isnan(sum) == std::isnan(slope(i, column)));
        if (!std::isnan(sum)) CHECK(std::abs(sum + slope(i, column)) <= 2e-5 * steepest + 1e-9 * size / h);
      }
    }
  }
}

TEST_CASE("in every regimen the derivatives by starts and durations are differences of whole runs, beside ordinary parameters") {
  struct Case {
    std::string regimen;
    std::vector<std::string> arms;
    double step;
  };
  const std::vector<Case> cases{{"radboud-ucb", {"high-il2"}, 2}, {"sankoma", {"two-infusions"}, 2}, {"rogachev-hsct", {"tbi"}, 3},
                                {"rogachev-hsct", {"busulfan"}, 3}, {"peking-aml", {"consecutive"}, 2}, {"sysu-ucb", {"low-alc"}, 6}};
  for (const Case& c : cases) {
    Scenario s = shipped(c.regimen, c.arms);
    observe_between_events(s, c.step);
    std::vector<std::string> names{"host_nk.d0"};
    std::vector<std::pair<std::string, std::string>> whats;
    std::set<std::string> seen;
    for (const Administration& a : s.administrations) {
      const DoseEntry& dose = s.regimen.doses[a.dose];
      const Action action = drug_route(dose).action;
      if (action == Action::record || !seen.insert(dose.id).second) continue;
      whats.push_back({dose.id, "start"});
      if (action == Action::input && a.duration_d > 0) whats.push_back({dose.id, "duration"});
    }
    for (const auto& [id, what] : whats) names.push_back("dose." + id + "." + what);
    names.push_back("infused_nk.fv");
    const Sensitivities d = sensitivities(s, names, tight());
    for (std::size_t j = 0; j < whats.size(); ++j) demand_differences(s, d, j + 1, whats[j].first, whats[j].second, tight());
    // and the ordinary ones are as without events that move
    const Sensitivities alone = sensitivities(s, {"host_nk.d0", "infused_nk.fv"}, tight());
    for (const auto& [mixed, plain] : {std::pair<std::size_t, std::size_t>{0, 0}, {names.size() - 1, 1}}) {
      const RowMatrix beside = derivatives_by(d, mixed), by_itself = derivatives_by(alone, plain);
      for (Eigen::Index k = 0; k < d.values.cols(); ++k) {
        const double size = largest(by_itself, k);
        for (Eigen::Index i = 0; i < d.values.rows(); ++i)
          if (!std::isnan(by_itself(i, k))) CHECK(std::abs(beside(i, k) - by_itself(i, k)) <= 1e-6 * size + 1e-6 * largest(alone.values, k));
      }
    }
  }
}

TEST_CASE("a linearly implicit method gives the same derivatives by starts and durations") {
  for (const auto& [regimen, arm] : {std::pair<const char*, const char*>{"radboud-ucb", "high-il2"}, {"rogachev-hsct", "tbi"}, {"peking-aml", "consecutive"}}) {
    CAPTURE(regimen);
    Scenario s = shipped(regimen, {arm});
    observe_between_events(s, 3);
    std::vector<std::string> names{"dose." + s.regimen.doses.front().id + ".start", "dose." + s.regimen.doses.front().id + ".duration"};
    for (const DoseEntry& dose : s.regimen.doses)
      if (dose.id == "nk" || dose.id == "nk-1" || dose.id == "tbi") names.push_back("dose." + dose.id + ".start");
    const Sensitivities explicit_ = sensitivities(s, names, tight()), implicit = sensitivities(s, names, tight("rodas5p"));
    for (std::size_t j = 0; j < names.size(); ++j) {
      const RowMatrix a = derivatives_by(explicit_, j), b = derivatives_by(implicit, j);
      for (Eigen::Index k = 0; k < a.cols(); ++k) {
        CAPTURE(explicit_.observables[static_cast<std::size_t>(k)].name);
        const double size = largest(a, k) + largest(explicit_.values, k);
        for (Eigen::Index i = 0; i < a.rows(); ++i)
          if (!std::isnan(a(i, k))) CHECK(std::abs(a(i, k) - b(i, k)) <= 1e-7 * size);
      }
    }
  }
}

TEST_CASE("infused cells moved before an irradiation are hit in another state, and prime from their own start") {
  Scenario s = scenario_from(dose("nk", "nk_cells", "iv", "amount = '1e9 cells'\ndays = [0]\nduration = '30 min'") +
                             dose("il2", "il2", "sc", "amount = '6e6 IU'\ndays = [-1, 1, 3]") +
                             dose("tbi", "tbi", "external", "amount = '2 Gy'\ndays = [2]"), {"product.tau_pr=2 d"});
  observe_between_events(s, 0.5);
  const Sensitivities d = sensitivities(s, {"dose.nk.start", "dose.nk.duration", "dose.tbi.start", "dose.il2.start"}, tight());
  demand_differences(s, d, 0, "nk", "start", tight());
  demand_differences(s, d, 1, "nk", "duration", tight());
  demand_differences(s, d, 2, "tbi", "start", tight());
  demand_differences(s, d, 3, "il2", "start", tight());
}

TEST_CASE("doses at one moment that add to different states commute: the derivative has two sides that agree") {
  Scenario s = scenario_from(dose("cy", "cyclophosphamide", "iv", "amount = '60 mg/kg'\ndays = [0]\nduration = '1 h'") +
                             dose("flu", "fludarabine", "iv", "amount = '25 mg/m^2'\ndays = [0]\nduration = '1 h'") +
                             dose("aba", "abatacept", "iv", "amount = '10 mg/kg'\ndays = [0]"));
  observe_between_events(s, 1);
  const std::vector<std::string> ids{"cy", "flu", "aba"};
  const Sensitivities d = sensitivities(s, {"dose.cy.start", "dose.flu.start", "dose.aba.start"}, tight());
  for (std::size_t j = 0; j < 3; ++j) demand_differences(s, d, j, ids[j], "start", tight());
}

// Irradiation acts before what is infused from the same moment on. An infusion that begins earlier would be hit by it: there is
// no derivative on that side, and the one reported is that of the order kept, in which the infusion begins later.
TEST_CASE("events that share a moment and do not commute: the derivative is that of the order kept") {
  Scenario s = scenario_from(dose("tbi", "tbi", "external", "amount = '4 Gy'\ndays = [0]") +
                             dose("nk", "nk_cells", "iv", "amount = '1e9 cells'\ndays = [0]\nduration = '30 min'"));
  observe_between_events(s, 1);
  const Sensitivities d = sensitivities(s, {"dose.nk.start", "dose.tbi.start"}, tight());
  const double h = 1e-4;
  const RowMatrix now = observables(s, tight());
  // second-order one-sided differences
  const auto sided = [&](const std::string& id, double step) {
    const RowMatrix near = observables(changed(s, id, step, 0), tight()), far = observables(changed(s, id, 2 * step, 0), tight());
    return RowMatrix((4 * near - far - 3 * now) / (2 * step));
  };
  const auto k = static_cast<Eigen::Index>(column(d, "donor_nk_count"));
  const RowMatrix nk_later = sided("nk", h), nk_earlier = sided("nk", -h), tbi_earlier = sided("tbi", -h), tbi_later = sided("tbi", h);
  const RowMatrix by_nk = derivatives_by(d, 0), by_tbi = derivatives_by(d, 1);
  bool differs = false;
  for (Eigen::Index i = 0; i < now.rows(); ++i) {
    if (d.times_d[static_cast<std::size_t>(i)] < 0.1) continue;
    CAPTURE(d.times_d[static_cast<std::size_t>(i)]);
    const double allowed = 1e-4 * largest(nk_later, k);
    CHECK(std::abs(by_nk(i, k) - nk_later(i, k)) <= allowed);
    CHECK(std::abs(by_tbi(i, k) - tbi_earlier(i, k)) <= allowed);
    differs = differs || std::abs(by_nk(i, k) - nk_earlier(i, k)) > 10 * allowed || std::abs(by_tbi(i, k) - tbi_later(i, k)) > 10 * allowed;
  }
  CHECK(differs);
}

TEST_CASE("at an output at the moment of a moving event the derivative is that of the branch after it") {
  const Scenario s = scenario_from(dose("aba", "abatacept", "iv", "amount = '10 mg/kg'\ndays = [2]"));
  const Sensitivities d = sensitivities(s, {"dose.aba.start"}, tight());
  const double k = s.constants.abatacept.k, c0 = s.administrations[0].amount / s.constants.abatacept.V_L;
  CHECK(off(derivative(d, 0, "abatacept_conc", index_of(d, 2)), k * c0) < 1e-9);
}

// The run starts a day before its first event, in an equilibrium: started earlier, it is the same.
TEST_CASE("the first event moves alone: where the run starts does not matter") {
  Scenario s = shipped("radboud-ucb", {"high-il2"});
  observe_between_events(s, 2);
  const std::vector<std::string> names{"dose.cy.start", "dose.flu.start", "host_nk.d0"};
  const Sensitivities d = sensitivities(s, names, tight());
  s.t_start_d -= 2.5;
  const Sensitivities earlier = sensitivities(s, names, tight());
  for (std::size_t j = 0; j < names.size(); ++j) {
    const RowMatrix a = derivatives_by(d, j), b = derivatives_by(earlier, j);
    for (Eigen::Index k = 0; k < a.cols(); ++k) {
      const double size = largest(a, k) + largest(d.values, k);
      for (Eigen::Index i = 0; i < a.rows(); ++i)
        if (!std::isnan(a(i, k))) CHECK(std::abs(a(i, k) - b(i, k)) <= 1e-7 * size);
    }
  }
}

TEST_CASE("names of times are refused where a dose has none, and suggested where they are mistyped") {
  const Scenario s = shipped("sankoma");
  const auto message = [&](const std::string& name) {
    try {
      simulate_sensitivities(s, std::vector<std::string>{name});
    } catch (const InputError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK(message("dose.nk-1.strat").find("did you mean \"dose.nk-1.start\"?") != std::string::npos);
  CHECK(message("dose.flu.durations").find("did you mean \"dose.flu.duration\"?") != std::string::npos);
  CHECK(message("dose.local-rt.start").find("unknown parameter") != std::string::npos);
  CHECK(message("dose.il2.duration").find("unknown parameter") != std::string::npos);
}
