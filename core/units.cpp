#include "nkpk/core/units.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cctype>
#include <charconv>
#include <cmath>
#include <vector>

#include "nkpk/core/error.hpp"

namespace nkpk {
namespace {

struct Known {
  std::string_view name;
  Unit::Base base;
  int power;
  double factor;
};

// 1 y = 365.25 d; postmenstrual age counts 52.18 weeks a year (model/physiology.hpp), the same to 5e-6
constexpr Known known_units[] = {
    {"d", Unit::time_d, 1, 1.0},           {"day", Unit::time_d, 1, 1.0},        {"days", Unit::time_d, 1, 1.0},
    {"h", Unit::time_d, 1, 1.0 / 24},      {"min", Unit::time_d, 1, 1.0 / 1440}, {"s", Unit::time_d, 1, 1.0 / 86400},
    {"weeks", Unit::time_d, 1, 7.0},       {"mo", Unit::time_d, 1, 365.25 / 12}, {"y", Unit::time_d, 1, 365.25},
    {"years", Unit::time_d, 1, 365.25},
    {"m", Unit::length_m, 1, 1.0},         {"cm", Unit::length_m, 1, 0.01},      {"L", Unit::volume_L, 1, 1.0},
    {"dL", Unit::volume_L, 1, 0.1},        {"mL", Unit::volume_L, 1, 1e-3},      {"uL", Unit::volume_L, 1, 1e-6},
    {"g", Unit::mass_mg, 1, 1e3},          {"mg", Unit::mass_mg, 1, 1.0},        {"ug", Unit::mass_mg, 1, 1e-3},
    {"ng", Unit::mass_mg, 1, 1e-6},        {"pg", Unit::mass_mg, 1, 1e-9},       {"kg", Unit::body_kg, 1, 1.0},
    {"cells", Unit::cells, 1, 1.0},        {"IU", Unit::activity_IU, 1, 1.0},    {"MIU", Unit::activity_IU, 1, 1e6},
    {"Gy", Unit::dose_Gy, 1, 1.0},         {"%", Unit::time_d, 0, 0.01},
};

class Parser {
 public:
  Parser(std::string_view text, const std::string& where) : text_(text), where_(where) {}

  Unit parse() {
    const Unit unit = expression();
    if (position_ != text_.size()) fail();
    return unit;
  }

 private:
  [[noreturn]] void fail() const {
    if (text_.find(',') != std::string_view::npos)
      throw InputError(where_, fmt::format("cannot read the unit \"{}\"", text_), "write decimals with a point, for example \"1.5 mg\"");
    if (text_.find("\xC2\xB5") != std::string_view::npos || text_.find("\xCE\xBC") != std::string_view::npos)
      throw InputError(where_, fmt::format("cannot read the unit \"{}\"", text_), "write micro as u, for example \"ug\" or \"uL\"");
    throw InputError(where_, fmt::format("cannot read the unit \"{}\"", text_), "for example \"mg/m^2\" or \"1/d/(cells/uL)\"");
  }
  void skip_blanks() {
    while (position_ < text_.size() && text_[position_] == ' ') ++position_;
  }
  bool take(char c) {
    skip_blanks();
    if (position_ >= text_.size() || text_[position_] != c) return false;
    ++position_;
    return true;
  }

  Unit expression() {
    Unit unit = factor();
    for (;;) {
      if (take('*')) {
        unit = unit * factor();
      } else if (take('/')) {
        unit = unit / factor();
      } else {
        skip_blanks();
        return unit;
      }
    }
  }

  Unit factor() {
    if (take('(')) {
      if (++depth_ > 20) fail();  // brackets without end must not use up the stack
      const Unit unit = expression();
      if (!take(')')) fail();
      return unit;
    }
    skip_blanks();
    Unit unit;
    const char* begin = text_.data() + position_;
    const char* end = text_.data() + text_.size();
    double number = 1.0;
    bool has_number = false;
    if (begin != end && *begin >= '0' && *begin <= '9') {
      const auto [rest, error] = std::from_chars(begin, end, number);
      if (error != std::errc() || !(number > 0)) fail();
      position_ += static_cast<std::size_t>(rest - begin);
      has_number = true;
    }
    std::size_t stop = position_;
    while (stop < text_.size() && (std::isalpha(static_cast<unsigned char>(text_[stop])) || text_[stop] == '%')) ++stop;
    const std::string_view name = text_.substr(position_, stop - position_);
    if (name.empty()) {
      if (!has_number) fail();
      unit.factor = number;
      return unit;
    }
    position_ = stop;
    unit = named(name);
    if (take('^')) {
      int power = 0;
      const char* digits = text_.data() + position_;
      const auto [rest, error] = std::from_chars(digits, end, power);
      if (error != std::errc() || power < -9 || power > 9) fail();
      position_ += static_cast<std::size_t>(rest - digits);
      for (int& p : unit.powers) p *= power;
      unit.factor = std::pow(unit.factor, power);
    }
    unit.factor *= number;
    return unit;
  }

