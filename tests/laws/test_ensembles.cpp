// Ensembles: a patient's numbers are his own, whoever is run beside him and on however many threads.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "nkpk/simulation/ensemble.hpp"
#include "nkpk/simulation/lifted.hpp"
#include "support/refusal.hpp"
#include "support/scenarios.hpp"

using namespace nkpk;
using namespace nkpk::test;

namespace {

const std::vector<std::string> observables{"nk_count", "donor_nk_count", "alc", "treg_count", "il15_fold", "il2"};
/// A thousandth of their usual size, cells/uL, fold, IU/mL: below it a relative difference means nothing.
const double floors[] = {0.25, 0.01, 1.3, 0.058, 1e-3, 0.01};

Scenario regimen(const std::string& name, const std::vector<std::string>& arms, double horizon_d, double step_d) {
  Request request;
  request.regimen = name;
  request.arms = arms;
  request.horizon_d = horizon_d;
  request.output_step_d = step_d;
  return make_scenario(library(), request);
}

struct Everything {
  std::vector<double> parameters, values;
  std::vector<PatientRun> runs;
  EnsembleSummary summary;
};

EnsembleOptions options_with(double rtol, unsigned n_threads = 2) {
  EnsembleOptions options;
  options.solver.rtol = rtol;
  options.observables = observables;
  options.n_threads = n_threads;
  return options;
}

Everything run(const Scenario& s, const Population& population, const EnsembleOptions& options) {
  Everything all;
  std::size_t next = options.first_patient;
  all.summary = simulate_ensemble(s, population, options, [&](const EnsembleBlock& block) {
    CHECK(block.first == next);
    next += block.n;
    all.parameters.insert(all.parameters.end(), block.parameters.begin(), block.parameters.end());
    all.values.insert(all.values.end(), block.values.begin(), block.values.end());
    all.runs.insert(all.runs.end(), block.runs.begin(), block.runs.end());
  });
  return all;
}

bool same_bits(const double* a, const double* b, std::size_t n) { return std::equal(a, a + n, b, [](double x, double y) { return x == y || (std::isnan(x) && std::isnan(y)); }); }

/// The largest difference of values over the larger of the value and its floor.
double farthest(std::span<const double> a, std::span<const double> b) {
  REQUIRE(a.size() == b.size());
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(a[i]) && std::isnan(b[i])) continue;
    const double d = std::abs(a[i] - b[i]) / std::max(std::abs(b[i]), floors[i % observables.size()]);
    worst = std::isnan(d) ? INFINITY : std::max(worst, d);
  }
  return worst;
}

/// One patient's own run, on doubles.
std::vector<double> alone(const Scenario& s, const Population& population, std::span<const double> row, double rtol) {
  Individual<double> who(s, population.columns);
  for (std::size_t j = 0; j < row.size(); ++j)
    for (double* place : who.places(j)) *place = row[j];
  const auto c = prepare(who.p, Physiology::body(s.patient, who.p.physiology), chi_of(s.regimen.donor, who.p), who.lots, s.constants.modules, s.parameters.linear_quadratic);
  std::vector<Entering<double>> entering;
  for (const auto& a : s.administrations)
    entering.push_back({a.cohort < 0 ? a.amount : viable_nk(a.amount, who.lots[static_cast<std::size_t>(a.cohort)].product), a.start_d, a.duration_d});
  const auto timeline = make_timeline(s, who.p, c, entering);
  Lifted<double> lifted(c, timeline);
  const Solution solution = integrate(lifted.system(), initial_state(who.p, c), s.t_start_d, s.output_times_d, with_rtol(rtol));
  REQUIRE_MESSAGE(solution.status == Status::ok, solution.message);
  std::vector<double> values;
  for (std::size_t t = 0; t < s.output_times_d.size(); ++t)
    visit_observables(c, solution.states.row(static_cast<Eigen::Index>(t)).data(), leukocytes_at(s.leukocytes, s.output_times_d[t]),
                      [&](const char* name, auto, auto, auto, double value) {
                        if (std::find(observables.begin(), observables.end(), name) != observables.end()) values.push_back(value);
                      });
  return values;
}

/// n patients who have the scenario's values of one parameter, which may then be changed for some of them.
Population equal_patients(const Scenario& s, const std::string& name, std::size_t n, const std::vector<std::pair<std::size_t, double>>& but) {
  std::vector<double> values(n, s.parameters.at(name).value);
  for (const auto& [patient, value] : but) values[patient] = value;
  const std::vector<std::string> names{name};
  return population_of(s, names, values);
}

}  // namespace

