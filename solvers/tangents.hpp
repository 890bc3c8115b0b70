#pragma once
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "nkpk/core/callback.hpp"
#include "nkpk/solvers/integrate.hpp"

namespace nkpk {

/// Linear equations that follow a solution y of a PiecewiseSystem, for any number of columns side by side:
///
///   S' = J(t, y) S + B(t, y),   J = df/dy
///
/// as forward sensitivities do: S = dy/dp, B = df/dp. `size` numbers in any order of states and columns.
struct TangentSystem {
  /// Moments of one step whose matrices are asked for at once, so that they can be computed side by side: some within it, and its end.
  static constexpr std::size_t within = 4, moments = within + 1;
  std::size_t size = 0;
  /// Intervals [first, last) of what can ever differ from zero, in order; nothing else is touched.
  std::span<const std::pair<std::size_t, std::size_t>> live;
  std::span<const double> atol;  ///< [size], as PiecewiseSystem::atol
  /// Takes J and B at (segment, t_m, y_m) for every moment m; y: [n_states x within]; y_end: [n_states].
  Callback<void(std::size_t segment, std::span<const double, moments> t, std::span<const double> y, std::span<const double> y_end)> linearize;
  /// Factorises shift I - J of every moment [1/d].
  Callback<void(double shift)> factorize;
  /// s <- (shift I - J_m)^-1 (s + B_m), or without B; [size], aligned to 64 bytes
  Callback<void(std::size_t moment, std::span<double> s, bool is_forced)> solve;
  /// out <- J_m s + B_m, [size]
  Callback<void(std::size_t moment, std::span<const double> s, std::span<double> out)> rate;
  /// y, S <- jump(event, y, S)
  Callback<void(std::size_t event, std::span<double> y, std::span<double> s)> jump;
  /// Takes the solution at each output in its turn, at an event time after the event; not those that are not reached. Outputs go
  /// here alone: Solution::states stays empty.
  Callback<void(std::size_t output, std::span<const double> y, std::span<const double> s)> record;
};

/// Whether the method that these options choose gives states within its steps. Throws InputError for unusable options.
bool has_dense_output(const PiecewiseSystem& system, const SolverOptions& options);

/// As integrate(), with the tangents in step: each step of the method is followed by one of a linear method on the same interval,
/// which sees y through the step's dense output, and both errors decide on the step; within it outputs are of order 4. So the states
/// are solved once for all columns, and no second derivative is asked for. The method must have a dense output: throws InputError if
/// it has none.
Solution integrate_with_tangents(const PiecewiseSystem& system, const TangentSystem& tangents, std::span<const double> y0, std::span<const double> s0,
                                 double t0, std::span<const double> output_times, const SolverOptions& options);

}  // namespace nkpk