  Unit named(std::string_view name) const {
    for (const Known& known : known_units) {
      if (known.name != name) continue;
      Unit unit;
      unit.powers[known.base] = known.power;
      unit.factor = known.factor;
      return unit;
    }
    std::vector<std::string> names;
    for (const Known& known : known_units) names.emplace_back(known.name);
    if (name == "mcg") throw InputError(where_, "unknown unit \"mcg\"", "did you mean \"ug\"?");
    const std::string near = nearest_name(name, names);
    throw InputError(where_, fmt::format("unknown unit \"{}\"", name),
                     (near.empty() ? "" : fmt::format("did you mean \"{}\"? ", near)) + fmt::format("known: {}", fmt::join(names, " ")));
  }

  std::string_view text_;
  const std::string& where_;
  std::size_t position_ = 0;
  int depth_ = 0;
};

}  // namespace

Unit operator*(const Unit& a, const Unit& b) {
  Unit c = a;
  for (std::size_t i = 0; i < c.powers.size(); ++i) c.powers[i] += b.powers[i];
  c.factor *= b.factor;
  return c;
}

Unit operator/(const Unit& a, const Unit& b) {
  Unit c = a;
  for (std::size_t i = 0; i < c.powers.size(); ++i) c.powers[i] -= b.powers[i];
  c.factor /= b.factor;
  return c;
}

Unit parse_unit(std::string_view text, const std::string& where) {
  if (text.empty() || text == "1") return {};
  return Parser(text, where).parse();
}

double Quantity::in(std::string_view target_unit) const {
  const Unit target = parse_unit(target_unit, where);
  if (!unit.same_dimension(target)) {
    throw InputError(where, fmt::format("\"{}\" has the wrong dimension", text),
                     target.dimensionless() ? "expected a pure number" : fmt::format("expected a value in {}", target_unit));
  }
  // the same unit must give back the same digits: no factor/factor
  const double value = unit.factor == target.factor ? number : number * unit.factor / target.factor;
  if (!std::isfinite(value)) throw InputError(where, fmt::format("\"{}\" is out of range", text), fmt::format("in {} it is no finite number", target_unit));
  return value;
}

Quantity parse_quantity(std::string_view text, const std::string& where) {
  Quantity quantity;
  quantity.text = std::string(text);
  quantity.where = where;
  const std::size_t start = text.find_first_not_of(' ');
  const char* begin = start == std::string_view::npos ? text.data() + text.size() : text.data() + start;
  const char* end = text.data() + text.size();
  if (begin != end && *begin == '+') ++begin;
  const auto [rest, error] = std::from_chars(begin, end, quantity.number);
  if (error == std::errc::result_out_of_range || (error == std::errc() && !std::isfinite(quantity.number)))
    throw InputError(where, fmt::format("\"{}\" is not a finite number", text));
  if (error != std::errc())
    throw InputError(where, fmt::format("cannot read \"{}\" as a quantity", text), "expected \"number unit\", for example \"25 mg/m^2\"");
  std::string_view unit(rest, static_cast<std::size_t>(end - rest));
  while (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);
  while (!unit.empty() && unit.back() == ' ') unit.remove_suffix(1);
  // a unit may hold numbers (L/h/1.73m^2), but "1 500mg" is no 500 mg taken once
  if (!unit.empty() && std::isdigit(static_cast<unsigned char>(unit.front())) && unit != "1" && !unit.starts_with("1/"))
    throw InputError(where, fmt::format("cannot read \"{}\" as a quantity", text), "two numbers stand before the unit; expected \"number unit\", for example \"25 mg/m^2\"");
  quantity.unit = parse_unit(unit, where);
  return quantity;
}

double conversion_factor(std::string_view from, std::string_view to) {
  const Unit a = parse_unit(from, ""), b = parse_unit(to, "");
  if (!a.same_dimension(b)) throw InputError("", fmt::format("cannot convert {} to {}", from, to));
  return a.factor == b.factor ? 1.0 : a.factor / b.factor;
}

}  // namespace nkpk
