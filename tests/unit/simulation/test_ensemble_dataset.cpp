// What is kept of an ensemble: every patient's numbers as they were, and quantiles of them.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "nkpk/simulation/ensemble_dataset.hpp"
#include "support/refusal.hpp"
#include "support/scenarios.hpp"

using namespace nkpk;
using namespace nkpk::test;

namespace {

Scenario scenario() {
  Request request;
  request.regimen = "sankoma";
  request.horizon_d = 2;
  request.output_step_d = 1;
  return make_scenario(library(), request);
}

EnsembleOptions options_with(const std::vector<std::string>& observables, unsigned n_threads = 2) {
  EnsembleOptions options;
  options.solver.rtol = 1e-3;
  options.observables = observables;
  options.n_threads = n_threads;
  return options;
}

const NamedArray& array(const Group& group, const std::string& name) {
  const auto it = std::ranges::find(group.arrays, name, &NamedArray::name);
  REQUIRE(it != group.arrays.end());
  return *it;
}
const Group& group(const Group& root, const std::string& name) {
  const auto it = std::ranges::find(root.groups, name, &Group::Entry::name);
  REQUIRE(it != root.groups.end());
  return it->group;
}
const std::vector<double>& numbers(const Group& g, const std::string& name) { return std::get<std::vector<double>>(array(g, name).data); }
std::int64_t integer(const Group& g, const std::string& name) { return std::get<std::int64_t>(g.attributes.at(name)); }

struct Kept {
  Group whole;
  std::vector<double> values;  ///< as delivered
};

Kept run(const Scenario& s, const Population& population, const EnsembleOptions& options, const EnsembleContent& content) {
  EnsembleDataset data(s, population, options, content);
  Kept kept{data.frame(), {}};
  const auto summary = simulate_ensemble(s, population, options, [&](const EnsembleBlock& block) {
    kept.values.insert(kept.values.end(), block.values.begin(), block.values.end());
    append_rows(kept.whole, data.take(block));
  });
  append_rest(kept.whole, data.rest(summary));
  return kept;
}

}  // namespace

TEST_CASE("an ensemble's arrays hold what was delivered, and quantiles of it") {
  const Scenario s = scenario();
  const std::vector<std::string> observables{"il15", "alc"};  // not in the model's order
  const std::size_t n = block_size + 37, n_times = s.output_times_d.size();
  const Population population = drawn_population(s, n, 5);
  const EnsembleContent content{{0, 0.1, 0.5, 1}, true, 5};
  const auto [whole, values] = run(s, population, options_with(observables), content);
  CHECK(integer(whole, "n_patients") == static_cast<std::int64_t>(n));
  CHECK(integer(whole, "n_solved") == static_cast<std::int64_t>(n));
  CHECK(integer(whole, "seed") == 5);
  CHECK(array(group(whole, "parameters"), "value").shape == std::vector<std::size_t>{n, population.columns.size()});
  for (std::size_t k = 0; k < observables.size(); ++k) {
    const auto& found = numbers(whole, observables[k]);
    REQUIRE(found.size() == n * n_times);
    for (std::size_t t = 0; t < n_times; ++t) {
      std::vector<double> column;
      for (std::size_t i = 0; i < n; ++i) {
        CHECK(found[i * n_times + t] == values[(i * n_times + t) * 2 + k]);
        column.push_back(found[i * n_times + t]);
      }
      std::ranges::sort(column);
      const auto& quantiles = numbers(group(whole, "quantiles"), observables[k]);
      for (std::size_t q = 0; q < content.quantiles.size(); ++q) {
        const double exact = column[static_cast<std::size_t>(content.quantiles[q] * static_cast<double>(n - 1))];
        CHECK(quantiles[q * n_times + t] == doctest::Approx(exact).epsilon(1e-3));
      }
      CHECK(numbers(group(whole, "minimum"), observables[k])[t] == column.front());
      CHECK(numbers(group(whole, "maximum"), observables[k])[t] == column.back());
    }
  }
}

TEST_CASE("quantiles and means have the same bits on any number of threads, and without courses") {
  const Scenario s = scenario();
  const Population population = drawn_population(s, 300, 5);
  const auto one = run(s, population, options_with(usual_observables(), 1), {});
  for (const unsigned n_threads : {2u, 7u}) {
    EnsembleContent content;
    content.keep_values = false;
    const auto other = run(s, population, options_with(usual_observables(), n_threads), content);
    CHECK(std::ranges::none_of(other.whole.arrays, [](const NamedArray& a) { return a.dims.size() == 2; }));
    for (const char* name : {"quantiles", "mean"})
      for (const NamedArray& a : group(one.whole, name).arrays) {
        const auto &x = std::get<std::vector<double>>(a.data), &y = numbers(group(other.whole, name), a.name);
        CHECK(std::equal(x.begin(), x.end(), y.begin(), y.end(), [](double p, double q) { return p == q || (std::isnan(p) && std::isnan(q)); }));
      }
  }
}

TEST_CASE("those who were refused count in nothing but their number") {
  const Scenario s = scenario();
  const std::vector<std::string> names{"host_nk.d0"};
  std::vector<double> values(20, s.parameters.at("host_nk.d0").value);
  values[4] = -1;
  const Population population = population_of(s, names, values);
  const auto [whole, delivered] = run(s, population, options_with({"alc"}), {});
  CHECK(integer(whole, "n_refused") == 1);
  CHECK(integer(whole, "n_patients") == 20);
  CHECK(std::get<std::vector<std::int64_t>>(array(group(whole, "count"), "alc").data)[0] == 19);
  const Group& runs = group(whole, "runs");
  CHECK(std::get<std::vector<std::int64_t>>(array(runs, "outcome").data)[4] == 2);
  CHECK(std::get<std::vector<std::int64_t>>(array(runs, "status").data)[4] == -1);
  CHECK(std::get<std::vector<std::string>>(array(runs, "message").data)[4].find("host_nk.d0") != std::string::npos);
  CHECK(std::get<std::vector<std::string>>(array(runs, "message").data)[5] == "");
  CHECK(numbers(group(whole, "mean"), "alc")[0] == doctest::Approx(numbers(group(whole, "quantiles"), "alc")[0]).epsilon(1e-3));
}

TEST_CASE("quantiles that cannot be are refused before anything is computed") {
  const Scenario s = scenario();
  const Population population = drawn_population(s, 3, 1);
  const EnsembleOptions options = options_with({"alc"});
  const auto problem = [&](const std::vector<double>& quantiles) { return refusal_of([&] { EnsembleDataset(s, population, options, {quantiles, true, 1}); }); };
  CHECK(problem({}).find("none given") != std::string::npos);
  CHECK(problem({0.5, 1.5}).find("found 1.5") != std::string::npos);
  CHECK(problem({NAN}).find("found nan") != std::string::npos);
  CHECK(problem({0.5, 0.25}).find("0.25 stands behind 0.5") != std::string::npos);
  CHECK(problem({0.5, 0.5}).find("0.5 stands behind 0.5") != std::string::npos);
}
