// Faults that the fuzz targets are built to find, one for each word. scripts/fuzz.py demands that every one is found.
#include <cstdint>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "fuzz.hpp"

using namespace nkpk;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string word(fuzz::text_of(data, size));
  volatile std::size_t beyond = 8;
  if (word == "overflow") return std::vector<char>(8, 'x').data()[beyond] == 'y';
  if (word == "undefined") {
    volatile int most = std::numeric_limits<int>::max();
    most = most + 1;
  }
  if (word == "leak") {
    static char* volatile kept = nullptr;
    for (int i = 0; i < 2; ++i) kept = new char[100];
    return kept == nullptr;
  }
  if (word == "allocation") {
    char* volatile large = static_cast<char*>(std::malloc(std::size_t{400} << 20));
    std::free(large);
  }
  if (word == "hang") fuzz::accepts(size, [] {
      for (const double begin = fuzz::cpu_seconds(); fuzz::cpu_seconds() < begin + 3;) continue;
    });
  if (word == "exception") fuzz::accepts(size, [] { throw std::out_of_range("not an InputError"); });
  if (word == "nothing") fuzz::accepts(size, [] { throw InputError("key", "is wrong"); });
  return 0;
}
