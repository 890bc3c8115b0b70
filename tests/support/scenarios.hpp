#pragma once
#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "nkpk/simulation/scenario.hpp"
#include "nkpk/simulation/simulate.hpp"
#include "support/files.hpp"

// Scenarios for tests: a few lines of TOML on top of a plain regimen, or states and constants set by hand.

namespace nkpk::test {

/// The shipped parameters.
inline const Library& library() {
  static const Library shipped(NKPK_SOURCE_DIR "/params");
  return shipped;
}

/// A [[dose]] table; `rest` is TOML, with '...' around texts.
inline std::string dose(const std::string& id, const std::string& drug, const std::string& route,
                        const std::string& rest) {
  return "[[dose]]\nid = '" + id + "'\ndrug = '" + drug + "'\nroute = '" + route + "'\n" + rest + "\n";
}

/// The scenario of a man of 45 years and 70 kg, 30 d, expanded haploidentical NK cells, and what `toml` adds. Laws hold
/// for implausible numbers, too.
inline Scenario scenario_from(const std::string& toml, std::vector<std::string> sets = {},
                              std::vector<std::string> without = {}) {
  const Folder folder;
  Request request;
  request.regimen = (folder.path / "test.toml").string();
  request.sets = std::move(sets);
  request.without = std::move(without);
  request.allow_implausible = true;
  std::ofstream(request.regimen) << "format = 1\nname = 'test'\npatient = 'man-45y'\nproduct = 'expanded'\n"
                                    "donor = 'haploidentical'\nhorizon = '30 d'\n"
                                 << toml;
  return make_scenario(library(), request);
}

/// A shipped regimen with choices.
inline Scenario shipped(const std::string& regimen, std::vector<std::string> arms = {},
                        std::vector<std::string> sets = {}, bool allow_implausible = false) {
  Request request;
  request.allow_implausible = allow_implausible;
  request.regimen = regimen;
  request.arms = std::move(arms);
  request.sets = std::move(sets);
  return make_scenario(library(), request);
}

inline SolverOptions with_rtol(double rtol) {
  SolverOptions options;
  options.rtol = rtol;
  return options;
}

/// A solved scenario; the scenario must outlive it.
inline Trajectory solved(const Scenario& s, double rtol = 1e-10) {
  Trajectory run = simulate(s, with_rtol(rtol));
  REQUIRE_MESSAGE(run.ok(), run.solution.message);
  return run;
}

/// Absolute tolerances of the model's states.
inline std::vector<double> tolerances(std::size_t n_cohorts) {
  std::vector<double> all;
  for (const StateEntry& e : state_entries(n_cohorts)) all.push_back(e.atol);
  return all;
}

/// The model from the state y0 at time 0, without events; [n_times x n_states].
inline RowMatrix solved_from(const Constants<double>& c, const std::vector<double>& y0,
                             const std::vector<double>& times, double rtol = 1e-11, const Windows& windows = {}) {
  const auto atol = tolerances(c.n_cohorts());
  auto rhs = [&](std::size_t, double t, std::span<const double> y, std::span<double> dy) {
    right_hand_side(c, windows, t, y.data(), dy.data());
  };
  PiecewiseSystem system;
  system.size = c.n_states();
  system.atol = atol;
  system.rhs = rhs;
  const Solution solution = integrate(system, y0, 0, times, with_rtol(rtol));
  REQUIRE_MESSAGE(solution.status == Status::ok, solution.message);
  return solution.states;
}

/// |value - expected| over |expected|; the plain difference where nothing is expected.
inline double off(double value, double expected) {
  const double difference = std::abs(value - expected);
  return expected == 0 ? difference : difference / std::abs(expected);
}

/// The largest difference of two states, each over the larger of rtol |value| and its absolute tolerance.
inline double distance(const std::vector<double>& a, const std::vector<double>& b, double rtol) {
  REQUIRE(a.size() == b.size());
  const auto atol = tolerances((a.size() - at::infused_nk) / InfusedNk::states_per_cohort);
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double d = std::abs(a[i] - b[i]) / std::max(atol[i], rtol * std::max(std::abs(a[i]), std::abs(b[i])));
    worst = std::isnan(d) ? INFINITY : std::max(worst, d);
  }
  return worst;
}

/// Takes growth, natural death, marrow output and rejection away: what is left moves cells, kills and adds.
inline void stop_turnover(Constants<double>& c) {
  c.nk.pmaxH = c.nk.dmin = c.nk.dmaxH = 0;
  c.host_nk.lamP = c.host_nk.ktr = 0;
  c.t_cells.pT = 0;
  c.treg.dR = c.treg.pRmax = 0;
  c.infused_nk.nk.dmin = 0;
  for (auto& cohort : c.infused_nk.cohorts) cohort.pmax = cohort.dmax = 0;
  c.infused_nk.krej_chi = c.infused_nk.krejN_per_uL = c.infused_nk.k_hum = 0;
}

/// Seeded numbers.
class Draws {
 public:
  explicit Draws(unsigned seed) : generator_(seed) {}
  double uniform(double low, double high) { return std::uniform_real_distribution<double>(low, high)(generator_); }
  double log_uniform(double low, double high) { return std::exp(uniform(std::log(low), std::log(high))); }
  int below(int n) { return std::uniform_int_distribution<int>(0, n - 1)(generator_); }

 private:
  std::mt19937_64 generator_;
};

/// "KEY=VALUE" for every parameter of the model that has bounds, drawn between them (logarithmically where both are
/// above 0). Draws are repeated until the baseline exists.
inline std::vector<std::string> drawn_parameters(Draws& draws) {
  InputTexts texts;
  const ParameterTable base = library().parameters(texts);
  for (;;) {
    ParameterTable table = base;
    std::vector<std::string> sets;
    for (auto& r : table.records) {
      if (!std::isfinite(r.lower)) continue;
      r.value = r.lower > 0 ? draws.log_uniform(r.lower, r.upper) : draws.uniform(r.lower, r.upper);
      char text[64];
      std::snprintf(text, sizeof text, "%.17g %s", r.value, r.unit.c_str());
      sets.push_back(r.name + "=" + text);
    }
    try {
      check_parameters(to_parameters(table), "draw");
      return sets;
    } catch (const std::exception&) {
    }
  }
}

/// A state of n cohorts in which everything is there and nothing is at rest.
inline std::vector<double> drawn_state(Draws& draws, const Parameters<double>& p, const Constants<double>& c) {
  std::vector<double> y = initial_state(p, c);
  const double cells = c.host_nk.N0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    const double typical = y[i] > 0               ? y[i]
                           : i >= at::infused_nk  ? 1e-2 * cells
                           : i == at::rejection   ? 1.0
                           : i == at::t_cells + 1 ? 100.0
                           : i >= at::fludarabine ? 50.0
                           : i >= at::irradiation ? (i == at::irradiation + Irradiation::X_T ? 10.0 : 1e-3 * cells)
                           : i >= at::graft       ? 0.1 * cells
                           : i >= at::il2         ? 1e5
                                                  : 100.0;
    y[i] = draws.log_uniform(0.1 * typical, 3 * typical);
  }
  return y;
}

}  // namespace nkpk::test
