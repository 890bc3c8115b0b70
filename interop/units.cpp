#include "nkpk/interop/units.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace nkpk {
namespace {

struct Sized {
  const char* name;
  double factor;    ///< of the model's base unit
  const char* kind;  ///< of SBML
  int scale;
  double multiplier;
};

// how each base may be written; the first is that of the model's base unit
const std::vector<Sized>& sizes(std::size_t base) {
  static const std::vector<Sized> all[Unit::n_bases] = {
      {{"d", 1, "second", 0, 86400}, {"weeks", 7, "second", 0, 604800}, {"y", 365.25, "second", 0, 31557600}},
      {{"m", 1, "metre", 0, 1}},
      {{"L", 1, "litre", 0, 1}, {"mL", 1e-3, "litre", -3, 1}, {"uL", 1e-6, "litre", -6, 1}},
      {{"mg", 1, "gram", -3, 1}, {"pg", 1e-9, "gram", -12, 1}},
      {{"kg", 1, "kilogram", 0, 1}},
      {{"cells", 1, "item", 0, 1}},
      {{"IU", 1, "dimensionless", 0, 1}},
      {{"Gy", 1, "gray", 0, 1}}};
  return all[base];
}

bool equal(const Unit& a, const Unit& b) { return a.same_dimension(b) && std::abs(a.factor / b.factor - 1) < 1e-9; }

/// The way of writing whose factor comes nearest to the unit's own, and what is left of it.
struct Written {
  std::vector<std::size_t> choice;  ///< of each base
  double left;
};
Written write(const Unit& unit) {
  Written best{std::vector<std::size_t>(Unit::n_bases, 0), unit.factor};
  std::vector<std::size_t> choice(Unit::n_bases, 0);
  const auto distance = [](double left) { return std::abs(std::log(left)); };
  const auto visit = [&](auto&& self, std::size_t base, double left) -> void {
    if (base == Unit::n_bases) {
      if (distance(left) < distance(best.left) - 1e-9) best = {choice, left};
      return;
    }
    const std::size_t n = unit.powers[base] == 0 ? 1 : sizes(base).size();
    for (choice[base] = 0; choice[base] < n; ++choice[base]) self(self, base + 1, left / std::pow(sizes(base)[choice[base]].factor, unit.powers[base]));
    choice[base] = 0;
  };
  visit(visit, 0, unit.factor);
  return best;
}

}  // namespace

Unit unit_of(const std::string& text) {
  const auto at = text.find("/1.73m^2");
  return parse_unit(at == std::string::npos ? text : text.substr(0, at) + text.substr(at + 8), "unit");
}

std::optional<Unit> unit_of(const Symbol& e, const UnitOfVariable& variable) {
  using Op = Symbol::Op;
  const auto argument = [&](std::size_t i) { return unit_of(e.arguments()[i], variable); };
  const auto either = [](const std::optional<Unit>& a, const std::optional<Unit>& b) { return a ? a : b; };
  switch (e.op()) {
    case Op::number: return {};
    case Op::variable: return variable(e.name());
    case Op::add:
    case Op::subtract: return either(argument(0), argument(1));
    case Op::multiply:
    case Op::divide: {
      const auto a = argument(0), b = argument(1);
      if (!a || !b) return {};
      return e.op() == Op::multiply ? *a * *b : *a / *b;
    }
    case Op::negate:
    case Op::max0: return argument(0);
    case Op::if_positive: return either(argument(1), argument(2));
    case Op::sqrt: {
      auto a = argument(0);
      if (!a) return {};
      for (int& power : a->powers) power /= 2;
      a->factor = std::sqrt(a->factor);
      return a;
    }
    case Op::exp:
    case Op::log:
    case Op::pow: return Unit{};
  }
  return {};
}

std::string UnitBook::id(const Unit& unit) {
  if (equal(unit, Unit{})) return "dimensionless";
  for (const auto& [known, id] : known_)
    if (equal(known, unit)) return id;
  const Written written = write(unit);
  const bool has_left = std::abs(written.left - 1) > 1e-9;
  std::string above, below, name_above, name_below;
  Definition d;
  // the multiplier of all stands with the first part
  if (has_left) d.parts.push_back({"dimensionless", 1, 0, written.left});
  for (const std::size_t base : {Unit::cells, Unit::activity_IU, Unit::mass_mg, Unit::volume_L, Unit::length_m, Unit::body_kg, Unit::time_d, Unit::dose_Gy}) {
    const int power = unit.powers[base];
    if (power == 0) continue;
    const Sized& how = sizes(base)[written.choice[base]];
    d.parts.push_back({how.kind, power, how.scale, how.multiplier});
    const int size = std::abs(power);
    const std::string exponent = size == 1 ? "" : std::to_string(size);
    (power > 0 ? above : below) += fmt::format("{}{}{}", power > 0 ? (above.empty() ? "" : "_") : "_per_", how.name, exponent);
    (power > 0 ? name_above : name_below) += fmt::format("{}{}{}", power > 0 ? (name_above.empty() ? "" : "*") : "/", how.name, size == 1 ? "" : "^" + exponent);
  }
  d.id = above + below;
  if (d.id.starts_with("_")) d.id.erase(0, 1);
  d.name = (name_above.empty() ? "1" : name_above) + name_below;
  if (has_left) {
    std::string number = fmt::format("{:.6g}", written.left);
    d.name = unit.dimensionless() ? number : number + " " + d.name;
    for (char& c : number)
      if (c == '.' || c == '-' || c == '+') c = c == '+' ? 'p' : c == '-' ? 'm' : '_';
    d.id = unit.dimensionless() ? "x" + number : d.id + "_x" + number;
  }
  if (unit.dimensionless() && std::abs(unit.factor - 0.01) < 1e-12) d.id = "percent", d.name = "%";
  known_.emplace_back(unit, d.id);
  definitions_.push_back(d);
  return d.id;
}

}  // namespace nkpk
