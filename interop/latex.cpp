#include "nkpk/interop/latex.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace nkpk {
namespace {

using Op = Symbol::Op;

std::string number(double value) {
  if (value == std::log(2.0)) return "\\ln 2";
  std::string text = fmt::format("{}", value);
  const auto e = text.find('e');
  if (e == std::string::npos) return text;
  const std::string power = fmt::format("10^{{{}}}", std::stoi(text.substr(e + 1)));
  return text.substr(0, e) == "1" ? power : text.substr(0, e) + " \\cdot " + power;
}

bool is_negative(const Symbol& e) { return e.op() == Op::negate || (e.op() == Op::number && e.number() < 0); }

std::string bracketed(const std::string& text) {
  const bool is_tall = text.find("\\frac") != std::string::npos || text.find("\\begin") != std::string::npos;
  return is_tall ? "\\left(" + text + "\\right)" : "(" + text + ")";
}

}  // namespace

const std::string* LatexWriter::name_of(const Symbol& e) {
  const auto found = named_.find(structure_.of(e));
  return found == named_.end() ? nullptr : &found->second;
}

std::string LatexWriter::text(const Symbol& e, const std::string& of) {
  const std::string* name = name_of(e);
  return name && *name != of ? write(e, sum) : write_in_full(e, sum);
}

std::string LatexWriter::write_sum(const Symbol& e) {
  const auto& x = e.arguments();
  const std::string left = write(x[0], sum);
  if (e.op() == Op::subtract) return left + " - " + write(x[1], product);
  // a + -b reads a - b
  const std::string right = write(x[1], sum);
  return right.starts_with("-") ? left + " - " + right.substr(1) : left + " + " + right;
}

std::string LatexWriter::write_product(const Symbol& e) {
  std::vector<Symbol> factors;
  const auto visit = [&](auto&& self, const Symbol& x) -> void {
    if (x.op() != Op::multiply || (x.identity() != e.identity() && name_of(x))) return factors.push_back(x);
    for (const Symbol& argument : x.arguments()) self(self, argument);
  };
  visit(visit, e);
  std::stable_partition(factors.begin(), factors.end(), [](const Symbol& x) { return x.op() == Op::number; });
  std::string text;
  for (std::size_t i = 0; i < factors.size(); ++i) {
    std::size_t power = 1;
    while (i + 1 < factors.size() && structure_.of(factors[i + 1]) == structure_.of(factors[i])) ++power, ++i;
    const bool is_first = text.empty();
    // the sign of a first factor needs no brackets: it is that of the product
    std::string one = is_first && power == 1 && factors[i].op() == Op::negate && !name_of(factors[i]) ? "-" + write(factors[i].arguments()[0], product) : write(factors[i], factor);
    if (power > 1) {
      const bool is_plain = factors[i].op() == Op::variable || one.starts_with("(") || one.starts_with("\\left(");
      one = fmt::format("{}^{{{}}}", is_plain ? one : bracketed(one), power);
    }
    text += (is_first ? "" : " \\, ") + one;
  }
  return text;
}

std::string LatexWriter::write(const Symbol& e, Precedence needed) {
  const std::string* name = name_of(e);
  return name ? variable_(*name) : write_in_full(e, needed);
}

std::string LatexWriter::write_in_full(const Symbol& e, Precedence needed) {
  const auto& x = e.arguments();
  const auto whole = [&](std::size_t i) { return write(x[i], sum); };
  const auto at_most = [&](Precedence own, const std::string& text) { return own < needed ? bracketed(text) : text; };
  switch (e.op()) {
    case Op::number: return is_negative(e) ? at_most(sum, number(e.number())) : number(e.number());
    case Op::variable: return variable_(e.name());
    case Op::add:
    case Op::subtract: return at_most(sum, write_sum(e));
    case Op::multiply: {
      const std::string text = write_product(e);
      return at_most(text.starts_with("-") ? sum : product, text);  // a - (-b c)
    }
    case Op::divide: return fmt::format("\\frac{{{}}}{{{}}}", whole(0), whole(1));
    case Op::negate: return at_most(sum, "-" + write(x[0], product));
    case Op::exp: return "\\exp" + bracketed(whole(0));
    case Op::log: return "\\ln" + bracketed(whole(0));
    case Op::sqrt: return fmt::format("\\sqrt{{{}}}", whole(0));
    case Op::pow: {
      std::string base = write(x[0], factor);
      if (base.starts_with("\\frac")) base = bracketed(base);
      return fmt::format("{}^{{{}}}", base, whole(1));
    }
    case Op::max0: return "\\left[" + whole(0) + "\\right]_+";
    case Op::if_positive:
      return fmt::format("\\begin{{cases}} {} & \\text{{if }} {} > 0 \\\\ {} & \\text{{otherwise}} \\end{{cases}}", whole(1), whole(0), whole(2));
  }
  return "";
}

}  // namespace nkpk
