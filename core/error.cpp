#include "nkpk/core/error.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>

namespace nkpk {
namespace {

std::string compose(const std::string& where, const std::string& problem, const std::string& hint) {
  std::string text = where.empty() ? problem : where + ": " + problem;
  if (!hint.empty()) text += "; " + hint;
  return text;
}

// Two units per letter; a letter in the other case costs one, so that "M" is "m" before it is "d".
std::size_t edit_distance(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return std::tolower(static_cast<unsigned char>(c)); };
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j < row.size(); ++j) row[j] = 2 * j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = 2 * i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      const std::size_t cost = a[i - 1] == b[j - 1] ? 0 : lower(a[i - 1]) == lower(b[j - 1]) ? 1 : 2;
      row[j] = std::min({above + 2, row[j - 1] + 2, diagonal + cost});
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
  // half of the letters may be wrong, but of one letter only its case, and nothing comes near a whole text
  if (wrong.size() > 100) return best;
  std::size_t best_distance = (wrong.size() <= 1 ? 1 : 2 * std::max<std::size_t>(wrong.size() <= 3 ? 1 : 2, wrong.size() / 2)) + 1;
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

void expect_plain_name(const std::string& where, std::string_view kind, std::string_view name) {
  const auto plain = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' || c == '+' || c == '.'; };
  if (name.empty() || name.front() == '.' || name.front() == '-' || name.size() > 100 || !std::all_of(name.begin(), name.end(), plain))
    throw InputError(where, fmt::format("\"{}\" cannot be the name of a {}", name, kind), "expected letters, digits and _ - + .");
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
