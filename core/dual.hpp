#pragma once
#include <array>
#include <cmath>
#include <cstddef>

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

template <std::size_t P>
struct Dual {
  double value = 0;
  std::array<double, P> tangent{};

  Dual() = default;
  Dual(double v) : value(v) {}  // NOLINT: a constant is a Dual without tangents

  Dual& operator+=(const Dual& b) {
    value += b.value;
    for (std::size_t i = 0; i < P; ++i) tangent[i] += b.tangent[i];
    return *this;
  }
  Dual& operator-=(const Dual& b) {
    value -= b.value;
    for (std::size_t i = 0; i < P; ++i) tangent[i] -= b.tangent[i];
    return *this;
  }
  Dual& operator*=(const Dual& b) {
    for (std::size_t i = 0; i < P; ++i) tangent[i] = tangent[i] * b.value + value * b.tangent[i];
    value *= b.value;
    return *this;
  }
  Dual& operator/=(const Dual& b) {
    const double inverse = 1.0 / b.value;
    const double quotient = value / b.value;
    for (std::size_t i = 0; i < P; ++i) tangent[i] = (tangent[i] - quotient * b.tangent[i]) * inverse;
    value = quotient;
    return *this;
  }

  friend Dual operator+(Dual a, const Dual& b) { return a += b; }
  friend Dual operator-(Dual a, const Dual& b) { return a -= b; }
  friend Dual operator*(Dual a, const Dual& b) { return a *= b; }
  friend Dual operator/(Dual a, const Dual& b) { return a /= b; }
  friend Dual operator-(Dual a) {
    a.value = -a.value;
    for (double& t : a.tangent) t = -t;
    return a;
  }

  /// f(a) with derivative slope = f'(a).
  friend Dual chain(const Dual& a, double f, double slope) {
    Dual r(f);
    for (std::size_t i = 0; i < P; ++i) r.tangent[i] = slope * a.tangent[i];
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
    Dual r(f);
    for (std::size_t i = 0; i < P; ++i) r.tangent[i] = by_a * a.tangent[i] + by_b * b.tangent[i];
    return r;
  }
  friend Dual max0(const Dual& a) { return a.value < 0 ? Dual(0.0) : a; }
  friend Dual if_positive(const Dual& x, const Dual& yes, const Dual& no) { return x.value > 0 ? yes : no; }
};

template <std::size_t P>
struct ScalarTraits<Dual<P>> {
  static constexpr std::size_t width = 1 + P;
};

}  // namespace nkpk
