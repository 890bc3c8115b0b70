// A quantity, the unit to have it in, and KEY=VALUE: three lines.
#include <cmath>

#include "fuzz.hpp"
#include "nkpk/core/units.hpp"
#include "nkpk/dosing/regimen.hpp"

using namespace nkpk;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest = fuzz::text_of(data, size);
  const std::string text(fuzz::take_until(rest, '\n')), unit(fuzz::take_until(rest, '\n')), setting(rest);
  Quantity quantity;
  const bool is_one = fuzz::accepts(size, [&] {
    quantity = parse_quantity(text, "key");
    if (!std::isfinite(quantity.number)) fuzz::finding("a quantity that is no number");
  });
  const bool is_unit = fuzz::accepts(size, [&] { parse_unit(unit, "key"); });
  if (is_one && is_unit)
    fuzz::accepts(size, [&] {
      if (!std::isfinite(quantity.in(unit))) fuzz::finding("a number that is none");
      if (quantity.in(unit) != quantity.in(unit)) fuzz::finding("one quantity, two numbers");
    });
  fuzz::accepts(size, [&] { parse_patch(setting, "--set"); });
  return 0;
}
