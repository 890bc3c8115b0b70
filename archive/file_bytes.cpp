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

#include "nkpk/core/error.hpp"

namespace nkpk::archive {
namespace {

namespace fs = std::filesystem;

std::string system_reason(int code) { return std::generic_category().message(code); }

class Descriptor {
 public:
  Descriptor(const fs::path& path, int flags)
      : id_(::open(path.c_str(), flags | O_CLOEXEC, 0666)) {}
  ~Descriptor() {
    if (id_ >= 0) ::close(id_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  operator int() const { return id_; }

 private:
  int id_;
};

fs::path folder_of(const fs::path& target) {
  return target.has_parent_path() ? target.parent_path() : fs::path(".");
}

void check_target(const fs::path& target, bool overwrite) {
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

}  // namespace

PartFile::PartFile(const fs::path& target, bool overwrite)
    : target_(target), part_(target.string() + ".part"), overwrite_(overwrite) {
  check_target(target, overwrite);
  file_ = ::open(part_.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
  if (file_ < 0) fail("cannot be written");
  // A part file left by a crash holds no lock. One that is locked, or was renamed since we opened
  // it, belongs to another program. Some network disks have no locks: then we do without.
  struct stat ours {};
  struct stat named {};
  const bool locked = ::flock(file_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
  if (!locked || ::fstat(file_, &ours) != 0 || ::lstat(part_.c_str(), &named) != 0 ||
      ours.st_ino != named.st_ino) {
    ::close(file_);
    throw InputError(target_.string(), "another program is writing this file");
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
  if (::fsync(file_) != 0) fail("cannot be brought to disk");
  check_target(target_, overwrite_);  // once more: what another program put there meanwhile stays
  if (::rename(part_.c_str(), target_.c_str()) != 0) fail("cannot be replaced");
  ::close(std::exchange(file_, -1));
  // The new name survives a power cut too. Not every file system can do this; the data are safe.
  const Descriptor folder(folder_of(target_), O_RDONLY | O_DIRECTORY);
  if (folder >= 0) ::fsync(folder);
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
