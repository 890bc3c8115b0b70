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

// Kennedy and Carpenter 2019, doi:10.1016/j.apnum.2019.07.008, ESDIRK5(4)7L[2]SA2: order 5 with an estimate of order 4, L-stable,
// stiffly accurate, every stage within the step. The last row of a is the result.
constexpr std::size_t n = 7;
using Row = std::array<double, n>;
constexpr double gamma = 23.0 / 125;
constexpr std::array<Row, n> a{{
    {},
    {gamma, gamma},
    {791020047304.0 / 3561426431547, 791020047304.0 / 3561426431547, gamma},
    {-158159076358.0 / 11257294102345, -158159076358.0 / 11257294102345, -85517644447.0 / 5003708988389, gamma},
    {-1653327111580.0 / 4048416487981, -1653327111580.0 / 4048416487981, 1514767744496.0 / 9099671765375, 14283835447591.0 / 12247432691556, gamma},
    {-4540011970825.0 / 8418487046959, -4540011970825.0 / 8418487046959, -1790937573418.0 / 7393406387169, 10819093665085.0 / 7266595846747,
     4109463131231.0 / 7386972500302, gamma},
    {-188593204321.0 / 4778616380481, -188593204321.0 / 4778616380481, 2809310203510.0 / 10304234040467, 1021729336898.0 / 2364210264653,
     870612361811.0 / 2470410392208, -1307970675534.0 / 8059683598661, gamma},
}};
constexpr Row embedded{-582099335757.0 / 7214068459310, -582099335757.0 / 7214068459310, 615023338567.0 / 3362626566945,
                       3192122436311.0 / 6174152374399, 6156034052041.0 / 14430468657929, -1011318518279.0 / 9693750372484,
                       1914490192573.0 / 13754262428401};

// Errors of tangents are held to this multiple of the solution's tolerances: what a derivative is wanted for, a direction or a standard
// error, asks for fewer digits than a prediction. On the model, at rtol 1e-6, they then err by at most 1.2e-4 of their largest
// (benchmarks/sensitivities.md).
constexpr double looser = 100;

/// Where the stages lie within the step; what is left of the moments lies at its end.
constexpr std::array<double, TangentSystem::moments> thetas = [] {
  std::array<double, TangentSystem::moments> c;
  c.fill(1);
  for (std::size_t i = 0; i + 1 < n; ++i) {
    c[i] = 0;
    for (const double x : a[i]) c[i] += x;
  }
  return c;
}();

/// A sum of the K_j, sum_j weight_j h K_j, in terms of what is kept: start S + rate h S' + sum_j of[j] S_j.
struct Combination {
  double start = 0, rate = 0;
  Row of{};
};

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
  // every row of a begins with two equal weights, so that behind the first stage the rate cancels but for rounding
  c.rate = left[0] * left[0] < 1e-24 ? 0 : left[0];
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
/// equations, where the stages lie on the slow course, exact for courses of degree 4. Slopes at the ends would do for the first, but
/// are those of a stiff equation's errors. Seven conditions: of quadrature to c^3, of A c^2 (the stages' order 2 makes the rest of
/// order 4), and b A^-1 c^k = theta^k for k of 3 and 4 (those below follow).
Eigen::Matrix<double, n, 4> weights_within() {
  Eigen::Matrix<double, n, n> conditions = Eigen::Matrix<double, n, n>::Zero();
  for (std::size_t j = 0; j < n; ++j) {
    const double c = thetas[j];
    for (int k = 0; k < 4; ++k) conditions(k, j) = std::pow(c, k);
    for (std::size_t l = 0; l < n; ++l) conditions(4, j) += a[j][l] * thetas[l] * thetas[l];
    for (int k = 3; j > 0 && k < 5; ++k) {  // rows of A^-1 c^k, by substitution; the first stage is explicit
      double left = std::pow(c, k);
      for (std::size_t l = 1; l < j; ++l) left -= a[j][l] * conditions(k + 2, l);
      conditions(k + 2, j) = left / gamma;
    }
  }
  Eigen::Matrix<double, n, 4> right = Eigen::Matrix<double, n, 4>::Zero();
  for (int k = 0; k < 4; ++k) right(k, k) = 1.0 / (k + 1);
  right(4, 3) = 1.0 / 12, right(5, 2) = 1, right(6, 3) = 1;
  return conditions.partialPivLu().solve(right);
}

