#pragma once
#include <Eigen/Core>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nkpk/core/callback.hpp"
#include "nkpk/core/isa.hpp"

namespace nkpk {

/// What a linearly implicit method asks of a system: solutions of (shift I - J) x = b with J = df/dy.
struct LinearSolver {
  /// Takes J at (segment, t, y) and writes df/dt, [size].
  Callback<void(std::size_t segment, double t, std::span<const double> y, std::span<double> dfdt)> linearize;
  /// Factorises shift I - J [1/d]; false: it cannot be factorised (singular or not finite), and the step is refused.
  Callback<bool(double shift)> factorize;
  /// b <- (shift I - J)^-1 b, [size]
  Callback<void(std::span<double> b)> solve;
  explicit operator bool() const { return linearize && factorize && solve; }
};

/// All that a solver may know of a problem: y' = f(t, y) between known event times, an affine jump at each of them.
/// Segment k lies between event k-1 and event k; segment 0 begins at t0 and segment n_events ends at the last output.
struct PiecewiseSystem {
  std::size_t size = 0;
  std::span<const double> event_times;  ///< strictly increasing [d]
  /// Absolute tolerance per component, in its own unit; [size]. One that is infinite takes its component out of the
  /// step control, though not out of the check that every value is finite.
  std::span<const double> atol;
  /// f(segment, t, y, dydt). It must not throw: what cannot be computed is NaN, and the step is refused.
  Callback<void(std::size_t, double, std::span<const double>, std::span<double>)> rhs;
  /// y <- jump(event, y)
  Callback<void(std::size_t, std::span<double>)> jump;
  /// Intervals [first, last) of the components that ever change, in order and apart; empty: all of them. The others keep their
  /// values, and methods that know of it (rodas4, rodas5p) spend nothing on them.
  std::span<const std::pair<std::size_t, std::size_t>> live;
  LinearSolver linear;  ///< optional: empty where the system has none of its own
};

enum class Status { ok, max_steps, step_too_small, not_finite, interrupted };
std::string_view to_string(Status);

/// Names that `SolverOptions::method` accepts.
std::vector<std::string> solver_names();

struct SolverOptions {
  std::string method = "auto";      ///< one of solver_names()
  double rtol = 1e-6;                 ///< relative tolerance, 1e-14 < rtol < 1
  double atol_factor = 1.0;           ///< multiplies every absolute tolerance, > 0
  double initial_step_d = 0;          ///< first trial step after every event [d], > 0; 0: chosen anew each time
  double max_step_d = 10;             ///< longest step [d], > 0
  std::size_t max_steps = 2'000'000;  ///< accepted plus refused steps of one call, > 0
  Isa isa = best_isa();               ///< instruction set of the whole run; all give the same bits
  Callback<bool()> should_stop;       ///< asked now and then; true ends the run with Status::interrupted
  /// Throws InputError naming the field, its value and what was expected.
  void validate() const;
};

struct SolverStats {
  std::size_t steps_accepted = 0, steps_refused = 0;
  std::size_t rhs_calls = 0;                           ///< of the method and of its own differences; not those of a system's LinearSolver
  std::size_t linearizations = 0, factorizations = 0;  ///< of linearly implicit methods
  std::string method;                                  ///< what ran: "auto" is never among them
};

using RowMatrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

struct Solution {
  Status status = Status::ok;
  std::string message;            ///< a sentence for people; "" when ok
  double t_reached = 0;           ///< [d]
  std::ptrdiff_t component = -1;  ///< index of the component that failed (largest scaled error or first non-finite), -1 when ok
  SolverStats stats;
  RowMatrix states;         ///< [n_times x size]; NaN where not reached; at an event time the value after the event
  RowMatrix before_events;  ///< [n_events x size]; value just before each event; NaN where not reached
};

/// Integrates from (t0, y0) through every event in [t0, last output] and records at output_times (non-decreasing, >= t0).
/// Events before t0 are skipped; an event at t0 acts at once. Outputs cost "rodas4" and "rodas5p" no steps, so that no output
/// but the last changes the value at another; the explicit methods end a step at each. Throws InputError for unusable options or times.
Solution integrate(const PiecewiseSystem& system, std::span<const double> y0, double t0, std::span<const double> output_times, const SolverOptions& options);

}  // namespace nkpk
