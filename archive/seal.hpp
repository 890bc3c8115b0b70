#pragma once
// The last 64 bytes of an archive say how long it is and hold the SHA-256 of all before them, so that damage is found before HDF5,
// which trusts its files, sees a byte. docs/archive_format.md describes them.
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace nkpk::archive {

class InFile;

inline constexpr std::size_t seal_bytes = 64;

struct Seal {
  std::size_t content = 0;  ///< bytes of HDF5 before the seal
  bool is_anew = false;     ///< another program changed the file, and a user said that its content is wanted
  std::string digest;       ///< SHA-256 in hex: the last 32 bytes of the file
};

/// The seal to put behind these bytes.
std::vector<char> seal_of(std::string_view content, bool is_anew = false);

/// Puts a seal behind a file that has none and brings it to disk. Throws InputError, about `target`, when it cannot be read or written.
void seal_file(const std::filesystem::path& file, const std::filesystem::path& target, bool is_anew = false);

/// Reads all of a file, whatever its size, and no byte of it as HDF5. Throws InputError when it is missing, does not begin as
/// HDF5 does, has no seal, or is not what its seal says.
Seal check_seal(const std::filesystem::path& path);

/// The same for a file that is open already.
Seal check_seal(const InFile& file, const std::string& where);

/// Whether the last bytes look like a seal, right or wrong. Throws InputError when the file cannot be read.
bool has_seal(const std::filesystem::path& path);

}  // namespace nkpk::archive