/// out = sum_j weight_j of_j; out may be one of them.
template <std::size_t N>
void sum_up(const Stretches& stretches, double* out, const Terms<N>& terms) {
  stretches.visit([&](std::size_t skipped, std::size_t count) {
#pragma GCC ivdep
    for (std::size_t x = 0; x < count; ++x) {
      double sum = terms.weight[0] * std::assume_aligned<Vector::alignment>(terms.of[0] + skipped)[x];
      for (std::size_t j = 1; j < N; ++j) sum += terms.weight[j] * std::assume_aligned<Vector::alignment>(terms.of[j] + skipped)[x];
      std::assume_aligned<Vector::alignment>(out + skipped)[x] = sum;
    }
  });
}

/// factor times a combination over stages 1 to last, with h and the arrays filled in
template <std::size_t last, bool has_rate>
Terms<1 + has_rate + last> terms_of(const Combination& c, double factor, double h, const double* s, const double* rate, const std::array<double*, n>& stage) {
  Terms<1 + has_rate + last> terms;
  std::size_t next = 0;
  const auto add = [&](const double* of, double weight) { terms.of[next] = of, terms.weight[next++] = weight; };
  add(s, factor * c.start);
  if constexpr (has_rate) add(rate, factor * h * c.rate);
  for (std::size_t j = 1; j <= last; ++j) add(stage[j], factor * c.of[j]);
  return terms;
}

}  // namespace

Staggered::Staggered(const TangentSystem& system, std::size_t n_states, const SolverOptions& options, std::span<const double> s0)
    : system_(system), stretches_(system.live, system.size), rtol_(options.rtol * looser), isa_(options.isa), memory_((3 + n) * Vector::rounded_up(system.size)), y_(n_states * TangentSystem::moments) {
  const auto array = [&](std::size_t i) { return memory_.data() + i * Vector::rounded_up(system.size); };
  s_ = array(0), rate_ = array(1), rate_new_ = array(2), scratch_ = array(3);
  for (std::size_t i = 1; i < n; ++i) stage_[i] = array(3 + i);
  std::copy(s0.begin(), s0.end(), s_);
  for (const double tolerance : system.atol) atol_.push_back(tolerance * options.atol_factor * looser);
}

template <std::size_t N>
void Staggered::sum_up_live(double* out, const Terms<N>& terms) const {
  Variants<sum_up<N>>::of(isa_)(stretches_, out, terms);
}

template <std::size_t I>
void Staggered::take_stage(double h) {
  const double shift = 1 / (h * gamma);
  sum_up_live(stage_[I], terms_of<I - 1, stages[I].rate != 0>(stages[I], shift, h, s_, rate_, stage_));
  constexpr bool is_last = I + 1 == n;
  if constexpr (is_last)
    stretches_.visit([&](std::size_t first, std::size_t count) { std::copy_n(stage_[I] + first, count, rate_new_ + first); });
  system_.solve(I, all(stage_[I]), true);
  if constexpr (is_last)
    sum_up_live(rate_new_, Terms<2>{{stage_[I], rate_new_}, {shift, -1.0}});
}

double Staggered::try_step(const Trial& trial, Stepper& stepper, double h, double t_new, double of_solution) {
  stepper.interpolate(trial, thetas, y_);
  std::array<double, TangentSystem::moments> t;
  for (std::size_t m = 0; m < t.size(); ++m) t[m] = thetas[m] < 1 ? trial.t + thetas[m] * h : t_new;
  system_.linearize(trial.segment, t, y_);
  linearizations += n;  // what is left of the moments repeats the last
  if (!rate_is_known_) system_.rate(0, all(s_), all(rate_));
  rate_is_known_ = true;
  system_.factorize(1 / (h * gamma));
  factorizations += n - 1;
  take_stage<1>(h), take_stage<2>(h), take_stage<3>(h), take_stage<4>(h), take_stage<5>(h), take_stage<6>(h);
  return error(h, of_solution);
}

/// Where the estimate would decide, it is filtered by the last stage's matrix: what has settled on its slow course would dominate it
/// otherwise (Shampine's device; Hairer and Wanner, Solving Ordinary Differential Equations II, section IV.8).
double Staggered::error(double h, double of_solution) {
  const double shift = 1 / (h * gamma);
  sum_up_live(scratch_, terms_of<n - 1, error_estimate.rate != 0>(error_estimate, shift, h, s_, rate_, stage_));
  const double raw = norm_of(scratch_) / shift;
  if (raw <= of_solution) return raw;
  system_.solve(n - 1, all(scratch_), false);
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
  sum_up_live(scratch_, terms_of<n - 1, true>(c, 1, h, s_, rate_, stage_));  // what is not live is 0 in all of them
  system_.record(output, y, all(scratch_));
}

void Staggered::accept() {
  std::swap(s_, stage_[n - 1]);
  std::swap(rate_, rate_new_);
}

}  // namespace nkpk::detail
