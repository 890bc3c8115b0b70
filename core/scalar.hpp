#pragma once
#include <cmath>

namespace nkpk {

/// What a right-hand side may do with a number: + - * /, the functions of <cmath> found by argument-dependent lookup,
/// max0 and if_positive. Never `if` on a T: a SIMD pack has no single truth value.
inline double max0(double x) { return x < 0 ? 0.0 : x; }  // written so that NaN stays NaN
inline double if_positive(double x, double yes, double no) { return x > 0 ? yes : no; }

/// Whether a scalar carries derivatives.
template <class T>
inline constexpr bool has_tangents = false;

}  // namespace nkpk
