#include "nkpk/interop/mathml.hpp"

#include <fmt/format.h>

#include <cmath>
#include <pugixml.hpp>
#include <sstream>

namespace nkpk {
namespace {

using Op = Symbol::Op;

pugi::xml_node apply(pugi::xml_node to, const char* what) {
  pugi::xml_node node = to.append_child("apply");
  node.append_child(what);
  return node;
}

}  // namespace

pugi::xml_node MathWriter::math(pugi::xml_node parent) const {
  pugi::xml_node node = parent.append_child("math");
  node.append_attribute("xmlns") = "http://www.w3.org/1998/Math/MathML";
  return node;
}

const std::string* MathWriter::name_of(const Symbol& e) {
  const auto found = named_.find(structure_.of(e));
  return found == named_.end() ? nullptr : &found->second;
}

void MathWriter::append(pugi::xml_node parent, const Symbol& e, const Unit& unit, const std::string& of) {
  const std::string* name = name_of(e);
  if (name && *name != of) write(math(parent), e, unit);
  else write_in_full(math(parent), e, unit);
}

/// Those of (a + b) + c: a, b, c. The order of the operations stays that of the model.
std::vector<Symbol> MathWriter::addends(const Symbol& e) {
  const Symbol& first = e.arguments()[0];
  std::vector<Symbol> all = first.op() == Op::add && !name_of(first) ? addends(first) : std::vector<Symbol>{first};
  all.push_back(e.arguments()[1]);
  return all;
}

void MathWriter::append_from_time(pugi::xml_node parent, double day) {
  pugi::xml_node node = apply(math(parent), "geq");
  write_variable(node, "");
  write_number(node, day, nkpk::unit_of("d"));
}

std::string MathWriter::text(const Symbol& e, const Unit& unit) {
  pugi::xml_document document;
  append(document, e, unit);
  std::ostringstream out;
  document.save(out, "", pugi::format_raw | pugi::format_no_declaration);
  return out.str();
}

void MathWriter::write_number(pugi::xml_node to, double value, const std::optional<Unit>& unit) {
  pugi::xml_node node = to.append_child("cn");
  const std::string text = fmt::format("{}", value);
  const auto e = text.find('e');
  if (e != std::string::npos) node.append_attribute("type") = "e-notation";
  node.append_attribute("sbml:units") = units_.id(unit.value_or(Unit{})).c_str();
  node.append_child(pugi::node_pcdata).set_value(text.substr(0, e).c_str());
  if (e == std::string::npos) return;
  node.append_child("sep");
  node.append_child(pugi::node_pcdata).set_value(std::to_string(std::stoi(text.substr(e + 1))).c_str());
}

void MathWriter::write_variable(pugi::xml_node to, const std::string& name) {
  const std::string id = name.empty() ? "" : id_(name);
  if (!id.empty()) {
    to.append_child("ci").text() = id.c_str();
    return;
  }
  pugi::xml_node node = to.append_child("csymbol");
  node.append_attribute("encoding") = "text";
  node.append_attribute("definitionURL") = "http://www.sbml.org/sbml/symbols/time";
  node.text() = "time";
}

void MathWriter::write_sum(pugi::xml_node to, const Symbol& e, std::optional<Unit> wanted) {
  if (const auto own = unit_of(e)) wanted = own;
  pugi::xml_node node = apply(to, e.op() == Op::add ? "plus" : "minus");
  if (e.op() == Op::add) {
    for (const Symbol& x : addends(e)) write(node, x, wanted);
  } else {
    for (const Symbol& x : e.arguments()) write(node, x, wanted);
  }
}

// "is a - b positive" reads better as "is a above b"
void MathWriter::write_choice(pugi::xml_node to, const Symbol& e, const std::optional<Unit>& wanted) {
  pugi::xml_node node = to.append_child("piecewise");
  Symbol rest = e;
  while (rest.op() == Op::if_positive) {
    const auto& x = rest.arguments();
    pugi::xml_node piece = node.append_child("piece");
    write(piece, x[1], wanted);
    pugi::xml_node above = apply(piece, "gt");
    const auto unit = unit_of(x[0]);
    if (x[0].op() == Op::subtract && !name_of(x[0])) {
      for (const Symbol& side : x[0].arguments()) write(above, side, unit);
    } else {
      write(above, x[0], unit);
      write_number(above, 0, unit);
    }
    const Symbol next = x[2];
    rest = next;
    if (name_of(rest)) break;
  }
  write(node.append_child("otherwise"), rest, wanted);
}

void MathWriter::write(pugi::xml_node to, const Symbol& e, std::optional<Unit> wanted) {
  if (const std::string* name = name_of(e)) write_variable(to, *name);
  else write_in_full(to, e, wanted);
}

void MathWriter::write_in_full(pugi::xml_node to, const Symbol& e, std::optional<Unit> wanted) {
  const auto& x = e.arguments();
  const auto function = [&](const char* what) {
    pugi::xml_node node = apply(to, what);
    for (const Symbol& argument : x) write(node, argument, Unit{});
  };
  switch (e.op()) {
    case Op::number: return write_number(to, e.number(), wanted);
    case Op::variable: return write_variable(to, e.name());
    case Op::add:
    case Op::subtract: return write_sum(to, e, wanted);
    case Op::multiply:
    case Op::divide: {
      // a factor whose unit is open takes what the other leaves
      const auto a = unit_of(x[0]), b = unit_of(x[1]);
      const bool is_product = e.op() == Op::multiply;
      std::optional<Unit> for_a = a, for_b = b;
      if (!b && a && wanted) for_b = is_product ? *wanted / *a : *a / *wanted;
      if (!a) {
        if (!b) for_b = Unit{};
        if (wanted) for_a = is_product ? *wanted / *for_b : *wanted * *for_b;
      }
      pugi::xml_node node = apply(to, is_product ? "times" : "divide");
      write(node, x[0], for_a);
      write(node, x[1], for_b);
      return;
    }
    case Op::negate: {
      pugi::xml_node node = apply(to, "minus");
      write(node, x[0], wanted);
      return;
    }
    case Op::exp: return function("exp");
    case Op::log: return function("ln");
    case Op::sqrt: {
      pugi::xml_node node = apply(to, "root");
      write(node, x[0], unit_of(x[0]));
      return;
    }
    case Op::pow: return function("power");
    case Op::max0: {
      pugi::xml_node node = apply(to, "max");
      const auto unit = unit_of(x[0]) ? unit_of(x[0]) : wanted;
      write_number(node, 0, unit);
      write(node, x[0], unit);
      return;
    }
    case Op::if_positive: return write_choice(to, e, wanted);
  }
}

}  // namespace nkpk
