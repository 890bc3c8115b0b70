#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "nkpk/core/distribution.hpp"
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
/// Memory follows from the range of the numbers, not from how many patients there are; see core/distribution.hpp.
class EnsembleDataset {
 public:
  /// Throws InputError as expect_ensemble() does, and for quantiles that cannot be. All arguments must outlive it.
  EnsembleDataset(const Scenario& scenario, const Population& population, const EnsembleOptions& options, EnsembleContent content);

  Group frame() const;
  Group take(const EnsembleBlock& block);
  Group rest(const EnsembleSummary& summary) const;

  /// Of an observable at an output time, both by index.
  const Distribution& at(std::size_t observable, std::size_t time) const { return distributions_[time * observables_.size() + observable]; }

 private:
  struct Observable {
    std::string name, unit, title;
    Attributes attributes;
  };
  Group patients(std::size_t n, const EnsembleBlock* block) const;
  Group over_time(const std::string& what, double (Distribution::*value)() const) const;

  const Scenario& scenario_;
  const Population& population_;
  const EnsembleOptions& options_;
  EnsembleContent content_;
  std::vector<Observable> observables_;
  std::vector<Distribution> distributions_;  ///< [n_times x n_observables]
  std::size_t n_taken_ = 0;
};

/// Adds rows to a frame, array by array, for who keeps all in memory.
void append_rows(Group& whole, const Group& rows);
/// The rest's attributes and groups as well.
void append_rest(Group& whole, Group rest);

}  // namespace nkpk