TEST_CASE("the same seed gives the same bits on any number of threads and in any chunks of whole blocks") {
  const Scenario s = regimen("radboud-ucb", {"high-il2"}, 4, 1);
  const Population population = drawn_population(s, 2 * block_size + 37, 7);
  const Everything one = run(s, population, options_with(1e-3, 1));
  REQUIRE(one.runs.size() == population.n_patients);
  CHECK(one.summary.n_solved == population.n_patients);
  const std::size_t n_parameters = population.columns.size(), n_values = s.output_times_d.size() * observables.size();
  for (const unsigned n_threads : {2u, 5u}) {
    CAPTURE(n_threads);
    const Everything other = run(s, population, options_with(1e-3, n_threads));
    CHECK(same_bits(one.parameters.data(), other.parameters.data(), one.parameters.size()));
    CHECK(same_bits(one.values.data(), other.values.data(), one.values.size()));
  }
  EnsembleOptions rest = options_with(1e-3);
  rest.first_patient = 2 * block_size;
  const Everything last = run(s, population, rest);
  REQUIRE(last.runs.size() == 37);
  CHECK(same_bits(last.parameters.data(), one.parameters.data() + 2 * block_size * n_parameters, 37 * n_parameters));
  CHECK(same_bits(last.values.data(), one.values.data() + 2 * block_size * n_values, 37 * n_values));
  // more patients than asked for before are no reason to change those of whole blocks
  const Population fewer = drawn_population(s, block_size, 7);
  CHECK(same_bits(run(s, fewer, options_with(1e-3)).values.data(), one.values.data(), block_size * n_values));
  const Population other_seed = drawn_population(s, 5, 8);
  CHECK(!same_bits(run(s, other_seed, options_with(1e-3)).values.data(), one.values.data(), 5 * n_values));
}

TEST_CASE("a patient of an ensemble agrees with his own run, on every instruction set") {
  constexpr double rtol = 1e-6;
  const std::pair<std::string, std::vector<std::string>> regimens[] = {{"radboud-ucb", {"high-il2"}}, {"sankoma", {}}};
  for (const auto& [name, arms] : regimens) {
    CAPTURE(name);
    const Scenario s = regimen(name, arms, 90, 1);
    // not a multiple of any pack's width: places are left over
    const Population population = drawn_population(s, 37, 3);
    for (const Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512}) {
      if (isa > best_isa()) continue;
      CAPTURE(to_string(isa));
      EnsembleOptions options = options_with(rtol);
      options.solver.isa = isa;
      const Everything all = run(s, population, options);
      CHECK(all.summary.n_alone == 0);
      const std::size_t n_parameters = population.columns.size(), n_values = s.output_times_d.size() * observables.size();
      for (std::size_t i = 0; i < population.n_patients; ++i) {
        CAPTURE(i);
        const auto own = alone(s, population, std::span(all.parameters).subspan(i * n_parameters, n_parameters), rtol);
        CHECK(farthest(std::span(all.values).subspan(i * n_values, n_values), own) <= 10 * rtol);
      }
    }
  }
}

TEST_CASE("every patient of an ensemble begins in an equilibrium of his own") {
  const Scenario s = regimen("radboud-ucb", {}, 0, 0.25);
  const Population population = drawn_population(s, 50, 11);
  const Everything all = run(s, population, options_with(1e-8));
  std::size_t NK0 = 0;
  while (population.columns[NK0].name != "host_nk.NK0") ++NK0;
  const std::size_t n_values = s.output_times_d.size() * observables.size();
  REQUIRE(s.output_times_d[3] < s.timeline.times.front());
  for (std::size_t i = 0; i < population.n_patients; ++i) {
    const double* first = all.values.data() + i * n_values;
    CHECK(first[0] == doctest::Approx(all.parameters[i * population.columns.size() + NK0]).epsilon(1e-12));
    CHECK(farthest({first + 3 * observables.size(), observables.size()}, {first, observables.size()}) < 1e-9);
  }
}

