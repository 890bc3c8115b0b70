#pragma once
#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "nkpk/solvers/dense_linear_solver.hpp"
#include "nkpk/solvers/integrate.hpp"

namespace nkpk::test {

/// Owns what a PiecewiseSystem only refers to.
struct Problem {
  std::function<void(std::size_t, double, std::span<const double>, std::span<double>)> rhs;
  std::vector<double> y0;
  std::vector<double> event_times = {};
  std::function<void(std::size_t, std::span<double>)> jump = [](std::size_t, std::span<double>) {};
  double atol = 1e-12;
  double t0 = 0;
  /// J row-major and df/dt at (segment, t, y), for a dense linear solver; without one there are differences.
  std::function<void(std::size_t, double, std::span<const double>, std::span<double>, std::span<double>)> jacobian = {};

  Solution solve(const std::vector<double>& output_times, const SolverOptions& options = {}) const {
    return solve(output_times, options, std::vector<double>(y0.size(), atol));
  }

  Solution solve(const std::vector<double>& output_times, const SolverOptions& options, const std::vector<double>& tolerances) const {
    PiecewiseSystem system;
    system.size = y0.size();
    system.event_times = event_times;
    system.atol = tolerances;
    system.rhs = rhs;
    system.jump = jump;
    DenseLinearSolver dense(system.size, DenseLinearSolver::Jacobian(jacobian));
    if (jacobian) system.linear = dense.linear();
    return integrate(system, y0, t0, output_times, options);
  }
};

inline SolverOptions with_method(const std::string& method, double rtol = 1e-8) {
  SolverOptions options;
  options.method = method;
  options.rtol = rtol;
  return options;
}

/// Every step is h [d] long and none is refused: errors divided by a tolerance of 1e200 vanish.
inline SolverOptions fixed_steps(const std::string& method, double h) {
  SolverOptions options = with_method(method);
  options.atol_factor = 1e200;
  options.initial_step_d = options.max_step_d = h;
  return options;
}

constexpr double eps = std::numeric_limits<double>::epsilon();

}  // namespace nkpk::test
