// Bytes as a journal: what is read or refused must cost no more than the bytes can mean, whatever they are.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "nkpk/archive/group_bytes.hpp"
#include "nkpk/archive/journal.hpp"
#include "nkpk/core/course_summary.hpp"
#include "nkpk/core/error.hpp"

using namespace nkpk;

namespace {

void read_as_journal(std::string_view bytes, bool is_outline) {
  const archive::ReadAt read = [&](std::uint64_t offset, char* to, std::size_t n) { return offset > bytes.size() ? 0 : bytes.copy(to, n, offset); };
  try {
    archive::journal_group(read, bytes.size(), "fuzz", "interrupted", is_outline);
  } catch (const InputError&) {
  }
}

/// Behind the checksums, which chance does not pass.
void read_as_payload(std::string_view bytes) {
  try {
    const Group group = archive::group_of(bytes);
    CourseSummary(group, 3).groups();
  } catch (const BytesError&) {
  }
  try {
    ByteReader in(bytes);
    CourseSummary summary({{"count", "", "", {}, {}, {}}}, 2, {0.5});
    summary.read(in);
    summary.groups();
  } catch (const BytesError&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  read_as_journal(bytes, false);
  read_as_journal(bytes, true);
  read_as_payload(bytes);
  return 0;
}
