#pragma once
#include <array>
#include <cmath>
#include <cstddef>
#include <cstring>

#include "nkpk/core/scalar.hpp"

// A number and its P tangents: x = value + sum_i tangent[i] eps_i with eps_i eps_j = 0, so that
//
//   (a + a' eps)(b + b' eps) = ab + (a' b + a b') eps          f(a + a' eps) = f(a) + f'(a) a' eps
//
// A right-hand side evaluated on Duals gives its value and its exact directional derivatives: seed tangent i of parameter i
// with 1, integrate, and tangent i of every state is its sensitivity to that parameter.
//
//   value   [ v ]          tangent  [ dv/dp_1 | dv/dp_2 | ... | dv/dp_P ]
//
// Only this header, core/scalar.hpp and the code that seeds and reads tangents need to know of it.

namespace nkpk {

namespace detail {
// Eight or four tangents at a time: a compiler that is told of vectors need not search for them, which took minutes per file.
#if defined(__GNUC__)
using EightDoubles = double __attribute__((vector_size(64)));
using FourDoubles = double __attribute__((vector_size(32)));
#else
using EightDoubles = double;
using FourDoubles = double;
#endif

template <class Chunk, class F>
inline void combine_chunk(double* to, const double* from, F&& f) {
  Chunk a, b;
  std::memcpy(&a, to, sizeof a);
  std::memcpy(&b, from, sizeof b);
  a = f(a, b);
  std::memcpy(to, &a, sizeof a);
}

/// to[i] <- f(to[i], from[i])
template <std::size_t P, class F>
inline void combine_tangents(std::array<double, P>& to, const std::array<double, P>& from, F&& f) {
  constexpr std::size_t eight = sizeof(EightDoubles) / sizeof(double), four = sizeof(FourDoubles) / sizeof(double);
  constexpr std::size_t eights = P / eight * eight, fours = eights + (P - eights) / four * four;
  for (std::size_t i = 0; i < eights; i += eight) combine_chunk<EightDoubles>(to.data() + i, from.data() + i, f);
  for (std::size_t i = eights; i < fours; i += four) combine_chunk<FourDoubles>(to.data() + i, from.data() + i, f);
  for (std::size_t i = fours; i < P; ++i) to[i] = f(to[i], from[i]);
}
}  // namespace detail

template <std::size_t P>
struct Dual;
/// Whether any tangent differs from 0.
template <std::size_t P>
bool moves(const Dual<P>& a);

template <std::size_t P>
struct Dual {
  double value = 0;
  std::array<double, P> tangent{};

  Dual() = default;
  Dual(double v) : value(v) {}  // NOLINT: a constant is a Dual without tangents

  Dual& operator+=(const Dual& b) {
    value += b.value;
    detail::combine_tangents(tangent, b.tangent, [](auto x, auto y) { return x + y; });
    return *this;
  }
  Dual& operator-=(const Dual& b) {
    value -= b.value;
    detail::combine_tangents(tangent, b.tangent, [](auto x, auto y) { return x - y; });
    return *this;
  }
  Dual& operator*=(const Dual& b) {
    const double u = value, v = b.value;
    detail::combine_tangents(tangent, b.tangent, [u, v](auto x, auto y) { return x * v + u * y; });
    value = u * v;
    return *this;
  }
  Dual& operator/=(const Dual& b) {
    const double inverse = 1.0 / b.value;
    const double quotient = value / b.value;
    detail::combine_tangents(tangent, b.tangent, [inverse, quotient](auto x, auto y) { return (x - quotient * y) * inverse; });
    value = quotient;
    return *this;
  }

  friend Dual operator+(Dual a, const Dual& b) { return a += b; }
  friend Dual operator-(Dual a, const Dual& b) { return a -= b; }
  friend Dual operator*(Dual a, const Dual& b) { return a *= b; }
  friend Dual operator/(Dual a, const Dual& b) { return a /= b; }
  friend Dual operator-(Dual a) {
    a.value = -a.value;
    detail::combine_tangents(a.tangent, a.tangent, [](auto x, auto) { return -x; });
    return a;
  }

  /// f(a) with derivative slope = f'(a).
  friend Dual chain(const Dual& a, double f, double slope) {
    Dual r(f);
    detail::combine_tangents(r.tangent, a.tangent, [slope](auto, auto y) { return slope * y; });
    return r;
  }
  friend Dual exp(const Dual& a) {
    const double e = std::exp(a.value);
    return chain(a, e, e);
  }
  friend Dual log(const Dual& a) { return chain(a, std::log(a.value), 1.0 / a.value); }
  friend Dual sqrt(const Dual& a) {
    const double root = std::sqrt(a.value);
    return chain(a, root, 0.5 / root);
  }
  /// a^b for a >= 0. At a = 0 the slope in a is taken as 0 unless b = 1, and the slope in b is 0: x^b log x tends to 0.
  friend Dual pow(const Dual& a, const Dual& b) {
    const double f = std::pow(a.value, b.value);
    const double by_a = a.value > 0 ? b.value * f / a.value : (b.value == 1 ? 1.0 : 0.0);
    const double by_b = a.value > 0 ? f * std::log(a.value) : 0.0;
    Dual r = chain(a, f, by_a);
    detail::combine_tangents(r.tangent, b.tangent, [by_b](auto x, auto y) { return x + by_b * y; });
    return r;
  }
  friend Dual power(const Dual& a, const Dual& b) {
    if (b.value != 0.5 || moves(b)) return pow(a, b);
    const double root = std::sqrt(a.value);
    return chain(a, root, a.value > 0 ? 0.5 / root : 0.0);
  }
  friend Dual max0(const Dual& a) { return a.value < 0 ? Dual(0.0) : a; }
  friend Dual if_positive(const Dual& x, const Dual& yes, const Dual& no) { return x.value > 0 ? yes : no; }
};

template <std::size_t P>
inline constexpr bool has_tangents<Dual<P>> = true;

/// A value of 0 with the tangents of a.
template <std::size_t P>
Dual<P> only_tangents(Dual<P> a) {
  a.value = 0;
  return a;
}

template <std::size_t P>
bool moves(const Dual<P>& a) {
  for (const double t : a.tangent)
    if (t != 0) return true;
  return false;
}

template <std::size_t P>
struct ScalarTraits<Dual<P>> {
  static constexpr std::size_t width = 1 + P;
};

}  // namespace nkpk
