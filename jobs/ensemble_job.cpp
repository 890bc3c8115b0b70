#include "nkpk/jobs/ensemble_job.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>

#include "nkpk/archive/archive.hpp"
#include "nkpk/archive/group_bytes.hpp"
#include "nkpk/archive/growing.hpp"
#include "nkpk/archive/journal.hpp"
#include "nkpk/core/error.hpp"
#include "nkpk/jobs/differences.hpp"
#include "nkpk/simulation/dataset.hpp"

namespace nkpk {
namespace {

using archive::JournalRecord;
using Kind = JournalRecord::Kind;
using Clock = std::chrono::steady_clock;

constexpr const char* growing_suffix = ".growing";
constexpr std::size_t most_named = 3;           // differences in a message
constexpr std::size_t most_compared = 100'000;  // elements of an array; those over patients are not looked at
constexpr double most_cost = 1.0 / 30;          // share of the time that checkpoints may take

/// What a run of this ensemble begins with: the archive without patients, and what decides on the rest.
Group header_of(const Scenario& s, const EnsembleOptions& options, EnsembleDataset& data, const Group& provenance) {
  EnsembleSummary none;
  none.isa = options.solver.isa;
  Group job;
  job.attributes = {{"isa", std::string(to_string(options.solver.isa))},
                    {"solver", options.solver.method},
                    {"observables", options.observables},
                    {"quantiles", data.content().quantiles},
                    {"courses", std::string(data.content().keep_values ? "kept" : "not kept")}};
  return {
      {}, data.progress(none), {{"archive", archive_of({{s.label, data.frame()}}, provenance)}, {"job", std::move(job)}, {"summaries", data.summary().form()}}};
}

EnsembleSummary summary_in(const Attributes& progress, Isa isa) {
  const auto count = [&](const char* name) { return static_cast<std::size_t>(std::get<std::int64_t>(progress.at(name))); };
  EnsembleSummary summary;
  summary.n_solved = count("n_solved");
  summary.n_failed = count("n_failed");
  summary.n_refused = count("n_refused");
  summary.n_alone = count("n_alone");
  summary.pack_width = count("pack_width");
  summary.method = std::get<std::string>(progress.at("solver"));
  summary.isa = isa;
  return summary;
}

/// When the summaries are worth being written again: what is lost otherwise is time, for the blocks behind the last are computed
/// again. So they come seldom enough to cost little, and take no more room than the rows between them.
class Checkpoints {
 public:
  explicit Checkpoints(double every_s) : every_s_(every_s) {}
  void count_rows(std::size_t bytes) { bytes_of_rows_ += bytes; }
  bool is_due() const {
    const double since = std::chrono::duration<double>(Clock::now() - last_).count();
    return every_s_ <= 0 || (since >= every_s_ && cost_s_ <= most_cost * since && bytes_of_rows_ >= bytes_);
  }
  void done(Clock::time_point begin, std::size_t bytes) {
    last_ = Clock::now();
    cost_s_ = std::chrono::duration<double>(last_ - begin).count();
    bytes_ = bytes;
    bytes_of_rows_ = 0;
  }

 private:
  double every_s_, cost_s_ = 0;
  Clock::time_point last_ = Clock::now();
  std::size_t bytes_ = 0, bytes_of_rows_ = 0;
};

enum class There { nothing, complete, interrupted, another };

}  // namespace

struct EnsembleJob::Work {
  const Scenario& scenario;
  const Population& population;
  const EnsembleOptions& options;
  EnsembleDataset& data;
  EnsembleTarget target;
  Group header;
  archive::JournalFile journal;
  bool is_complete = false, goes_on = false;
  EnsembleSummary summary;  // of what is finished
  std::string memory;       // a block's bytes
  Checkpoints checkpoints;

  Work(const Scenario& s, const Population& p, const EnsembleOptions& o, EnsembleDataset& d, const Group& provenance, EnsembleTarget t)
      : scenario(s),
        population(p),
        options(o),
        data(d),
        target(std::move(t)),
        header(header_of(s, o, d, provenance)),
        journal(target.out),
        checkpoints(target.checkpoint_every_s) {
    summary.isa = options.solver.isa;
    target.resume ? claim_to_resume() : claim();
  }

