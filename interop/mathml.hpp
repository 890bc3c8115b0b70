#pragma once
#include <functional>
#include <string>
#include <unordered_map>

#include "nkpk/interop/structure.hpp"
#include "nkpk/interop/units.hpp"

namespace pugi {
class xml_node;
}

// Expressions as the MathML of SBML Level 3. Numbers carry units: what the rest of the expression leaves for them.

namespace nkpk {

class MathWriter {
 public:
  /// id: the SBML name of a variable; "" is SBML's time. unit: of a variable.
  MathWriter(UnitBook& units, std::function<std::string(const std::string&)> id, UnitOfVariable unit) : units_(units), id_(std::move(id)), unit_(std::move(unit)) {}

  /// From now on this expression is written as the variable, but where the variable itself is defined. The first name stays.
  void name(const Symbol& e, const std::string& variable) { named_.try_emplace(structure_.of(e), variable); }

  /// <math> of an expression that has this unit, as the last child of parent; of the variable `of` where it defines one.
  void append(pugi::xml_node parent, const Symbol& e, const Unit& unit, const std::string& of = "");
  /// <math> of: time >= day, [d].
  void append_from_time(pugi::xml_node parent, double day);
  /// The same as text.
  std::string text(const Symbol& e, const Unit& unit);

 private:
  pugi::xml_node math(pugi::xml_node parent) const;
  std::optional<Unit> unit_of(const Symbol& e) const { return nkpk::unit_of(e, unit_); }
  /// The name of an expression, or null.
  const std::string* name_of(const Symbol& e);
  void write(pugi::xml_node to, const Symbol& e, std::optional<Unit> wanted);
  void write_in_full(pugi::xml_node to, const Symbol& e, std::optional<Unit> wanted);
  void write_number(pugi::xml_node to, double value, const std::optional<Unit>& unit);
  void write_variable(pugi::xml_node to, const std::string& name);
  void write_sum(pugi::xml_node to, const Symbol& e, std::optional<Unit> wanted);
  void write_choice(pugi::xml_node to, const Symbol& e, const std::optional<Unit>& wanted);
  std::vector<Symbol> addends(const Symbol& e);

  UnitBook& units_;
  std::function<std::string(const std::string&)> id_;
  UnitOfVariable unit_;
  Structure structure_;
  std::unordered_map<std::size_t, std::string> named_;
};

}  // namespace nkpk
