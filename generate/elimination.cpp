#include "elimination.hpp"

#include <set>

#include "equations.hpp"

namespace nkpk::generate {
namespace {

Pattern reachable(const Pattern& a) {
  auto r = a;
  for (std::size_t k = 0; k < n_all; ++k)
    for (std::size_t i = 0; i < n_all; ++i)
      if (r[i][k])
        for (std::size_t j = 0; j < n_all; ++j)
          if (r[k][j]) r[i][j] = true;
  return r;
}

}  // namespace

Elimination plan(const Pattern& a) {
  const auto depends = reachable(a);
  const auto together = [&](std::size_t i, std::size_t j) { return i == j || (depends[i][j] && depends[j][i]); };
  Elimination e{{}, a};
  std::set<std::size_t> left;
  for (std::size_t i = 0; i < n_all; ++i) {
    left.insert(i);
    e.filled[i][i] = true;
  }
  while (!left.empty()) {
    // ready: whatever it depends on is done, but for its own strongly connected block; within a block cohorts come first
    std::size_t best = n_all, best_cost = 0;
    for (const std::size_t i : left) {
      bool ready = true, cohorts_left = false;
      for (const std::size_t j : left) {
        if (depends[i][j] && !together(i, j)) ready = false;
        if (!in_cohort(i) && in_cohort(j) && together(i, j)) cohorts_left = true;
      }
      if (!ready || cohorts_left) continue;
      std::size_t row = 0, column = 0;
      for (const std::size_t j : left) {
        if (j == i) continue;
        row += e.filled[i][j];
        column += e.filled[j][i];
      }
      const std::size_t cost = row * column;
      if (best == n_all || cost < best_cost) best = i, best_cost = cost;
    }
    left.erase(best);
    e.order.push_back(best);
    for (const std::size_t i : left)
      if (e.filled[i][best])
        for (const std::size_t j : left)
          if (e.filled[best][j]) e.filled[i][j] = true;
  }
  return e;
}

}  // namespace nkpk::generate
