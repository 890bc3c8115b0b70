#include "nkpk/simulation/calendar.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace nkpk {
namespace {

std::string day_text(double day) {
  const double whole = std::floor(day + 1e-9), hours = (day - whole) * 24;
  const std::string date = whole == 0 ? "0" : fmt::format("{:+g}", whole);
  return hours < 1e-6 ? date : fmt::format("{} +{:g} h", date, std::round(hours * 1e4) / 1e4);
}

std::string duration_text(double d) {
  if (d == 0) return "";
  const double minutes = std::round(d * 1440 * 1e4) / 1e4;
  if (minutes >= 1440 && std::fmod(minutes, 1440) == 0) return fmt::format("over {:g} d", minutes / 1440);
  return minutes < 60 || std::fmod(minutes, 60) != 0 ? fmt::format("over {:g} min", minutes) : fmt::format("over {:g} h", minutes / 60);
}

}  // namespace

std::string amount_for_people(double amount, const std::string& unit) {
  if (std::isnan(amount)) return "";
  if (unit == "mg" && amount >= 1000) return fmt::format("{:.3g} g", amount / 1000);
  if (unit == "IU" && amount >= 1e5) return fmt::format("{:.3g} MIU", amount / 1e6);
  if (unit == "pg" && amount >= 1e6) return fmt::format("{:.3g} ug", amount / 1e6);
  if (unit == "cells") return fmt::format("{:.3g} cells", amount);
  return fmt::format("{:.3g} {}", amount, unit);
}

std::string options_text(const std::vector<OptionGroup>& groups) {
  std::string text;
  for (const OptionGroup& group : groups) {
    text += fmt::format("    {:<14}", group.name + ":");
    bool first = true;
    for (const auto& choice : group.choices) {
      text += fmt::format("{}{}{}", first ? "" : ", ", choice.name, choice.name == group.default_choice ? "*" : "");
      first = false;
    }
    text += "\n";
  }
  return text;
}

std::string calendar_text(const Scenario& s) {
  const Regimen& r = s.regimen;
  const Body<double>& b = s.constants.body;
  std::string text = fmt::format("{}: {}\n", r.name, r.title);
  if (!r.registration.empty()) text += fmt::format("{}; {}\n", r.registration, r.population);
  text += fmt::format("arm       {}\n", s.label);
  text += fmt::format("patient   {}; BSA {:.3g} m2, blood {:.3g} L, eGFR {:.3g} mL/min/1.73 m2\n", s.patient.title, b.bsa_m2, b.blood_uL * 1e-6,
                      b.eGFR_L_per_d / detail::L_per_d_in_mL_per_min);
  text += fmt::format("          before conditioning: NK {:.4g}, T {:.4g}, Treg {:.4g} per uL\n", s.p.host_nk.NK0, s.p.t_cells.T0, s.p.treg.R0);
  text += fmt::format("donor     {}\n", r.donor);
  text += fmt::format("day 0     {}\n\n", r.day0);

  struct Line {
    std::string day, what, amount, stated, why, assumed;
  };
  std::vector<Line> lines{{"day", "what", "this patient", "stated dose", "why", "assumed"}};
  for (const Administration& a : s.administrations) {
    const DoseEntry& dose = r.doses[a.dose];
    std::string amount = amount_for_people(a.amount, a.unit);
    if (const std::string over = duration_text(a.duration_d); !over.empty()) amount += (amount.empty() ? "" : " ") + over;
    if (dose.how->unit.empty()) {
      const auto per_kg = [&](const std::optional<Quantity>& own, double fallback) { return own ? own->in("cells/kg") : fallback; };
      amount = fmt::format("CD34 {:.3g}, NK {:.3g}, CD3 {:.3g} cells", per_kg(dose.cd34_dose, s.p.graft.CD34_dose) * b.weight_kg,
                           per_kg(dose.nk_dose, s.p.graft.NK_dose) * b.weight_kg, per_kg(dose.cd3_dose, s.p.graft.CD3_dose) * b.weight_kg);
    }
    std::string assumed = dose.assumed;
    if (constexpr std::string_view mark = "ASSUMED: "; dose.source.starts_with(mark)) assumed = dose.source.substr(mark.size()) + (assumed.empty() ? "" : "; " + assumed);
    lines.push_back({day_text(a.start_d), fmt::format("{} {}", dose.drug, dose.route), amount, dose.amount_text, dose.why, assumed});
  }
  constexpr std::size_t widest = 80;  // a longer cell pushes its own row only
  std::size_t width[5] = {};
  for (const Line& line : lines) {
    const std::string* cells[] = {&line.day, &line.what, &line.amount, &line.stated, &line.why};
    for (int i = 0; i < 5; ++i) width[i] = std::max(width[i], std::min(cells[i]->size(), widest));
  }
  for (const Line& line : lines) {
    std::string row = fmt::format("{:>{}}  {:<{}}  {:<{}}  {:<{}}  {:<{}}  {}", line.day, width[0], line.what, width[1], line.amount, width[2], line.stated,
                                  width[3], line.why, width[4], line.assumed);
    while (!row.empty() && row.back() == ' ') row.pop_back();
    text += row + "\n";
  }
  const auto section = [&text](const char* title) { text += fmt::format("\n{}\n", title); };
  if (!r.windows.empty()) {
    section("windows");
    for (const auto& w : r.windows) text += fmt::format("  {} to {}: {} {:g}\n", day_text(w.start_d), day_text(w.end_d), w.name, w.value);
  }
  bool any = false;
  for (const auto& c : r.conditions) {
    if (c.before.empty()) continue;
    if (!any) section("conditions");
    any = true;
    std::string ids;
    for (const auto& id : c.before) ids += (ids.empty() ? "" : ", ") + id;
    text += fmt::format("  before {}: {}\n", ids, c.text);
  }
  if (!r.notes.empty()) {
    section("notes");
    for (const auto& note : r.notes) text += fmt::format("  {}\n", note);
  }
  if (!s.warnings.empty()) {
    section("warnings");
    for (const auto& warning : s.warnings) text += fmt::format("  {}\n", warning);
  }
  return text;
}

}  // namespace nkpk
