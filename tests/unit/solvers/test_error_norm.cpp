#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <limits>

#include "nkpk/solvers/error_norm.hpp"

using nkpk::error_norm;

namespace {
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double inf = std::numeric_limits<double>::infinity();
using Three = std::array<double, 3>;
constexpr Three zero{0, 0, 0}, one{1, 1, 1};
}  // namespace

TEST_CASE("the error norm is the largest error in units of its own tolerance") {
  // scales: 1 + 0.5 * 2 = 2, 4 + 0.5 * 8 = 8, 1 + 0.5 * 6 = 4 (from the new value): exact in binary
  const auto norm = error_norm(Three{1, -16, 4}, Three{-2, 8, 0}, Three{0, 1, -6}, Three{1, 4, 1}, 0.5);
  CHECK(norm.value == 2);
  CHECK(norm.component == 1);
}

TEST_CASE("the error norm of no error is zero, also where the state is zero") {
  CHECK(error_norm(zero, zero, zero, one, 0.5).value == 0);
}

TEST_CASE("a NaN error counts as infinite wherever it stands, also when numbers follow it") {
  for (std::size_t i = 0; i < 3; ++i) {
    CAPTURE(i);
    Three error{0.5, 0.25, 0.5};
    error[i] = not_a_number;
    const auto norm = error_norm(error, one, one, one, 0.5);
    CHECK(norm.value == inf);
    CHECK(norm.component == i);
  }
}

TEST_CASE("an infinite error counts as infinite, also against an infinite new value") {
  CHECK(error_norm(Three{0, -inf, 0}, one, one, one, 0.5).value == inf);
  CHECK(error_norm(Three{0, inf, 0}, one, Three{1, inf, 1}, one, 0.5).value == inf);
}

TEST_CASE("a non-finite new value counts as infinite although its error is finite") {
  for (const double bad : {not_a_number, inf, -inf}) {
    CAPTURE(bad);
    const auto norm = error_norm(zero, one, Three{1, 1, bad}, one, 0.5);
    CHECK(norm.value == inf);
    CHECK(norm.component == 2);
  }
}

TEST_CASE("the error norm names the first component that is not finite, however large a later one") {
  const auto norm = error_norm(Three{1e300, not_a_number, inf}, one, one, one, 0.5);
  CHECK(norm.component == 1);
}
