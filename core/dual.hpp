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
// Four tangents at a time: compilers that know vector types need no search for them, which took minutes per file.
#if defined(__GNUC__)
using FourDoubles = double __attribute__((vector_size(32)));
inline constexpr std::size_t tangents_at_once = 4;
#else
using FourDoubles = double;
inline constexpr std::size_t tangents_at_once = 1;
#endif

/// to[i] <- f(a[i], b[i])
template <std::size_t P, class F>
inline void combine_tangents(std::array<double, P>& to, const std::array<double, P>& a, const std::array<double, P>& b, F&& f) {
  std::size_t i = 0;
  for (; i + tangents_at_once <= P; i += tangents_at_once) {
    FourDoubles x, y;
    std::memcpy(&x, a.data() + i, sizeof x);
    std::memcpy(&y, b.data() + i, sizeof y);
    x = f(x, y);
    std::memcpy(to.data() + i, &x, sizeof x);
  }
  for (; i < P; ++i) to[i] = f(a[i], b[i]);
}
}  // namespace detail

// Every operation writes its result where it is wanted, and a plain number stays one: of compilers that copy an argument taken
// by value, a hundred bytes at a time, most of the time went into copies.
template <std::size_t P>
struct Dual {
  double value;
  std::array<double, P> tangent;

  Dual() : value(0), tangent{} {}
  Dual(double v) : value(v), tangent{} {}  // NOLINT: a constant is a Dual without tangents

  Dual& operator+=(const Dual& b) {
    value += b.value;
    detail::combine_tangents(tangent, tangent, b.tangent, [](auto x, auto y) { return x + y; });
    return *this;
  }
  Dual& operator-=(const Dual& b) {
    value -= b.value;
    detail::combine_tangents(tangent, tangent, b.tangent, [](auto x, auto y) { return x - y; });
    return *this;
  }
  Dual& operator*=(const Dual& b) {
    const double u = value, v = b.value;
    detail::combine_tangents(tangent, tangent, b.tangent, [u, v](auto x, auto y) { return x * v + u * y; });
    value = u * v;
    return *this;
  }
  Dual& operator/=(const Dual& b) { return *this = *this / b; }

  friend Dual operator+(const Dual& a, const Dual& b) {
    return Dual(a.value + b.value, a, b, [](auto x, auto y) { return x + y; });
  }
  friend Dual operator-(const Dual& a, const Dual& b) {
    return Dual(a.value - b.value, a, b, [](auto x, auto y) { return x - y; });
  }
  friend Dual operator*(const Dual& a, const Dual& b) {
    const double u = a.value, v = b.value;
    return Dual(u * v, a, b, [u, v](auto x, auto y) { return x * v + u * y; });
  }
  friend Dual operator/(const Dual& a, const Dual& b) {
    const double inverse = 1.0 / b.value, quotient = a.value / b.value;
    return Dual(quotient, a, b, [inverse, quotient](auto x, auto y) { return (x - quotient * y) * inverse; });
  }
  friend Dual operator-(const Dual& a) {
    return Dual(-a.value, a, a, [](auto x, auto) { return -x; });
  }

  friend Dual operator+(const Dual& a, double b) {
    return Dual(a.value + b, a, a, [](auto x, auto) { return x; });
  }
  friend Dual operator+(double a, const Dual& b) { return b + a; }
  friend Dual operator-(const Dual& a, double b) {
    return Dual(a.value - b, a, a, [](auto x, auto) { return x; });
  }
  friend Dual operator-(double a, const Dual& b) {
    return Dual(a - b.value, b, b, [](auto x, auto) { return -x; });
  }
  friend Dual operator*(const Dual& a, double b) { return chain(a, a.value * b, b); }
  friend Dual operator*(double a, const Dual& b) { return chain(b, a * b.value, a); }
  friend Dual operator/(const Dual& a, double b) { return chain(a, a.value / b, 1.0 / b); }
  friend Dual operator/(double a, const Dual& b) {
    const double quotient = a / b.value;
    return chain(b, quotient, -quotient / b.value);
  }

  /// f(a) with derivative slope = f'(a).
  friend Dual chain(const Dual& a, double f, double slope) {
    return Dual(f, a, a, [slope](auto x, auto) { return slope * x; });
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
    return Dual(f, a, b, [by_a, by_b](auto x, auto y) { return by_a * x + by_b * y; });
  }
  friend Dual power(const Dual& a, const Dual& b) {
    if (b.value != 0.5 || moves(b)) return pow(a, b);
    const double root = std::sqrt(a.value);
    return chain(a, root, a.value > 0 ? 0.5 / root : 0.0);
  }
  friend Dual max0(const Dual& a) { return a.value < 0 ? Dual(0.0) : a; }
  friend Dual if_positive(const Dual& x, const Dual& yes, const Dual& no) { return x.value > 0 ? yes : no; }

 private:
  /// v with tangents f(those of a, those of b), and never set to zero first.
  template <class F>
  Dual(double v, const Dual& a, const Dual& b, F&& f) : value(v) {
    detail::combine_tangents(tangent, a.tangent, b.tangent, f);
  }
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
  static constexpr bool lies_in_doubles = false;
};

}  // namespace nkpk
