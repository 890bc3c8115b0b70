#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <optional>

#include "commands.hpp"
#include "nkpk/archive/archive.hpp"
#include "nkpk/core/error.hpp"
#include "nkpk/core/group_rows.hpp"
#include "nkpk/jobs/ensemble_job.hpp"
#include "nkpk/simulation/dataset.hpp"
#include "nkpk/simulation/ensemble_dataset.hpp"
#include "shared.hpp"
#include "text.hpp"

namespace nkpk::cli {
using nlohmann::json;
namespace {

constexpr std::size_t most_named = 5;  // failures on the screen; all are in the archive
const std::vector<double> days_shown{0, 1, 7, 14, 28, 60, 90};

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    parts.push_back(list.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

std::vector<double> quantiles_of(const std::string& list) {
  std::vector<double> quantiles;
  for (const std::string& text : split(list)) {
    double q = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), q);
    if (error != std::errc() || end != text.data() + text.size())
      throw InputError("--quantiles", fmt::format("\"{}\" is not a number", text),
                       "expected numbers from 0 to 1 with commas between, for example 0.05,0.5,0.95");
    quantiles.push_back(q);
  }
  return quantiles;
}

/// Some output times that lie on whole days, the last one among them.
std::vector<std::size_t> times_shown(const Scenario& s) {
  const auto& times = s.output_times_d;
  std::vector<std::size_t> shown;
  for (const double day : days_shown) {
    const auto it = std::find_if(times.begin(), times.end(), [&](double t) { return t >= day - 1e-9; });
    if (it != times.end() && *it < day + 0.5) shown.push_back(static_cast<std::size_t>(it - times.begin()));
  }
  shown.push_back(times.size() - 1);
  std::ranges::sort(shown);
  shown.erase(std::unique(shown.begin(), shown.end()), shown.end());
  return shown;
}

std::string quantile_table(const Scenario& s, const EnsembleOptions& options, const EnsembleContent& content, const EnsembleDataset& data) {
  std::vector<std::vector<std::string>> rows(1);
  rows[0] = {"observable", "day"};
  for (const double q : content.quantiles) rows[0].push_back(fmt::format("{:g} %", 100 * q));
  for (std::size_t k = 0; k < options.observables.size(); ++k)
    for (const std::size_t t : times_shown(s)) {
      rows.push_back({options.observables[k], fmt::format("{:g}", s.output_times_d[t])});
      for (const double q : content.quantiles) rows.back().push_back(number(data.at(k, t).quantile(q)));
    }
  return table(rows);
}

json quantile_json(const Scenario& s, const EnsembleOptions& options, const EnsembleContent& content, const EnsembleDataset& data) {
  json all = json::object();
  for (std::size_t k = 0; k < options.observables.size(); ++k)
    for (const std::size_t t : times_shown(s)) {
      json values = json::array();
      for (const double q : content.quantiles) values.push_back(number_or_null(data.at(k, t).quantile(q)));
      all[options.observables[k]].push_back({{"day", s.output_times_d[t]}, {"quantiles", values}, {"mean", number_or_null(data.at(k, t).mean())}});
    }
  return all;
}

EnsembleOptions options_of(const EnsembleArguments& arguments) {
  if (arguments.n_patients == 0) throw InputError("--n-patients", "found 0", "expected one at least");
  if (arguments.seed < 0) throw InputError("--seed", fmt::format("found {}", arguments.seed), "expected 0 or more");
  if (!arguments.out.empty() && !is_archive_path(arguments.out)) throw InputError(arguments.out, "is no name of an archive", "expected FILE.h5");
  if (arguments.resume && arguments.out.empty()) throw InputError("--resume", "no archive is named", "expected -o FILE.h5, that of the interrupted run");
  EnsembleOptions options;
  options.solver = solver_options(arguments.solver, arguments.isa);
  options.n_threads = arguments.threads;
  options.observables = arguments.observables.empty() ? usual_observables() : split(arguments.observables);
  return options;
}

EnsembleContent content_of(const EnsembleArguments& arguments) {
  EnsembleContent content;
  if (!arguments.quantiles.empty()) content.quantiles = quantiles_of(arguments.quantiles);
  content.keep_values = !arguments.summary_only && !arguments.out.empty();
  content.seed = arguments.seed;
  return content;
}

Group origin_of(const Common& common, const EnsembleArguments& arguments) {
  Group origin = provenance(common.command_line, {{"hdf5", archive::hdf5_version()}});
  origin.attributes["threads"] = static_cast<std::int64_t>(thread_count(arguments.threads));
  return origin;
}

/// The first of those who failed or were refused.
class Failures {
 public:
  void take(const Group& rows) {
    const auto& patient = std::get<std::vector<std::int64_t>>(find_array(rows, "patient")->data);
    const Group& runs = *find_group(rows, "runs");
    const auto& outcome = std::get<std::vector<std::int64_t>>(find_array(runs, "outcome")->data);
    const auto& message = std::get<std::vector<std::string>>(find_array(runs, "message")->data);
    for (std::size_t i = 0; i < outcome.size(); ++i) {
      if (outcome[i] == static_cast<std::int64_t>(PatientRun::Outcome::solved)) continue;
      ++n_;
      if (named_.size() < most_named) named_.push_back(fmt::format("patient {}: {}", patient[i], message[i]));
    }
  }
  void print(bool is_archived) const {
    for (const std::string& failure : named_) fmt::print(stderr, "nkpk: {}\n", failure);
    if (n_ > named_.size()) fmt::print(stderr, "nkpk: and {} more{}\n", n_ - named_.size(), is_archived ? "; the archive names them all" : "");
  }
  const std::vector<std::string>& named() const { return named_; }

