#include "nkpk/archive/journal.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "nkpk/archive/fault.hpp"
#include "nkpk/archive/file_bytes.hpp"
#include "nkpk/archive/group_bytes.hpp"
#include "nkpk/core/error.hpp"

namespace nkpk::archive {
namespace {

using Kind = JournalRecord::Kind;

constexpr std::size_t frame_size = 36, begin_size = journal_signature.size() + sizeof journal_format;

std::uint32_t checksum(std::string_view bytes) { return static_cast<std::uint32_t>(::crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size())); }

std::string frame_of(const JournalRecord& record) {
  ByteWriter out;
  out.number(static_cast<std::uint32_t>(record.kind));
  out.number(record.crc);
  for (const std::uint64_t n : {record.length, record.first, record.end}) out.number(n);
  out.number(checksum(out.bytes()));
  return out.take();
}

/// Of the bytes of a frame; none where they are no frame.
std::optional<JournalRecord> record_in(std::string_view frame, std::uint64_t offset) {
  ByteReader in(frame);
  JournalRecord record{};
  record.kind = static_cast<Kind>(in.number<std::uint32_t>());
  record.crc = in.number<std::uint32_t>();
  record.length = in.number<std::uint64_t>();
  record.first = in.number<std::uint64_t>();
  record.end = in.number<std::uint64_t>();
  record.offset = offset;
  if (in.number<std::uint32_t>() != checksum(frame.substr(0, frame_size - 4))) return std::nullopt;
  return record;
}

std::string some(const ReadAt& read, std::uint64_t offset, std::size_t n) {
  std::string bytes(n, '\0');
  bytes.resize(read(offset, bytes.data(), n));
  return bytes;
}

/// The number behind the signature; 0 where there is none.
std::uint64_t format_of(const ReadAt& read) {
  const std::string bytes = some(read, journal_signature.size(), sizeof journal_format);
  return bytes.size() < sizeof journal_format ? 0 : ByteReader(bytes).number<std::uint64_t>();
}

bool is_whole(const ReadAt& read, const JournalRecord& record) {
  constexpr std::uint64_t piece = 1 << 20;
  std::string buffer(static_cast<std::size_t>(std::min(record.length, piece)), '\0');
  uLong crc = 0;
  for (std::uint64_t done = 0; done < record.length;) {
    const auto n = static_cast<std::size_t>(std::min(piece, record.length - done));
    if (read(record.offset + done, buffer.data(), n) != n) return false;
    crc = ::crc32_z(crc, reinterpret_cast<const Bytef*>(buffer.data()), n);
    done += n;
  }
  return crc == record.crc;
}

bool follows(const JournalIndex& index, const JournalRecord& record) {
  if (index.records.empty()) return record.kind == Kind::header && record.first == 0 && record.end == 0;
  if (record.kind == Kind::checkpoint) return record.first == 0 && record.end == index.n_patients;
  return record.kind == Kind::rows && record.first == index.n_patients && record.end > record.first;
}

ReadAt reader_of(int file) {
  return [file](std::uint64_t offset, char* to, std::size_t n) {
    std::size_t done = 0;
    while (done < n) {
      const ssize_t got = ::pread(file, to + done, n - done, static_cast<off_t>(offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  };
}

std::uint64_t size_of(int file) {
  struct stat info {};
  return ::fstat(file, &info) == 0 ? static_cast<std::uint64_t>(info.st_size) : 0;
}

}  // namespace

JournalIndex index_of(const ReadAt& read, std::uint64_t size, Check check) {
  JournalIndex index;
  index.is_journal = some(read, 0, journal_signature.size()) == journal_signature;
  if (!index.is_journal || format_of(read) != journal_format) return index;
  index.end = begin_size;
  while (size - index.end >= frame_size) {
    const std::string frame = some(read, index.end, frame_size);
    const std::uint64_t offset = index.end + frame_size;
    const auto record = frame.size() == frame_size ? record_in(frame, offset) : std::nullopt;
    if (!record || record->length > size - offset || !follows(index, *record)) break;
    const bool is_last = offset + record->length + frame_size > size;
    if ((check == Check::all || is_last) && !is_whole(read, *record)) break;
    index.records.push_back(*record);
    index.end = offset + record->length;
    if (record->kind == Kind::rows) index.n_patients = record->end;
  }
  return index;
}

std::string payload_of(const ReadAt& read, const JournalRecord& record) {
  const std::string bytes = some(read, record.offset, record.length);
  if (bytes.size() != record.length || checksum(bytes) != record.crc) throw BytesError("a record has changed");
  return bytes;
}

bool is_journal(const std::filesystem::path& path) {
  const Descriptor file(path, O_RDONLY | O_NONBLOCK);
  return file >= 0 && some(reader_of(file), 0, journal_signature.size()) == journal_signature;
}

Group read_journal(const std::filesystem::path& path, bool is_outline) {
  const Descriptor file(path, O_RDONLY);
  if (file < 0) throw InputError(path.string(), "cannot be read: " + system_reason(errno));
  // held for a moment only: a writer that comes meanwhile tries again
  const bool is_running = ::flock(file, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  ::flock(file, LOCK_UN);
  return journal_group(reader_of(file), size_of(file), path.string(), is_running ? "running" : "interrupted", is_outline);
}

JournalFile::JournalFile(const std::filesystem::path& target) : target_(target), path_(work_name(target, ".part")) {
  expect_target(target, true);
  file_ = open_locked(path_, target);
  const std::uint64_t size = size_of(file_);
  is_ours_ = size == 0;
  index_ = index_of(reader_of(file_), size, Check::all);
  if (!index_.is_journal || !index_.records.empty() || size <= begin_size + frame_size) return;
  // a header that was never finished has nothing behind it; where there is something a fault of the disk took the header
  const auto header = record_in(some(reader_of(file_), begin_size, frame_size), begin_size + frame_size);
  is_damaged_ = format_of(reader_of(file_)) != journal_format || !header || size > header->offset + header->length;
}

JournalFile::~JournalFile() {
  if (file_ < 0) return;
  if (is_ours_ && index_.n_patients == 0) ::unlink(path_.c_str());
  ::close(file_);
}

void JournalFile::fail(const std::string& problem) const { throw InputError(path_.string(), fmt::format("{}: {}", problem, system_reason(errno))); }

std::string JournalFile::payload(const JournalRecord& record) const { return payload_of(reader_of(file_), record); }

void JournalFile::write(std::string_view bytes) {
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t n = ::pwrite(file_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(index_.end + done));
    if (n < 0 && errno != EINTR) fail("cannot be written");
    if (n > 0) done += static_cast<std::size_t>(n);
  }
  index_.end += bytes.size();
}

void JournalFile::sync() {
  fault::point("journal_sync");
  if (::fdatasync(file_) != 0) fail("cannot be brought to disk");
  fault::point("journal_synced");
}

void JournalFile::begin(const Group& header) {
  is_ours_ = true;
  index_ = {};
  index_.is_journal = true;
  if (::ftruncate(file_, 0) != 0) fail("cannot be written");
  ByteWriter begin;
  begin.numbers(std::span(journal_signature));
  begin.number(journal_format);
  fault::point("journal_begin");
  write(begin.bytes());
  append(Kind::header, 0, 0, bytes_of(header));
  sync_folder_of(path_);
}

void JournalFile::go_on(std::size_t n_records) {
  is_ours_ = true;
  index_.records.resize(n_records);
  index_.end = index_.records.back().offset + index_.records.back().length;
  index_.n_patients = 0;
  for (const JournalRecord& record : index_.records)
    if (record.kind == Kind::rows) index_.n_patients = record.end;
  fault::point("journal_cut");
  if (::ftruncate(file_, static_cast<off_t>(index_.end)) != 0) fail("cannot be written");
  sync();
}

void JournalFile::append(Kind kind, std::uint64_t first, std::uint64_t end, std::string_view payload) {
  const std::uint64_t before = index_.end;
  const JournalRecord record{kind, first, end, before + frame_size, payload.size(), checksum(payload)};
  try {
    fault::point("journal_write");
    if (fault::is_due("journal_torn")) {  // as a power cut may leave it
      write((frame_of(record) + std::string(payload)).substr(0, (frame_size + payload.size()) / 2));
      fault::die();
    }
    write(frame_of(record));
    fault::point("journal_frame");
    write(payload);
    sync();
  } catch (const InputError&) {
    index_.end = before;
    // what does not fit is cut off; where even that fails, a reader stops before it
    if (::ftruncate(file_, static_cast<off_t>(before)) != 0) ::fdatasync(file_);
    throw;
  }
  index_.records.push_back(record);
  if (kind == Kind::rows) index_.n_patients = end;
}

void JournalFile::remove() {
  fault::point("journal_remove");
  ::unlink(path_.c_str());
  sync_folder_of(path_);
}

}  // namespace nkpk::archive
