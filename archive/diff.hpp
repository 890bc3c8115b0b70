#pragma once
#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace nkpk::archive {

/// Numbers a and b of an array are the same when |a - b| <= atol + rtol max(|a|, |b|), or both are NaN.
struct Tolerance {
  double rtol = 0, atol = 0;
};

/// One thing in which two archives differ.
struct Difference {
  enum class Kind { only_in_a, only_in_b, input, attribute, shape, values };
  Kind kind;
  std::string where;       ///< path of a group, an array or PATH@ATTRIBUTE; the name of an input
  std::string a, b;        ///< both sides as text; of an array the values where they first or most differ
  bool is_origin = false;  ///< says when, where and by what it was made, not what it holds

  // of an input
  std::size_t line = 0;  ///< the first that differs, from 1
  // of values
  std::size_t n = 0, n_different = 0;
  double max_absolute = 0, max_relative = 0;  ///< NaN where one side is missing and the other is not
  std::string at, at_absolute, at_relative;   ///< coordinates of the first difference and of the greatest ones: "time=3.5, cohort=nk-1"
};

/// "only in A" and the like.
std::string to_string(Difference::Kind kind);

/// All differences, inputs first. Two archives of any size: large arrays are compared in pieces.
/// Throws InputError as Reader does, and where a tolerance is negative or no number.
std::vector<Difference> diff(const std::filesystem::path& a, const std::filesystem::path& b, const Tolerance& tolerance);

}  // namespace nkpk::archive
