#include "nkpk/core/error.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>

namespace nkpk {
namespace {

std::string compose(const std::string& where, const std::string& problem, const std::string& hint) {
  std::string text = where.empty() ? problem : where + ": " + problem;
  if (!hint.empty()) text += "; " + hint;
  return text;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

InputError::InputError(const std::string& where, const std::string& problem, const std::string& hint)
    : std::runtime_error(compose(where, problem, hint)) {}

std::string nearest_name(std::string_view wrong, const std::vector<std::string>& names) {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(2, wrong.size() / 2) + 1;
  for (const auto& name : names) {
    // the last part of a dotted name counts as a match too: CL -> fludarabine.CL
    const auto dot = name.rfind('.');
    std::size_t distance = edit_distance(wrong, name);
    if (dot != std::string::npos) distance = std::min(distance, edit_distance(wrong, std::string_view(name).substr(dot + 1)));
    if (distance < best_distance) {
      best_distance = distance;
      best = name;
    }
  }
  return best;
}

InputError unknown_name(const std::string& where, std::string_view kind, std::string_view wrong,
                        const std::vector<std::string>& names) {
  const std::string near = nearest_name(wrong, names);
  std::string hint;
  if (!near.empty()) hint = fmt::format("did you mean \"{}\"?", near);
  if (names.size() <= 12) {
    if (!hint.empty()) hint += " ";
    hint += fmt::format("known: {}", fmt::join(names, ", "));
  }
  return InputError(where, fmt::format("unknown {} \"{}\"", kind, wrong), hint);
}

}  // namespace nkpk
