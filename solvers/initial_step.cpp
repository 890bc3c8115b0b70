#include "nkpk/solvers/initial_step.hpp"

#include <algorithm>
#include <cmath>

namespace nkpk::detail {

double initial_step(const PiecewiseSystem& system, Trial& s, const Vector& atol, double rtol, int error_order, double room) {
  // an infinite tolerance makes its quotient 0, as it should be
  const auto largest = [](const auto& quotients) { return quotients.maxCoeff(); };
  const auto y = s.y.array(), slope = s.slope.array();
  const Eigen::ArrayXd scale = atol.array() + rtol * y.abs();
  const double size = largest(y.abs() / scale), speed = largest(slope.abs() / scale);
  // an Euler step that moves nothing by more than a hundredth
  const double probe = std::min(room, size > 1e-5 && speed > 1e-5 ? 0.01 * size / speed : 1e-6);
  s.y_new.array() = y + probe * slope;
  system.rhs(s.segment, s.t + probe, s.y_new.view(), s.slope_new.view());
  ++s.rhs_calls;
  const double bend = largest((s.slope_new.array() - slope).abs() / scale) / probe;
  if (!std::isfinite(bend)) return probe;
  if (!(bend > 0) || !(speed > 0)) return 100 * probe;
  // Of a transient of this rate the error is about speed / rate (rate h)^(order + 1). The book has max(speed, bend) h^(order + 1),
  // which depends on the unit of time.
  const double rate = bend / speed;
  return std::min(100 * probe, std::pow(0.01 * rate / speed, 1.0 / (error_order + 1)) / rate);
}

}  // namespace nkpk::detail
