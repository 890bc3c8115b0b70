#pragma once
#include <string>
#include <vector>

#include "nkpk/simulation/simulate.hpp"

namespace nkpk {

/// A number read off a trajectory (C33, C44); NaN where it does not exist or was not computed.
struct Metric {
  std::string name, unit, title;
  double value;
  std::string qualifier = "";  ///< ">" when the horizon ended before the true value; "*" when most of the count is infused NK
  std::string column = "";     ///< heading in a table, of a share that a [[report]] of the regimen asks for
};

/// Names and meanings, in this order:
/// donor_nk_cmax, donor_nk_tmax   largest infused NK count outside infusions and the 24 h after each, and its day
/// donor_nk_cmax_cont             the same without that restriction: the distribution spike
/// donor_nk_auc_0_28              area under the infused NK count, day 0 to 28
/// donor_nk_last_day_above_1      last day with 1 infused NK cell per uL or more
/// alc_nadir, alc_nadir_day       over the days up to 60
/// alc_recovery_day               first time after the nadir with ALC of 500 per uL or more; NaN when it never fell below;
///                                counts infused NK, as a cell counter does
/// il15_peak_fold, il15_peak_day
/// host_nk_nadir, host_nk_nadir_day, host_nk_day_28
/// and the [[report]] entries of the regimen.
/// Maxima, minima and thresholds are refined between outputs by integrating again; days are those of the regimen.
std::vector<Metric> report(const Trajectory& trajectory);

}  // namespace nkpk
