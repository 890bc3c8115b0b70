#pragma once
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "nkpk/archive/seal.hpp"

namespace nkpk::archive {

/// What reading an archive from end to end found.
struct Verdict {
  std::optional<Seal> seal;  ///< none where the digest is missing or wrong
  std::size_t n_groups = 0, n_arrays = 0, n_values = 0;
  std::vector<std::string> problems;  ///< empty: it is what docs/archive_format.md says

  bool ok() const { return problems.empty(); }
};

/// Compares the digest, reads every value and holds all of it against the rules of the format. Never throws InputError:
/// that a file is missing or no archive is a problem like others.
Verdict verify(const std::filesystem::path& path);

/// Reads a file from end to end whose digest is missing, as HDF5. It may crash on damaged bytes: call it in a process of its own.
/// Throws InputError when it cannot be read or is no archive.
void read_through_unsealed(const std::filesystem::path& path);

}  // namespace nkpk::archive