  std::string name() const { return target.out.string(); }
  void note(const std::string& sentence) const {
    if (target.note) target.note(sentence);
  }
  [[noreturn]] void refuse_to_replace() const { throw InputError(name(), "exists already", fmt::format("give {} to replace it", target.force_word)); }
  There look() const;
  void claim();
  void claim_to_resume();
  void expect_same(const Group& before) const;
  std::size_t records_to_keep() const;

  bool replay(archive::GrowingArchive& out);
  void take(archive::GrowingArchive& out, const EnsembleBlock& block);
  void checkpoint();
  End run();
};

There EnsembleJob::Work::look() const {
  std::error_code error;
  if (!std::filesystem::exists(target.out, error)) return There::nothing;
  try {
    Group there = archive::read_outline(target.out, most_compared);
    const auto text = [&](const char* key) {
      const auto it = there.attributes.find(key);
      const auto* value = it == there.attributes.end() ? nullptr : std::get_if<std::string>(&it->second);
      return value ? *value : "";
    };
    if (text("nkpk_kind") != "ensemble") return There::another;
    const bool is_whole = text("status") == "ok";
    if (!differences(header_of_archive(std::move(there)), header).empty()) return There::another;
    return is_whole ? There::complete : There::interrupted;
  } catch (const InputError&) {
    return There::another;
  }
}

void EnsembleJob::Work::claim() {
  if (target.overwrite) return;
  const std::string anew = fmt::format("start anew with {}", target.force_word);
  if (journal.index().n_patients > 0) {
    throw InputError(journal.path().string(), fmt::format("holds {} finished patients of an interrupted run", journal.index().n_patients),
                     fmt::format("go on with {}, or {}", target.resume_word, anew));
  }
  if (journal.is_damaged()) throw InputError(journal.path().string(), "a damaged journal, or one of another format", anew);
  if (look() != There::nothing) refuse_to_replace();
}

void EnsembleJob::Work::claim_to_resume() {
  if (journal.is_damaged()) {
    throw InputError(journal.path().string(), "a damaged journal, or one of another format: it cannot be gone on with",
                     fmt::format("start anew with {} and without {}", target.force_word, target.resume_word));
  }
  goes_on = !journal.index().records.empty();
  if (goes_on) expect_same(archive::group_of(journal.payload(journal.index().records[0])));
  const There there = look();
  is_complete = there == There::complete;
  if (is_complete) return;
  if (there == There::interrupted && goes_on) target.overwrite = true;  // the journal holds all of it
  if (there != There::nothing && !target.overwrite) refuse_to_replace();
  if (!goes_on) note(fmt::format("there is no journal {} to go on with: starting with the first patient", journal.path().string()));
}

void EnsembleJob::Work::expect_same(const Group& before) const {
  const auto found = differences(before, header);
  if (found.empty()) return;
  std::string text = "was begun otherwise";
  for (std::size_t i = 0; i < std::min(found.size(), most_named); ++i) text += (i == 0 ? ": " : "; ") + found[i];
  if (found.size() > most_named) text += fmt::format("; and {} more", found.size() - most_named);
  throw InputError(journal.path().string(), text, fmt::format("resume with the same, or start anew with {}", target.force_word));
}

/// All of them where courses are kept; else summaries are known at checkpoints only.
std::size_t EnsembleJob::Work::records_to_keep() const {
  const auto& records = journal.index().records;
  std::size_t n = records.size();
  if (!data.content().keep_values)
    while (n > 1 && records[n - 1].kind != Kind::checkpoint) --n;
  return n;
}

/// False where the user stopped it; the journal has all patients still.
bool EnsembleJob::Work::replay(archive::GrowingArchive& out) {
  const auto records = journal.index().records;
  std::uint64_t last_checkpoint = 0;
  for (const JournalRecord& record : records)
    if (record.kind == Kind::checkpoint) last_checkpoint = record.offset;
  for (const JournalRecord& record : records) {
    if (options.should_stop && options.should_stop()) return false;
    if (record.kind == Kind::rows) {
      const Group rows = archive::group_of(journal.payload(record));
      out.append(rows);
      data.take_again(rows);
      summary = summary_in(rows.attributes, options.solver.isa);
      if (target.each) target.each(rows);
      if (options.progress) options.progress(data.n_taken(), population.n_patients);
    } else if (record.offset == last_checkpoint && !data.content().keep_values) {
      const std::string bytes = journal.payload(record);
      ByteReader in(bytes);
      data.summary().read(in);
    }
  }
  return true;
}

void EnsembleJob::Work::checkpoint() {
  const auto begin = Clock::now();
  ByteWriter bytes;
  data.summary().write(bytes);
  journal.append(Kind::checkpoint, 0, data.n_taken(), bytes.bytes());
  checkpoints.done(begin, bytes.bytes().size());
}

void EnsembleJob::Work::take(archive::GrowingArchive& out, const EnsembleBlock& block) {
  Group rows = data.take(block);
  add(summary, block);
  rows.attributes = data.progress(summary);
  ByteWriter bytes(std::move(memory));  // fresh pages for each block would cost more than writing them
  archive::write(bytes, rows);
  memory = bytes.take();
  journal.append(Kind::rows, block.first, block.first + block.n, memory);
  checkpoints.count_rows(memory.size());
  if (!data.content().keep_values && checkpoints.is_due()) checkpoint();
  out.append(rows);
  if (target.each) target.each(rows);
}

EnsembleJob::End EnsembleJob::Work::run() {
  const std::size_t n_records = goes_on ? records_to_keep() : 0;
  if (goes_on) {
    // what was begun keeps its origin and its times
    header = archive::group_of(journal.payload(journal.index().records[0]));
    const std::uint64_t before = journal.index().n_patients;
    journal.go_on(n_records);
    const std::uint64_t n = journal.index().n_patients;
    note(fmt::format("going on with patient {} of {}{}", n, population.n_patients,
                     n < before ? fmt::format("; {} behind the last checkpoint are computed again", before - n) : ""));
  } else {
    journal.begin(header);
  }
  const Group* root = find_group(header, "archive");
  archive::GrowingArchive out(target.out, *root, "patient", target.overwrite, growing_suffix);
  if (goes_on && !replay(out)) {
    summary.was_stopped = true;
    return {summary, journal.index().n_patients, false, true};
  }
  if (data.n_taken() < population.n_patients) {
    const std::size_t first = data.n_taken();
    EnsembleOptions rest = options;
    rest.first_patient = first;
    if (options.progress) rest.progress = [&](std::size_t done, std::size_t) { options.progress(first + done, population.n_patients); };
    summary.was_stopped = simulate_ensemble(scenario, population, rest, [&](const EnsembleBlock& block) { take(out, block); }).was_stopped;
  }
  if (data.n_taken() == 0) return {summary, 0, false, false};
  if (summary.was_stopped && !data.content().keep_values && journal.index().records.back().kind != Kind::checkpoint) checkpoint();
  out.finish(data.rest(summary));
  if (!summary.was_stopped) journal.remove();
  return {summary, data.n_taken(), true, summary.was_stopped};
}

EnsembleJob::EnsembleJob(const Scenario& scenario, const Population& population, const EnsembleOptions& options, EnsembleDataset& data, const Group& provenance,
                         EnsembleTarget target)
    : work_(std::make_unique<Work>(scenario, population, options, data, provenance, std::move(target))) {}
EnsembleJob::~EnsembleJob() = default;

bool EnsembleJob::is_complete() const { return work_->is_complete; }

EnsembleJob::End EnsembleJob::run() {
  if (is_complete()) {
    // what a crash behind the last step may have left
    std::error_code error;
    std::filesystem::remove(work_->target.out.string() + growing_suffix, error);
    if (work_->journal.index().is_journal) work_->journal.remove();
    return {};
  }
  try {
    return work_->run();
  } catch (const InputError& error) {
    const std::uint64_t n = work_->journal.index().n_patients;
    if (n == 0) throw;
    throw InputError("", error.what(),
                     fmt::format("the first {} of {} patients are kept in {}: go on with {} when this is mended", n, work_->population.n_patients,
                                 work_->journal.path().string(), work_->target.resume_word));
  }
}

}  // namespace nkpk
