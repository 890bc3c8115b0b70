#pragma once
#include <string>

#include "nkpk/simulation/scenario.hpp"

namespace nkpk {

/// The scenario as a model in SBML Level 3 Version 2, with units: the same equations, doses and inputs, for other programs.
/// Time is in days from the start of the scenario; `day` is the day of the calendar. The same scenario gives the same text.
std::string to_sbml(const Scenario& scenario);

}  // namespace nkpk
