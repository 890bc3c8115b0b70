#pragma once
#include <filesystem>
#include <string>
#include <vector>

namespace nkpk::archive {

/// What a journal begins with.
inline constexpr std::string_view journal_signature = "\x89NKJ\r\n\x1a\n";

/// A file that is open for reading; negative when it cannot be.
class Descriptor {
 public:
  Descriptor(const std::filesystem::path& path, int flags);
  ~Descriptor();
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  operator int() const { return id_; }

 private:
  int id_;
};

/// An errno in words.
std::string system_reason(int code);

/// The name beside a target under which it is worked on.
std::filesystem::path work_name(const std::filesystem::path& target, std::string_view suffix);

/// Throws InputError when no archive can be written there: the folder is missing, the target a folder, or there and not to be
/// replaced.
void expect_target(const std::filesystem::path& target, bool overwrite);

/// The file, made when it is not there, locked until it is closed. Throws InputError with the target's name when that fails or
/// another program holds it.
int open_locked(const std::filesystem::path& path, const std::filesystem::path& target);

/// New names in the folder survive a power cut too. Not every file system can do this; the data are safe.
void sync_folder_of(const std::filesystem::path& path);

/// The file beside its target; removed again unless it takes the target's place. It stays open, and so locked, until it has:
/// a second writer would otherwise truncate what we are about to rename.
class PartFile {
 public:
  /// Throws InputError when the target is no possible file, exists and `overwrite` is false, another program writes it, or a journal
  /// stands in its place and `overwrite` is false. `suffix` makes the work name.
  PartFile(const std::filesystem::path& target, bool overwrite, std::string_view suffix = ".part");
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
