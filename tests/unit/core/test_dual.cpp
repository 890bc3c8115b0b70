#include <doctest/doctest.h>

#include <cmath>
#include <functional>

#include "nkpk/core/dual.hpp"
#include "nkpk/core/scalar.hpp"

using nkpk::Dual;

namespace {

using D = Dual<2>;

D seeded(double value, std::size_t i) {
  D x(value);
  x.tangent[i] = 1;
  return x;
}

// central difference of a function of two doubles in its i-th argument
double difference(const std::function<double(double, double)>& f, double a, double b, int i) {
  const double h = 1e-6 * (i == 0 ? a : b);
  return i == 0 ? (f(a + h, b) - f(a - h, b)) / (2 * h) : (f(a, b + h) - f(a, b - h)) / (2 * h);
}

}  // namespace

TEST_CASE("a dual number carries the value and the exact derivatives of every operation") {
  const double a = 1.7, b = 0.6;
  const auto check = [&](auto f) {
    const D x = f(seeded(a, 0), seeded(b, 1));
    const auto plain = [&f](double u, double v) { return f(u, v); };
    CHECK(x.value == doctest::Approx(f(a, b)).epsilon(1e-15));
    for (int i = 0; i < 2; ++i) CHECK(x.tangent[static_cast<std::size_t>(i)] == doctest::Approx(difference(plain, a, b, i)).epsilon(1e-8));
  };
  using std::exp, std::log, std::pow, std::sqrt;
  check([](auto u, auto v) { return u + v * 2.0 - 1.0; });
  check([](auto u, auto v) { return u * v - v / u; });
  check([](auto u, auto v) { return 3.0 / (1.0 + u / v); });
  check([](auto u, auto v) { return exp(-u * v) + log(u) - sqrt(v); });
  check([](auto u, auto v) { return pow(u, v); });
  check([](auto u, auto v) { return -u * (2.0 - v) * (u + v); });
}

TEST_CASE("closed forms: the derivative of a Hill function, and of x^x") {
  const D c = seeded(3.0, 0), EC50 = seeded(2.0, 1);
  const D effect = c / (c + EC50);
  CHECK(effect.tangent[0] == doctest::Approx(2.0 / 25).epsilon(1e-15));
  CHECK(effect.tangent[1] == doctest::Approx(-3.0 / 25).epsilon(1e-15));
  const D x = seeded(1.5, 0);
  CHECK(pow(x, x).tangent[0] == doctest::Approx(std::pow(1.5, 1.5) * (std::log(1.5) + 1)).epsilon(1e-14));
}

TEST_CASE("clipping at zero and choosing by sign keep the tangents of the branch taken") {
  CHECK(max0(seeded(-2.0, 0)).tangent[0] == 0);
  CHECK(max0(seeded(2.0, 0)).tangent[0] == 1);
  CHECK(if_positive(seeded(1.0, 0), seeded(5.0, 1), D(7.0)).tangent[1] == 1);
  CHECK(if_positive(D(0.0), seeded(5.0, 1), D(7.0)).value == 7);
  CHECK(std::isnan(max0(D(NAN)).value));
}

TEST_CASE("the power of zero has finite tangents, so that an extinct population does not spoil the others") {
  const D x = pow(seeded(0.0, 0), seeded(0.5, 1));
  CHECK(x.value == 0);
  CHECK(x.tangent[0] == 0);
  CHECK(x.tangent[1] == 0);
}
