#include "nkpk/core/distribution.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <stdexcept>

namespace nkpk {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr std::int64_t digit_mask = 0xffff'ffff;

// Of the 52 bits behind the point, nine tell the bins of one octave apart.
constexpr int dropped_bits = 52 - 9;
constexpr std::int64_t key_of_smallest = static_cast<std::int64_t>(std::bit_cast<std::uint64_t>(Distribution::smallest) >> dropped_bits);

/// 0 for what counts as zero, 1, 2, ... upwards from `smallest`, -1, -2, ... downwards from its negative.
std::int64_t key_of(double x) {
  const double size = std::abs(x);
  if (size < Distribution::smallest) return 0;
  const auto key = static_cast<std::int64_t>(std::bit_cast<std::uint64_t>(size) >> dropped_bits) - key_of_smallest + 1;
  return x < 0 ? -key : key;
}

/// Of the greatest double.
constexpr std::int64_t key_limit = (std::int64_t{0x7ff} << 9) - key_of_smallest;

double middle_of(std::int64_t key) {
  if (key == 0) return 0;
  const auto place = static_cast<std::uint64_t>(std::abs(key) - 1 + key_of_smallest);
  const double size = std::bit_cast<double>((place << dropped_bits) | (std::uint64_t{1} << (dropped_bits - 1)));
  return key < 0 ? -size : size;
}

std::int64_t page_of(std::int64_t key) { return key >> 6; }  // downwards for negative ones as well

}  // namespace

void ExactSum::add(double x) {
  const auto bits = std::bit_cast<std::uint64_t>(x);
  const std::uint64_t exponent = (bits >> 52) & 0x7ff, fraction = bits & 0xf'ffff'ffff'ffff;
  // |x| = mantissa 2^(place - 1074)
  const std::uint64_t mantissa = exponent == 0 ? fraction : fraction | (std::uint64_t{1} << 52);
  const std::uint64_t place = exponent == 0 ? 0 : exponent - 1;
  const auto digit = static_cast<std::size_t>(place / 32), shift = static_cast<std::size_t>(place % 32);
  const auto low = static_cast<std::int64_t>((mantissa & digit_mask) << shift);
  const auto high = static_cast<std::int64_t>((mantissa >> 32) << shift);
  const std::int64_t sign = x < 0 ? -1 : 1;
  digits_[digit] += sign * (low & digit_mask);
  digits_[digit + 1] += sign * ((low >> 32) + (high & digit_mask));
  digits_[digit + 2] += sign * (high >> 32);
}

void ExactSum::merge(const ExactSum& other) {
  for (std::size_t i = 0; i < digits_.size(); ++i) digits_[i] += other.digits_[i];
}

double ExactSum::over(double n) const {
  auto digits = digits_;
  const auto carry = [&digits] {
    for (std::size_t i = 0; i + 1 < digits.size(); ++i) {
      digits[i + 1] += digits[i] >> 32;
      digits[i] &= digit_mask;
    }
  };
  carry();
  const bool negative = digits.back() < 0;
  if (negative) {
    for (auto& digit : digits) digit = -digit;
    carry();
  }
  std::size_t top = digits.size() - 1;
  while (top > 2 && digits[top] == 0) --top;
  const double sum = static_cast<double>(digits[top]) * 0x1p64 + (static_cast<double>(digits[top - 1]) * 0x1p32 + static_cast<double>(digits[top - 2]));
  return std::ldexp((negative ? -sum : sum) / n, static_cast<int>(32 * (top - 2)) - 1074);
}

void ExactSum::write(ByteWriter& out) const {
  out.count(digits_.size() - static_cast<std::size_t>(std::ranges::count(digits_, 0)));
  for (std::size_t i = 0; i < digits_.size(); ++i) {
    if (digits_[i] == 0) continue;
    out.count(i);
    out.number(digits_[i]);
  }
}

void ExactSum::read(ByteReader& in, std::uint64_t n) {
  // what add() gives a digit at most
  const auto most = static_cast<std::int64_t>(n * 3 << 31);
  digits_ = {};
  for (std::uint64_t left = in.count_of(9); left > 0; --left) {
    const std::uint64_t i = in.count();
    const auto digit = in.number<std::int64_t>();
    if (i >= digits_.size() || digit > most || digit < -most) throw BytesError("no digits of a sum");
    digits_[i] = digit;
  }
}

void Distribution::expect_room(std::uint64_t more) const {
  if (n_ + more > most) throw std::length_error("a Distribution holds 2^30 numbers at most");
}

std::uint32_t& Distribution::bin(std::int64_t key) {
  const std::int64_t page = page_of(key);
  if (pages_.empty()) first_page_ = page;
  if (page < first_page_) {
    std::vector<std::unique_ptr<Page>> longer(static_cast<std::size_t>(first_page_ - page) + pages_.size());
    std::ranges::move(pages_, longer.end() - static_cast<std::ptrdiff_t>(pages_.size()));
    pages_ = std::move(longer);
    first_page_ = page;
  }
  const auto place = static_cast<std::size_t>(page - first_page_);
  if (place >= pages_.size()) pages_.resize(place + 1);
  if (!pages_[place]) pages_[place] = std::make_unique<Page>();
  return (*pages_[place])[static_cast<std::size_t>(key - page * page_size)];
}

