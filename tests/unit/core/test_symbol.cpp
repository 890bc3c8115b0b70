#include "nkpk/core/symbol.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <stdexcept>

#include "nkpk/core/dual.hpp"

using namespace nkpk;

namespace {

/// Uses every operation, some parts twice.
template <class T>
T everything(const T& x, const T& y) {
  const T shared = exp(-x) / (1.0 + y * y);
  const T root = sqrt(shared + 2.0) - log(y);
  T sum = shared * root;
  sum += pow(x, y);
  sum -= max0(x - y) * 3.0;
  sum *= if_positive(x - 1.0, x, y);
  sum /= 1.0 + max0(y - x);
  return -sum;
}

double value_at(const Symbol& e, double x, double y) {
  return Evaluation([&](const std::string& name) { return name == "x" ? x : y; })(e);
}

struct Point {
  double x, y;
};
const Point points[] = {{0.5, 1.25}, {2, 0.75}, {1.5, 3}, {3, 0.1}};

}  // namespace

TEST_CASE("an expression has the bits of a run on doubles, and its derivatives those of dual numbers") {
  const Symbol e = everything(Symbol::variable("x"), Symbol::variable("y"));
  Derivative by_x("x"), by_y("y");
  for (const Point p : points) {
    CAPTURE(p.x);
    Dual<2> x(p.x), y(p.y);
    x.tangent[0] = 1, y.tangent[1] = 1;
    const Dual<2> expected = everything(x, y);
    CHECK(value_at(e, p.x, p.y) == expected.value);
    CHECK(value_at(by_x(e), p.x, p.y) == doctest::Approx(expected.tangent[0]).epsilon(1e-13));
    CHECK(value_at(by_y(e), p.x, p.y) == doctest::Approx(expected.tangent[1]).epsilon(1e-13));
  }
}

TEST_CASE("a power has at zero the slope that dual numbers take") {
  const Symbol x = Symbol::variable("x");
  CHECK(value_at(Derivative("x")(pow(x, 0.5)), 0, 0) == 0);
  CHECK(value_at(Derivative("y")(pow(x, Symbol::variable("y"))), 0, 2) == 0);
  CHECK(value_at(Derivative("x")(pow(max0(x), 0.5)), 0, 0) == 0);
}

TEST_CASE("only what changes no value is simplified") {
  const Symbol x = Symbol::variable("x");
  CHECK((x + 0.0).identity() == x.identity());
  CHECK((1.0 * x).identity() == x.identity());
  CHECK((x / 1.0).identity() == x.identity());
  CHECK((-(-x)).identity() == x.identity());
  CHECK((0.0 * x).is_number(0));
  CHECK((Symbol(2) * 3.0).is_number(6));
  CHECK((x - x).op() == Symbol::Op::subtract);
  CHECK(pow(x, 1.0).identity() == x.identity());
}

TEST_CASE("a name without a value is the caller's to refuse") {
  const Symbol e = Symbol::variable("x") + 1.0;
  CHECK_THROWS_AS(Evaluation([](const std::string& name) -> double { throw std::out_of_range(name); })(e), std::out_of_range);
}
