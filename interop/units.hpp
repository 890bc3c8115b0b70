#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "nkpk/core/symbol.hpp"
#include "nkpk/core/units.hpp"

// Units of expressions, and units as SBML knows them.

namespace nkpk {

/// The unit of the model's text; "L/d/1.73m^2" counts as L/d, since eGFR is a clearance of a body of that size.
Unit unit_of(const std::string& text);

using UnitOfVariable = std::function<Unit(const std::string&)>;

/// The unit of an expression, or none where a bare number decides it, as in 1000 * x.
std::optional<Unit> unit_of(const Symbol& e, const UnitOfVariable& variable);

/// The units that an SBML file uses, in the order of their first use.
class UnitBook {
 public:
  struct Part {
    std::string kind;
    int exponent, scale;
    double multiplier;
  };
  struct Definition {
    std::string id, name;
    std::vector<Part> parts;
  };
  std::string id(const Unit& unit);
  const std::vector<Definition>& definitions() const { return definitions_; }

 private:
  std::vector<std::pair<Unit, std::string>> known_;
  std::vector<Definition> definitions_;
};

}  // namespace nkpk
