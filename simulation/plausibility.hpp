#pragma once
#include <span>
#include <string>
#include <vector>

#include "nkpk/simulation/library.hpp"

// Whether the numbers of a request are plausible. What is not is refused, or, where that is allowed, goes on as a warning.
// Leaves out: what cannot be (a negative dose, a viability above 1), which is refused where it is read; virtual patients, whose
// spreads reach beyond the ranges.

namespace nkpk {

class Plausibility {
 public:
  /// Both must outlive it. `is_allowed`: implausible numbers are added to `warnings` instead of thrown as InputError.
  Plausibility(const PlausibleRanges& ranges, bool is_allowed, std::vector<std::string>& warnings)
      : ranges_(ranges), is_allowed_(is_allowed), warnings_(warnings) {}

  void expect(std::span<const Stated> numbers);
  /// Values as they stand in the table, each within its bounds; without bounds, within a factor of what the file says.
  void expect(const ParameterTable& table);
  /// One value in place of that of the table, for example of a lot of cells.
  void expect(const ParameterRecord& record, const Quantity& instead);
  /// Of one administration, in the unit of the route. The range may be per kg or per m2.
  void expect_amount(const DoseEntry& dose, double absolute, const Body<double>& body);

 private:
  struct Found {
    std::string where, name, text;  ///< name: "where" of warnings
  };
  void judge(bool is_plausible, const Found& found, const PlausibleRange& range);
  PlausibleRange range_of(const ParameterRecord& record) const;

  const PlausibleRanges& ranges_;
  bool is_allowed_;
  std::vector<std::string>& warnings_;
};

}  // namespace nkpk
