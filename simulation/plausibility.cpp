#include "nkpk/simulation/plausibility.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "nkpk/core/error.hpp"

namespace nkpk {
namespace {

/// A bound that is met exactly stays met after a conversion of units.
bool inside(double value, double lower, double upper) {
  constexpr double rounding = 1e-9;
  return value >= lower - rounding * std::abs(lower) && value <= upper + rounding * std::abs(upper);
}

/// An absolute amount in a unit that may be per kg or per m2.
double amount_in(const std::string& target, double absolute, const std::string& unit, const Body<double>& body) {
  for (const auto& [per, size] : {std::pair("", 1.0), std::pair("/kg", body.weight_kg), std::pair("/m^2", body.bsa_m2)})
    if (parse_unit(unit + per, "").same_dimension(parse_unit(target, ""))) return absolute / size * conversion_factor(unit + per, target);
  throw InputError("ranges.toml", fmt::format("a range in {}", target), fmt::format("expected {0}, {0}/kg or {0}/m^2", unit));
}

}  // namespace

void Plausibility::judge(bool is_plausible, const Found& found, const PlausibleRange& range) {
  if (is_plausible) return;
  const std::string bounds = fmt::format("{:.4g} to {:.4g}{}{}", range.lower, range.upper, range.unit == "1" ? "" : " ", range.unit == "1" ? "" : range.unit);
  if (is_allowed_)
    warnings_.push_back(fmt::format("{} = {} lies outside its plausible range {}", found.name, found.text, bounds));
  else
    throw InputError(found.where, fmt::format("\"{}\" is implausible", found.text),
                     fmt::format("expected {} ({}); if it is meant: --allow-implausible, in Python allow_implausible=True", bounds, range.source));
}

void Plausibility::expect(std::span<const Stated> numbers) {
  for (const auto& [name, q] : numbers) {
    const PlausibleRange& range = ranges_.at(name);
    judge(inside(q.in(range.unit), range.lower, range.upper), {q.where, q.where, q.text}, range);
  }
}

PlausibleRange Plausibility::range_of(const ParameterRecord& r) const {
  if (std::isfinite(r.lower)) return {r.lower, r.upper, r.unit, r.range_source};
  const PlausibleRange& factor = ranges_.at("parameter.without_bounds");
  if (!(r.value_of_file > 0)) return {-INFINITY, INFINITY, r.unit, factor.source};  // no size to compare with
  const double highest = r.domain == Domain::fraction ? 1 : INFINITY;
  return {factor.lower * r.value_of_file, std::min(highest, factor.upper * r.value_of_file), r.unit, factor.source};
}

void Plausibility::expect(const ParameterTable& table) {
  for (const ParameterRecord& r : table.records) {
    const PlausibleRange range = range_of(r), &spread = ranges_.at("parameter.cv_percent");
    judge(inside(r.value, range.lower, range.upper), {r.where, r.name, r.text}, range);
    if (std::isfinite(r.cv_percent))
      judge(inside(r.cv_percent, spread.lower, spread.upper), {r.where + ".cv_percent", r.name + ".cv_percent", fmt::format("{}", r.cv_percent)}, spread);
  }
}

void Plausibility::expect(const ParameterRecord& record, const Quantity& instead) {
  const PlausibleRange range = range_of(record);
  judge(inside(instead.in(record.unit), range.lower, range.upper), {instead.where, instead.where, instead.text}, range);
}

void Plausibility::expect_amount(const DoseEntry& dose, double absolute, const Body<double>& body) {
  if (absolute == 0) return;  // none is given
  const PlausibleRange& range = ranges_.at(fmt::format("dose.{}.{}.amount", dose.drug, dose.route));
  const double amount = amount_in(range.unit, absolute, std::string(dose.how->unit), body);
  const bool same = dose.amount->unit.same_dimension(parse_unit(range.unit, ""));
  const std::string here = same ? "" : fmt::format(", for this patient {:.4g} {}", amount, range.unit);
  judge(inside(amount, range.lower, range.upper), {dose.amount->where, dose.amount->where, dose.amount_text + here}, range);
}

}  // namespace nkpk
