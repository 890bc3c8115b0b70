// Work and delivered error of every solution method on every regimen: one JSON line per regimen, method and tolerance.
//
//   nkpk_work_precision PARAMS_FOLDER [--quick] [--methods a,b] [--regimen NAME]
//
// Error: the largest relative difference from a reference over all observables and outputs, where the reference exceeds a
// thousandth of a typical size; below that the difference counts relative to this floor. Reference: dopri5 at rtol 1e-12.
// Time: the median of repeats, interleaved over the methods so that a slow moment of the machine hits all of them.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "nkpk/simulation/simulate.hpp"

using namespace nkpk;

namespace {

struct Case {
  std::string regimen;
  std::vector<std::string> arms;
};
const Case cases[] = {{"radboud-ucb", {"high-il2"}}, {"sankoma", {}}, {"sysu-ucb", {}}, {"rogachev-hsct", {}}, {"peking-aml", {}}};

/// Below a thousandth of these an observable is nothing; cells/uL, fold, IU/mL, mg/L, percent.
double typical(const std::string& unit, const std::string& name) {
  if (name == "il2") return 10;
  if (name == "il15_fold") return 1;
  if (name == "il15") return 5;
  if (unit == "mg/L") return 1;
  if (unit == "%") return 10;
  if (name == "alc" || name == "wbc_count") return 1300;
  return name.find("treg") != std::string::npos ? 58 : 100;
}

struct Table {
  std::vector<double> values, floors;
};

Table observe(const Trajectory& t) {
  Table all;
  const Scenario& s = *t.scenario;
  for (std::size_t i = 0; i < s.output_times_d.size(); ++i) {
    visit_observables(s.constants, t.solution.states.row(static_cast<Eigen::Index>(i)).data(), leukocytes_at(s.leukocytes, s.output_times_d[i]),
                      [&](const char* name, const char* unit, const char*, const char*, double value) {
                        all.values.push_back(value);
                        all.floors.push_back(1e-3 * typical(unit, name));
                      });
  }
  return all;
}

double worst(const Table& found, const Table& reference) {
  double error = 0;
  for (std::size_t i = 0; i < found.values.size(); ++i) {
    const double expected = reference.values[i];
    if (std::isnan(expected)) continue;
    const double e = std::abs(found.values[i] - expected) / std::max(std::abs(expected), reference.floors[i]);
    error = std::isnan(e) ? INFINITY : std::max(error, e);
  }
  return error;
}

double microseconds(const Scenario& s, const SolverOptions& o) {
  const auto start = std::chrono::steady_clock::now();
  const Trajectory t = simulate(s, o);
  const auto end = std::chrono::steady_clock::now();
  return std::chrono::duration<double, std::micro>(end - start).count();
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at <= text.size();) {
    const auto comma = std::min(text.find(',', at), text.size());
    parts.push_back(text.substr(at, comma - at));
    at = comma + 1;
  }
  return parts;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return fmt::print(stderr, "usage: nkpk_work_precision PARAMS_FOLDER [--quick] [--methods a,b] [--regimen NAME]\n"), 2;
  bool quick = false;
  std::vector<std::string> methods = solver_names();
  std::string only;
  for (int i = 2; i < argc; ++i) {
    if (!std::strcmp(argv[i], "--quick")) quick = true;
    if (!std::strcmp(argv[i], "--methods") && i + 1 < argc) methods = split(argv[++i]);
    if (!std::strcmp(argv[i], "--regimen") && i + 1 < argc) only = argv[++i];
  }
  const Library library(argv[1]);
  const std::vector<double> tolerances = quick ? std::vector{1e-4, 1e-6} : std::vector{1e-2, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9};
  for (const Case& at_hand : cases) {
    if (!only.empty() && only != at_hand.regimen) continue;
    Request request;
    request.regimen = at_hand.regimen;
    request.arms = at_hand.arms;
    request.output_step_d = 1;
    const Scenario s = make_scenario(library, request);
    SolverOptions o;
    o.method = "dopri5", o.rtol = 1e-12, o.atol_factor = 1e-6;
    const Table reference = observe(simulate(s, o));
    struct Row {
      std::string method;
      double rtol;
      std::vector<double> times;
    };
    std::vector<Row> rows;
    for (const auto& method : methods)
      for (const double rtol : tolerances) rows.push_back({method, rtol, {}});
    const auto options = [](const Row& row) {
      SolverOptions wanted;
      wanted.method = row.method, wanted.rtol = row.rtol;
      return wanted;
    };
    for (int repeat = 0; repeat < (quick ? 3 : 11); ++repeat)
      for (Row& row : rows) row.times.push_back(microseconds(s, options(row)));
    for (Row& row : rows) {
      const Trajectory t = simulate(s, options(row));
      std::sort(row.times.begin(), row.times.end());
      fmt::print("{{\"regimen\": \"{}\", \"arm\": \"{}\", \"method\": \"{}\", \"rtol\": {}, \"microseconds\": {:.1f}, \"error\": {:.3g}, "
                 "\"steps\": {}, \"refused\": {}, \"rhs\": {}, \"status\": \"{}\"}}\n",
                 s.regimen.name, s.label, row.method, row.rtol, row.times[row.times.size() / 2], t.ok() ? worst(observe(t), reference) : -1.0,
                 t.solution.stats.steps_accepted, t.solution.stats.steps_refused, t.solution.stats.rhs_calls, std::string(to_string(t.solution.status)));
      std::fflush(stdout);
    }
  }
  return 0;
}
