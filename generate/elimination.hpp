#pragma once
#include <cstddef>
#include <vector>

// In which order the unknowns are eliminated, and what fills in.

namespace nkpk::generate {

using Pattern = std::vector<std::vector<bool>>;

struct Elimination {
  std::vector<std::size_t> order;
  Pattern filled;  ///< entries of the factors
};

/// An order for a square pattern of the unknowns of equations.hpp.
Elimination plan(const Pattern& a);

}  // namespace nkpk::generate
