#pragma once
#include <array>
#include <string>
#include <string_view>

namespace nkpk {

/// Units are checked and converted here, once, at the door; inside, numbers are plain doubles.
///
/// Body mass (kg) and drug mass (g, mg, ...) are two dimensions on purpose, as are lengths (m) and volumes (L): a dose of
/// 60 mg/kg is an amount per body mass, not a pure number, and nothing in the model turns one into the other.
struct Unit {
  enum Base { time_d, length_m, volume_L, mass_mg, body_kg, cells, activity_IU, dose_Gy, n_bases };
  std::array<int, n_bases> powers{};
  double factor = 1.0;  ///< value in base units = number * factor

  bool same_dimension(const Unit& other) const { return powers == other.powers; }
  bool dimensionless() const { return powers == std::array<int, n_bases>{}; }
};

Unit operator*(const Unit& a, const Unit& b);
Unit operator/(const Unit& a, const Unit& b);

/// Parses `1/d`, `cells/kg`, `L/h/1.73m^2`, `1/d/(cells/uL)`, `%`; "" and "1" are pure numbers.
/// Throws InputError(where) for unknown units, naming the nearest known one.
Unit parse_unit(std::string_view text, const std::string& where);

struct Quantity {
  double number = 0;
  Unit unit;
  std::string text;   ///< as the user wrote it
  std::string where;  ///< file:line: key, for messages

  /// The number in `target_unit`; throws InputError when the dimension differs.
  double in(std::string_view target_unit) const;
};

/// A number that someone wrote, and the name of the range that it should lie in.
struct Stated {
  std::string range;
  Quantity quantity;
};

/// Parses "number unit"; refuses what is not a finite number. A quantity without a unit is a pure number.
Quantity parse_quantity(std::string_view text, const std::string& where);

/// Multiply a number in `from` by this to have it in `to`; throws InputError when the dimensions differ.
double conversion_factor(std::string_view from, std::string_view to);

}  // namespace nkpk
