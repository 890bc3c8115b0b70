#pragma once
// Private to solvers/: what the segment loop asks of a one-step method.
#include <cstddef>
#include <memory>
#include <span>

#include "nkpk/solvers/integrate.hpp"
#include "nkpk/solvers/tangents.hpp"
#include "nkpk/solvers/vector.hpp"

namespace nkpk::detail {

/// All that one trial step reads and writes; each array [size].
struct Trial {
  explicit Trial(std::size_t size) : y(size), slope(size), y_new(size), slope_new(size), error(size) {}

  std::size_t segment = 0;
  std::size_t state_number = 0;                                       ///< another one whenever segment, t or y is; from 1
  double t = 0;                                                       ///< [d]
  Vector y, slope;                                                    ///< in: state at t and its right-hand side
  Vector y_new;                                                       ///< out: state at t + h
  Vector slope_new;                                                   ///< out: right-hand side at (t + h, y_new), only where Method::gives_new_slope
  Vector error;                                                       ///< out: estimated error of y_new
  bool is_solvable = true;                                            ///< out: false where a linear system could not be solved, and nothing else is filled
  std::size_t rhs_calls = 0, linearizations = 0, factorizations = 0;  ///< a method adds its own
};

/// One method at work on one system. What it keeps from one call to the next, as a linearization, holds for one
/// Trial::state_number only, so that after a jump a fresh slope and number are all it takes to start afresh.
class Stepper {
 public:
  virtual ~Stepper() = default;
  /// Fills the outputs of a trial for a step of length h [d].
  virtual void try_step(Trial& trial, double h) = 0;
  /// Of a step just tried whose error or new state is not finite: leaves the error NaN in the component that is at fault, where
  /// the method spreads it over others.
  virtual void find_culprit(Trial& /*trial*/, double /*h*/) {}
  /// out <- the state [size] at the part theta of the step just tried, 0 <= theta <= 1: y at 0 and y_new at 1, to the bit.
  /// The trial is as the step has left it, or accepted: y and y_new swapped, another state_number. False: the method has no
  /// dense output (Method::is_dense), and nothing is written.
  virtual bool interpolate(const Trial&, double /*theta*/, std::span<double> /*out*/) { return false; }
  /// The same at several moments; out: [size x within].
  virtual bool interpolate(const Trial&, std::span<const double, TangentSystem::within> /*thetas*/, std::span<double> /*out*/) { return false; }
};

struct Method {
  const char* name;
  int error_order;                          ///< error grows as h^(error_order + 1)
  bool gives_new_slope;                     ///< its last stage is that at (t + h, y_new), and counts in the error
  bool needs_linear;                        ///< asks PiecewiseSystem::linear
  bool is_dense;                            ///< Stepper::interpolate gives the states within a step
  double grow_most;                         ///< a step is at most so many times as long as the one before
  std::unique_ptr<Stepper> (*make)(const PiecewiseSystem&, Isa);  ///< the system must outlive the result
};

std::unique_ptr<Stepper> make_dopri5(const PiecewiseSystem& system, Isa isa);
std::unique_ptr<Stepper> make_fehlberg78(const PiecewiseSystem& system, Isa isa);
std::unique_ptr<Stepper> make_rkc2(const PiecewiseSystem& system, Isa isa);
std::unique_ptr<Stepper> make_rodas4(const PiecewiseSystem& system, Isa isa);
std::unique_ptr<Stepper> make_rodas5p(const PiecewiseSystem& system, Isa isa);

/// Throws InputError with the known names.
void check_method(const std::string& name);

/// What `options.method` means for this system: "auto" chooses by what the system offers and by rtol.
const Method& choose_method(const PiecewiseSystem& system, const SolverOptions& options);

/// Throws InputError for sizes that do not fit, tolerances that are not positive and times out of order.
void check_problem(const PiecewiseSystem& system, std::span<const double> y0, double t0, std::span<const double> output_times);

}  // namespace nkpk::detail
