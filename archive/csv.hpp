#pragma once
#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace nkpk::archive {

/// Writes all of an archive into a folder, one table for the arrays of a group that share their dimensions: a column for each
/// dimension, one for each array, a row for each element. docs/archive_format.md names the files.
///
/// Numbers are written so that they read back the same; missing ones are empty, flags are their meanings. Nothing is left behind
/// unless all is written. Returns the files, relative to the folder.
/// Throws InputError as Reader does, and where the folder exists (`overwrite`: where it is no earlier export) or cannot be written.
std::vector<std::filesystem::path> export_csv(const std::filesystem::path& archive, const std::filesystem::path& folder, bool overwrite);

/// The table of one array by its path, "alc" or "/states/treg", given to `write` in pieces.
/// Throws InputError as Reader does, and where there is no such array, with the nearest name.
void export_array(const std::filesystem::path& archive, const std::string& array, const std::function<void(std::string_view)>& write);

}  // namespace nkpk::archive
