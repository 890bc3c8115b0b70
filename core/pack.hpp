#pragma once
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "nkpk/core/scalar.hpp"

// W patients side by side, one in each lane:
//
//   a     [ a_1 | a_2 | ... | a_W ]
//   b     [ b_1 | b_2 | ... | b_W ]          a op b  =  [ a_1 op b_1 | a_2 op b_2 | ... | a_W op b_W ]
//
// A right-hand side evaluated on Packs does for each lane the operations that it does on doubles, in the same order: whatever stands
// in the other lanes, lane i has the same bits, those of patient i alone on doubles where no exp is taken (see below). What differs between patients must be a T (parameters, states, doses); what decides a branch
// (switches, the number of cohorts, time, windows) is shared. Lanes share a solver's steps, so the hardest patient sets the pace.
//
// Two, four and eight lanes are one register of SSE2 or NEON, AVX2 and AVX-512: a vector type of the compiler, without which a
// right-hand side was left in single numbers. Other widths are plain arrays and loops.
// log and pow go lane by lane through <cmath>. exp is here for all lanes at once: eight calls, with all registers saved around
// each, took a quarter of a right-hand side with two cohorts. It is within one unit in the last place of std::exp, and a lane of it
// too depends on that lane's number alone.
// There is no comparison and no truth value: two lanes need not agree. max0 and if_positive choose lane by lane.

// A pack in a register is passed in one where the instruction set has it and in memory where it has not: code for one set may not
// call code for another, so that nothing is left to be called.
#if defined(__GNUC__)
#define NKPK_INLINE __attribute__((always_inline)) inline
#define NKPK_MAY_ALIAS [[gnu::may_alias]]
#else
#define NKPK_INLINE inline
#define NKPK_MAY_ALIAS
#endif

namespace nkpk {

namespace detail {
template <std::size_t W>
struct Lanes {
  using type = std::array<double, W>;
  using bits = std::array<std::int64_t, W>;
};
#if defined(__GNUC__)
// written out: g++ 12 refuses a vector type whose size depends on a template parameter
template <>
struct Lanes<2> {
  using type = double __attribute__((vector_size(16)));
  using bits = std::int64_t __attribute__((vector_size(16)));
};
template <>
struct Lanes<4> {
  using type = double __attribute__((vector_size(32)));
  using bits = std::int64_t __attribute__((vector_size(32)));
};
template <>
struct Lanes<8> {
  using type = double __attribute__((vector_size(64)));
  using bits = std::int64_t __attribute__((vector_size(64)));
};
#endif
}  // namespace detail

// aligned by the largest power of two in its size, so that a vector register loads at once and nothing is padded
template <std::size_t W>
  requires(W > 0)
struct alignas((W & (~W + 1)) < 8 ? (W & (~W + 1)) * sizeof(double) : 8 * sizeof(double)) NKPK_MAY_ALIAS Pack {
  using Lanes = typename detail::Lanes<W>::type;
  using Bits = typename detail::Lanes<W>::bits;
  static constexpr bool is_array = std::is_same_v<Lanes, std::array<double, W>>;

  Lanes lane{};

  Pack() = default;
  NKPK_INLINE Pack(double v) {  // NOLINT: a constant is the same for every patient
    if constexpr (is_array)
      lane.fill(v);
    else
      lane = v - Lanes{};  // and not +: -0.0 + 0.0 is 0.0
  }

  NKPK_INLINE Pack& operator+=(const Pack& b) {
    if constexpr (is_array)
      for (std::size_t i = 0; i < W; ++i) lane[i] += b.lane[i];
    else
      lane += b.lane;
    return *this;
  }
  NKPK_INLINE Pack& operator-=(const Pack& b) {
    if constexpr (is_array)
      for (std::size_t i = 0; i < W; ++i) lane[i] -= b.lane[i];
    else
      lane -= b.lane;
    return *this;
  }
  NKPK_INLINE Pack& operator*=(const Pack& b) {
    if constexpr (is_array)
      for (std::size_t i = 0; i < W; ++i) lane[i] *= b.lane[i];
    else
      lane *= b.lane;
    return *this;
  }
  NKPK_INLINE Pack& operator/=(const Pack& b) {
    if constexpr (is_array)
      for (std::size_t i = 0; i < W; ++i) lane[i] /= b.lane[i];
    else
      lane /= b.lane;
    return *this;
  }

