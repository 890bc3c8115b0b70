#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include <filesystem>
#include <optional>

#include "convert.hpp"
#include "interrupt.hpp"
#include "nkpk/jobs/ensemble_job.hpp"
#include "nkpk/simulation/ensemble_dataset.hpp"

namespace nkpk::bindings {
namespace {

using Table = py::array_t<double, py::array::c_style | py::array::forcecast>;

/// Who is simulated and what is kept.
struct Wanted {
  std::size_t n_patients;
  std::optional<std::int64_t> seed;  ///< none: `values` are the patients
  std::vector<std::string> names;
  Table values;                      ///< [n_patients x names]
  std::vector<std::string> observables;
  EnsembleContent content;
  SolverOptions solver;
  unsigned n_threads;
};

Population population_in(const Scenario& s, const Wanted& wanted) {
  if (wanted.seed) return drawn_population(s, wanted.n_patients, static_cast<std::uint64_t>(*wanted.seed));
  return population_of(s, wanted.names, {wanted.values.data(), wanted.values.data() + wanted.values.size()});
}

/// The ensemble in memory; or in the file of the target, and then None. Ctrl-C ends it, and a file keeps the blocks finished so far.
py::object run_ensemble(const Scenario& s, const Wanted& wanted, const py::object& progress, const py::dict& origin, const EnsembleTarget& target) {
  const Population population = population_in(s, wanted);
  EnsembleOptions options;
  options.solver = wanted.solver;
  options.observables = wanted.observables;
  options.n_threads = wanted.n_threads;
  EnsembleDataset data(s, population, options, wanted.content);
  Interrupt interrupt;
  options.should_stop = [&interrupt] { return interrupt.pending(); };
  if (!progress.is_none())
    options.progress = [&progress](std::size_t done, std::size_t all) {
      const py::gil_scoped_acquire gil;
      progress(done, all);
    };
  Group whole;
  const Group provenance = from_python(origin);
  {
    const py::gil_scoped_release unlocked;
    if (!target.out.empty()) {
      EnsembleJob(s, population, options, data, provenance, target).run();
    } else {
      whole = data.frame();
      const EnsembleSummary summary = simulate_ensemble(s, population, options, [&](const EnsembleBlock& block) { append_rows(whole, data.take(block)); });
      append_rest(whole, data.rest(summary));
    }
  }
  interrupt.raise();
  return target.out.empty() ? py::object(to_python(std::move(whole))) : py::none();
}

}  // namespace

void bind_ensemble(py::module_& m) {
  m.def("usual_observables", &usual_observables);
  m.def("thread_count", &thread_count, py::arg("asked"));
  m.def(
      "ensemble",
      [](const Scenario& scenario, std::size_t n, std::optional<std::int64_t> seed, const std::vector<std::string>& names, const Table& values,
         const std::vector<std::string>& observables, const std::vector<double>& quantiles, bool keep_values, unsigned threads, const SolverOptions& solver,
         const py::object& progress, const py::dict& provenance, const std::optional<std::filesystem::path>& out, bool overwrite, bool resume) {
        const Wanted wanted{n, seed, names, values, observables, {quantiles, keep_values, seed}, solver, threads};
        EnsembleTarget target{.out = out.value_or(""), .resume = resume, .overwrite = overwrite};
        target.resume_word = "resume=True";
        target.force_word = "force=True";
        return run_ensemble(scenario, wanted, progress, provenance, target);
      },
      py::arg("scenario"), py::kw_only(), py::arg("n"), py::arg("seed"), py::arg("names"), py::arg("values"), py::arg("observables"), py::arg("quantiles"),
      py::arg("keep_values"), py::arg("threads"), py::arg("options"), py::arg("progress"), py::arg("provenance"), py::arg("out"), py::arg("overwrite"),
      py::arg("resume"));
}

}  // namespace nkpk::bindings
