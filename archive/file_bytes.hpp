#pragma once
#include <filesystem>
#include <string>
#include <vector>

namespace nkpk::archive {

/// The file beside its target; removed again unless it takes the target's place. It stays open, and so locked, until it has:
/// a second writer would otherwise truncate what we are about to rename.
class PartFile {
 public:
  /// Throws InputError when the target is no possible file, exists and `overwrite` is false, or another program writes it.
  PartFile(const std::filesystem::path& target, bool overwrite);
  ~PartFile();
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;

  const std::filesystem::path& path() const { return part_; }
  void write(const std::vector<char>& bytes);
  /// Makes sure of room for the bytes from `begin` to `end`; the file becomes that long.
  void claim(std::size_t begin, std::size_t end);
  void cut(std::size_t end);
  /// Brings it to disk and gives it the target's name.
  void finish();

 private:
  [[noreturn]] void fail(const std::string& problem) const;
  std::filesystem::path target_, part_;
  bool overwrite_;
  int file_ = -1;
};

/// Writes `path` + ".part", flushes it to disk and renames it to `path`; all or nothing.
/// Throws InputError as archive::write does.
void write_bytes(const std::filesystem::path& path, const std::vector<char>& bytes, bool overwrite);

}  // namespace nkpk::archive
