// What sensitivities cost: time of runs with 1, 4, 10 and 12 of them over the time of a plain run, same method and tolerance.
//
//   nkpk_sensitivities PARAMS_FOLDER [--rtol 1e-6] [--methods a,b] [--repeats 15] [--errors]
//
// Prints a Markdown table. Times are medians of repeats, interleaved so that a slow moment of the machine hits all of them. Outputs
// are those that a user gets, each regimen's own; the observables there are part of the plain run, and their values and derivatives
// part of the others.
// --errors adds the largest error of ten sensitivities, over the largest derivative of its observable, from a run at 1e-4 rtol.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "nkpk/core/isa.hpp"
#include "nkpk/model/observables.hpp"
#include "nkpk/simulation/sensitivity.hpp"
#include "nkpk/simulation/simulate.hpp"

using namespace nkpk;

namespace {

struct Case {
  std::string regimen;
  std::vector<std::string> arms;
};
const Case cases[] = {{"radboud-ucb", {"high-il2"}}, {"sankoma", {}}, {"sysu-ucb", {}}, {"rogachev-hsct", {"tbi"}}, {"peking-aml", {}}};

/// Those that a fit of counts would ask for first, of every kind.
std::vector<std::string> names(const Scenario& s) {
  std::string nk;
  for (const DoseEntry& dose : s.regimen.doses)
    if (dose.drug == "nk_cells" && nk.empty()) nk = dose.id;
  return {"product.pmax", "host_nk.d0",  "infused_nk.fv",       "host_nk.NK0",                   "product.E15",      "rejection.krej",
          "t_cells.pT",   "nk.phi",      "il15.fc",             "dose." + nk + ".amount",        "product.viability", "dose." + nk + ".start"};
}

template <class F>
double microseconds(F&& run) {
  const auto start = std::chrono::steady_clock::now();
  run();
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> times) {
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

/// A run with its observables at the outputs.
RowMatrix plain_run(const Scenario& s, const SolverOptions& options, std::size_t n_observables) {
  const Trajectory t = simulate(s, options);
  RowMatrix all(t.solution.states.rows(), static_cast<Eigen::Index>(n_observables));
  for (Eigen::Index i = 0; i < all.rows(); ++i) {
    Eigen::Index k = 0;
    visit_observables(s.constants, t.solution.states.row(i).data(), leukocytes_at(s.leukocytes, s.output_times_d[static_cast<std::size_t>(i)]),
                      [&](auto, auto, auto, auto, double x) { all(i, k++) = x; });
  }
  return all;
}

struct Errors {
  double value = 0, tangent = 0;
};

double worst(const RowMatrix& found, const RowMatrix& reference) {
  double error = 0;
  for (Eigen::Index k = 0; k < found.cols(); ++k) {
    double size = 0, off = 0;
    for (Eigen::Index i = 0; i < found.rows(); ++i) {
      if (std::isnan(reference(i, k))) continue;
      size = std::max(size, std::abs(reference(i, k)));
      off = std::max(off, std::abs(found(i, k) - reference(i, k)));
    }
    if (size > 1e-12) error = std::max(error, off / size);
  }
  return error;
}

Errors errors(const Scenario& s, const std::vector<std::string>& of, const SolverOptions& options) {
  SolverOptions tight;
  tight.rtol = 1e-11, tight.atol_factor = 1e-4;
  const Sensitivities found = simulate_sensitivities(s, of, options), reference = simulate_sensitivities(s, of, tight);
  Errors e;
  e.value = worst(found.values, reference.values);
  const auto by = [](const Sensitivities& d, std::size_t j) {
    RowMatrix all(d.values.rows(), d.values.cols());
    for (Eigen::Index i = 0; i < all.rows(); ++i)
      for (Eigen::Index k = 0; k < all.cols(); ++k) all(i, k) = d.derivative(static_cast<std::size_t>(i), static_cast<std::size_t>(k), j);
    return all;
  };
  for (std::size_t j = 0; j < of.size(); ++j) e.tangent = std::max(e.tangent, worst(by(found, j), by(reference, j)));
  return e;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return fmt::print(stderr, "usage: nkpk_sensitivities PARAMS_FOLDER [--rtol X] [--methods a,b] [--repeats N] [--errors]\n"), 2;
  SolverOptions options;
  options.rtol = 1e-6;
  int repeats = 15;
  bool with_errors = false;
  std::string methods = "dopri5,rodas4,rodas5p";
  for (int i = 2; i < argc; ++i) {
    if (!std::strcmp(argv[i], "--errors")) with_errors = true;
    if (i + 1 == argc) break;
    if (!std::strcmp(argv[i], "--rtol")) options.rtol = std::atof(argv[i + 1]);
    if (!std::strcmp(argv[i], "--repeats")) repeats = std::atoi(argv[i + 1]);
    if (!std::strcmp(argv[i], "--methods")) methods = argv[i + 1];
  }
  const Library library(argv[1]);
  const std::vector<std::size_t> counts{1, 4, 10, 12};
  fmt::print("rtol {}, instruction set {}; times over that of the plain run\n\n", options.rtol, to_string(best_isa()));
  fmt::print("| regimen | method | outputs | steps | plain [us] | 1 | 4 | 10 | 12 | steps with 10 |{}\n", with_errors ? " error of values | of tangents |" : "");
  fmt::print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |{}\n", with_errors ? " ---: | ---: |" : "");
  for (const Case& at_hand : cases) {
    Request request;
    request.regimen = at_hand.regimen;
    request.arms = at_hand.arms;
    const Scenario s = make_scenario(library, request);
    const std::vector<std::string> all = names(s);
    const std::size_t n_observables = simulate_sensitivities(s, {all.data(), 1}, options).observables.size();
    for (std::size_t at = 0; at < methods.size();) {
      const auto comma = std::min(methods.find(',', at), methods.size());
      options.method = methods.substr(at, comma - at);
      at = comma + 1;
      std::vector<std::vector<double>> times(1 + counts.size());
      for (int repeat = 0; repeat < repeats; ++repeat) {
        times[0].push_back(microseconds([&] { plain_run(s, options, n_observables); }));
        for (std::size_t i = 0; i < counts.size(); ++i)
          times[i + 1].push_back(microseconds([&] { simulate_sensitivities(s, {all.data(), counts[i]}, options); }));
      }
      const double plain = median(times[0]);
      fmt::print("| {} | {} | {} | {} | {:.0f} |", at_hand.regimen, options.method, s.output_times_d.size(), simulate(s, options).solution.stats.steps_accepted, plain);
      for (std::size_t i = 0; i < counts.size(); ++i) fmt::print(" {:.1f} |", median(times[i + 1]) / plain);
      const std::vector<std::string> ten(all.begin(), all.begin() + 10);
      fmt::print(" {} |", simulate_sensitivities(s, ten, options).stats.steps_accepted);
      if (with_errors) {
        const Errors e = errors(s, ten, options);
        fmt::print(" {:.1e} | {:.1e} |", e.value, e.tangent);
      }
      fmt::print("\n");
      std::fflush(stdout);
    }
  }
  return 0;
}
