#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <utility>

#include "nkpk/core/isa.hpp"

namespace nkpk {

/// The largest component of a scaled error and where it sits.
struct ErrorNorm {
  double value = 0;           ///< max_i |error_i| / (atol_i + rtol max(|y_i|, |y_new_i|)); up to 1 is accepted
  std::size_t component = 0;  ///< the largest term, or the first that is not finite
};

/// Scaled max norm of a step's error; all spans [size], atol > 0, +infinity included.
/// A non-finite error or new value counts as infinite. odeint's own norm folds with std::max, which drops a
/// NaN and so accepts the step that made it; a compare-and-select loses a NaN that is followed by a number.
inline ErrorNorm error_norm(std::span<const double> error, std::span<const double> y, std::span<const double> y_new, std::span<const double> atol,
                            double rtol) {
  ErrorNorm largest;
  for (std::size_t i = 0; i < error.size(); ++i) {
    const double scale = atol[i] + rtol * std::max(std::fabs(y[i]), std::fabs(y_new[i]));
    const double term = std::fabs(error[i]) / scale;
    // an infinite new value would hide behind an infinite scale: error / inf = 0
    if (!std::isfinite(term) || !std::isfinite(y_new[i])) return {std::numeric_limits<double>::infinity(), i};
    if (term > largest.value) largest = {term, i};
  }
  return largest;
}

/// error_norm(...).value, several components at a time: what every step asks. The component is asked of error_norm().
double error_norm_value(std::span<const double> error, std::span<const double> y, std::span<const double> y_new, std::span<const double> atol, double rtol,
                        Isa isa = best_isa());

/// The same over intervals [first, last) of the components alone.
double error_norm_value(std::span<const std::pair<std::size_t, std::size_t>> intervals, std::span<const double> error, std::span<const double> y,
                        std::span<const double> y_new, std::span<const double> atol, double rtol, Isa isa = best_isa());

/// Whether no value is NaN or infinite.
bool all_finite(std::span<const double> values, Isa isa = best_isa());

/// The first value that is NaN or infinite, -1 if there is none.
std::ptrdiff_t first_non_finite(std::span<const double> values);

}  // namespace nkpk
