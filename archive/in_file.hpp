#pragma once
// Private to archive/: the bytes of a file that exists.
#include <sys/stat.h>

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace nkpk::archive {

/// A regular file, open. Every method throws InputError about `target`, the name that the user knows it by.
class InFile {
 public:
  enum class Access { read, append };

  /// Throws when it is missing, is no regular file, or may not be read.
  explicit InFile(const std::filesystem::path& path, Access access = Access::read, const std::filesystem::path& target = {});
  ~InFile();
  InFile(const InFile&) = delete;
  InFile& operator=(const InFile&) = delete;

  std::size_t size() const { return static_cast<std::size_t>(info_.st_size); }
  /// Throws when it does not begin as HDF5 files do.
  void expect_signature() const;
  /// The bytes from `begin` on, `n` of them, in pieces of some MiB.
  void read(std::size_t begin, std::size_t n, const std::function<void(std::string_view)>& take) const;
  std::string text(std::size_t begin, std::size_t n) const;
  /// Behind all others, and to disk.
  void append(std::string_view bytes);
  /// Throws when it was changed since it was opened.
  void expect_unchanged() const;
  /// A name of this very file, whatever happens to the one it was opened by.
  std::string own_name() const;

 private:
  [[noreturn]] void fail(const std::string& problem) const;
  std::string where_;
  int file_;
  struct stat info_ {};
};

}  // namespace nkpk::archive
