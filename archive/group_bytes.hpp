#pragma once
#include <string>
#include <string_view>

#include "nkpk/core/bytes.hpp"
#include "nkpk/core/named_array.hpp"

namespace nkpk::archive {

/// A tree as bytes for the journal, quick to write; docs/archive_format.md describes them.
std::string bytes_of(const Group& group);
void write(ByteWriter& out, const Group& group);

/// The tree in these bytes, all of them. Throws BytesError for anything else; takes no more memory than some times the bytes.
Group group_of(std::string_view bytes);

}  // namespace nkpk::archive
