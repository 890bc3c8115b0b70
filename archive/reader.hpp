#pragma once
#include <cstddef>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <string>

#include "nkpk/archive/seal.hpp"
#include "nkpk/core/named_array.hpp"

namespace nkpk::archive {

/// An archive of any size, open for reading.
///
/// Every method throws InputError where the file is not what it should be: missing, damaged, cut short, not an archive, of an unknown
/// format version, or claiming arrays that a file of its size cannot hold.
class Reader {
 public:
  enum class Digest { expected, ignored };

  /// Compares all bytes with the digest at their end before HDF5 sees one. `ignored`: for a file that another program changed; HDF5
  /// may crash on it.
  explicit Reader(const std::filesystem::path& path, Digest digest = Digest::expected);
  ~Reader();
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  /// None where it was ignored.
  const std::optional<Seal>& seal() const;

  /// All of it; arrays of more elements come with their shape and no values.
  Group tree(std::size_t most_elements = std::numeric_limits<std::size_t>::max()) const;

  /// Rows `first` to `first` + `n` of an array of one dimension or more, by its path: "/states/treg".
  ArrayData rows(const std::string& array, std::size_t first, std::size_t n) const;

  /// Whether the array names a value that stands for missing ones.
  bool has_fill_value(const std::string& array) const;

 private:
  struct File;
  std::unique_ptr<File> file_;
};

}  // namespace nkpk::archive
