#pragma once
// Private to solvers/: one step of the tangents behind one step of the solution.
#include <array>
#include <span>
#include <vector>

#include "nkpk/solvers/steppers.hpp"
#include "nkpk/solvers/stretches.hpp"
#include "nkpk/solvers/tangents.hpp"
#include "nkpk/solvers/vector.hpp"

namespace nkpk::detail {

/// A sum of the stages' slopes, sum_j weight_j h K_j, in terms of what is kept: start S + rate h S' + sum_j of[j] S_j.
struct Combination {
  static constexpr std::size_t n_stages = TangentSystem::moments + 1;
  using Row = std::array<double, n_stages>;
  double start = 0, rate = 0;
  Row of{};
};

class Staggered {
 public:
  Staggered(const TangentSystem& system, std::size_t n_states, const SolverOptions& options, std::span<const double> s0);

  /// After a jump, or at the start: the rate there is taken anew.
  void forget_past() { rate_is_known_ = false; }
  /// Behind the step of length h [d] to t_new that `stepper` has just tried from `trial`, with the scaled error `of_solution`. The
  /// tangents' own, as far as it is larger; up to 1 is accepted, infinite where something is not finite.
  double try_step(const Trial& trial, Stepper& stepper, double h, double t_new, double of_solution);
  /// Hands an output to the system: here, or at theta of the step of length h just tried, before it is accepted.
  void record(std::size_t output, std::span<const double> y) { system_.record(output, y, all(s_)); }
  void record_within(std::size_t output, double theta, double h, std::span<const double> y);
  void accept();
  void jump(std::size_t event, std::span<double> y) { system_.jump(event, y, all(s_)); }
  std::span<const double> tangents() const { return {s_, system_.size}; }
  std::size_t linearizations = 0, factorizations = 0;

 private:
  std::span<double> all(double* array) const { return {array, system_.size}; }
  void take_rate(const Trial& trial);
  template <std::size_t I>
  void take_stage(double h);
  template <std::size_t last>
  Terms<2 + last> terms_of(const Combination& combination, double factor, double h) const;
  template <std::size_t N>
  void sum_up_live(const Terms<N>& terms, double* out, double* copy = nullptr) const;
  double error(double h, double of_solution);
  double norm_of(const double* error) const;

  const TangentSystem& system_;
  Stretches stretches_;
  double rtol_;
  Isa isa_;
  Vector memory_;
  double *s_, *rest_, *rest_new_, *scratch_;    ///< at the start: S, and S' = rate_shift S - rest; at the end: rest
  double rate_shift_ = 0, rate_shift_new_ = 0;
  std::array<double*, Combination::n_stages> stage_{};       ///< S_2 to S_6 from [1] on, the last that at the end; [0]: none
  std::vector<double> y_, atol_;                ///< y_: within the step
  bool rate_is_known_ = false;
};

}  // namespace nkpk::detail
