#pragma once
#include <cstddef>
#include <tuple>
#include <vector>

namespace nkpk::test {

/// Puts the numbers of one patient into one lane: packs and doubles are the same struct, visited by visit(object, v(..., value)).
void fill_lane(std::size_t lane, auto& packs, const auto& doubles) {
  std::vector<double> numbers;
  doubles.visit(doubles, [&](const auto&... entry) { numbers.push_back(std::get<sizeof...(entry) - 1>(std::tie(entry...))); });
  std::size_t i = 0;
  packs.visit(packs, [&](auto&&... entry) { std::get<sizeof...(entry) - 1>(std::tie(entry...)).lane[lane] = numbers[i++]; });
}

}  // namespace nkpk::test
