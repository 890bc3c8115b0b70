#include "nkpk/interop/latex.hpp"

#include <doctest/doctest.h>

#include <cmath>

using namespace nkpk;

namespace {
const Symbol a = Symbol::variable("a"), b = Symbol::variable("b"), c = Symbol::variable("c");
std::string tex(const Symbol& e) { return LatexWriter([](const std::string& name) { return name; }).text(e); }
}  // namespace

TEST_CASE("LaTeX has the brackets that precedence asks for, and no others") {
  CHECK(tex((a + b) + c) == "a + b + c");
  CHECK(tex(a - (b - c)) == "a - (b - c)");
  CHECK(tex(a - b * c) == "a - b \\, c");
  CHECK(tex((a + b) * c) == "(a + b) \\, c");
  CHECK(tex(a * (b * c)) == "a \\, b \\, c");
  CHECK(tex((a + b) / (b + c)) == "\\frac{a + b}{b + c}");
  CHECK(tex(a * (1.0 + b / c)) == "a \\, \\left(1 + \\frac{b}{c}\\right)");
  CHECK(tex(a / b * c) == "\\frac{a}{b} \\, c");
  CHECK(tex(pow(a / b, -c)) == "\\left(\\frac{a}{b}\\right)^{-c}");
  CHECK(tex(pow(a + b, c)) == "(a + b)^{c}");
  CHECK(tex((a + b) * (a + b)) == "(a + b)^{2}");
}

TEST_CASE("LaTeX of signs") {
  CHECK(tex(-a) == "-a");
  CHECK(tex(a + -b) == "a - b");
  CHECK(tex(-(a + b) * c) == "-(a + b) \\, c");
  CHECK(tex(c * -a) == "c \\, (-a)");
  CHECK(tex(-a + b) == "-a + b");
  CHECK(tex(a - -b * c) == "a - (-b \\, c)");
}

TEST_CASE("LaTeX of numbers and functions") {
  CHECK(tex(a * 1e-3) == "0.001 \\, a");
  CHECK(tex(Symbol(1e-7) * a) == "10^{-7} \\, a");
  CHECK(tex(Symbol(2.5e20) * a) == "2.5 \\cdot 10^{20} \\, a");
  CHECK(tex(std::log(2.0) / a) == "\\frac{\\ln 2}{a}");
  CHECK(tex(exp(-a)) == "\\exp(-a)");
  CHECK(tex(log(a / b)) == "\\ln\\left(\\frac{a}{b}\\right)");
  CHECK(tex(sqrt(a)) == "\\sqrt{a}");
  CHECK(tex(max0(a - b)) == "\\left[a - b\\right]_+");
  CHECK(tex(if_positive(a, b, c)) == "\\begin{cases} b & \\text{if } a > 0 \\\\ c & \\text{otherwise} \\end{cases}");
}

TEST_CASE("LaTeX writes what has a name as that name, but where it is defined") {
  LatexWriter writer([](const std::string& name) { return name; });
  writer.name(a + b, "s");
  CHECK(writer.text((a + b) * c) == "s \\, c");
  CHECK(writer.text(a + b, "s") == "a + b");
  CHECK(writer.text(a + b, "r") == "s");
}