void Distribution::add(double x) {
  if (!std::isfinite(x)) {
    ++n_missing_;
    return;
  }
  expect_room(1);
  x += 0.0;  // one zero, not two: a minimum must not depend on which came first
  min_ = n_ == 0 ? x : std::min(min_, x);
  max_ = n_ == 0 ? x : std::max(max_, x);
  ++n_;
  sum_.add(x);
  ++bin(key_of(x));
}

void Distribution::merge(const Distribution& other) {
  expect_room(other.n_);
  n_missing_ += other.n_missing_;
  if (other.n_ == 0) return;
  min_ = n_ == 0 ? other.min_ : std::min(min_, other.min_);
  max_ = n_ == 0 ? other.max_ : std::max(max_, other.max_);
  n_ += other.n_;
  sum_.merge(other.sum_);
  // by number, as `other` may be this one
  for (std::size_t i = 0, n = other.pages_.size(); i < n; ++i) {
    if (!other.pages_[i]) continue;
    const Page counts = *other.pages_[i];
    std::uint32_t* mine = &bin((other.first_page_ + static_cast<std::int64_t>(i)) * page_size);
    for (std::size_t k = 0; k < counts.size(); ++k) mine[k] += counts[k];
  }
}

std::uint64_t Distribution::n_zero() const {
  const std::int64_t place = page_of(0) - first_page_;
  if (place < 0 || place >= static_cast<std::int64_t>(pages_.size()) || !pages_[static_cast<std::size_t>(place)]) return 0;
  return (*pages_[static_cast<std::size_t>(place)])[0];
}

void Distribution::write(ByteWriter& out) const {
  out.count(n_missing_);
  out.count(n_);
  if (n_ == 0) return;
  out.number(min_);
  out.number(max_);
  sum_.write(out);
  ByteWriter bins;
  std::uint64_t n_bins = 0;
  std::int64_t before = -key_limit - 1;
  for (std::size_t i = 0; i < pages_.size(); ++i) {
    if (!pages_[i]) continue;
    for (std::size_t k = 0; k < page_size; ++k) {
      const std::uint32_t count = (*pages_[i])[k];
      if (count == 0) continue;
      const std::int64_t key = (first_page_ + static_cast<std::int64_t>(i)) * page_size + static_cast<std::int64_t>(k);
      bins.count(static_cast<std::uint64_t>(key - before));
      bins.count(count);
      before = key;
      ++n_bins;
    }
  }
  out.count(n_bins);
  out.numbers(std::span<const char>(bins.bytes()));
}

Distribution Distribution::read(ByteReader& in) {
  Distribution d;
  d.n_missing_ = in.count();
  d.n_ = in.count();
  if (d.n_ == 0) return d;
  if (d.n_ > most) throw BytesError("too many numbers");
  d.min_ = in.number<double>();
  d.max_ = in.number<double>();
  if (!std::isfinite(d.min_) || !std::isfinite(d.max_) || d.min_ > d.max_) throw BytesError("no least and greatest number");
  d.sum_.read(in, d.n_);
  std::uint64_t n = 0;
  std::int64_t key = -key_limit - 1;
  for (std::uint64_t left = in.count_of(2); left > 0; --left) {
    const std::uint64_t step = in.count(), count = in.count();
    if (step == 0 || step > static_cast<std::uint64_t>(2 * key_limit + 1) || count == 0 || count > d.n_) throw BytesError("no bin of numbers");
    key += static_cast<std::int64_t>(step);
    if (key > key_limit) throw BytesError("no bin of numbers");
    d.bin(key) = static_cast<std::uint32_t>(count);
    n += count;
  }
  if (n != d.n_) throw BytesError("bins do not hold all numbers");
  return d;
}

double Distribution::min() const { return n_ == 0 ? nan : min_; }
double Distribution::max() const { return n_ == 0 ? nan : max_; }
double Distribution::mean() const { return n_ == 0 ? nan : sum_.over(static_cast<double>(n_)); }

double Distribution::quantile(double q) const {
  if (n_ == 0) return nan;
  const auto rank = static_cast<std::uint64_t>(std::floor(q * static_cast<double>(n_ - 1)));
  if (rank == 0) return min_;
  if (rank + 1 >= n_) return max_;
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < pages_.size(); ++i) {
    if (!pages_[i]) continue;
    for (std::size_t k = 0; k < page_size; ++k) {
      below += (*pages_[i])[k];
      if (below > rank) return std::clamp(middle_of((first_page_ + static_cast<std::int64_t>(i)) * page_size + static_cast<std::int64_t>(k)), min_, max_);
    }
  }
  return max_;
}

}  // namespace nkpk
