#pragma once
#include <string>
#include <vector>

#include "nkpk/simulation/sensitivity.hpp"
#include "nkpk/simulation/simulate.hpp"
#include "support/scenarios.hpp"

// Observables of whole runs as matrices, and where to look in those of a sensitivity run.

namespace nkpk::test {

/// All observables at the output times, [n_times x n_observables].
inline RowMatrix observed(const Scenario& s, const Trajectory& t) {
  RowMatrix all;
  for (Eigen::Index i = 0; i < t.solution.states.rows(); ++i) {
    std::vector<double> row;
    visit_observables(s.constants, t.solution.states.row(i).data(), leukocytes_at(s.leukocytes, s.output_times_d[static_cast<std::size_t>(i)]),
                      [&](const char*, const char*, const char*, const char*, double v) { row.push_back(v); });
    if (i == 0) all.resize(t.solution.states.rows(), static_cast<Eigen::Index>(row.size()));
    for (std::size_t k = 0; k < row.size(); ++k) all(i, static_cast<Eigen::Index>(k)) = row[k];
  }
  return all;
}

/// Those of a plain run.
inline RowMatrix observables(const Scenario& s, const SolverOptions& options) {
  const Trajectory t = simulate(s, options);
  REQUIRE_MESSAGE(t.ok(), t.solution.message);
  return observed(s, t);
}

inline std::size_t column(const Sensitivities& s, const std::string& observable) {
  for (std::size_t k = 0; k < s.observables.size(); ++k)
    if (s.observables[k].name == observable) return k;
  FAIL("no observable " << observable);
  return 0;
}
/// Derivatives of all observables by one parameter, [n_times x n_observables].
inline RowMatrix derivatives_by(const Sensitivities& s, std::size_t parameter) {
  RowMatrix all(s.values.rows(), s.values.cols());
  for (Eigen::Index i = 0; i < all.rows(); ++i)
    for (Eigen::Index k = 0; k < all.cols(); ++k) all(i, k) = s.derivative(static_cast<std::size_t>(i), static_cast<std::size_t>(k), parameter);
  return all;
}
inline double derivative(const Sensitivities& s, std::size_t parameter, const std::string& observable, std::size_t i) {
  return s.derivative(i, column(s, observable), parameter);
}
inline double value(const Sensitivities& s, const std::string& observable, std::size_t i) {
  return s.values(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(column(s, observable)));
}
inline std::size_t index_of(const Sensitivities& s, double day) {
  for (std::size_t i = 0; i < s.times_d.size(); ++i)
    if (std::abs(s.times_d[i] - day) < 1e-9) return i;
  FAIL("no output on day " << day);
  return 0;
}

/// The largest |v| of a column where it is finite.
inline double largest(const RowMatrix& m, Eigen::Index column) {
  double size = 0;
  for (Eigen::Index i = 0; i < m.rows(); ++i)
    if (std::isfinite(m(i, column))) size = std::max(size, std::abs(m(i, column)));
  return size;
}

/// The shipped regimens.
inline const std::vector<std::string>& regimen_names() {
  static const std::vector<std::string> names{"radboud-ucb", "sankoma", "rogachev-hsct", "peking-aml", "sysu-ucb"};
  return names;
}
/// Every combination of choices of every regimen.
inline std::vector<Request> every_arm() {
  std::vector<Request> all;
  for (const std::string& name : regimen_names()) {
    Request request;
    request.regimen = name;
    for (Request& one : all_arms(library(), request)) all.push_back(std::move(one));
  }
  return all;
}

}  // namespace nkpk::test
