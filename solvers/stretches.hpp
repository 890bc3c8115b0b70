#pragma once
// Private to solvers/: sums of vectors over what ever changes.
#include <array>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "nkpk/solvers/vector.hpp"

namespace nkpk::detail {

/// Vectors with their weights.
template <std::size_t N>
struct Terms {
  std::array<const double*, N> of{};
  std::array<double, N> weight{};
};

/// Whole registers of a vector.
struct Stretch {
  std::size_t first, count;
};

/// The stretches that hold what ever changes. One, mostly: apart from the others it costs no loop over them.
struct Stretches {
  Stretch one;
  std::vector<Stretch> others;

  /// `live`: intervals [first, last) of `size` components, in order; none: all of them.
  Stretches(std::span<const std::pair<std::size_t, std::size_t>> live, std::size_t size) : one{0, Vector::rounded_up(size) / Vector::per_register} {
    std::vector<Stretch> all;
    for (const auto& [first, last] : live) {
      const std::size_t begin = first / Vector::per_register, end = Vector::rounded_up(last) / Vector::per_register;
      if (all.empty() || begin > all.back().first + all.back().count) all.push_back({begin, 0});
      all.back().count = end - all.back().first;
    }
    if (all.empty()) return;
    one = all.front();
    others.assign(all.begin() + 1, all.end());
  }

  /// f(first, count) in components.
  template <class F>
  void visit(F&& f) const {
    f(one.first * Vector::per_register, one.count * Vector::per_register);
    for (const Stretch& other : others) f(other.first * Vector::per_register, other.count * Vector::per_register);
  }
};

}  // namespace nkpk::detail