TEST_CASE("a patient who fails, fails alone: those of other packs keep their bits, those of his agree within tolerance") {
  constexpr double rtol = 1e-6;
  const Scenario s = regimen("sankoma", {}, 5, 1);
  constexpr std::size_t n = 40, ill = 13;
  const Everything healthy = run(s, equal_patients(s, "fludarabine.s_T", n, {}), options_with(rtol));
  // a potency so high that the kill overflows
  const Everything all = run(s, equal_patients(s, "fludarabine.s_T", n, {{ill, 1e308}}), options_with(rtol));
  CHECK(all.summary.n_failed == 1);
  CHECK(all.summary.n_solved == n - 1);
  CHECK(all.summary.n_alone == all.summary.pack_width);
  CHECK(all.runs[ill].outcome == PatientRun::Outcome::failed);
  CHECK(all.runs[ill].status != Status::ok);
  CHECK(all.runs[ill].message.find("patient 13") != std::string::npos);
  const std::size_t n_values = s.output_times_d.size() * observables.size();
  CHECK(std::isfinite(all.values[ill * n_values]));
  CHECK(std::isnan(all.values[(ill + 1) * n_values - 1]));
  for (std::size_t i = 0; i < n; ++i) {
    if (i == ill) continue;
    CAPTURE(i);
    const auto found = std::span(all.values).subspan(i * n_values, n_values), expected = std::span(healthy.values).subspan(i * n_values, n_values);
    CHECK(all.runs[i].outcome == PatientRun::Outcome::solved);
    if (all.runs[i].was_alone)
      CHECK(farthest(found, expected) <= 10 * rtol);
    else
      CHECK(same_bits(found.data(), expected.data(), n_values));
  }
}

TEST_CASE("a patient whose values make no sense is refused with the reason, and the others are run") {
  const Scenario s = regimen("sankoma", {}, 2, 1);
  const Everything all = run(s, equal_patients(s, "host_nk.d0", 20, {{4, 0.01}, {5, NAN}, {19, -1}}), options_with(1e-4));
  CHECK(all.summary.n_refused == 3);
  CHECK(all.summary.n_solved == 17);
  for (const std::size_t i : {4, 5, 19}) {
    CHECK(all.runs[i].outcome == PatientRun::Outcome::refused);
    CHECK(all.runs[i].message.find("host_nk.d0") != std::string::npos);
    CHECK(std::isnan(all.values[i * s.output_times_d.size() * observables.size()]));
  }
  const Everything none = run(s, equal_patients(s, "host_nk.d0", 3, {{0, -1}, {1, -1}, {2, -1}}), options_with(1e-4));
  CHECK(none.summary.n_refused == 3);
}

TEST_CASE("an ensemble stops when it is asked to, and when its caller throws") {
  const Scenario s = regimen("sankoma", {}, 2, 1);
  const Population population = drawn_population(s, 5 * block_size, 1);
  EnsembleOptions options = options_with(1e-3);
  std::size_t delivered = 0, most = 0;
  options.should_stop = [&] { return delivered == 2; };
  options.progress = [&](std::size_t done, std::size_t all) {
    CHECK(done >= most);
    CHECK(all == population.n_patients);
    most = done;
  };
  const auto summary = simulate_ensemble(s, population, options, [&](const EnsembleBlock&) { ++delivered; });
  CHECK(summary.was_stopped);
  CHECK(summary.n_solved == 2 * block_size);
  CHECK(delivered == 2);
  CHECK(most >= 2 * block_size);
  options.should_stop = nullptr;
  options.progress = nullptr;
  CHECK_THROWS_AS(simulate_ensemble(s, population, options, [](const EnsembleBlock&) { throw std::runtime_error("disk full"); }), std::runtime_error);
}

TEST_CASE("an ensemble refuses what it cannot do") {
  const Scenario s = regimen("sankoma", {}, 2, 1);
  const Population population = drawn_population(s, 3, 1);
  const auto refused_with = [&](auto change) {
    EnsembleOptions options = options_with(1e-3);
    change(options);
    return refusal_of([&] { run(s, population, options); });
  };
  CHECK(refused_with([](auto& o) { o.observables = {"nk_cuont"}; }).find("nk_count") != std::string::npos);
  CHECK(refused_with([](auto& o) { o.observables = {"alc", "alc"}; }).find("twice") != std::string::npos);
  CHECK(refused_with([](auto& o) { o.observables.clear(); }).find("no observable") != std::string::npos);
  CHECK(refused_with([](auto& o) { o.first_patient = 1; }).find("multiple of 1024") != std::string::npos);
  CHECK(refused_with([](auto& o) { o.first_patient = 1024; }).find("below 3") != std::string::npos);
  CHECK(refused_with([](auto& o) { o.solver.rtol = 2; }).find("rtol") != std::string::npos);
  CHECK(refusal_of([&] { run(s, drawn_population(s, 0, 1), options_with(1e-3)); }).find("no patients") != std::string::npos);
}
