#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "nkpk/core/named_array.hpp"

namespace nkpk::archive {

/// An archive that is written piece by piece along one dimension, so that it need not fit in memory.
///
/// Every method throws InputError when the file cannot be written; the archive is then of no more use. Nothing is left behind unless
/// finish() returns.
class GrowingArchive {
 public:
  /// Rows of a chunk, a power of two; fewer where a row is long. Pieces of so many rows are written fastest.
  static constexpr std::size_t most_chunk_rows = 1024;

  /// Begins `path` + `suffix` with `root`: its arrays that lead with `dimension`, the coordinate among them, have no rows yet.
  /// The dimension is unlimited in the file. Throws InputError as archive::write does.
  GrowingArchive(const std::filesystem::path& path, const Group& root, const std::string& dimension, bool overwrite = false,
                 std::string_view suffix = ".part");
  ~GrowingArchive();
  GrowingArchive(const GrowingArchive&) = delete;
  GrowingArchive& operator=(const GrowingArchive&) = delete;

  /// Adds rows to all arrays along the dimension, in their groups: names, dimensions and types are those of `root`, all have as
  /// many rows as the first array of `rows`, and no other array or attribute counts.
  void append(const Group& rows);

  /// Adds what is known only now, attributes of the root, new arrays and groups, and attributes of groups at the root that are there
  /// already; then puts the digest at the end and renames the file.
  void finish(const Group& rest);

 private:
  struct File;
  std::filesystem::path path_;
  std::unique_ptr<File> file_;
};

}  // namespace nkpk::archive
