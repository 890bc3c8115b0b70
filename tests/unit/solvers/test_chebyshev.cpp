#include "nkpk/solvers/chebyshev.hpp"

#include <doctest/doctest.h>

#include <cmath>

using namespace nkpk;

namespace {

std::vector<double> values_of(double (*f)(double), const std::vector<double>& points) {
  std::vector<double> values;
  for (const double t : points) values.push_back(f(t));
  return values;
}

double worst_error(double (*f)(double), double a, double b, std::size_t n) {
  const auto points = chebyshev::points(a, b, n);
  const auto values = values_of(f, points);
  double worst = 0;
  for (int i = 0; i <= 1000; ++i) {
    const double t = a + (b - a) * i / 1000;
    worst = std::max(worst, std::abs(chebyshev::value(points, values, t) - f(t)));
  }
  return worst;
}

}  // namespace

TEST_CASE("Chebyshev points begin and end with the interval and every other one is a point of the half number") {
  const auto points = chebyshev::points(3.1, 3.2, 8), half = chebyshev::points(3.1, 3.2, 4);
  CHECK(points.front() == 3.1);
  CHECK(points.back() == 3.2);
  for (std::size_t j = 0; j < half.size(); ++j) CHECK(points[2 * j] == doctest::Approx(half[j]).epsilon(1e-15));
  for (std::size_t j = 1; j < points.size(); ++j) CHECK(points[j] > points[j - 1]);
}

TEST_CASE("the polynomial through nine points is exact for degree eight") {
  CHECK(worst_error([](double t) { return 1 + t - 3 * std::pow(t, 5) + std::pow(t, 8); }, -1, 1, 8) < 1e-14);
}

TEST_CASE("the error of a smooth function is squared when the points double") {
  constexpr auto f = [](double t) { return 1 / (1 + t * t); };
  // the poles at +-i give (1 + sqrt(2))^-n: 8e-4, 7e-7, 5e-13
  CHECK(worst_error(f, -1, 1, 8) < 2 * std::pow(1 + std::sqrt(2.0), -8));
  CHECK(worst_error(f, -1, 1, 16) < 2 * std::pow(1 + std::sqrt(2.0), -16));
  CHECK(worst_error(f, -1, 1, 32) < 2 * std::pow(1 + std::sqrt(2.0), -32));
}

TEST_CASE("what every other point says of those left out is the error with half of them") {
  const auto points = chebyshev::points(0, 2, 8);
  const auto values = values_of([](double t) { return std::exp(-3 * t); }, points);
  const double with_half = worst_error([](double t) { return std::exp(-3 * t); }, 0, 2, 4);
  CHECK(chebyshev::error_of_half(points, values) <= with_half * (1 + 1e-3));
  CHECK(chebyshev::error_of_half(points, values) > 0.5 * with_half);
}

TEST_CASE("a value that is not a number makes the error infinite") {
  const auto points = chebyshev::points(0, 1, 8);
  for (std::size_t j = 0; j < points.size(); ++j) {
    std::vector<double> values(points.size(), 1.0);
    values[j] = NAN;
    CHECK(chebyshev::error_of_half(points, values) == INFINITY);
  }
}
