#pragma once
#include <string>
#include <vector>

#include "nkpk/core/named_array.hpp"

namespace nkpk {

/// What would make other numbers of an ensemble, one sentence each: "seed: 1 before, 2 now". `before` and `now` are headers of
/// journals; what `before` does not say is no difference.
std::vector<std::string> differences(const Group& before, const Group& now);

/// What an archive of an ensemble says that a header would; its arrays may be an outline.
Group header_of_archive(Group archive);

}  // namespace nkpk
