#pragma once
#include <string>

#include "nkpk/simulation/scenario.hpp"

namespace nkpk {

/// The treatment calendar in plain text: day, what, absolute amount for this patient, why, what is assumed; then conditions,
/// windows, notes and warnings.
std::string calendar_text(const Scenario& scenario);

/// The choices of a regimen in words: "two-infusions (default), first-only" per group.
std::string options_text(const std::vector<OptionGroup>& groups);

/// "1.2e+09 cells", "1.42 g": an amount for people, in a handy unit.
std::string amount_for_people(double amount, const std::string& unit);

}  // namespace nkpk
