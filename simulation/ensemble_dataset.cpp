#include "nkpk/simulation/ensemble_dataset.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "nkpk/core/error.hpp"
#include "nkpk/simulation/dataset.hpp"

namespace nkpk {
namespace {

using Integers = std::vector<std::int64_t>;
using Texts = std::vector<std::string>;

constexpr std::int64_t not_run = -1;

void expect_quantiles(const std::vector<double>& quantiles) {
  const std::string expected = "expected numbers from 0 to 1 in rising order, for example 0.05, 0.5, 0.95";
  if (quantiles.empty()) throw InputError("quantiles", "none given", expected);
  for (std::size_t i = 0; i < quantiles.size(); ++i) {
    if (!(quantiles[i] >= 0 && quantiles[i] <= 1)) throw InputError("quantiles", fmt::format("found {}", quantiles[i]), expected);
    if (i > 0 && quantiles[i] <= quantiles[i - 1]) throw InputError("quantiles", fmt::format("{} stands behind {}", quantiles[i], quantiles[i - 1]), expected);
  }
}

/// A flag of each patient with what its values mean.
NamedArray flags(const std::string& name, const std::string& title, Integers values, const Integers& known, const std::string& meanings) {
  const std::size_t n = values.size();
  return {name, "", title, {"patient"}, {n}, std::move(values), {{"flag_values", known}, {"flag_meanings", meanings}}};
}

template <class Number>
Integers of_runs(const EnsembleBlock* block, Number PatientRun::*member) {
  Integers values;
  if (block)
    for (const PatientRun& run : block->runs) values.push_back(static_cast<std::int64_t>(run.*member));
  return values;
}

/// FNV-1a of every patient's numbers: tells one given population from another.
std::string fingerprint(const Population& population) {
  std::uint64_t hash = 0xcbf29ce484222325;
  std::vector<double> rows;
  for (std::size_t first = 0; first < population.n_patients; first += block_size) {
    rows.resize(std::min(block_size, population.n_patients - first) * population.columns.size());
    population.fill(first, rows);
    for (const auto byte : std::as_bytes(std::span(rows))) hash = (hash ^ static_cast<std::uint64_t>(byte)) * 0x100000001b3;
  }
  return fmt::format("{:016x}", hash);
}

Group runs_group(std::size_t n, const EnsembleBlock* block) {
  const auto count = [&](const char* name, const char* title, std::size_t PatientRun::*member) {
    return NamedArray{name, "1", title, {"patient"}, {n}, of_runs(block, member)};
  };
  Integers status = of_runs(block, &PatientRun::status);
  Texts message;
  if (block) {
    for (std::size_t i = 0; i < n; ++i) {
      if (block->runs[i].outcome == PatientRun::Outcome::refused) status[i] = not_run;
      message.push_back(block->runs[i].message);
    }
  }
  Integers known{not_run};
  std::string meanings = "not_run";
  for (const Status s : {Status::ok, Status::max_steps, Status::step_too_small, Status::not_finite, Status::interrupted}) {
    known.push_back(static_cast<std::int64_t>(s));
    meanings += fmt::format(" {}", to_string(s));
  }
  Group g;
  g.arrays = {flags("outcome", "how the patient went", of_runs(block, &PatientRun::outcome), {0, 1, 2}, "solved failed refused"),
              flags("status", "status of the integration", std::move(status), known, meanings),
              flags("was_alone", "integrated again by himself, as his pack failed", of_runs(block, &PatientRun::was_alone), {0, 1}, "no yes"),
              count("steps_accepted", "accepted steps of the patient's pack", &PatientRun::steps_accepted),
              count("steps_refused", "refused steps of the patient's pack", &PatientRun::steps_refused),
              count("rhs_calls", "evaluations of the right-hand side of the patient's pack", &PatientRun::rhs_calls),
              {"message", "", "why a patient failed or was refused", {"patient"}, {n}, std::move(message)}};
  return g;
}

}  // namespace

std::vector<std::string> usual_observables() { return {"donor_nk_count", "host_nk_count", "alc", "treg_count", "il15", "chimerism_nk"}; }

namespace {

/// Names, units and titles of what is asked for, in that order.
std::vector<NamedArray> observables_of(const Scenario& scenario, const EnsembleOptions& options) {
  std::vector<NamedArray> observables(options.observables.size());
  const std::vector<double> nothing(scenario.constants.n_states());
  visit_observables(scenario.constants, nothing.data(), Leukocytes{}, [&](const char* name, const char* unit, const char* lloq, const char* title, double) {
    const auto it = std::find(options.observables.begin(), options.observables.end(), name);
    if (it == options.observables.end()) return;
    auto& o = observables[static_cast<std::size_t>(it - options.observables.begin())];
    o = {name, cf_unit(unit), title, {}, {}, {}};
    if (*lloq) o.attributes["lloq"] = scenario.lloqs.at(lloq).value;
  });
  return observables;
}

const EnsembleContent& checked(const EnsembleContent& content, const Scenario& scenario, const Population& population, const EnsembleOptions& options) {
  expect_ensemble(scenario, population, options);
  expect_quantiles(content.quantiles);
  if (population.n_patients > Distribution::most)
    throw InputError("ensemble", fmt::format("{} patients", population.n_patients), fmt::format("expected {} at most", Distribution::most));
  return content;
}

}  // namespace

EnsembleDataset::EnsembleDataset(const Scenario& scenario, const Population& population, const EnsembleOptions& options, EnsembleContent content)
    : scenario_(scenario),
      population_(population),
      options_(options),
      content_(checked(content, scenario, population, options)),
      summary_(observables_of(scenario, options), scenario.output_times_d.size(), content_.quantiles) {}

Group EnsembleDataset::patients(std::size_t n, const EnsembleBlock* block) const {
  const std::size_t n_times = scenario_.output_times_d.size(), n_observables = summary_.observables().size();
  Integers number(n);
  for (std::size_t i = 0; i < n; ++i) number[i] = static_cast<std::int64_t>(block->first + i);
  Group g;
  g.arrays.push_back({"patient", "", "number of the virtual patient", {"patient"}, {n}, std::move(number)});
  for (std::size_t k = 0; content_.keep_values && k < n_observables; ++k) {
    const NamedArray& o = summary_.observables()[k];
    std::vector<double> values(n * n_times);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = block->values[i * n_observables + k];
    g.arrays.push_back({o.name, o.unit, o.long_name, {"patient", "time"}, {n, n_times}, std::move(values), o.attributes});
  }
  Group parameters;
  parameters.arrays.push_back({"value", "", "value of the parameter, in parameter_unit", {"patient", "parameter"}, {n, population_.columns.size()},
                               block ? block->parameters : std::vector<double>{}});
  g.groups = {{"parameters", std::move(parameters)}, {"runs", runs_group(n, block)}};
  return g;
}

Group EnsembleDataset::frame() const {
  const bool is_drawn = content_.seed.has_value();
  Group g = patients(0, nullptr);
  g.attributes = scenario_attributes(scenario_);
  g.attributes.merge(Attributes{
      {"nkpk_kind", std::string("ensemble")},
      {"n_asked", static_cast<std::int64_t>(population_.n_patients)},
      {"population", std::string(is_drawn ? "drawn" : "given")},
      {"seed", content_.seed.value_or(0)},
      {"random", std::string(is_drawn ? "Philox2x64 by seed, patient and name of the parameter" : "none: the patients were given, the seed is not used")},
      {"rtol", options_.solver.rtol},
      {"atol_factor", options_.solver.atol_factor},
      {"max_steps", static_cast<std::int64_t>(options_.solver.max_steps)},
      {"quantile_accuracy", Distribution::accuracy}});
  if (!is_drawn) g.attributes["population_hash"] = fingerprint(population_);
  const std::size_t n_times = scenario_.output_times_d.size(), n_columns = population_.columns.size();
  g.arrays.push_back({"time", "days", "days since " + scenario_.regimen.day0, {"time"}, {n_times}, scenario_.output_times_d, {{"axis", std::string("T")}}});
  Texts names, units;
  for (const Column& column : population_.columns) names.push_back(column.name), units.push_back(column.unit);
  auto& parameters = g.groups[0].group.arrays;
  parameters.insert(parameters.begin(), {"parameter", "", "parameter that differs between patients", {"parameter"}, {n_columns}, std::move(names)});
  parameters.push_back({"parameter_unit", "", "unit of value", {"parameter"}, {n_columns}, std::move(units)});
  Group scenario = describe(scenario_);
  // xarray gives groups the coordinates of those above: no group inside may be called "patient"
  for (auto& [name, group] : scenario.groups)
    if (name == "patient") name = "reference_patient";
  g.groups.emplace_back("scenario", std::move(scenario));
  return g;
}

Group EnsembleDataset::take(const EnsembleBlock& block) {
  summary_.add(block.values, thread_count(options_.n_threads));
  n_taken_ += block.n;
  return patients(block.n, &block);
}

void EnsembleDataset::take_again(const Group& rows) {
  if (content_.keep_values) summary_.add(rows, thread_count(options_.n_threads));
  n_taken_ += rows.arrays.at(0).shape.at(0);
}

Attributes EnsembleDataset::progress(const EnsembleSummary& summary) const {
  const auto count = [](std::size_t n) { return static_cast<std::int64_t>(n); };
  return {{"n_patients", count(n_taken_)},
          {"n_solved", count(summary.n_solved)},
          {"n_failed", count(summary.n_failed)},
          {"n_refused", count(summary.n_refused)},
          {"n_alone", count(summary.n_alone)},
          {"solver", summary.method},
          {"isa", std::string(to_string(summary.isa))},
          {"pack_width", count(summary.pack_width)}};
}

Group EnsembleDataset::rest(const EnsembleSummary& summary) const {
  Group g{{}, progress(summary), summary_.groups()};
  g.attributes["status"] = std::string(summary.was_stopped ? "interrupted" : "ok");
  g.groups.emplace_back("provenance", Group{{}, end_of_run(summary.was_stopped ? "interrupted" : summary.n_solved == 0 ? "failed" : "ok"), {}});
  return g;
}

}  // namespace nkpk
