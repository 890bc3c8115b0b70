#include "nkpk/archive/in_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "nkpk/core/error.hpp"

namespace nkpk::archive {
namespace {

constexpr std::size_t piece_bytes = std::size_t{4} << 20;
constexpr std::string_view signature = "\x89HDF\r\n\x1a\n";

}  // namespace

InFile::InFile(const std::filesystem::path& path, Access access, const std::filesystem::path& target)
    : where_((target.empty() ? path : target).string()),
      file_(::open(path.c_str(), (access == Access::append ? O_RDWR | O_APPEND : O_RDONLY | O_NONBLOCK) | O_CLOEXEC)) {  // a pipe must not make us wait
  if (file_ < 0 && errno == ENOENT && !target.empty() && target != path)
    throw InputError(where_, "cannot be replaced: No such file or directory: " + path.filename().string() + " is gone");
  if (file_ < 0) throw InputError(where_, errno == ENOENT ? "no such file" : "cannot be read: " + std::generic_category().message(errno));
  const bool is_known = ::fstat(file_, &info_) == 0;
  if (is_known && S_ISREG(info_.st_mode)) return;
  ::close(file_);
  throw InputError(where_, is_known && S_ISDIR(info_.st_mode) ? "is a folder, not a file" : "not a regular file");
}

InFile::~InFile() { ::close(file_); }

void InFile::expect_signature() const {
  if (text(0, std::min(size(), signature.size())) != signature) throw InputError(where_, "not an nkpk archive (not an HDF5 file)");
}

void InFile::read(std::size_t begin, std::size_t n, const std::function<void(std::string_view)>& take) const {
  std::string buffer(std::min(n, piece_bytes), '\0');
  while (n > 0) {
    const ssize_t got = ::pread(file_, buffer.data(), std::min(n, buffer.size()), static_cast<off_t>(begin));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail("cannot be read");
    if (got == 0) throw InputError(where_, "became shorter while it was read");
    take(std::string_view(buffer.data(), static_cast<std::size_t>(got)));
    begin += static_cast<std::size_t>(got);
    n -= static_cast<std::size_t>(got);
  }
}

std::string InFile::text(std::size_t begin, std::size_t n) const {
  std::string all;
  all.reserve(n);
  read(begin, n, [&](std::string_view piece) { all += piece; });
  return all;
}

void InFile::append(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(file_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("cannot be written");
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  if (::fsync(file_) != 0) fail("cannot be brought to disk");
}

void InFile::expect_unchanged() const {
  struct stat now {};
  if (::fstat(file_, &now) != 0) fail("cannot be read");
  if (now.st_size != info_.st_size || now.st_mtim.tv_sec != info_.st_mtim.tv_sec || now.st_mtim.tv_nsec != info_.st_mtim.tv_nsec)
    throw InputError(where_, "was changed while it was read");
}

std::string InFile::own_name() const { return fmt::format("/proc/self/fd/{}", file_); }

void InFile::fail(const std::string& problem) const { throw InputError(where_, problem + ": " + std::generic_category().message(errno)); }

}  // namespace nkpk::archive
