#pragma once
#include <array>
#include <cmath>
#include <cstddef>

#include "nkpk/core/scalar.hpp"

// W patients side by side, one in each lane:
//
//   a     [ a_1 | a_2 | ... | a_W ]
//   b     [ b_1 | b_2 | ... | b_W ]          a op b  =  [ a_1 op b_1 | a_2 op b_2 | ... | a_W op b_W ]
//
// A right-hand side evaluated on Packs does for each lane the operations that it does on doubles, in the same order: lane i has
// the bits of patient i alone. What differs between patients must be a T (parameters, states, doses); what decides a branch
// (switches, the number of cohorts, time, windows) is shared. Lanes share a solver's steps, so the hardest patient sets the pace.
//
// Plain arrays and loops, which compilers turn into vector instructions: vector types that depend on a template parameter were
// refused by g++ 12. exp, log and pow go lane by lane through <cmath>: a vector library is faster but has other last bits.
// There is no comparison and no truth value: two lanes need not agree. max0 and if_positive choose lane by lane.

namespace nkpk {

// aligned by the largest power of two in its size, so that a vector register loads at once and nothing is padded
template <std::size_t W>
  requires(W > 0)
struct alignas((W & (~W + 1)) < 8 ? (W & (~W + 1)) * sizeof(double) : 8 * sizeof(double)) Pack {
  std::array<double, W> lane{};

  Pack() = default;
  Pack(double v) { lane.fill(v); }  // NOLINT: a constant is the same for every patient

  Pack& operator+=(const Pack& b) {
    for (std::size_t i = 0; i < W; ++i) lane[i] += b.lane[i];
    return *this;
  }
  Pack& operator-=(const Pack& b) {
    for (std::size_t i = 0; i < W; ++i) lane[i] -= b.lane[i];
    return *this;
  }
  Pack& operator*=(const Pack& b) {
    for (std::size_t i = 0; i < W; ++i) lane[i] *= b.lane[i];
    return *this;
  }
  Pack& operator/=(const Pack& b) {
    for (std::size_t i = 0; i < W; ++i) lane[i] /= b.lane[i];
    return *this;
  }

  friend Pack operator+(const Pack& a, const Pack& b) { return Pack(a) += b; }
  friend Pack operator-(const Pack& a, const Pack& b) { return Pack(a) -= b; }
  friend Pack operator*(const Pack& a, const Pack& b) { return Pack(a) *= b; }
  friend Pack operator/(const Pack& a, const Pack& b) { return Pack(a) /= b; }
  friend Pack operator-(const Pack& a) {
    Pack r(a);
    for (double& x : r.lane) x = -x;
    return r;
  }

  friend Pack exp(const Pack& a) {
    Pack r(a);
    for (double& x : r.lane) x = std::exp(x);
    return r;
  }
  friend Pack log(const Pack& a) {
    Pack r(a);
    for (double& x : r.lane) x = std::log(x);
    return r;
  }
  friend Pack sqrt(const Pack& a) {
    Pack r(a);
    for (double& x : r.lane) x = std::sqrt(x);
    return r;
  }
  friend Pack pow(const Pack& a, const Pack& b) {
    Pack r;
    for (std::size_t i = 0; i < W; ++i) r.lane[i] = std::pow(a.lane[i], b.lane[i]);
    return r;
  }
  friend Pack power(const Pack& a, const Pack& b) {
    Pack r;
    for (std::size_t i = 0; i < W; ++i) r.lane[i] = nkpk::power(a.lane[i], b.lane[i]);
    return r;
  }
  friend Pack max0(const Pack& a) {
    Pack r(a);
    for (double& x : r.lane) x = nkpk::max0(x);
    return r;
  }
  friend Pack if_positive(const Pack& x, const Pack& yes, const Pack& no) {
    Pack r;
    for (std::size_t i = 0; i < W; ++i) r.lane[i] = nkpk::if_positive(x.lane[i], yes.lane[i], no.lane[i]);
    return r;
  }
};

template <std::size_t W>
struct ScalarTraits<Pack<W>> {
  static constexpr std::size_t width = W;
};

}  // namespace nkpk
