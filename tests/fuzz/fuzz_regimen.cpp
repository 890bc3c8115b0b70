// Bytes as a regimen file, read as `nkpk check` and `nkpk show` read it.
#include "scenarios.hpp"

using namespace nkpk;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzz::MemoryFile file;
  file.put(fuzz::text_of(data, size));
  Request request;
  request.regimen = file.path();
  std::vector<Request> arms;
  if (!fuzz::accepts(size, [&] { arms = all_arms(fuzz::shipped(), request); })) return -1;
  for (std::size_t i = 0; i < std::min<std::size_t>(arms.size(), 2); ++i)
    fuzz::accepts(size, [&] { fuzz::expect_sound(make_scenario(fuzz::shipped(), arms[i])); });
  return 0;
}
