#pragma once
#include <algorithm>
#include <cmath>

#include "fuzz.hpp"
#include "nkpk/simulation/calendar.hpp"
#include "nkpk/simulation/scenario.hpp"

namespace nkpk::fuzz {

inline const Library& shipped() {
  static const Library library(NKPK_PARAMS_DIR);
  return library;
}

/// What must hold of every scenario that is not refused: an integration could begin, in bounded memory.
inline void expect_sound(const Scenario& s) {
  const auto increase = [](const std::vector<double>& times) { return std::adjacent_find(times.begin(), times.end(), [](double a, double b) { return !(a < b); }) == times.end(); };
  if (!increase(s.timeline.times) || !increase(s.output_times_d)) finding("times that do not increase");
  if (s.output_times_d.size() < 2 || s.output_times_d.size() > 600000) finding(fmt::format("{} outputs", s.output_times_d.size()));
  if (!(std::isfinite(s.t_start_d) && std::isfinite(s.t_end_d))) finding("a run without a beginning or an end");
  for (const auto& [name, content] : s.inputs)
    if (content.find('\0') != std::string::npos) finding("an archive could not hold " + name);
  std::size_t entries = 0;
  for (const auto& rates : s.timeline.rates) {
    entries += rates.size();
    for (const auto& rate : rates)
      if (!std::isfinite(rate.rate)) finding("an infusion whose rate is no number");
  }
  if (entries > 5'000'000) finding(fmt::format("{} infusion rates in segments", entries));
  for (const auto& jumps : s.timeline.jumps)
    for (const auto& jump : jumps)
      for (const auto& line : jump)
        if (!std::isfinite(line.add)) finding("a dose that is no number");
  for (const auto& a : s.administrations)
    if (!std::isfinite(a.amount) && !s.regimen.doses[a.dose].how->unit.empty()) finding("an amount that is no number");
  // 10,000 administrations with texts of 2,000 bytes each
  if (const std::size_t size = calendar_text(s).size(); size > (std::size_t{128} << 20)) finding(fmt::format("a calendar of {} bytes", size));
}

}  // namespace nkpk::fuzz
