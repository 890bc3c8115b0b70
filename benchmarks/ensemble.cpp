// Time per virtual patient, in packs and one by one, and the error that both deliver: one JSON line per regimen and tolerance.
//
//   nkpk_ensemble PARAMS_FOLDER [--patients N] [--alone M] [--threads K] [--isa baseline|avx2|avx512] [--rtol R]...
//
// Conditioning to day 90, daily output and event times. Error: as in work_precision.cpp, of six observables, against the first
// M patients' own runs at rtol 1e-10; the worst patient counts. Times are medians of interleaved repeats: of the processor over all
// threads (us per patient and core), and for the packs also by the clock on the wall.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>
#include <string>
#include <vector>

#include "nkpk/simulation/ensemble.hpp"
#include "nkpk/simulation/lifted.hpp"

using namespace nkpk;

namespace {

const std::vector<std::string> observables{"nk_count", "donor_nk_count", "alc", "treg_count", "il15_fold", "il2"};
/// Below a thousandth of these an observable is nothing; cells/uL, fold, IU/mL.
const double typical[] = {250, 10, 1300, 58, 1, 10};

struct Results {
  std::vector<double> values;  // [n_patients x n_times x n_observables]
  EnsembleSummary summary;
  std::size_t steps = 0;
  double seconds = 0, wall_seconds = 0;
};

class Watch {
 public:
  void stop(Results& r) const {
    r.seconds = static_cast<double>(std::clock() - start_) / CLOCKS_PER_SEC;
    r.wall_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - wall_).count();
  }

 private:
  std::clock_t start_ = std::clock();
  std::chrono::steady_clock::time_point wall_ = std::chrono::steady_clock::now();
};

Results in_packs(const Scenario& s, const Population& population, double rtol, unsigned threads, Isa isa) {
  Results r;
  EnsembleOptions options;
  options.solver.rtol = rtol;
  options.observables = observables;
  options.n_threads = threads;
  options.solver.isa = isa;
  const Watch watch;
  r.summary = simulate_ensemble(s, population, options, [&](const EnsembleBlock& block) {
    r.values.insert(r.values.end(), block.values.begin(), block.values.end());
    for (const PatientRun& run : block.runs) r.steps += run.steps_accepted + run.steps_refused;
  });
  watch.stop(r);
  return r;
}

/// The first n patients, each alone on doubles, with all that is his own set up as for an ensemble.
Results one_by_one(const Scenario& s, const Population& population, std::size_t n, double rtol, Isa isa) {
  Results r;
  SolverOptions options;
  options.rtol = rtol;
  options.isa = isa;
  std::vector<double> rows(n * population.columns.size());
  const Watch watch;
  population.fill(0, rows);
  Individual<double> who(s, population.columns);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < population.columns.size(); ++j)
      for (double* place : who.places(j)) *place = rows[i * population.columns.size() + j];
    const auto c = prepare(who.p, Physiology::body(s.patient, who.p.physiology), chi_of(s.regimen.donor, who.p), who.lots, s.constants.modules,
                           s.parameters.linear_quadratic);
    std::vector<Entering<double>> entering;
    for (const auto& a : s.administrations)
      entering.push_back({a.cohort < 0 ? a.amount : viable_nk(a.amount, who.lots[static_cast<std::size_t>(a.cohort)].product), a.start_d, a.duration_d});
    const auto timeline = make_timeline(s, who.p, c, entering);
    Lifted<double> lifted(c, timeline, isa);
    const Solution solution = integrate(lifted.system(), initial_state(who.p, c), s.t_start_d, s.output_times_d, options);
    r.steps += solution.stats.steps_accepted + solution.stats.steps_refused;
    for (std::size_t t = 0; t < s.output_times_d.size(); ++t)
      visit_observables(c, solution.states.row(static_cast<Eigen::Index>(t)).data(), leukocytes_at(s.leukocytes, s.output_times_d[t]),
                        [&](const char* name, auto, auto, auto, double value) {
                          if (std::find(observables.begin(), observables.end(), name) != observables.end()) r.values.push_back(value);
                        });
  }
  watch.stop(r);
  return r;
}

