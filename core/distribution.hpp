#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "nkpk/core/bytes.hpp"

// The distribution of a stream of numbers in bounded memory, to 0.1 %.
//
// Counts in bins of fixed relative width, after DDSketch (Masson 2019, doi:10.14778/3352063.3352135), but with bins that can be read
// from a number's own bits: 512 equal ones between two powers of two. The middle of a bin is within 2^-10 (0.098 %) of every number in
// it, and no logarithm decides on a bin, so that all machines agree. As counts are integers and sums are exact, numbers may come in any
// order and parts be merged in any way: the same bits come out.
//
//   negative numbers             have mirrored bins: the same relative accuracy
//   |x| < 2^-40 (9.1e-13)        counts as zero, whose bin holds no other
//   NaN and infinities           are counted as missing, and take part in nothing else
//
// Memory: 2.2 kB per factor of two between the smallest and the largest magnitude, where there are numbers.

namespace nkpk {

/// The sum of doubles without rounding, in any order the same: a fixed-point number that is wide enough for all of them.
/// Up to 2^30 numbers.
class ExactSum {
 public:
  /// x must be finite.
  void add(double x);
  void merge(const ExactSum& other);
  /// The sum over `n` numbers, to two units in the last place; no overflow where the quotient has none.
  double over(double n) const;

  /// As bytes and back, for sums of at most `n` numbers. Throws BytesError for what is none.
  void write(ByteWriter& out) const;
  void read(ByteReader& in, std::uint64_t n);

 private:
  /// Digits of 32 bits, lowest first, the last of 2^-1074; carries wait in the upper halves.
  std::array<std::int64_t, 68> digits_{};
};

class Distribution {
 public:
  static constexpr double accuracy = 0x1p-10;  ///< of quantiles, relative
  static constexpr double smallest = 0x1p-40;  ///< smaller magnitudes count as zero
  static constexpr std::uint64_t most = std::uint64_t{1} << 30;

  /// Throws std::length_error beyond `most` numbers.
  void add(double x);
  void merge(const Distribution& other);

  std::uint64_t n() const { return n_; }              ///< finite numbers
  std::uint64_t n_zero() const;                       ///< those that count as zero
  std::uint64_t n_missing() const { return n_missing_; }
  /// Exact; NaN when there is none.
  double min() const;
  double max() const;
  /// Of the exact sum, rounded; NaN when there is none.
  double mean() const;
  /// The number of rank floor(q (n - 1)), counted from 0 upwards, 0 <= q <= 1, to `accuracy`; exact for the least and the greatest.
  /// NaN when there is none.
  double quantile(double q) const;

  /// As bytes and back: what is read goes on as what was written. Throws BytesError for what is none.
  void write(ByteWriter& out) const;
  static Distribution read(ByteReader& in);

 private:
  static constexpr std::int64_t page_size = 64;
  using Page = std::array<std::uint32_t, page_size>;
  std::uint32_t& bin(std::int64_t key);
  void expect_room(std::uint64_t more) const;

  std::uint64_t n_ = 0, n_missing_ = 0;
  double min_ = 0, max_ = 0;
  ExactSum sum_;
  std::int64_t first_page_ = 0;
  std::vector<std::unique_ptr<Page>> pages_;  ///< of consecutive keys; null where no number came
};

}  // namespace nkpk
