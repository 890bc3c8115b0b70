#include "text.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace nkpk::cli {

std::string table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> width;
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (i >= width.size()) width.push_back(0);
      width[i] = std::max(width[i], row[i].size());
    }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i)
      line += i == 0 ? fmt::format("{:<{}}", row[i], width[i]) : fmt::format("  {:>{}}", row[i], width[i]);
    while (!line.empty() && line.back() == ' ') line.pop_back();
    text += line + "\n";
  }
  return text;
}

std::string number(double value, const std::string& qualifier) {
  if (!std::isfinite(value)) return "-";
  if (qualifier == "*") return number(value) + "*";
  const double size = std::abs(value);
  if (size != 0 && (size < 0.01 || size >= 1e6)) return qualifier + fmt::format("{:.2e}", value);
  return qualifier + fmt::format("{:.{}f}", value, size >= 100 ? 0 : size >= 10 ? 1 : 2);
}

Progress::Progress(std::size_t total, bool quiet) : total_(total), active_(!quiet && total > 1 && isatty(STDERR_FILENO)) {}

void Progress::step(const std::string& what) { set(done_ + 1, what); }

void Progress::set(std::size_t done, const std::string& what) {
  done_ = done;
  if (!active_) return;
  constexpr std::size_t cells = 30;
  const std::size_t full = cells * done_ / total_;
  fmt::print(stderr, "\r\033[K[{}{}] {}/{} {}", std::string(full, '#'), std::string(cells - full, '.'), done_, total_, what);
  std::fflush(stderr);
}

Progress::~Progress() {
  if (active_) fmt::print(stderr, "\r\033[K");
}

}  // namespace nkpk::cli
