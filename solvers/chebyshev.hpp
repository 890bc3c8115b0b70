#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <span>
#include <vector>

// A smooth function on one interval as the polynomial through n + 1 Chebyshev points, ends included, n even:
//
//   t_j = (a + b)/2 - (b - a)/2 cos(pi j/n)
//   p(t) = sum_j w_j f_j/(t - t_j) / sum_j w_j/(t - t_j),   w_j = (-1)^j, halved at both ends
//
// The barycentric form is stable for every t. The error of an analytic function falls geometrically with n, so that it is
// squared when n doubles; every other point is the set for n/2, which makes the smaller error known without further values.
// Reference: Berrut and Trefethen, Barycentric Lagrange interpolation, SIAM Review 46 (2004) 501, doi:10.1137/S0036144502417715.

namespace nkpk::chebyshev {

/// The n + 1 points of [a, b], increasing, the ends exact.
inline std::vector<double> points(double a, double b, std::size_t n) {
  std::vector<double> t(n + 1);
  for (std::size_t j = 0; j <= n; ++j) {
    const double x = std::cos(std::numbers::pi * static_cast<double>(j) / static_cast<double>(n));
    t[j] = std::clamp(0.5 * (a + b) - 0.5 * (b - a) * x, a, b);
  }
  t.front() = a, t.back() = b;
  return t;
}

/// p(t) from every `stride`-th of the points and the values there.
inline double value(std::span<const double> points, std::span<const double> values, double t, std::size_t stride = 1) {
  double above = 0, below = 0, sign = 1;
  const std::size_t last = points.size() - 1;
  for (std::size_t j = 0; j <= last; j += stride, sign = -sign) {
    if (t == points[j]) return values[j];
    const double w = (j == 0 || j == last ? 0.5 * sign : sign) / (t - points[j]);
    above += w * values[j], below += w;
  }
  return above / below;
}

/// The largest difference between the polynomial through every other point and the values that it leaves out; NaN counts as infinite.
inline double error_of_half(std::span<const double> points, std::span<const double> values) {
  double worst = 0;
  for (std::size_t j = 1; j < points.size(); j += 2) {
    const double e = std::abs(value(points, values, points[j], 2) - values[j]);
    worst = std::isnan(e) ? INFINITY : std::max(worst, e);
  }
  return worst;
}

}  // namespace nkpk::chebyshev
