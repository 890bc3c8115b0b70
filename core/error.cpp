#include "nkpk/core/error.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>

namespace nkpk {
namespace {

// What users and files wrote, as a terminal and Python can take it: one line, \xNN for what is no character, and an end.
std::string for_people(std::string_view text, std::size_t longest = 1000) {
  std::string clean;
  for (std::size_t i = 0; i < text.size();) {
    if (clean.size() > longest) return clean + "...";
    const std::size_t size = printable_character(text.substr(i));
    clean += size > 0 ? std::string(text.substr(i, size)) : fmt::format("\\x{:02x}", static_cast<unsigned char>(text[i]));
    i += std::max<std::size_t>(1, size);
  }
  return clean;
}

std::string compose(const std::string& where, const std::string& problem, const std::string& hint) {
  std::string text = for_people(problem, 400);  // what is wrong is quoted here, and may be a file without a line's end
  if (!where.empty()) text = for_people(where) + ": " + text;
  if (!hint.empty()) text += "; " + for_people(hint);
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

std::size_t printable_character(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0; };
  const unsigned first = byte(0);
  if (first < 0x80) return first >= 0x20 && first != 0x7f ? 1 : 0;
  const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4) return 0;
  unsigned code = first & (0xffU >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0U) != 0x80) return 0;
    code = code << 6 | (byte(i) & 0x3fU);
  }
  constexpr unsigned smallest[] = {0xa0, 0x800, 0x10000};  // below 0xa0 stand control characters, below the others too long a writing
  const bool is_surrogate = code >= 0xd800 && code <= 0xdfff;
  return code >= smallest[size - 2] && code <= 0x10ffff && !is_surrogate ? size : 0;
}

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
