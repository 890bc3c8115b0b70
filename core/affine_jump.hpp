#pragma once
#include <cstddef>
#include <utility>
#include <vector>

namespace nkpk {

/// One line of an affine jump: y[target] <- sum(weight * y[source]) + add, all from the values before the jump.
/// Targets that a jump does not name stay as they are.
template <class T>
struct JumpLine {
  std::size_t target;
  std::vector<std::pair<std::size_t, T>> sources;
  T add{0};
};

template <class T>
using AffineJump = std::vector<JumpLine<T>>;

/// A constant rate [unit of the state per day] added to dy/dt while an infusion runs.
template <class T>
struct InputRate {
  std::size_t state;
  T rate;
};

}  // namespace nkpk
