#pragma once
#include <string>

namespace nkpk {

/// docs/equations.md: the equations of the model in Markdown with LaTeX, as they are solved.
std::string equations_document();

}  // namespace nkpk
