#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "nkpk/core/course_summary.hpp"
#include "nkpk/core/group_rows.hpp"
#include "nkpk/core/named_array.hpp"
#include "nkpk/simulation/ensemble.hpp"

namespace nkpk {

/// What is kept of an ensemble.
struct EnsembleContent {
  std::vector<double> quantiles{0.05, 0.25, 0.5, 0.75, 0.95};  ///< of each observable over the patients; from 0 to 1, rising
  bool keep_values = true;                                     ///< every patient's course; without it parameters and outcome only
  std::optional<std::int64_t> seed;                            ///< that the population was drawn with; none where it was given
};

/// What most want to see of many patients; names of model/observables.hpp.
std::vector<std::string> usual_observables();

/// An ensemble as named arrays with units, block by block: what archives hold and Python reads. docs/archive_format.md lists the content.
///
///   frame()          all but the patients, whose arrays have no rows yet
///   take(block)      the block's rows; its values enter the quantiles
///   rest(summary)    what is known at the end: counts, quantiles, means, and the last attributes of the group `provenance`
///
/// What was kept of an earlier run goes on from take_again(), patient by patient, and where courses were not kept from summary().
///
/// Memory follows from the range of the numbers, not from how many patients there are; see core/distribution.hpp.
class EnsembleDataset {
 public:
  /// Throws InputError as expect_ensemble() does, and for quantiles that cannot be. All arguments must outlive it.
  EnsembleDataset(const Scenario& scenario, const Population& population, const EnsembleOptions& options, EnsembleContent content);

  Group frame() const;
  Group take(const EnsembleBlock& block);
  Group rest(const EnsembleSummary& summary) const;
  /// The attributes of rest(), but for `status`: how far it is.
  Attributes progress(const EnsembleSummary& summary) const;

  /// Rows as take() gave them. Their courses, where they are kept, enter the quantiles.
  void take_again(const Group& rows);
  CourseSummary& summary() { return summary_; }
  std::size_t n_taken() const { return n_taken_; }

  const EnsembleContent& content() const { return content_; }
  /// Of an observable at an output time, both by index.
  const Distribution& at(std::size_t observable, std::size_t time) const { return summary_.at(observable, time); }

 private:
  Group patients(std::size_t n, const EnsembleBlock* block) const;

  const Scenario& scenario_;
  const Population& population_;
  const EnsembleOptions& options_;
  EnsembleContent content_;
  CourseSummary summary_;
  std::size_t n_taken_ = 0;
};

}  // namespace nkpk
