#include "nkpk/archive/seal.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "nkpk/archive/in_file.hpp"
#include "nkpk/core/digest.hpp"
#include "nkpk/core/error.hpp"

namespace nkpk::archive {
namespace {

namespace fs = std::filesystem;

// 16 bytes of mark, the length of the content, a number that says how it was sealed, the digest of all that stands before it
constexpr std::string_view mark = "nkpk sha-256 v1\n";
constexpr std::size_t at_length = mark.size(), at_kind = at_length + 8, at_digest = at_kind + 8;
static_assert(mark.size() == 16 && at_digest + 32 == seal_bytes);
constexpr std::uint64_t by_writer = 0, anew = 1;

constexpr const char* no_seal = "no digest at its end: cut short, changed by another program, or never an archive of nkpk";
constexpr const char* seal_hint = "where you know who changed it, nkpk verify --seal takes it as it is";

void put(std::string& text, std::uint64_t value) {
  for (int i = 0; i < 8; ++i) text.push_back(static_cast<char>(value >> 8 * i & 0xff));
}

std::uint64_t number_at(std::string_view seal, std::size_t at) {
  std::uint64_t value = 0;
  for (std::size_t i = 8; i-- > 0;) value = value << 8 | static_cast<unsigned char>(seal[at + i]);
  return value;
}

std::string head_of(std::uint64_t length, bool is_anew) {
  std::string head(mark);
  put(head, length);
  put(head, is_anew ? anew : by_writer);
  return head;
}

/// `digest`: of all bytes before the last 32.
Seal check_against(std::string_view seal, std::size_t file_size, const Sha256::Bytes& digest, const std::string& where) {
  if (std::memcmp(seal.data() + at_digest, digest.data(), digest.size()) != 0)
    throw InputError(where, "damaged: its bytes are not those that were written (the SHA-256 at its end differs)");
  const std::uint64_t length = number_at(seal, at_length), kind = number_at(seal, at_kind);
  if (length != file_size - seal_bytes) throw InputError(where, fmt::format("damaged: the digest is for {} bytes, found {}", length, file_size - seal_bytes));
  if (kind > anew) throw InputError(where, fmt::format("sealed in a way that this program does not know ({})", kind));
  return {static_cast<std::size_t>(length), kind == anew, hex(digest)};
}

bool is_seal(std::string_view bytes) { return bytes.size() == seal_bytes && bytes.starts_with(mark); }

}  // namespace

std::vector<char> seal_of(std::string_view content, bool is_anew) {
  const std::string head = head_of(content.size(), is_anew);
  Sha256 hash;
  hash.add(content);
  hash.add(head);
  const auto digest = hash.finish();
  std::vector<char> seal(head.begin(), head.end());
  seal.insert(seal.end(), digest.begin(), digest.end());
  return seal;
}

void seal_file(const fs::path& file, const fs::path& target, bool is_anew) {
  InFile bytes(file, InFile::Access::append, target);
  Sha256 hash;
  bytes.read(0, bytes.size(), [&](std::string_view piece) { hash.add(piece); });
  const std::string head = head_of(bytes.size(), is_anew);
  hash.add(head);
  const auto digest = hash.finish();
  std::string seal = head;
  seal.append(digest.begin(), digest.end());
  bytes.append(seal);
}

Seal check_seal(const InFile& bytes, const std::string& where) {
  bytes.expect_signature();
  if (bytes.size() < seal_bytes) throw InputError(where, no_seal, seal_hint);
  const std::string seal = bytes.text(bytes.size() - seal_bytes, seal_bytes);
  if (!is_seal(seal)) throw InputError(where, no_seal, seal_hint);
  Sha256 hash;
  bytes.read(0, bytes.size() - 32, [&](std::string_view piece) { hash.add(piece); });
  return check_against(seal, bytes.size(), hash.finish(), where);
}

Seal check_seal(const fs::path& path) { return check_seal(InFile(path), path.string()); }

bool has_seal(const fs::path& path) {
  const InFile bytes(path);
  return bytes.size() >= seal_bytes && is_seal(bytes.text(bytes.size() - seal_bytes, seal_bytes));
}

}  // namespace nkpk::archive
