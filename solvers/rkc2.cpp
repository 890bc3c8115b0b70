// Runge-Kutta-Chebyshev of order 2: explicit, with as many stages as the stiffness of a step asks for.
//
// Sommeijer, Shampine and Verwer 1998, doi:10.1016/S0377-0427(97)00219-7. With T_j the Chebyshev polynomials,
//   w0 = 1 + eps / s^2 (eps = 2/13), w1 = T'_s(w0) / T''_s(w0), b_j = T''_j(w0) / T'_j(w0)^2, b_0 = b_1 = b_2, a_j = 1 - b_j T_j(w0),
//   Y_1 = y + b_1 w1 h f(y),
//   Y_j = (1 - m - n) y + m Y_(j-1) + n Y_(j-2) + 2 b_j w1 / b_(j-1) h (f(Y_(j-1)) - a_(j-1) f(y)),
//   m = 2 b_j w0 / b_(j-1), n = -b_j / b_(j-2),
// stable for real eigenvalues down to -0.653 (s^2 - 1) / h and so made for diffusion and for relaxations; not for oscillations.
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <limits>

#include "nkpk/solvers/steppers.hpp"

namespace nkpk::detail {
namespace {

constexpr double damping = 2.0 / 13;          // of the stability polynomial within its interval, as published
constexpr double stability = 1.54;            // s = 1 + sqrt(1 + 1.54 h radius), as published
constexpr double margin = 1.2;                // the power method approaches the spectral radius from below, as published
constexpr std::size_t steps_per_radius = 25;  // as published; also anew after a refused step and in a new segment
constexpr int most_iterations = 50;
constexpr double close_enough = 0.01;  // of two estimates of the radius, relative
constexpr double most_stages = 1000;   // rounding errors grow as eps s^2: 2e-10 of a step here

class Rkc2 : public Stepper {
 public:
  explicit Rkc2(const PiecewiseSystem& system)
      : system_(system),
        y_before_(system.size),
        y_last_(system.size),
        f_(system.size),
        direction_(Eigen::ArrayXd::Zero(static_cast<Eigen::Index>(system.size))),
        mixture_(direction_.size()) {
    for (Eigen::Index i = 0; i < mixture_.size(); ++i) mixture_[i] = 0.1 * std::cos(static_cast<double>(i * i + 1));
  }

  void try_step(Trial& s, double h) override {
    const bool is_new = s.state_number != state_number_;
    n_steps_ = is_new ? n_steps_ + 1 : steps_per_radius;  // a second try from the same state: the first was refused
    if (n_steps_ >= steps_per_radius || s.segment != segment_ || state_number_ == 0) {
      radius_ = margin * spectral_radius(s);
      n_steps_ = 0;
    }
    state_number_ = s.state_number;
    segment_ = s.segment;
    const double stages = 1 + std::floor(std::sqrt(1 + stability * h * radius_));
    if (!(stages <= most_stages)) {  // the radius is not finite, or the step far too long
      s.y_new.array() = s.y.array();
      s.error.array().setConstant(std::numeric_limits<double>::infinity());
      return;
    }
    take_stages(s, h, std::max(2, static_cast<int>(stages)));
    evaluate(s, s.t + h, s.y_new, s.slope_new);
    s.error.array() = 0.8 * (s.y.array() - s.y_new.array()) + 0.4 * h * (s.slope.array() + s.slope_new.array());
  }

 private:
  void take_stages(Trial& s, double h, int n) {
    const double w0 = 1 + damping / (n * n);
    // T_j(w0) and its first two derivatives, by their recurrences
    double t1 = w0, t2 = 1, d1 = 1, d2 = 0, dd1 = 0, dd2 = 0;
    const auto next = [w0](double& one, double& two, double extra) {
      const double value = 2 * w0 * one - two + extra;
      two = one;
      one = value;
    };
    const auto advance = [&] {
      next(dd1, dd2, 4 * d1);
      next(d1, d2, 2 * t1);
      next(t1, t2, 0);
    };
    for (int j = 2; j <= n; ++j) advance();
    const double w1 = d1 / dd1;

    t1 = w0, t2 = 1, d1 = 1, d2 = 0, dd1 = 0, dd2 = 0;
    double b1 = 1 / (4 * w0 * w0), b2 = b1, a1 = 1 - b1 * w0;
    double c1 = b1 * w1, c2 = 0;  // times of the stages, from the same recurrence as the stages themselves
    const auto y = s.y.array(), slope = s.slope.array();
    y_before_.array() = y;
    s.y_new.array() = y + c1 * h * slope;
    for (int j = 2; j <= n; ++j) {
      advance();
      const double b = dd1 / (d1 * d1), m = 2 * b * w0 / b1, from_two = -b / b2, of_f = 2 * b * w1 / b1;
      evaluate(s, s.t + c1 * h, s.y_new, f_);
      y_last_.array() = (1 - m - from_two) * y + m * s.y_new.array() + from_two * y_before_.array() + of_f * h * (f_.array() - a1 * slope);
      y_before_.swap(s.y_new);
      s.y_new.swap(y_last_);
      const double c = m * c1 + from_two * c2 + of_f * (1 - a1);
      c2 = c1, c1 = c;
      b2 = b1, b1 = b;
      a1 = 1 - b * t1;
    }
  }

  /// Power method on differences of f, from where the last one ended and a mixture of everything: a direction without a part in
  /// a fast component, as the slope is where that component rests, would never find it.
  double spectral_radius(Trial& s) {
    const double size = s.y.array().matrix().norm();
    const double length = std::sqrt(std::numeric_limits<double>::epsilon()) * (size > 0 ? size : 1);
    const double before = direction_.matrix().norm();
    direction_ = before > 0 && std::isfinite(before) ? direction_ / before + mixture_ : mixture_;
    double radius = 0;
    for (int i = 0; i < most_iterations; ++i) {
      y_last_.array() = s.y.array() + direction_ * (length / direction_.matrix().norm());
      evaluate(s, s.t, y_last_, f_);
      f_.array() -= s.slope.array();
      const double estimate = f_.array().matrix().norm() / length;
      if (!(estimate > 0) || !std::isfinite(estimate)) return estimate > 0 ? estimate : 0 * estimate;
      direction_ = f_.array();
      const bool is_close = std::abs(estimate - radius) <= close_enough * estimate;
      radius = estimate;
      if (i > 0 && is_close) break;
    }
    return radius;
  }

  void evaluate(Trial& s, double t, const Vector& y, Vector& f) {
    system_.rhs(s.segment, t, y.view(), f.view());
    ++s.rhs_calls;
  }

  const PiecewiseSystem& system_;
  std::size_t state_number_ = 0, segment_ = 0, n_steps_ = 0;
  double radius_ = 0;
  Vector y_before_, y_last_, f_;
  Eigen::ArrayXd direction_, mixture_;
};

}  // namespace

std::unique_ptr<Stepper> make_rkc2(const PiecewiseSystem& system, Isa) { return std::make_unique<Rkc2>(system); }

}  // namespace nkpk::detail
