#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <stdexcept>
#include <vector>

#include "nkpk/core/distribution.hpp"

using nkpk::Distribution;
using nkpk::ExactSum;

namespace {

using Numbers = std::vector<double>;
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
const Numbers levels{0, 0.001, 0.05, 0.25, 0.5, 0.75, 0.95, 0.999, 1};

Distribution of(const Numbers& numbers) {
  Distribution d;
  for (const double x : numbers) d.add(x);
  return d;
}

/// The number of rank floor(q (n - 1)), by sorting.
double exact(Numbers sorted, double q) {
  std::ranges::sort(sorted);
  return sorted[static_cast<std::size_t>(std::floor(q * static_cast<double>(sorted.size() - 1)))];
}

void check_same(const Distribution& a, const Distribution& b) {
  const auto same = [](double x, double y) { return std::bit_cast<std::uint64_t>(x) == std::bit_cast<std::uint64_t>(y); };
  CHECK(a.n() == b.n());
  CHECK(a.n_zero() == b.n_zero());
  CHECK(a.n_missing() == b.n_missing());
  CHECK(same(a.min(), b.min()));
  CHECK(same(a.max(), b.max()));
  CHECK(same(a.mean(), b.mean()));
  for (const double q : levels) CHECK(same(a.quantile(q), b.quantile(q)));
}

template <class Law>
Numbers drawn(std::size_t n, Law law, unsigned seed = 1) {
  std::mt19937_64 source(seed);
  Numbers numbers(n);
  for (double& x : numbers) x = law(source);
  return numbers;
}

/// Shapes that quantile sketches stumble over.
std::vector<Numbers> hard_cases() {
  std::vector<Numbers> cases{
      drawn(10'001, std::lognormal_distribution<>(0, 1)),
      drawn(9'998, std::lognormal_distribution<>(-5, 6)),
      drawn(5'000, std::uniform_real_distribution<>(-3, 3)),
      drawn(5'000, std::cauchy_distribution<>(0, 1)),
      {3.7},
      {2, 1},
      Numbers(1000, 0.1),
      {0, 0, 0, 0, 1e-300, 5, -0.0},
      {-1e300, -1e-5, -1e-13, 1e-13, 1e-5, 1e300},
      {std::numeric_limits<double>::max(), -std::numeric_limits<double>::max(), std::numeric_limits<double>::denorm_min()},
  };
  Numbers edges;  // both sides of powers of two and of bins
  for (int e = -39; e < 40; ++e)
    for (const double at : {1.0, 1 + 0x1p-9, 1 + 0x1p-10, 2 - 0x1p-9})
      for (const double sign : {-1.0, 1.0})
        for (const double x : {std::ldexp(at, e), std::nextafter(std::ldexp(at, e), 0.0), std::nextafter(std::ldexp(at, e), 1e99)}) edges.push_back(sign * x);
  cases.push_back(edges);
  Numbers falling(2000);
  for (std::size_t i = 0; i < falling.size(); ++i) falling[i] = 1e4 * std::exp(-0.02 * static_cast<double>(i));
  cases.push_back(falling);
  return cases;
}

}  // namespace

TEST_CASE("quantiles are those of the sorted numbers, to a thousandth") {
  static_assert(Distribution::accuracy < 1e-3);
  for (const Numbers& numbers : hard_cases()) {
    CAPTURE(numbers.size());
    const Distribution d = of(numbers);
    CHECK(d.n() == numbers.size());
    CHECK(d.min() == exact(numbers, 0));
    CHECK(d.max() == exact(numbers, 1));
    for (const double q : levels) {
      CAPTURE(q);
      const double x = exact(numbers, q);
      CHECK(std::abs(d.quantile(q) - x) <= (std::abs(x) < Distribution::smallest ? Distribution::smallest : Distribution::accuracy * std::abs(x)));
    }
  }
}

TEST_CASE("the accuracy that is stated is reached, not merely kept") {
  // the lower edge of a bin: its middle is 2^-10 away
  CHECK(of({0.5, 1, 2}).quantile(0.5) == 1 + 0x1p-10);
  CHECK(of({-2, -1, -0.5}).quantile(0.5) == -(1 + 0x1p-10));
}

TEST_CASE("any order and any way of merging parts gives the same bits") {
  std::mt19937_64 source(3);
  for (Numbers numbers : hard_cases()) {
    numbers.insert(numbers.end(), {not_a_number, inf, -inf});
    const Distribution whole = of(numbers);
    std::ranges::shuffle(numbers, source);
    check_same(whole, of(numbers));
    std::vector<Distribution> parts(5);
    for (const double x : numbers) parts[source() % parts.size()].add(x);
    Distribution forward, backward;
    for (const auto& part : parts) forward.merge(part);
    for (auto part = parts.rbegin(); part != parts.rend(); ++part) backward.merge(*part);
    check_same(whole, forward);
    check_same(whole, backward);
  }
}

TEST_CASE("merging with nothing changes nothing, and with itself doubles all counts") {
  const Numbers numbers = drawn(1000, std::normal_distribution<>(0, 3));
  Distribution d = of(numbers);
  d.merge(Distribution{});
  check_same(d, of(numbers));
  Distribution nothing;
  nothing.merge(d);
  check_same(nothing, d);
  Numbers twice = numbers;
  twice.insert(twice.end(), numbers.begin(), numbers.end());
  d.merge(d);
  check_same(d, of(twice));
}

TEST_CASE("of no numbers everything is NaN, and what is not finite is counted apart") {
  for (const Numbers& numbers : {Numbers{}, Numbers{not_a_number, not_a_number, inf, -inf}}) {
    const Distribution d = of(numbers);
    CHECK(d.n() == 0);
    CHECK(d.n_zero() == 0);
    CHECK(d.n_missing() == numbers.size());
    for (const double x : {d.min(), d.max(), d.mean(), d.quantile(0), d.quantile(0.5), d.quantile(1)}) CHECK(std::isnan(x));
  }
  const Distribution one = of({not_a_number, 7, inf});
  CHECK(one.n_missing() == 2);
  CHECK(one.quantile(0.5) == 7);
}

TEST_CASE("what is too small to matter counts as zero, and only that") {
  const double small = std::nextafter(Distribution::smallest, 0.0);
  const Distribution d = of({small, -small, 0, -0.0, Distribution::smallest, -Distribution::smallest, 1});
  CHECK(d.n_zero() == 4);
  CHECK(d.quantile(0.5) == 0);
  CHECK(of({1, 2}).n_zero() == 0);
  CHECK(of({-1, -2}).n_zero() == 0);
}

TEST_CASE("one number is all its quantiles, to the bit") {
  for (const double x : {3.7, -1e-7, 1e300, 1e-300, 0.0})
    for (const double q : levels) CHECK(of({x}).quantile(q) == x);
}

TEST_CASE("sums are exact where plain ones lose everything") {
  const auto mean = [](const Numbers& numbers) { return of(numbers).mean(); };
  CHECK(mean({1e16, 1, -1e16}) == 1.0 / 3);
  CHECK(mean({1e300, 1e-300, -1e300}) == 1e-300 / 3);
  CHECK(mean({5e-324, 5e-324}) == 5e-324);
  CHECK(mean({-0.1, 0.1}) == 0);
  const double most = std::numeric_limits<double>::max();
  CHECK(mean({most, most, most}) == most);
  CHECK(mean({-most, -most}) == -most);
  Numbers integers(100'000);
  std::iota(integers.begin(), integers.end(), -7.0);
  CHECK(mean(integers) == (-7.0 + 99'992.0) / 2);
  // a sum of squares of widely spread numbers, against a wider format
  const Numbers wide = drawn(20'000, std::lognormal_distribution<>(0, 8), 5);
  long double sum = 0;
  for (const double x : wide) sum += x;
  CHECK(mean(wide) == doctest::Approx(static_cast<double>(sum / 20'000)).epsilon(1e-15));
}

TEST_CASE("a sum carries over digits in both directions") {
  for (const double sign : {1.0, -1.0}) {
    ExactSum sum;
    for (int i = 0; i < 1 << 20; ++i) sum.add(sign * (1 - 0x1p-53));  // all 53 bits set
    CHECK(sum.over(1) == sign * (0x1p20 - 0x1p-33));
    for (int i = 0; i < 1 << 20; ++i) sum.add(-sign);
    CHECK(sum.over(1) == -sign * 0x1p-33);
  }
}

TEST_CASE("a distribution goes on from its bytes to the bit, whatever the numbers") {
  for (const Numbers& numbers : hard_cases()) {
    const std::size_t half = numbers.size() / 2;
    Distribution part = of({numbers.begin(), numbers.begin() + static_cast<std::ptrdiff_t>(half)});
    nkpk::ByteWriter out;
    part.write(out);
    nkpk::ByteReader in(out.bytes());
    Distribution again = Distribution::read(in);
    CHECK(in.is_at_end());
    check_same(again, part);
    for (std::size_t i = half; i < numbers.size(); ++i) again.add(numbers[i]);
    check_same(again, of(numbers));
    for (std::size_t n = 0; n < out.bytes().size(); n += 11) {
      nkpk::ByteReader cut(std::string_view(out.bytes()).substr(0, n));
      CHECK_THROWS_AS(Distribution::read(cut), nkpk::BytesError);
    }
  }
}
