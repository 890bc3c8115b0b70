#pragma once
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

// What a right-hand side may do with a number T: + - * /, the functions of <cmath> found by argument-dependent lookup, max0 and
// if_positive. Never `if` on a T: a pack of patients has no single truth value, a symbol has none yet.
//
//   double         one number                                    1 double
//   Dual<P>        a number and its P tangents                   1 + P doubles      core/dual.hpp
//   Pack<W>        a number of each of W patients                W doubles          core/pack.hpp
//
// The solver knows doubles only: a state of n numbers T is n * width doubles to it, number after number. They are copied: the
// solver's doubles are no T to the compiler, unless T says that it may lie in them.

namespace nkpk {

inline double max0(double x) { return x < 0 ? 0.0 : x; }  // written so that NaN stays NaN
inline double if_positive(double x, double yes, double no) { return x > 0 ? yes : no; }

/// x^p for x >= 0. A root, the usual case, is taken as one: ten times faster than std::pow, and exact to rounding.
inline double power(double x, double p) { return p == 0.5 ? std::sqrt(x) : std::pow(x, p); }

/// Whether a scalar carries derivatives.
template <class T>
inline constexpr bool has_tangents = false;

namespace detail {
using std::exp, std::pow;
template <class T>
concept HasFunctions = requires(const T x) {
  { exp(x) } -> std::convertible_to<T>;
  { pow(x, x) } -> std::convertible_to<T>;
  { max0(x) } -> std::convertible_to<T>;
  { if_positive(x, x, x) } -> std::convertible_to<T>;
};
}  // namespace detail

/// What the model can be evaluated in.
template <class T>
concept Scalar = std::default_initializable<T> && std::constructible_from<T, double> && detail::HasFunctions<T> && requires(T x, const T y, double d) {
  x += y;
  { y + y } -> std::convertible_to<T>;
  { y - y } -> std::convertible_to<T>;
  { y * y } -> std::convertible_to<T>;
  { y / y } -> std::convertible_to<T>;
  { d * y } -> std::convertible_to<T>;
  { -y } -> std::convertible_to<T>;
};

/// `width`: the doubles that a T is made of, side by side. `lies_in_doubles`: whether memory that holds doubles may be read and
/// written as T where it is aligned for one. Specialised beside each T.
template <class T>
struct ScalarTraits;
template <>
struct ScalarTraits<double> {
  static constexpr std::size_t width = 1;
  static constexpr bool lies_in_doubles = true;
};

/// A scalar that the solver can integrate.
template <class T>
concept FlatScalar = Scalar<T> && std::is_trivially_copyable_v<T> && sizeof(T) == ScalarTraits<T>::width * sizeof(double);

/// numbers[i] <- its doubles; flat: [numbers.size() * width].
template <FlatScalar T>
void load(std::span<const double> flat, std::span<T> numbers) {
  std::memcpy(static_cast<void*>(numbers.data()), flat.data(), numbers.size_bytes());
}

/// flat <- the doubles of the numbers, [numbers.size() * width].
template <FlatScalar T>
void store(std::span<const T> numbers, std::span<double> flat) {
  std::memcpy(flat.data(), numbers.data(), numbers.size_bytes());
}

/// The numbers as they lie in the doubles; null where they have to be copied. A copy there and back took a third of the time of
/// a right-hand side on packs.
template <FlatScalar T, class Double>
auto in_place(std::span<Double> flat) {
  using Number = std::conditional_t<std::is_const_v<Double>, const T, T>;
  if constexpr (ScalarTraits<T>::lies_in_doubles)
    if (reinterpret_cast<std::uintptr_t>(flat.data()) % alignof(T) == 0) return reinterpret_cast<Number*>(flat.data());
  return static_cast<Number*>(nullptr);
}

}  // namespace nkpk
