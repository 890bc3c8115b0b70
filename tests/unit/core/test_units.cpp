#include "nkpk/core/units.hpp"

#include <doctest/doctest.h>

#include <string>

#include "nkpk/core/error.hpp"

using namespace nkpk;

namespace {

double in(const char* text, const char* unit) { return parse_quantity(text, "here").in(unit); }

std::string refusal(const std::string& text, const char* unit = "mg") {
  try {
    (void)parse_quantity(text, "here").in(unit);
  } catch (const InputError& error) {
    return error.what();
  }
  return "no refusal";
}

bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a quantity is converted between units of one dimension") {
  CHECK(in("36 h", "d") == doctest::Approx(1.5).epsilon(1e-15));
  CHECK(in("90 min", "h") == doctest::Approx(1.5).epsilon(1e-15));
  CHECK(in("2 weeks", "d") == 14);
  CHECK(in("1 y", "d") == 365.25);
  CHECK(in("1 g/m^2", "mg/m^2") == 1000);
  CHECK(in("6 L/h", "L/d") == doctest::Approx(144).epsilon(1e-15));
  CHECK(in("10 IU/mL", "IU/L") == doctest::Approx(1e4).epsilon(1e-15));
  CHECK(in("3 MIU", "IU") == 3e6);
  CHECK(in("5 L", "uL") == doctest::Approx(5e6).epsilon(1e-15));
  CHECK(in("40 %", "1") == doctest::Approx(0.4).epsilon(1e-15));
  CHECK(in("172 cm", "m") == doctest::Approx(1.72).epsilon(1e-15));
  CHECK(in("0.07 L/kg", "uL/kg") == doctest::Approx(7e4).epsilon(1e-15));
}

TEST_CASE("a value in the unit it was written in keeps its digits") {
  for (const char* text : {"0.1 mL/min/1.73m^2", "0.069 1/d", "33.3 pg/mL"}) {
    const std::string whole = text;
    const auto blank = whole.find(' ');
    CHECK(in(text, whole.substr(blank + 1).c_str()) == std::stod(whole.substr(0, blank)));
  }
}

TEST_CASE("a number within a unit divides or multiplies") {
  CHECK(in("120 mL/min/1.73m^2", "L/d/1.73m^2") == doctest::Approx(172.8).epsilon(1e-14));
  CHECK(in("1.73 L/d/m^2", "L/d/1.73m^2") == doctest::Approx(1.73 * 1.73).epsilon(1e-14));
}

TEST_CASE("brackets, products, powers and blanks are read") {
  CHECK(parse_unit("1/d/(cells/uL)", "").same_dimension(parse_unit("uL/cells/d", "")));
  CHECK(parse_unit("mg*h/L", "").same_dimension(parse_unit("mg / L * d", "")));
  CHECK(parse_unit("m^-2", "").same_dimension(parse_unit("1/m^2", "")));
  CHECK(in("  25  mg / kg ", "mg/kg") == 25);
  CHECK(in("25mg/kg", "mg/kg") == 25);
  CHECK(in("+2.5e1 mg", "mg") == 25);
}

TEST_CASE("body mass and drug mass are two dimensions, as are length and volume") {
  CHECK(holds(refusal("1 kg", "mg"), "\"1 kg\" has the wrong dimension; expected a value in mg"));
  CHECK_FALSE(parse_unit("mg/kg", "").dimensionless());
  CHECK_FALSE(parse_unit("m^3", "").same_dimension(parse_unit("L", "")));
}

TEST_CASE("a quantity without a unit is a pure number, and a pure number has no unit") {
  CHECK(in("0.5", "1") == 0.5);
  CHECK(in("0.5 1", "1") == 0.5);
  CHECK(holds(refusal("5", "mg"), "expected a value in mg"));
  CHECK(holds(refusal("5 mg", "1"), "expected a pure number"));
}

TEST_CASE("what is no finite number is refused") {
  for (const char* text : {"nan mg", "NaN mg", "inf mg", "-inf mg", "infinity mg", "1e999 mg", "-1e999 mg"}) {
    CAPTURE(text);
    CHECK(holds(refusal(text), "is not a finite number"));
  }
  CHECK(holds(refusal("1e307 g"), "is out of range"));
}

TEST_CASE("what is no quantity is refused") {
  for (const char* text : {"", " ", "mg", "mg 5", "--5 mg", "+ 5 mg", "five mg"}) {
    CAPTURE(text);
    CHECK(holds(refusal(text), "as a quantity"));
  }
  for (const char* text : {"5 mg mg", "5 mg/", "5 /mg", "5 (mg", "5 mg)", "5 mg^", "5 mg^x", "5 mg^99", "5 mg//L", "5 mg; 6 mg", "5 mg\t", "5 mg/0", "0x10 mg"}) {
    CAPTURE(text);
    CHECK(holds(refusal(text), "here: "));
  }
}

TEST_CASE("digits apart are no number of their own") {
  CHECK(holds(refusal("1 500 mg"), "two numbers stand before the unit"));
  CHECK(holds(refusal("1 500mg"), "two numbers stand before the unit"));
  CHECK(holds(refusal("1,5 mg"), "write decimals with a point"));
}

TEST_CASE("an unknown unit is named with the nearest known one, never one of another size") {
  CHECK(holds(refusal("5 mgg"), "did you mean \"mg\"?"));
  CHECK(holds(refusal("5 ML", "mL"), "unknown unit \"ML\"; did you mean \"mL\"?"));
  CHECK(holds(refusal("5 iu", "IU"), "did you mean \"IU\"?"));
  CHECK(holds(refusal("5 mcg"), "did you mean \"ug\"?"));
  CHECK(holds(refusal("5 \xC2\xB5g"), "write micro as u"));
  CHECK(holds(refusal("5 furlongs"), "known: d "));
}

TEST_CASE("brackets without end do not use up the stack") {
  CHECK(holds(refusal("5 " + std::string(1'000'000, '(')), "cannot read the unit"));
}

TEST_CASE("the place of a quantity stands in front of every refusal") {
  CHECK(refusal("5 L") == "here: \"5 L\" has the wrong dimension; expected a value in mg");
}

TEST_CASE("a conversion factor turns one unit into another") {
  CHECK(conversion_factor("cells/uL", "cells/L") == doctest::Approx(1e6).epsilon(1e-15));
  CHECK(conversion_factor("1/h", "1/d") == doctest::Approx(24).epsilon(1e-15));
  CHECK(conversion_factor("L", "L") == 1);
  CHECK_THROWS_AS((void)conversion_factor("L", "mg"), InputError);
}