/// The largest error of each patient.
std::vector<double> errors(const std::vector<double>& found, const std::vector<double>& reference, std::size_t n_patients) {
  std::vector<double> worst(n_patients);
  const std::size_t each = reference.size() / n_patients;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    const double e = std::abs(found[i] - reference[i]) / std::max(std::abs(reference[i]), 1e-3 * typical[i % observables.size()]);
    worst[i / each] = std::isnan(e) ? INFINITY : std::max(worst[i / each], e);
  }
  std::sort(worst.begin(), worst.end());
  return worst;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return fmt::print(stderr, "usage: nkpk_ensemble PARAMS_FOLDER [--patients N] [--alone M] [--threads K] [--isa SET] [--rtol R]...\n"), 2;
  std::size_t n_patients = 2000, n_alone = 200;
  unsigned threads = 1;
  Isa isa = best_isa();
  std::vector<double> tolerances;
  for (int i = 2; i + 1 < argc; i += 2) {
    const std::string option = argv[i], value = argv[i + 1];
    if (option == "--patients") n_patients = std::stoul(value);
    if (option == "--alone") n_alone = std::stoul(value);
    if (option == "--threads") threads = static_cast<unsigned>(std::stoul(value));
    if (option == "--rtol") tolerances.push_back(std::stod(value));
    if (option == "--isa") isa = isa_from(value);
  }
  if (tolerances.empty()) tolerances = {1e-4, 3e-5, 1e-5, 1e-6, 1e-7};
  const Library library(argv[1]);
  for (const bool is_radboud : {true, false}) {
    Request request;
    request.regimen = is_radboud ? "radboud-ucb" : "sankoma";
    if (is_radboud) request.arms = {"high-il2"};
    request.output_step_d = 1;
    request.horizon_d = 90;
    const Scenario s = make_scenario(library, request);
    const Population population = drawn_population(s, n_patients, 1);
    const auto reference = one_by_one(s, population, n_alone, 1e-10, isa).values;
    for (const double rtol : tolerances) {
      std::vector<double> packed, alone, wall;
      Results packs, single;
      for (int repeat = 0; repeat < 5; ++repeat) {
        packs = in_packs(s, population, rtol, threads, isa);
        packed.push_back(1e6 * packs.seconds / static_cast<double>(n_patients));
        wall.push_back(1e6 * packs.wall_seconds / static_cast<double>(n_patients));
        single = one_by_one(s, population, n_alone, rtol, isa);
        alone.push_back(1e6 * single.seconds / static_cast<double>(n_alone));
      }
      const auto error = errors(packs.values, reference, n_alone), error_alone = errors(single.values, reference, n_alone);
      const auto n = static_cast<double>(n_patients);
      fmt::print("{{\"regimen\": \"{}\", \"isa\": \"{}\", \"threads\": {}, \"rtol\": {}, \"packs_us\": {:.1f}, \"packs_wall_us\": {:.1f}, \"alone_us\": {:.1f}, \"times\": {:.2f}, "
                 "\"steps_packs\": {:.0f}, \"steps_alone\": {:.0f}, \"error_worst\": {:.2g}, \"error_99\": {:.2g}, \"error_alone_worst\": {:.2g}, "
                 "\"failed\": {}, \"run_alone\": {}}}\n",
                 request.regimen, to_string(isa), threads, rtol, median(packed), median(wall), median(alone), median(alone) / median(packed), static_cast<double>(packs.steps) / n,
                 static_cast<double>(single.steps) / static_cast<double>(n_alone), error.back(), error[(error.size() * 99) / 100], error_alone.back(),
                 packs.summary.n_failed, packs.summary.n_alone);
      std::fflush(stdout);
    }
  }
  return 0;
}
