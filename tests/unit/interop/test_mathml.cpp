#include "nkpk/interop/mathml.hpp"

#include <doctest/doctest.h>

#include <map>

#include "nkpk/core/error.hpp"

using namespace nkpk;

namespace {

const Symbol x = Symbol::variable("x"), y = Symbol::variable("y"), t = Symbol::variable("t"), k = Symbol::variable("k"), share = Symbol::variable("share");

struct Writer {
  UnitBook units;
  MathWriter math{units, [](const std::string& name) { return name == "now" ? "" : name; },
                  [](const std::string& name) {
                    static const std::map<std::string, std::string> of{{"x", "cells"}, {"y", "cells"}, {"t", "d"}, {"now", "d"}, {"k", "1/d"}, {"share", "1"}};
                    return unit_of(of.at(name));
                  }};
  std::string operator()(const Symbol& e, const char* unit) {
    const std::string text = math.text(e, unit_of(unit)), head = "<math xmlns=\"http://www.w3.org/1998/Math/MathML\">", tail = "</math>";
    REQUIRE(text.starts_with(head));
    REQUIRE(text.ends_with(tail));
    return text.substr(head.size(), text.size() - head.size() - tail.size());
  }
};

}  // namespace

TEST_CASE("MathML of each operation") {
  Writer write;
  CHECK(write(x + y, "cells") == "<apply><plus/><ci>x</ci><ci>y</ci></apply>");
  CHECK(write(x - y, "cells") == "<apply><minus/><ci>x</ci><ci>y</ci></apply>");
  CHECK(write(-x, "cells") == "<apply><minus/><ci>x</ci></apply>");
  CHECK(write(k * x, "cells/d") == "<apply><times/><ci>k</ci><ci>x</ci></apply>");
  CHECK(write(x / y, "1") == "<apply><divide/><ci>x</ci><ci>y</ci></apply>");
  CHECK(write(exp(-k * t), "1") == "<apply><exp/><apply><times/><apply><minus/><ci>k</ci></apply><ci>t</ci></apply></apply>");
  CHECK(write(log(share), "1") == "<apply><ln/><ci>share</ci></apply>");
  CHECK(write(sqrt(share), "1") == "<apply><root/><ci>share</ci></apply>");
  CHECK(write(pow(share, x / y), "1") == "<apply><power/><ci>share</ci><apply><divide/><ci>x</ci><ci>y</ci></apply></apply>");
  CHECK(write(Symbol::variable("now") + t, "d") ==
        "<apply><plus/><csymbol encoding=\"text\" definitionURL=\"http://www.sbml.org/sbml/symbols/time\">time</csymbol><ci>t</ci></apply>");
}

TEST_CASE("a chain of additions is one, in its order") {
  Writer write;
  CHECK(write((x + y) + x, "cells") == "<apply><plus/><ci>x</ci><ci>y</ci><ci>x</ci></apply>");
  CHECK(write(x + (y + x), "cells") == "<apply><plus/><ci>x</ci><apply><plus/><ci>y</ci><ci>x</ci></apply></apply>");
}

TEST_CASE("a choice is piecewise, and asks which is above") {
  Writer write;
  const Symbol later = if_positive(7.0 - t, x, y);
  CHECK(write(if_positive(3.0 - t, y, later), "cells") ==
        "<piecewise><piece><ci>y</ci><apply><gt/><cn sbml:units=\"d\">3</cn><ci>t</ci></apply></piece>"
        "<piece><ci>x</ci><apply><gt/><cn sbml:units=\"d\">7</cn><ci>t</ci></apply></piece><otherwise><ci>y</ci></otherwise></piecewise>");
  CHECK(write(if_positive(t, x, 0), "cells") ==
        "<piecewise><piece><ci>x</ci><apply><gt/><ci>t</ci><cn sbml:units=\"d\">0</cn></apply></piece><otherwise><cn sbml:units=\"cells\">0</cn></otherwise></piecewise>");
  CHECK(write(max0(x - y), "cells") == "<apply><max/><cn sbml:units=\"cells\">0</cn><apply><minus/><ci>x</ci><ci>y</ci></apply></apply>");
}

TEST_CASE("numbers take the unit that the rest of the expression leaves for them") {
  Writer write;
  CHECK(write(1.0 + share, "1") == "<apply><plus/><cn sbml:units=\"dimensionless\">1</cn><ci>share</ci></apply>");
  CHECK(write(2.5 * t, "1") == "<apply><times/><cn sbml:units=\"per_d\">2.5</cn><ci>t</ci></apply>");
  CHECK(write(3.0 / k, "d") == "<apply><divide/><cn sbml:units=\"dimensionless\">3</cn><ci>k</ci></apply>");
  CHECK(write(t / 24.0, "weeks").find("<cn sbml:units=\"x0_142857\">24</cn>") != std::string::npos);
  CHECK(write(100.0 * x / y, "%").find("<cn sbml:units=\"percent\">100</cn>") != std::string::npos);
  CHECK(write(Symbol(1e-7), "cells") == "<cn type=\"e-notation\" sbml:units=\"cells\">1<sep/>-7</cn>");
  CHECK(write(Symbol(0.1) + x, "cells").find(">0.1</cn>") != std::string::npos);  // the shortest text with the same bits
}

TEST_CASE("what has a name is written as that name, wherever it was computed, but where it is defined") {
  Writer write;
  write.math.name(x / y, "ratio");
  CHECK(write(exp(x / y), "1") == "<apply><exp/><ci>ratio</ci></apply>");
  CHECK(write(x / y, "1") == "<ci>ratio</ci>");
  CHECK(write.math.text(x / y, Unit{}) == write.math.text(Symbol::variable("ratio"), Unit{}));
  write.math.name(x / y, "second name");
  CHECK(write(x / y, "1") == "<ci>ratio</ci>");
}

TEST_CASE("units are defined once, by parts that SBML knows") {
  UnitBook units;
  CHECK(units.id(unit_of("1")) == "dimensionless");
  CHECK(units.id(unit_of("cells/uL")) == "cells_per_uL");
  CHECK(units.id(unit_of("1/d/(cells/uL)")) == "uL_per_cells_per_d");
  CHECK(units.id(unit_of("uL/cells/d")) == "uL_per_cells_per_d");
  CHECK(units.id(unit_of("L/d/1.73m^2")) == "L_per_d");
  CHECK(units.id(unit_of("pg/mL")) == "pg_per_mL");
  CHECK(units.id(unit_of("L/d/m^2")) == "L_per_m2_per_d");
  CHECK(units.id(unit_of("weeks")) == "weeks");
  CHECK(units.id(unit_of("IU")) == "IU");
  REQUIRE(units.definitions().size() == 7);
  const auto& count = units.definitions()[0];
  REQUIRE(count.parts.size() == 2);
  CHECK(count.parts[0].kind == "item");
  CHECK(count.parts[1].kind == "litre");
  CHECK(count.parts[1].exponent == -1);
  CHECK(count.parts[1].scale == -6);
}
