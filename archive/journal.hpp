#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "nkpk/core/named_array.hpp"

// What a job has finished so far, safe from whatever ends its process: a file that is only ever added to, whose last record may be
// torn. docs/archive_format.md describes it under "The journal".

namespace nkpk::archive {

inline constexpr std::uint64_t journal_format = 1;

struct JournalRecord {
  enum class Kind : std::uint32_t { header = 1, rows = 2, checkpoint = 3 };
  Kind kind;
  std::uint64_t first, end;      ///< patients: those of the rows; 0 to those that a checkpoint covers
  std::uint64_t offset, length;  ///< of the payload, in bytes
  std::uint32_t crc;             ///< of the payload
};

/// Up to `n` bytes from `offset` on; how many there were.
using ReadAt = std::function<std::size_t(std::uint64_t offset, char* to, std::size_t n)>;

/// The records up to the first that is not whole. The first one is the header, patients follow without a gap.
struct JournalIndex {
  std::vector<JournalRecord> records;  ///< none: there is not even a header
  std::uint64_t end = 0;               ///< bytes that are whole
  std::uint64_t n_patients = 0;
  bool is_journal = false;  ///< it begins as one
};
/// Whether all checksums are computed, or those of the frames and of the last record.
enum class Check { all, last };
JournalIndex index_of(const ReadAt& read, std::uint64_t size, Check check);

/// Throws BytesError where the checksum says that it has changed.
std::string payload_of(const ReadAt& read, const JournalRecord& record);

/// The archive of what is finished, with `status`; an outline has no rows, and summaries without values. `where` is for messages.
/// Throws InputError for what is no journal, or none of this format.
Group journal_group(const ReadAt& read, std::uint64_t size, const std::string& where, const std::string& status, bool is_outline);

/// The same of a file, which may grow meanwhile: "running" or "interrupted".
Group read_journal(const std::filesystem::path& path, bool is_outline);

/// A regular file that begins as a journal. False for what cannot be read.
bool is_journal(const std::filesystem::path& path);

/// The journal of an archive `target`, named `target` + ".part", open for this process alone.
///
/// Every method throws InputError when the disk does not do what it should.
class JournalFile {
 public:
  /// Throws InputError when `target` is no possible file, or another program writes it. What stands in the journal is left as it is.
  explicit JournalFile(const std::filesystem::path& target);
  /// A journal that this object began or went on with goes when it has no patients; any other stays.
  ~JournalFile();
  JournalFile(const JournalFile&) = delete;
  JournalFile& operator=(const JournalFile&) = delete;

  const std::filesystem::path& path() const { return path_; }
  /// What is whole in it.
  const JournalIndex& index() const { return index_; }
  /// It begins as a journal that had patients, or as one of another format, and cannot be gone on with.
  bool is_damaged() const { return is_damaged_; }
  /// As payload_of().
  std::string payload(const JournalRecord& record) const;

  /// Starts anew, whatever was there.
  void begin(const Group& header);
  /// Goes on behind the first records, so many.
  void go_on(std::size_t n_records);
  /// The record is on disk when this returns. A full disk leaves what was there before.
  void append(JournalRecord::Kind kind, std::uint64_t first, std::uint64_t end, std::string_view payload);
  /// It has done its work.
  void remove();

 private:
  [[noreturn]] void fail(const std::string& problem) const;
  void write(std::string_view bytes);
  void sync();

  std::filesystem::path target_, path_;
  int file_ = -1;
  bool is_ours_ = false, is_damaged_ = false;
  JournalIndex index_;
};

}  // namespace nkpk::archive
