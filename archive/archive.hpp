#pragma once
#include <cstddef>
#include <filesystem>
#include <string>

#include "nkpk/core/named_array.hpp"

namespace nkpk::archive {

/// The number in the root attribute `nkpk_format_version`; docs/archive_format.md describes it.
inline constexpr int format_version = 1;

/// "1.10.8" and the like: the HDF5 library in use.
std::string hdf5_version();

/// Writes the tree to `path` + ".part", flushes it to disk, then renames it. What stood at `path` before stays intact
/// until the rename. Throws InputError when the file exists and `overwrite` is false, the folder is missing or not
/// writable, the path is a folder, or the disk is full; nothing is left behind then.
void write(const std::filesystem::path& path, const Group& root, bool overwrite = false);

/// Reads an archive back. Throws InputError when it is missing, not HDF5, truncated, damaged, not an nkpk archive, or of an
/// unknown format version. Its bytes are compared with the digest at their end before HDF5 sees one; see Reader. Of a journal, the ensemble
/// up to the last block that is finished.
Group read(const std::filesystem::path& path);

/// As read(), but arrays of more elements come with their shape and no values: what is in an archive of any size. Of a
/// journal no rows are read, and its summaries come without values too.
Group read_outline(const std::filesystem::path& path, std::size_t most_elements);

}  // namespace nkpk::archive
