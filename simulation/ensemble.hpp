#pragma once
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "nkpk/core/isa.hpp"
#include "nkpk/simulation/population.hpp"
#include "nkpk/solvers/integrate.hpp"

// Many virtual patients under one regimen: packs of patients inside, threads outside, finished blocks to the caller.
//
//   block   1,024 consecutive patients; the unit of chunks, of memory and of what the caller gets
//   pack    as many patients of a block as a vector register holds, side by side with shared steps; those of similar stiffness
//           together, and places that are left over filled with copies of the last
//
// Who shares a pack with whom depends on the block's patients alone, so that the same population gives the same bits on any number
// of threads and in any chunks of whole blocks, on one instruction set. Between instruction sets, whose registers differ, and
// between an ensemble and a patient's own run results agree within their tolerances: 10 rtol in the tests at 1e-6, above a
// thousandth of an observable's usual size; benchmarks/ensemble.md has the errors of both.
// One patient's failure is his own: a pack that fails is run again patient by patient, on doubles. Its other patients are then
// themselves alone: the same within tolerance, not to the bit. A patient whose values make no sense together is refused, takes no
// place, and leaves the others of his block in other packs: likewise.

namespace nkpk {

struct EnsembleOptions {
  SolverOptions solver;                   ///< its isa decides on the width of packs; its should_stop is not asked: use the one below
  std::vector<std::string> observables;   ///< names of model/observables.hpp; one at least
  unsigned n_threads = 0;                 ///< 0: as many as the machine has
  std::size_t first_patient = 0;          ///< whole blocks only: where an earlier run ended
  /// Called now and then from the caller's thread: patients done and patients in all.
  std::function<void(std::size_t done, std::size_t all)> progress;
  /// Asked now and then from the caller's thread; true ends the run after the blocks delivered so far.
  std::function<bool()> should_stop;
};

/// How one patient went.
struct PatientRun {
  enum class Outcome { solved, failed, refused } outcome = Outcome::solved;
  Status status = Status::ok;             ///< of a failed one
  bool was_alone = false;                 ///< on doubles, as his pack failed
  std::size_t steps_accepted = 0, steps_refused = 0, rhs_calls = 0;  ///< of his pack
  std::string message;                    ///< a sentence for people; "" when solved
};

/// Patients first to first + n.
struct EnsembleBlock {
  std::size_t first = 0, n = 0;
  std::vector<double> parameters;         ///< [n x n_columns] as used
  std::vector<double> values;             ///< [n x n_times x n_observables] at the scenario's output times; NaN where not computed
  std::vector<PatientRun> runs;           ///< [n]
  std::string method;                     ///< what ran; "" where all were refused
  std::size_t pack_width = 1;
};

struct EnsembleSummary {
  std::size_t n_solved = 0, n_failed = 0, n_refused = 0;  ///< in the blocks delivered
  std::size_t n_alone = 0;                                ///< run again on doubles
  bool was_stopped = false;
  std::string method;                                     ///< what ran
  Isa isa = Isa::baseline;
  std::size_t pack_width = 1;
};

inline constexpr std::size_t block_size = 1024;

/// Counts the block's patients, and takes what ran from it.
void add(EnsembleSummary& summary, const EnsembleBlock& block);

/// Threads that run for `asked`.
unsigned thread_count(unsigned asked);

/// Throws InputError for what cannot be simulated: no patients, unknown observables, options out of range.
void expect_ensemble(const Scenario& scenario, const Population& population, const EnsembleOptions& options);

/// Simulates each patient of the population with the scenario's regimen, body and output times. `deliver` gets the blocks in their
/// order, in the caller's thread; a handful of them is in memory at any time, whatever the number of patients. Throws InputError
/// as expect_ensemble() does, and whatever `deliver`, `progress` and `should_stop` throw.
EnsembleSummary simulate_ensemble(const Scenario& scenario, const Population& population, const EnsembleOptions& options,
                                  const std::function<void(const EnsembleBlock&)>& deliver);

}  // namespace nkpk
