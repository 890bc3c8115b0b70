#include "nkpk/core/isa.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "nkpk/core/error.hpp"

namespace nkpk {
namespace {

constexpr Isa all[] = {Isa::baseline, Isa::avx2, Isa::avx512};

std::vector<std::string> names_up_to(Isa widest) {
  std::vector<std::string> names;
  for (const Isa isa : all)
    if (isa <= widest) names.emplace_back(to_string(isa));
  return names;
}

}  // namespace

std::vector<std::string> isa_names() { return names_up_to(Isa::avx512); }

Isa isa_from(const std::string& name, const std::string& where) {
  for (const Isa isa : all)
    if (name == to_string(isa)) return isa;
  throw unknown_name(where, "instruction set", name, isa_names());
}

void expect_isa(const std::string& where, Isa wanted, Isa best) {
  if (wanted > best)
    throw InputError(where, fmt::format("{} does not run here: this build or this processor lacks it", to_string(wanted)),
                     fmt::format("expected {}", fmt::join(names_up_to(best), " or ")));
}

}  // namespace nkpk