  NKPK_INLINE friend Pack operator+(Pack a, const Pack& b) { return a += b; }
  NKPK_INLINE friend Pack operator-(Pack a, const Pack& b) { return a -= b; }
  NKPK_INLINE friend Pack operator*(Pack a, const Pack& b) { return a *= b; }
  NKPK_INLINE friend Pack operator/(Pack a, const Pack& b) { return a /= b; }
  NKPK_INLINE Pack& operator+=(double b) { return *this = *this + b; }
  NKPK_INLINE Pack& operator-=(double b) { return *this = *this - b; }
  NKPK_INLINE Pack& operator*=(double b) { return *this = *this * b; }
  NKPK_INLINE Pack& operator/=(double b) { return *this = *this / b; }
  // a number with a pack: left to a conversion, g++ 12 puts the number into a wide register lane by lane
  NKPK_INLINE friend Pack operator+(const Pack& a, double b) { return with(a, b, [](const auto& x, const auto& y) { return x + y; }); }
  NKPK_INLINE friend Pack operator-(const Pack& a, double b) { return with(a, b, [](const auto& x, const auto& y) { return x - y; }); }
  NKPK_INLINE friend Pack operator*(const Pack& a, double b) { return with(a, b, [](const auto& x, const auto& y) { return x * y; }); }
  NKPK_INLINE friend Pack operator/(const Pack& a, double b) { return with(a, b, [](const auto& x, const auto& y) { return x / y; }); }
  NKPK_INLINE friend Pack operator+(double a, const Pack& b) { return with(b, a, [](const auto& x, const auto& y) { return y + x; }); }
  NKPK_INLINE friend Pack operator-(double a, const Pack& b) { return with(b, a, [](const auto& x, const auto& y) { return y - x; }); }
  NKPK_INLINE friend Pack operator*(double a, const Pack& b) { return with(b, a, [](const auto& x, const auto& y) { return y * x; }); }
  NKPK_INLINE friend Pack operator/(double a, const Pack& b) { return with(b, a, [](const auto& x, const auto& y) { return y / x; }); }
  NKPK_INLINE friend Pack operator-(const Pack& a) {
    if constexpr (is_array) {
      return each(a, [](double x) { return -x; });
    } else {
      Pack r;
      r.lane = -a.lane;
      return r;
    }
  }

  /// Below -708, where std::exp comes to denormal numbers, it is 0.
  NKPK_INLINE friend Pack exp(const Pack& a) {
    if constexpr (is_array) {
      return each(a, [](double x) { return std::exp(x); });
    } else {
      // exp(x) = 2^n exp(r), |r| <= ln(2)/2, and the rational function of fdlibm (e_exp.c, Sun Microsystems 1993, error < 1 ulp)
      const Lanes x = a.lane;
      const Lanes shifted = x * 0x1.71547652b82fep0 + 0x1.8p52;  // its last bits are n
      const Lanes n = shifted - 0x1.8p52;
      const Lanes high = x - n * 6.93147180369123816490e-01, low = n * 1.90821492927058770002e-10;  // ln(2) in two parts
      const Lanes r = high - low, rr = r * r;
      const Lanes c = r - rr * (1.66666666666666019037e-01 +
                                rr * (-2.77777777770155933842e-03 +
                                      rr * (6.61375632143793436117e-05 + rr * (-1.65339022054652515390e-06 + rr * 4.13813679705723846039e-08))));
      const Lanes y = 1.0 - ((low - (r * c) / (2.0 - c)) - high);
      // 2^(n - 1), and the 2 apart: 2^1024 is no double
      const Lanes scale = std::bit_cast<Lanes>((std::bit_cast<Bits>(shifted) + 1022) << 52);
      Pack result;
      result.lane = (y * 2.0) * scale;
      result.lane = x < -708.0 ? Lanes{} : result.lane;
      result.lane = x > 709.79 ? std::numeric_limits<double>::infinity() - Lanes{} : result.lane;
      return result;
    }
  }
  NKPK_INLINE friend Pack log(const Pack& a) {
    return each(a, [](double x) { return std::log(x); });
  }
  NKPK_INLINE friend Pack sqrt(const Pack& a) {
    // through an array, from which compilers make one instruction for all lanes
    std::array<double, W> x;
    std::memcpy(x.data(), &a, sizeof x);
    for (double& each : x) each = std::sqrt(each);
    Pack r;
    std::memcpy(static_cast<void*>(&r), x.data(), sizeof x);
    return r;
  }
  NKPK_INLINE friend Pack pow(const Pack& a, const Pack& b) {
    return each(a, [&b, i = std::size_t(0)](double x) mutable { return std::pow(x, b.lane[i++]); });
  }
  NKPK_INLINE friend Pack power(const Pack& a, const Pack& b) {
    bool all_roots = true;
    for (std::size_t i = 0; i < W; ++i) all_roots = all_roots && b.lane[i] == 0.5;
    if (all_roots) return sqrt(a);
    return each(a, [&b, i = std::size_t(0)](double x) mutable { return nkpk::power(x, b.lane[i++]); });
  }
  NKPK_INLINE friend Pack max0(const Pack& a) {
    if constexpr (is_array) {
      return each(a, [](double x) { return nkpk::max0(x); });
    } else {
      Pack r;
      r.lane = a.lane < 0.0 ? Lanes{} : a.lane;
      return r;
    }
  }
  NKPK_INLINE friend Pack if_positive(const Pack& x, const Pack& yes, const Pack& no) {
    Pack r;
    if constexpr (is_array)
      for (std::size_t i = 0; i < W; ++i) r.lane[i] = nkpk::if_positive(x.lane[i], yes.lane[i], no.lane[i]);
    else
      r.lane = x.lane > 0.0 ? yes.lane : no.lane;
    return r;
  }

 private:
  template <class F>
  NKPK_INLINE static Pack with(const Pack& a, double b, F&& f) {
    if constexpr (is_array) {
      return each(a, [&](double x) { return f(x, b); });
    } else {
      Pack r;
      r.lane = f(a.lane, b);
      return r;
    }
  }
  template <class F>
  NKPK_INLINE static Pack each(const Pack& a, F&& f) {
    Pack r;
    for (std::size_t i = 0; i < W; ++i) r.lane[i] = f(a.lane[i]);
    return r;
  }
};

template <std::size_t W>
struct ScalarTraits<Pack<W>> {
  static constexpr std::size_t width = W;
#if defined(__GNUC__)
  static constexpr bool lies_in_doubles = true;
#else
  static constexpr bool lies_in_doubles = false;
#endif
};

}  // namespace nkpk
