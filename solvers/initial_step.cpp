#include "nkpk/solvers/initial_step.hpp"

#include <algorithm>
#include <cmath>

namespace nkpk::detail {

double initial_step(const PiecewiseSystem& system, Trial& s, const Vector& atol, double rtol, int error_order, double room) {
  // an infinite tolerance makes its quotient 0, as it should be
  const auto largest = [](const auto& quotients) { return quotients.maxCoeff(); };
  const auto y = s.y.array(), slope = s.slope.array();
  Eigen::ArrayXd scale = atol.array() + rtol * y.abs();
  const double size = largest(y.abs() / scale), start_speed = largest(slope.abs() / scale);
  // an Euler step that moves nothing by more than a hundredth
  const double probe = std::min(room, size > 1e-5 && start_speed > 1e-5 ? 0.01 * size / start_speed : 1e-6);
  s.y_new.array() = y + probe * slope;
  system.rhs(s.segment, s.t + probe, s.y_new.view(), s.slope_new.view());
  ++s.rhs_calls;
  const Eigen::ArrayXd bending = (s.slope_new.array() - slope).abs() / probe;
  const double start_bend = largest(bending / scale);
  if (!std::isfinite(start_bend)) return probe;
  if (!(start_bend > 0) || !(start_speed > 0)) return 100 * probe;

  // Of a transient of this rate the error is about speed / rate (rate h)^(order + 1). The book has max(speed, bend) h^(order + 1),
  // which depends on the unit of time. What starts at 0 has a size as soon as it moves, against which its error is judged: without
  // it an infusion would begin with steps that are a millionth of what they may be.
  const auto allowed = [&](double h) {
    scale = atol.array() + rtol * y.abs().max((y + h * slope).abs());
    const double speed = largest(slope.abs() / scale), rate = largest(bending / scale) / speed;
    return std::min(100 * h, std::pow(0.01 * rate / speed, 1.0 / (error_order + 1)) / rate);
  };
  double h = probe, next = allowed(h);
  for (; next > 2 * h && h < room; next = allowed(h)) h = next;
  return std::max(h, next);
}

}  // namespace nkpk::detail
