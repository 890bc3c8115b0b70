// The tangents' own step: a singly diagonally implicit method with an explicit first stage, which on linear equations is one
// matrix and one solution a stage,
//
//   (1 / (h gamma) I - J_i) S_i = R_i / (h gamma) + B_i,   R_i = S + h sum_{j<i} a_ij K_j,   h gamma K_i = S_i - R_i
//
// with J_i and B_i at the solution's state at t + c_i h: all known before the first stage, and computed side by side.
// Differentiating a Rosenbrock step itself would take second derivatives along every stage, or five times the arithmetic in dual
// numbers.
#include "nkpk/solvers/staggered.hpp"

#include <Eigen/LU>
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "nkpk/solvers/error_norm.hpp"

namespace nkpk::detail {
namespace {

// Kennedy and Carpenter 2003, doi:10.1016/S0168-9274(02)00138-1, the implicit half of ARK4(3)6L[2]SA: order 4 with an estimate of order 3, L-stable,
// stiffly accurate, every stage within the step. The last row of a is the result.
constexpr std::size_t n = Combination::n_stages;
using Row = Combination::Row;
constexpr double gamma = 0.25;
constexpr std::array<Row, n> a{{
    {},
    {gamma, gamma},
    {8611.0 / 62500, -1743.0 / 31250, gamma},
    {5012029.0 / 34652500, -654441.0 / 2922500, 174375.0 / 388108, gamma},
    {15267082809.0 / 155376265600, -71443401.0 / 120774400, 730878875.0 / 902184768, 2285395.0 / 8070912, gamma},
    {82889.0 / 524892, 0, 15625.0 / 83664, 69875.0 / 102672, -2260.0 / 8211, gamma},
}};
constexpr Row embedded{4586570599.0 / 29645900160, 0, 178811875.0 / 945068544, 814220225.0 / 1159782912, -3700637.0 / 11593932, 61727.0 / 225920};

// Errors of tangents are held to this multiple of the solution's tolerances: what a derivative is wanted for, a direction or a standard
// error, asks for fewer digits than a prediction. On the model, at rtol 1e-6, they then err by at most 1.0e-4 of their largest
// (benchmarks/sensitivities.md).
constexpr double looser = 200;

/// Where the stages lie within the step.
constexpr Row abscissae = [] {
  Row sums{};
  for (std::size_t i = 0; i < n; ++i)
    for (const double x : a[i]) sums[i] += x;
  sums[n - 1] = 1;  // whatever the rounding
  return sums;
}();
/// The moments are those of the stages but the first, whose rate is the last one's of the step before.
static_assert(n == TangentSystem::moments + 1);
constexpr std::size_t moment_of(std::size_t stage) { return stage - 1; }
constexpr std::size_t last_moment = moment_of(n - 1);
constexpr auto thetas = [] {
  std::array<double, TangentSystem::within> of;
  for (std::size_t m = 0; m < of.size(); ++m) of[m] = abscissae[m + 1];
  return of;
}();

constexpr Combination combination(const Row& weights, std::size_t stages) {
  // from the last stage on: h K_j = (S_j - R_j) / gamma, and R_j holds earlier ones
  Combination c;
  Row left = weights;
  for (std::size_t j = stages; j-- > 1;) {
    const double x = left[j] / gamma;
    c.of[j] = x;
    c.start -= x;
    for (std::size_t l = 0; l < j; ++l) left[l] -= x * a[j][l];
  }
  c.rate = left[0];
  return c;
}

constexpr std::array<Combination, n> stages = [] {
  std::array<Combination, n> all;
  for (std::size_t i = 1; i < n; ++i) {
    Row before{};
    for (std::size_t j = 0; j < i; ++j) before[j] = a[i][j];
    all[i] = combination(before, i);
    all[i].start += 1;
  }
  return all;
}();
constexpr Combination error_estimate = [] {
  Row weights{};
  for (std::size_t j = 0; j < n; ++j) weights[j] = a[n - 1][j] - embedded[j];
  return combination(weights, n);
}();

/// b(theta) = this (theta, theta^2, theta^3, theta^4)', of which S(theta) = S + sum_j b_j(theta) h K_j: order 4, and on stiff
/// equations, where the stages lie on the slow course, exact for courses of degree 3. Slopes at the ends would do for the first, but
/// are those of a stiff equation's errors. Six conditions: of quadrature to c^3, of A c^2 (the stages' order 2 makes the rest of
/// order 4), and b A^-1 c^3 = theta^3 (those below follow).
Eigen::Matrix<double, n, 4> weights_within() {
  Eigen::Matrix<double, n, n> conditions = Eigen::Matrix<double, n, n>::Zero();
  for (std::size_t j = 0; j < n; ++j) {
    for (int k = 0; k < 4; ++k) conditions(k, j) = std::pow(abscissae[j], k);
    for (std::size_t l = 0; l < n; ++l) conditions(4, j) += a[j][l] * abscissae[l] * abscissae[l];
    if (j == 0) continue;  // the first stage is explicit
    double left = std::pow(abscissae[j], 3);  // of A^-1 c^3, by substitution
    for (std::size_t l = 1; l < j; ++l) left -= a[j][l] * conditions(5, l);
    conditions(5, j) = left / gamma;
  }
  Eigen::Matrix<double, n, 4> right = Eigen::Matrix<double, n, 4>::Zero();
  for (int k = 0; k < 4; ++k) right(k, k) = 1.0 / (k + 1);
  right(4, 3) = 1.0 / 12, right(5, 2) = 1;
  return conditions.partialPivLu().solve(right);
}

/// out = sum_j weight_j of_j; copy: null, or another place for it.
template <std::size_t N>
void sum_up(const Stretches& stretches, double* out, double* copy, const Terms<N>& terms) {
  stretches.visit([&](std::size_t skipped, std::size_t count) {
#pragma GCC ivdep
    for (std::size_t x = 0; x < count; ++x) {
      double sum = terms.weight[0] * std::assume_aligned<Vector::alignment>(terms.of[0] + skipped)[x];
      for (std::size_t j = 1; j < N; ++j) sum += terms.weight[j] * std::assume_aligned<Vector::alignment>(terms.of[j] + skipped)[x];
      std::assume_aligned<Vector::alignment>(out + skipped)[x] = sum;
    }
    if (copy != nullptr) std::copy_n(out + skipped, count, copy + skipped);
  });
}

}  // namespace

Staggered::Staggered(const TangentSystem& system, std::size_t n_states, const SolverOptions& options, std::span<const double> s0)
    : system_(system), stretches_(system.live, system.size), rtol_(options.rtol * looser), isa_(options.isa), memory_((3 + n) * Vector::rounded_up(system.size)), y_(n_states * TangentSystem::within) {
  const auto array = [&](std::size_t i) { return memory_.data() + i * Vector::rounded_up(system.size); };
  s_ = array(0), rest_ = array(1), rest_new_ = array(2), scratch_ = array(3);
  for (std::size_t i = 1; i < n; ++i) stage_[i] = array(3 + i);
  std::copy(s0.begin(), s0.end(), s_);
  for (const double tolerance : system.atol) atol_.push_back(tolerance * options.atol_factor * looser);
}

/// factor times a combination over stages 1 to last; S' = rate_shift S - rest
template <std::size_t last>
Terms<2 + last> Staggered::terms_of(const Combination& c, double factor, double h) const {
  Terms<2 + last> terms;
  terms.of[0] = s_, terms.weight[0] = factor * (c.start + h * c.rate * rate_shift_);
  terms.of[1] = rest_, terms.weight[1] = -factor * h * c.rate;
  for (std::size_t j = 1; j <= last; ++j) terms.of[j + 1] = stage_[j], terms.weight[j + 1] = factor * c.of[j];
  return terms;
}

template <std::size_t N>
void Staggered::sum_up_live(const Terms<N>& terms, double* out, double* copy) const {
  Variants<sum_up<N>>::of(isa_)(stretches_, out, copy, terms);
}

template <std::size_t I>
void Staggered::take_stage(double h) {
  const double shift = 1 / (h * gamma);
  constexpr bool is_last = I + 1 == n;
  sum_up_live(terms_of<I - 1>(stages[I], shift, h), stage_[I], is_last ? rest_new_ : nullptr);
  system_.solve(moment_of(I), all(stage_[I]), true);
  if constexpr (is_last) rate_shift_new_ = shift;
}

double Staggered::try_step(const Trial& trial, Stepper& stepper, double h, double t_new, double of_solution) {
  if (!rate_is_known_) take_rate(trial);
  stepper.interpolate(trial, thetas, y_);
  std::array<double, TangentSystem::moments> t;
  for (std::size_t m = 0; m < last_moment; ++m) t[m] = trial.t + thetas[m] * h;
  t[last_moment] = t_new;
  system_.linearize(trial.segment, t, y_, trial.y_new.view());
  linearizations += t.size();
  system_.factorize(1 / (h * gamma));
  factorizations += t.size();
  take_stage<1>(h), take_stage<2>(h), take_stage<3>(h), take_stage<4>(h), take_stage<5>(h);
  return error(h, of_solution);
}

void Staggered::take_rate(const Trial& trial) {
  std::array<double, TangentSystem::moments> t;
  t.fill(trial.t);
  for (std::size_t i = 0; i < trial.y.size(); ++i) std::fill_n(&y_[i * TangentSystem::within], TangentSystem::within, trial.y[i]);
  system_.linearize(trial.segment, t, y_, trial.y.view());
  ++linearizations;
  system_.rate(last_moment, all(s_), all(rest_));
  rate_shift_ = 0;
  for (double& x : all(rest_)) x = -x;
  rate_is_known_ = true;
}

/// Where the estimate would decide, it is filtered by the last stage's matrix: what has settled on its slow course would dominate it
/// otherwise (Shampine's device; Hairer and Wanner, Solving Ordinary Differential Equations II, section IV.8).
double Staggered::error(double h, double of_solution) {
  const double shift = 1 / (h * gamma);
  sum_up_live(terms_of<n - 1>(error_estimate, shift, h), scratch_);
  const double raw = norm_of(scratch_) / shift;
  if (raw <= of_solution) return raw;
  system_.solve(last_moment, all(scratch_), false);
  return norm_of(scratch_);
}

double Staggered::norm_of(const double* error) const {
  return error_norm_value(system_.live, {error, system_.size}, tangents(), {stage_[n - 1], system_.size}, atol_, rtol_, isa_);
}

void Staggered::record_within(std::size_t output, double theta, double h, std::span<const double> y) {
  static const auto polynomials = weights_within();
  Row weights;
  Eigen::Map<Eigen::Matrix<double, n, 1>>(weights.data()) = polynomials * Eigen::Vector4d(theta, theta * theta, theta * theta * theta, theta * theta * theta * theta);
  Combination c = combination(weights, n);
  c.start += 1;
  sum_up_live(terms_of<n - 1>(c, 1, h), scratch_);  // what is not live is 0 in all of them
  system_.record(output, y, all(scratch_));
}

void Staggered::accept() {
  std::swap(s_, stage_[n - 1]);
  std::swap(rest_, rest_new_);
  rate_shift_ = rate_shift_new_;
}

}  // namespace nkpk::detail
