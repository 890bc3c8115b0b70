#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <type_traits>

#include "nkpk/core/dual.hpp"
#include "nkpk/core/pack.hpp"

using namespace nkpk;

namespace {

template <std::size_t W>
Pack<W> pack_of(const std::array<double, W>& numbers) {
  Pack<W> p;
  for (std::size_t i = 0; i < W; ++i) p.lane[i] = numbers[i];
  return p;
}

template <std::size_t W>
std::array<double, W> numbers_of(const Pack<W>& p) {
  std::array<double, W> numbers;
  for (std::size_t i = 0; i < W; ++i) numbers[i] = p.lane[i];
  return numbers;
}

// f on packs against f on the doubles of each lane, bit by bit
template <std::size_t W>
void check_lanes(auto f) {
  Pack<W> a, b;
  for (std::size_t i = 0; i < W; ++i) a.lane[i] = 0.3 + 1.7 * static_cast<double>(i), b.lane[i] = 2.9 - 0.4 * static_cast<double>(i);
  const Pack<W> found = f(a, b);
  for (std::size_t i = 0; i < W; ++i) {
    CAPTURE(i);
    const double lane = found.lane[i], u = a.lane[i], v = b.lane[i];
    CHECK(lane == f(u, v));
  }
}

void check_all_widths(auto f) {
  check_lanes<1>(f);
  check_lanes<2>(f);
  check_lanes<3>(f);
  check_lanes<4>(f);
  check_lanes<8>(f);
}

template <class T>
concept Compares = requires(T a, T b) { a < b; } || requires(T a, T b) { a == b; };

}  // namespace

TEST_CASE("a lane of a pack has the bits of its doubles under every operation") {
  using std::exp, std::log, std::pow, std::sqrt;
  check_all_widths([](const auto& u, const auto& v) { return u + v * 2.0 - 1.0; });
  check_all_widths([](const auto& u, const auto& v) { return u * v - v / u; });
  check_all_widths([](const auto& u, const auto& v) { return 3.0 / (1.0 + u / v); });
  check_all_widths([](const auto& u, const auto& v) { return log(u) - sqrt(v); });
  check_all_widths([](const auto& u, const auto& v) { return power(u, 0.0 * u + 0.5) - power(v, u); });
  check_all_widths([](const auto& u, const auto& v) { return pow(u, v) - pow(v, -u); });
  check_all_widths([](const auto& u, const auto& v) { return max0(u - v) + if_positive(v - u, u, 7.0 * v); });
  check_all_widths([](const auto& a, const auto& v) {
    auto u = a;
    u -= v, u *= u, u /= v, u += v;
    return u;
  });
}

TEST_CASE("lanes choose for themselves, and NaN stays in its own") {
  const Pack<4> x = pack_of<4>({-2, 0, 3, NAN});
  const auto clipped = numbers_of(max0(x)), chosen = numbers_of(if_positive(x, Pack<4>(1.0), Pack<4>(-1.0)));
  CHECK(clipped[0] == 0);
  CHECK(clipped[1] == 0);
  CHECK(clipped[2] == 3);
  CHECK(std::isnan(clipped[3]));
  CHECK(chosen == std::array<double, 4>{-1, -1, 1, -1});
}

TEST_CASE("exp of a lane is within a unit in the last place of std::exp, wherever the lane stands and whatever stands beside it") {
  double worst = 0;
  for (double x = -708; x < 709.7; x += 0.0397) {
    const double expected = std::exp(x), spacing = std::nextafter(expected, INFINITY) - expected;
    const auto among = numbers_of(exp(pack_of<8>({1, NAN, x, -INFINITY, 0, 800, -2 * x, x})));
    const auto pair = numbers_of(exp(pack_of<2>({x, 3})));
    CHECK(among[2] == among[7]);
    CHECK(among[2] == pair[0]);
    CHECK(numbers_of(exp(pack_of<4>({0, x, x, 1})))[1] == pair[0]);
    worst = std::max(worst, std::abs(pair[0] - expected) / spacing);
  }
  CHECK(worst <= 1);
  const auto ends = numbers_of(exp(pack_of<8>({0, -0.0, NAN, INFINITY, -INFINITY, 710, -709, 709.5})));
  CHECK(ends[0] == 1);
  CHECK(ends[1] == 1);
  CHECK(std::isnan(ends[2]));
  CHECK(ends[3] == INFINITY);
  CHECK(ends[4] == 0);
  CHECK(ends[5] == INFINITY);
  CHECK(ends[6] == 0);
  CHECK(ends[7] == doctest::Approx(std::exp(709.5)).epsilon(1e-15));
}

TEST_CASE("a number that stands for several has no truth value and no order") {
  static_assert(Compares<double>);
  static_assert(!Compares<Pack<4>> && !std::is_constructible_v<bool, Pack<4>> && !std::is_constructible_v<double, Pack<4>>);
  static_assert(!Compares<Dual<8>> && !std::is_constructible_v<bool, Dual<8>> && !std::is_constructible_v<double, Dual<8>>);
}

TEST_CASE("every scalar is its doubles side by side: number after number, value before tangents, lane after lane") {
  static_assert(FlatScalar<double> && FlatScalar<Dual<8>> && FlatScalar<Pack<4>> && FlatScalar<Pack<8>>);
  static_assert(FlatScalar<Pack<3>> && FlatScalar<Pack<1>> && FlatScalar<Pack<12>> && !Scalar<int*>);
  static_assert(alignof(Pack<3>) == 8 && alignof(Pack<2>) == 16 && alignof(Pack<4>) == 32 && alignof(Pack<8>) == 64 && alignof(Pack<12>) == 32 && alignof(Pack<16>) == 64);
  std::array<Pack<3>, 2> packs;
  packs[0] = pack_of<3>({1, 2, 3}), packs[1] = pack_of<3>({4, 5, 6});
  std::array<double, 6> flat{};
  store<Pack<3>>(packs, flat);
  CHECK(flat == std::array<double, 6>{1, 2, 3, 4, 5, 6});
  std::array<Dual<2>, 2> duals;
  load<Dual<2>>(flat, duals);
  CHECK(duals[1].value == 4);
  CHECK(duals[1].tangent == std::array<double, 2>{5, 6});
  store<Dual<2>>(duals, flat);
  load<Pack<3>>(flat, packs);
  CHECK(packs[1].lane == std::array<double, 3>{4, 5, 6});
}
