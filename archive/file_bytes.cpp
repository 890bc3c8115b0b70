#include "nkpk/archive/file_bytes.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include "nkpk/archive/fault.hpp"
#include "nkpk/core/error.hpp"

namespace nkpk::archive {
namespace {

namespace fs = std::filesystem;

fs::path folder_of(const fs::path& target) {
  return target.has_parent_path() ? target.parent_path() : fs::path(".");
}

}  // namespace

Descriptor::Descriptor(const fs::path& path, int flags) : id_(::open(path.c_str(), flags | O_CLOEXEC, 0666)) {}
Descriptor::~Descriptor() {
  if (id_ >= 0) ::close(id_);
}

std::string system_reason(int code) { return std::generic_category().message(code); }

fs::path work_name(const fs::path& target, std::string_view suffix) { return target.string() + std::string(suffix); }

void expect_target(const fs::path& target, bool overwrite) {
  const std::string where = target.string();
  std::error_code error;
  const fs::path folder = folder_of(target);
  const auto folder_status = fs::status(folder, error);
  if (folder_status.type() == fs::file_type::not_found) {
    throw InputError(where, fmt::format("the folder {} does not exist", folder.string()));
  }
  if (folder_status.type() == fs::file_type::none) {
    throw InputError(
        where, fmt::format("the folder {} cannot be used: {}", folder.string(), error.message()));
  }
  if (!fs::is_directory(folder_status)) {
    throw InputError(where, fmt::format("{} is not a folder", folder.string()));
  }
  if (fs::is_directory(target, error)) throw InputError(where, "is a folder, not a file");
  if (!target.has_filename()) throw InputError(where, "no file name given");
  if (!fs::exists(fs::symlink_status(target, error))) return;
  if (!fs::is_regular_file(target, error))
    throw InputError(where, "exists and is not a regular file");
  if (!overwrite)
    throw InputError(where, "the file exists already", "choose another name or allow overwriting");
}

int open_locked(const fs::path& path, const fs::path& target) {
  const auto fail = [&](const std::string& problem) { throw InputError(target.string(), problem); };
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
  if (file < 0) fail("cannot be written: " + system_reason(errno));
  // A work file left by a crash holds no lock. One that is locked, or was renamed since we opened it, belongs to another program,
  // but for a reader of a journal, who lets go at once. Some network disks have no locks: then we do without.
  struct stat ours {};
  struct stat named {};
  bool is_locked = false;
  for (int attempt = 0; attempt < 20 && !is_locked; ++attempt) {
    if (attempt > 0) ::usleep(10'000);
    is_locked = ::flock(file, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
  }
  if (!is_locked || ::fstat(file, &ours) != 0 || ::lstat(path.c_str(), &named) != 0 || ours.st_ino != named.st_ino) {
    ::close(file);
    fail("another program is writing this file");
  }
  if (!S_ISREG(ours.st_mode)) {
    ::close(file);
    fail(path.string() + " is not a regular file");
  }
  return file;
}

void sync_folder_of(const fs::path& path) {
  const Descriptor folder(folder_of(path), O_RDONLY | O_DIRECTORY);
  if (folder >= 0) ::fsync(folder);
}

PartFile::PartFile(const fs::path& target, bool overwrite, std::string_view suffix) : target_(target), part_(work_name(target, suffix)), overwrite_(overwrite) {
  expect_target(target, overwrite);
  file_ = open_locked(part_, target);
  char begin[journal_signature.size()] = {};
  if (!overwrite && ::pread(file_, begin, sizeof begin, 0) == sizeof begin && std::string_view(begin, sizeof begin) == journal_signature) {
    ::close(file_);
    throw InputError(target_.string(), fmt::format("{} is the journal of an interrupted ensemble", part_.string()),
                     "choose another name, go on with that ensemble or allow overwriting");
  }
}

PartFile::~PartFile() {
  if (file_ < 0) return;
  ::unlink(part_.c_str());
  ::close(file_);
}

void PartFile::write(const std::vector<char>& bytes) {
  const std::string problem = fmt::format("cannot write {} bytes", bytes.size());
  if (::ftruncate(file_, 0) != 0) fail(problem);
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t n = ::write(file_, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno != EINTR) fail(problem);
    if (n > 0) done += static_cast<std::size_t>(n);
  }
}

void PartFile::claim(std::size_t begin, std::size_t end) {
  int code = EINTR;
  while (code == EINTR)
    code = ::posix_fallocate(file_, static_cast<off_t>(begin), static_cast<off_t>(end - begin));
  errno = code;
  if (code != 0) fail("cannot be written");
}

void PartFile::cut(std::size_t end) {
  if (::ftruncate(file_, static_cast<off_t>(end)) != 0) fail("cannot be written");
}

void PartFile::finish() {
  fault::point("archive_sync");
  if (::fsync(file_) != 0) fail("cannot be brought to disk");
  expect_target(target_, overwrite_);  // once more: what another program put there meanwhile stays
  fault::point("archive_rename");
  if (::rename(part_.c_str(), target_.c_str()) != 0) fail("cannot be replaced");
  fault::point("archive_renamed");
  ::close(std::exchange(file_, -1));
  sync_folder_of(target_);
}

void PartFile::fail(const std::string& problem) const {
  throw InputError(target_.string(), problem + ": " + system_reason(errno));
}

void write_bytes(const fs::path& path, const std::vector<char>& bytes, bool overwrite) {
  PartFile part(path, overwrite);
  part.write(bytes);
  part.finish();
}

}  // namespace nkpk::archive
