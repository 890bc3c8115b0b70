#include "nkpk/solvers/error_norm.hpp"

#include <bit>
#include <cstdint>

namespace nkpk {
namespace {

// The bits of doubles >= 0, read as whole numbers, are ordered as the doubles are, with infinity and then every NaN
// above all numbers. A maximum of whole numbers therefore keeps a NaN, which one of doubles drops, and needs no early
// exit, with which no compiler vectorises the loop.
std::int64_t magnitude(double value) { return std::bit_cast<std::int64_t>(std::fabs(value)); }
constexpr auto infinity = std::numeric_limits<double>::infinity();
constexpr auto infinite = std::bit_cast<std::int64_t>(infinity);

bool is_finite(std::size_t n, const double* values) {
  std::int64_t largest = 0;
  for (std::size_t i = 0; i < n; ++i) largest = std::max(largest, magnitude(values[i]));
  return largest < infinite;
}

using Intervals = std::span<const std::pair<std::size_t, std::size_t>>;

double norm(Intervals intervals, const double* error, const double* y, const double* y_new, const double* atol, double rtol) {
  std::int64_t worst = 0, largest_new = 0;
  for (const auto& [first, last] : intervals)
    for (std::size_t i = first; i < last; ++i) {
      const double before = std::fabs(y[i]), after = std::fabs(y_new[i]);
      const double scale = atol[i] + rtol * (before > after ? before : after);
      worst = std::max(worst, magnitude(error[i] / scale));
      largest_new = std::max(largest_new, magnitude(after));
    }
  return worst < infinite && largest_new < infinite ? std::bit_cast<double>(worst) : infinity;
}

}  // namespace

double error_norm_value(std::span<const double> error, std::span<const double> y, std::span<const double> y_new, std::span<const double> atol, double rtol,
                        Isa isa) {
  const std::pair<std::size_t, std::size_t> all{0, error.size()};
  return error_norm_value({&all, 1}, error, y, y_new, atol, rtol, isa);
}

double error_norm_value(Intervals intervals, std::span<const double> error, std::span<const double> y, std::span<const double> y_new,
                        std::span<const double> atol, double rtol, Isa isa) {
  return Variants<norm>::of(isa)(intervals, error.data(), y.data(), y_new.data(), atol.data(), rtol);
}

bool all_finite(std::span<const double> values, Isa isa) { return Variants<is_finite>::of(isa)(values.size(), values.data()); }

std::ptrdiff_t first_non_finite(std::span<const double> values) {
  const auto found = std::find_if(values.begin(), values.end(), [](double value) { return !std::isfinite(value); });
  return found == values.end() ? -1 : found - values.begin();
}

}  // namespace nkpk
