#pragma once
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "nkpk/simulation/ensemble_dataset.hpp"

namespace nkpk {

/// Where an ensemble goes, and how it is told about.
struct EnsembleTarget {
  std::filesystem::path out;
  bool resume = false;  ///< go on where an interrupted run of the same ensemble ended
  bool overwrite = false;
  double checkpoint_every_s = 10;                                ///< between checkpoints of the summaries, at least; 0: one behind each block
  std::string resume_word = "--resume", force_word = "--force";  ///< what the user writes for these
  std::function<void(const std::string&)> note{};                ///< gets sentences for the user
  std::function<void(const Group& rows)> each{};                 ///< gets every block's rows, those from the journal as well
};

/// An ensemble on its way into an archive, of which nothing is lost that was finished.
///
/// Each block goes to the journal `out`.part, on disk, and to an archive that grows as `out`.growing. At the end the latter becomes
/// `out`, and the journal goes. After Ctrl-C `out` holds the blocks that were finished, and the journal stays; after anything worse the
/// journal alone is left. From it a resumed run makes the same archive, bit for bit, as one without interruption; its times of origin are
/// those of the first run.
class EnsembleJob {
 public:
  /// What became of it.
  struct End {
    EnsembleSummary summary;     ///< of all patients, those from the journal as well
    std::size_t n_patients = 0;  ///< finished
    bool is_written = false;     ///< `out` holds them
    bool has_journal = false;    ///< and the journal stays
  };

  /// Claims the target: nobody else can write it from here on. All references must outlive it. Throws InputError when it cannot be
  /// written, another program writes it, there is a file or a journal with patients that is not to be replaced, or what is to be gone
  /// on with was begun with anything else that changes numbers: that is then named.
  EnsembleJob(const Scenario& scenario, const Population& population, const EnsembleOptions& options, EnsembleDataset& data, const Group& provenance,
              EnsembleTarget target);
  ~EnsembleJob();
  EnsembleJob(const EnsembleJob&) = delete;
  EnsembleJob& operator=(const EnsembleJob&) = delete;

  /// It is asked to go on with what is complete: there is nothing to run.
  bool is_complete() const;

  /// Throws InputError when the disk does not do what it should. What was finished is then in the journal.
  End run();

 private:
  struct Work;
  std::unique_ptr<Work> work_;
};

}  // namespace nkpk
