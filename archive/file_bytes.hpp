#pragma once
#include <filesystem>
#include <string_view>
#include <vector>

namespace nkpk::archive {

/// Writes `path` + ".part", flushes it to disk and renames it to `path`; all or nothing.
/// Throws InputError as archive::write does.
void write_bytes(const std::filesystem::path& path, const std::vector<char>& bytes, bool overwrite);

/// The whole of a regular file. Throws InputError when it cannot be read, and with the problem
/// `otherwise` when it does not start with `signature`.
std::vector<char> read_bytes(const std::filesystem::path& path, std::string_view signature,
                             std::string_view otherwise);

}  // namespace nkpk::archive