 private:
  std::size_t n_ = 0;
  std::vector<std::string> named_;
};

/// Without a file: quantiles for the screen.
EnsembleJob::End in_memory(const Scenario& s, const Population& population, const EnsembleOptions& options, EnsembleDataset& data, Failures& failures) {
  const EnsembleSummary summary = simulate_ensemble(s, population, options, [&](const EnsembleBlock& block) { failures.take(data.take(block)); });
  return {summary, data.n_taken(), false, false};
}

int say_complete(const Common& common, const EnsembleArguments& arguments, EnsembleJob& job) {
  job.run();
  if (common.json)
    fmt::print("{}\n", dump(json{{"archive", arguments.out}, {"was_complete", true}}));
  else if (!common.quiet)
    fmt::print("{} is complete already: all {} patients of this ensemble\n", arguments.out, arguments.n_patients);
  return 0;
}

std::string what_is_left(const EnsembleJob::End& end, std::size_t n_patients, const std::string& out) {
  if (!end.is_written && !end.has_journal) return "nothing is written";
  const std::string how = "go on with the same command and --resume";
  if (!end.is_written) return fmt::format("{}.part holds {} of {} patients as before; {}", out, end.n_patients, n_patients, how);
  return fmt::format("the first {} of {} patients are written to {}; {}.part stays: {}", end.n_patients, n_patients, out, out, how);
}

}  // namespace

int ensemble(const Common& common, const EnsembleArguments& arguments) {
  catch_interrupt();
  const Library library(common.params);
  EnsembleOptions options = options_of(arguments);
  const EnsembleContent content = content_of(arguments);
  const Scenario s = make_scenario(library, arguments.request);
  const Population population = drawn_population(s, arguments.n_patients, static_cast<std::uint64_t>(arguments.seed));
  EnsembleDataset data(s, population, options, content);
  Failures failures;
  const auto note = [&](const std::string& sentence) {
    if (!common.quiet) fmt::print(stderr, "nkpk: {}\n", sentence);
  };
  std::optional<EnsembleJob> job;
  if (!arguments.out.empty()) {
    EnsembleTarget target{.out = arguments.out, .resume = arguments.resume, .overwrite = arguments.force, .checkpoint_every_s = arguments.checkpoint_every_s};
    target.note = note;
    target.each = [&](const Group& rows) { failures.take(rows); };
    job.emplace(s, population, options, data, origin_of(common, arguments), std::move(target));
  }
  if (job && job->is_complete()) return say_complete(common, arguments, *job);
  for (const auto& warning : s.warnings) note(fmt::format("warning: {}: {}", run_name(s), warning));

  EnsembleJob::End end;
  {
    Progress progress(population.n_patients, common.quiet);
    options.progress = [&](std::size_t done, std::size_t) { progress.set(done, "patients"); };
    options.should_stop = [] { return interrupted(); };
    end = job ? job->run() : in_memory(s, population, options, data, failures);
  }
  const EnsembleSummary& summary = end.summary;
  const std::size_t n = end.n_patients;
  if (!common.quiet || (n > 0 && summary.n_solved == 0)) failures.print(end.is_written);
  if (summary.was_stopped) {
    fmt::print(stderr, "nkpk: interrupted; {}\n", what_is_left(end, population.n_patients, arguments.out));
    return 128 + SIGINT;
  }

  if (common.json) {
    const json all{{"regimen", s.regimen.name},
                   {"arm", s.label},
                   {"patient", s.patient.name},
                   {"seed", arguments.seed},
                   {"n_patients", n},
                   {"n_solved", summary.n_solved},
                   {"n_failed", summary.n_failed},
                   {"n_refused", summary.n_refused},
                   {"n_alone", summary.n_alone},
                   {"first_failures", failures.named()},
                   {"solver", summary.method},
                   {"isa", std::string(to_string(summary.isa))},
                   {"archive", arguments.out},
                   {"warnings", s.warnings},
                   {"quantiles", content.quantiles},
                   {"observables", quantile_json(s, options, content, data)}};
    fmt::print("{}\n", dump(all));
  } else if (!common.quiet) {
    fmt::print("{}\n{}: {} patients, seed {}: {} solved, {} failed, {} refused\n", quantile_table(s, options, content, data), run_name(s), n, arguments.seed,
               summary.n_solved, summary.n_failed, summary.n_refused);
    if (end.is_written) fmt::print("written to {}\n", arguments.out);
  }
  return summary.n_solved > 0 ? 0 : 1;
}

}  // namespace nkpk::cli
