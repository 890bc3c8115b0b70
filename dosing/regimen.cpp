#include "nkpk/dosing/regimen.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "nkpk/core/error.hpp"

namespace nkpk {
namespace {

constexpr std::size_t most_administrations = 10000;
constexpr double shortest_time_d = 1.0 / 86400;  // below a second an infusion is none: two times so near are one
constexpr double largest_time_d = 36525;  // a century: beyond it a day is a typing error

double checked_day(double day, const std::string& where) {
  if (!(std::abs(day) <= largest_time_d)) throw InputError(where, fmt::format("day {} is out of range", day), "expected a day within a century of day 0");
  return day;
}

/// A bare number of the file, whose unit is in the format.
Stated bare(const char* range, double number, const char* unit, const std::string& where) {
  return {range, {number, parse_unit(unit, where), fmt::format("{}", number), where}};
}
Stated stated_day(double day, const std::string& where) { return bare("time.day", day, "d", where); }

double days_of(const Node& node, const std::string& where) {
  if (node.kind == Node::Kind::number) throw InputError(where, fmt::format("\"{}\" has no unit", node.number), "expected a time such as \"2 d\" or \"4 h\"");
  return checked_day(quantity_of(node, where).in("d"), where);
}

double positive_days(const Node& node, const std::string& where) {
  const double value = days_of(node, where);
  if (!(value > 0)) throw InputError(where, fmt::format("\"{}\" is not positive", node.text), "expected a duration such as \"30 min\"");
  if (value < shortest_time_d * (1 - 1e-9)) throw InputError(where, fmt::format("\"{}\" is too short", node.text), "expected a second at least");
  return value;
}

double parse_fraction(const Node& node, const std::string& where) {
  double value = 0;
  if (node.kind == Node::Kind::text && node.text.find('/') != std::string::npos) {
    const auto slash = node.text.find('/');
    value = parse_quantity(node.text.substr(0, slash), where).in("1") / parse_quantity(node.text.substr(slash + 1), where).in("1");
  } else {
    value = quantity_of(node, where).in("1");
  }
  if (!(value > 0 && value <= 1))
    throw InputError(where, fmt::format("\"{}\" is not a share of the course", node.kind == Node::Kind::text ? node.text : fmt::format("{}", node.number)), "expected more than 0 and at most 1, for example \"2/3\"");
  return value;
}

std::vector<double> parse_times(TableReader& table, std::vector<Stated>& stated) {
  std::vector<double> days;
  const Node* list = table.optional("days", Node::Kind::list);
  const Node* start = table.optional("start");
  const Node* every = table.optional("every");
  const Node* count = table.optional("count", Node::Kind::number);
  if (list && (start || every || count)) throw InputError(table.where("days"), "both days and start are given", "expected days = [...] or start, every, count");
  if (list) {
    for (const Node& item : list->items) {
      const std::string where = item.where(table.path("days"));
      if (item.kind != Node::Kind::number) throw InputError(where, fmt::format("holds {}", item.kind_name()), "expected days as plain numbers, for example days = [-5, -4]");
      days.push_back(checked_day(item.number, where));
      stated.push_back(stated_day(days.back(), where));
    }
    if (days.empty()) throw InputError(table.where("days"), "is empty", "expected at least one day");
  } else {
    if (!start) throw InputError(table.where("days"), "no time is given", "expected days = [-5, -4] or start = \"-5 d\", every = \"1 d\", count = 2");
    const double first = days_of(*start, table.where("start"));
    if (static_cast<bool>(every) != static_cast<bool>(count))
      throw InputError(table.where(every ? "every" : "count"), "every and count go together", "for example every = \"2 d\", count = 6");
    const double step = every ? positive_days(*every, table.where("every")) : 0;
    const double n = count ? count->number : 1;
    if (!(n >= 1 && n <= 1000 && n == std::floor(n))) throw InputError(table.where("count"), fmt::format("is {}", n), "expected a whole number from 1 to 1000");
    for (int i = 0; i < static_cast<int>(n); ++i) days.push_back(checked_day(first + i * step, table.where("every")));
    stated.push_back(stated_day(days.front(), table.where("start")));
    stated.push_back(stated_day(days.back(), table.where(every ? "every" : "start")));
  }
  if (const Node* hours = table.optional("times_of_day", Node::Kind::list)) {
    std::vector<double> times;
    for (const double day : days)
      for (const Node& hour : hours->items) {
        const double offset = days_of(hour, hour.where(table.path("times_of_day")));
        if (!(offset >= 0 && offset < 1)) throw InputError(table.where("times_of_day"), fmt::format("\"{}\" is not within a day", hour.text), "expected 0 h to less than 24 h");
        times.push_back(day + offset);
      }
    if (times.empty()) throw InputError(table.where("times_of_day"), "is empty", "expected at least one time");
    days = std::move(times);
  }
  return days;
}

DoseEntry parse_dose(const Node& node, const Node* courses, std::span<const Route> routes, std::vector<Stated>& stated) {
  TableReader table(node, "dose");
  // a misspelt key is named before anything that is missing because of it
  for (const auto& [key, value] : node.entries)
    if (std::find(dose_keys().begin(), dose_keys().end(), key) == dose_keys().end()) throw unknown_name(value.where("dose"), "key", key, dose_keys());
  DoseEntry dose;
  dose.id = table.text("id");
  expect_plain_name(table.where("id"), "dose", dose.id);
  if (dose.id.find('.') != std::string::npos) throw InputError(table.where("id"), fmt::format("\"{}\" holds a dot", dose.id), "a dot separates the parts of dose.ID.KEY");
  TableReader named(node, "dose." + dose.id);
  named.optional("id");
  dose.where = node.where("dose." + dose.id);
  dose.drug = named.text("drug");
  dose.route = named.text("route");
  std::vector<std::string> drugs, ways;
  for (const Route& r : routes) {
    if (std::find(drugs.begin(), drugs.end(), r.drug) == drugs.end()) drugs.emplace_back(r.drug);
    if (r.drug != dose.drug) continue;
    ways.emplace_back(r.route);
    if (r.route == dose.route) dose.how = &r;
  }
  if (ways.empty()) throw unknown_name(named.where("drug"), "drug", dose.drug, drugs);
  if (!dose.how) throw unknown_name(named.where("route"), "route of " + dose.drug, dose.route, ways);

  const std::string ranges = fmt::format("dose.{}.{}.", dose.drug, dose.route);
  dose.times_d = parse_times(named, stated);
  if (const Node* duration = named.optional("duration")) {
    dose.duration_d = positive_days(*duration, named.where("duration"));
    stated.push_back({ranges + "duration", quantity_of(*duration, named.where("duration"))});
  }
  if (dose.how->needs_duration && dose.duration_d == 0)
    throw InputError(named.where("duration"), fmt::format("{} {} needs a duration", dose.drug, dose.route), "for example duration = \"1 h\"");

  const Node* amount = named.optional("amount");
  const Node* course = named.optional("course", Node::Kind::text);
  const Node* fraction = named.optional("fraction");
  if (dose.how->unit.empty()) {
    for (const char* key : {"amount", "course", "fraction"})
      if (named.has(key)) throw InputError(named.where(key), fmt::format("{} takes no {}", dose.drug, key), "expected nk_dose, cd34_dose, cd3_dose");
  } else if (amount && course) {
    throw InputError(named.where("course"), "both amount and course are given", "expected one of them");
  } else if (amount) {
    if (fraction) throw InputError(named.where("fraction"), "a fraction needs a course", "expected course = \"NAME\"");
    dose.amount = quantity_of(*amount, named.where("amount"));
    dose.amount_text = dose.amount->text;
  } else if (course) {
    const Node* total = courses ? courses->find(course->text) : nullptr;
    if (!total) {
      std::vector<std::string> known;
      if (courses)
        for (const auto& [name, value] : courses->entries) known.push_back(name);
      throw unknown_name(named.where("course"), "course", course->text, known);
    }
    dose.amount = quantity_of(*total, total->where("courses." + course->text));
    dose.share = fraction ? parse_fraction(*fraction, named.where("fraction")) : 1.0 / static_cast<double>(dose.times_d.size());
    if (dose.share == 1.0)
      dose.amount_text = dose.amount->text;
    else if (fraction)
      dose.amount_text = fmt::format("{} of {}", fraction->kind == Node::Kind::text ? fraction->text : fmt::format("{}", dose.share), dose.amount->text);
    else
      dose.amount_text = fmt::format("1/{} of {}", dose.times_d.size(), dose.amount->text);
  } else {
    throw InputError(node.where("dose." + dose.id), "no amount is given", "expected amount = \"25 mg/m^2\" or course = \"NAME\"");
  }
  if (dose.amount && dose.amount->number < 0) throw InputError(dose.amount->where, fmt::format("\"{}\" is negative", dose.amount->text), "expected an amount of 0 or more");

  const bool is_graft = dose.how->unit.empty(), is_cells = dose.how->unit == "cells";
  if (is_graft) {
    if (const Node* flag = named.optional("myeloablative", Node::Kind::flag)) dose.myeloablative = flag->flag;
    dose.nk_dose = named.quantity("nk_dose");
    dose.cd34_dose = named.quantity("cd34_dose");
    dose.cd3_dose = named.quantity("cd3_dose");
    for (const auto* q : {&dose.nk_dose, &dose.cd34_dose, &dose.cd3_dose})
      if (*q && !((*q)->in("cells/kg") >= 0)) throw InputError((*q)->where, fmt::format("\"{}\" is negative", (*q)->text), "expected cells/kg, 0 or more");
    for (const auto& [key, q] : {std::pair("nk_dose", &dose.nk_dose), std::pair("cd34_dose", &dose.cd34_dose), std::pair("cd3_dose", &dose.cd3_dose)})
      if (*q && (*q)->number > 0) stated.push_back({ranges + key, **q});
  }
  if (is_cells) {
    dose.product = named.text_or("product", "");
    dose.f_NK = named.quantity("f_NK");
    dose.f_T = named.quantity("f_T");
    dose.viability = named.quantity("viability");
    for (const auto* q : {&dose.f_NK, &dose.f_T, &dose.viability})
      if (*q && !((*q)->in("1") >= 0 && (*q)->in("1") <= 1)) throw InputError((*q)->where, fmt::format("\"{}\" is not a share", (*q)->text), "expected 0 to 1");
  }
  for (const char* key : {"product", "f_NK", "f_T", "viability", "myeloablative", "nk_dose", "cd34_dose", "cd3_dose", "amount", "course", "fraction"})
    if (named.has(key) && !named.asked(key)) throw InputError(named.where(key), fmt::format("{} takes no {}", dose.drug, key));
  dose.why = named.text_or("why", "");
  dose.source = named.text_or("source", "");
  dose.assumed = named.text_or("assumed", "");
  named.finish();
  return dose;
}

WindowEntry parse_window(const Node& node, std::vector<Stated>& stated) {
  TableReader table(node, "window");
  WindowEntry w;
  w.id = table.text("id");
  w.where = node.where("window." + w.id);
  w.name = table.text("switch");
  const std::vector<std::string> known{"steroid", "treg_depletion", "il15_induction"};
  if (std::find(known.begin(), known.end(), w.name) == known.end()) throw unknown_name(table.where("switch"), "switch", w.name, known);
  w.start_d = days_of(table.required("start"), table.where("start"));
  w.end_d = days_of(table.required("end"), table.where("end"));
  if (!(w.end_d > w.start_d)) throw InputError(table.where("end"), fmt::format("day {} is not after the start, day {}", w.end_d, w.start_d));
  stated.push_back(stated_day(w.start_d, table.where("start")));
  stated.push_back(stated_day(w.end_d, table.where("end")));
  const Quantity value = table.required_quantity("value");
  w.value = value.in(w.name == "treg_depletion" ? "1/d" : "1");
  stated.push_back({"window." + w.name, value});
  const double upper = w.name == "steroid" ? 1 : INFINITY;
  if (!(w.value >= 0 && w.value <= upper)) throw InputError(table.where("value"), fmt::format("is {}", w.value), w.name == "steroid" ? "expected 0 to 1" : "expected 0 or more");
  w.source = table.text_or("source", "");
  table.finish();
  return w;
}

Condition parse_condition(const Node& node, const std::vector<DoseEntry>& doses, std::vector<Stated>& stated) {
  TableReader table(node, "condition");
  Condition c;
  const auto ids = [&](const char* key) {
    std::vector<std::string> list;
    if (const Node* items = table.optional(key, Node::Kind::list))
      for (const Node& item : items->items) {
        expect_kind(item, Node::Kind::text, table.where(key));
        list.push_back(item.text);
      }
    return list;
  };
  c.before = ids("before");
  c.after = ids("after");
  c.text = table.text("text");
  c.source = table.text_or("source", "");
  const auto days = [&](const char* key) -> std::optional<double> {
    const Node* n = table.optional(key, Node::Kind::number);
    if (!n) return std::nullopt;
    stated.push_back(bare("time.condition", n->number, "d", table.where(key)));
    return n->number;
  };
  c.min_days = days("min_days");
  c.max_days = days("max_days");
  table.finish();
  // an arm may have removed a dose that a condition names; keep what is left
  const auto gone = [&](const std::string& id) { return std::none_of(doses.begin(), doses.end(), [&](const DoseEntry& d) { return d.id == id; }); };
  std::erase_if(c.before, gone);
  std::erase_if(c.after, gone);
  return c;
}

SurvivalReport parse_report(const Node& node, std::vector<Stated>& stated) {
  TableReader table(node, "report");
  SurvivalReport r;
  r.name = table.text("name");
  r.where = table.where("name");
  expect_plain_name(r.where, "report", r.name);
  r.title = table.text_or("title", r.name);
  r.column = table.text_or("column", r.name + " %");
  r.infusion = table.text("infusion");
  r.day = checked_day(table.required("day", Node::Kind::number).number, table.where("day"));
  stated.push_back(stated_day(r.day, table.where("day")));
  if (const Node* since = table.optional("since", Node::Kind::number)) {
    r.since_day = checked_day(since->number, table.where("since"));
    stated.push_back(stated_day(*r.since_day, table.where("since")));
  }
  table.finish();
  return r;
}

CountTable parse_counts(TableReader& table, const char* key, double baseline, bool zero_before, std::vector<Stated>& stated) {
  CountTable counts;
  counts.zero_before = zero_before;
  const Node* rows = table.optional(key, Node::Kind::list);
  if (!rows) return counts;
  for (const Node& row : rows->items) {
    expect_kind(row, Node::Kind::list, row.where(table.path(key)));
    const std::string full = table.path(key);
    if (row.items.size() != 2 || row.items[0].kind != Node::Kind::number) throw InputError(row.where(full), "a point is not [day, cells/uL]");
    const Node& value = row.items[1];
    double count = value.number;
    if (value.kind == Node::Kind::text) {
      if (value.text != "baseline") throw InputError(value.where(full), fmt::format("\"{}\" is not a count", value.text), "expected a number of cells/uL or \"baseline\"");
      if (!std::isfinite(baseline)) throw InputError(value.where(full), "there is no baseline", "expected baseline = \"4000 cells/uL\" in [leukocytes], or the patient's wbc_count");
      count = baseline;
    } else {
      expect_kind(value, Node::Kind::number, value.where(full));
      stated.push_back(bare("leukocytes.count", count, "cells/uL", value.where(full)));
    }
    if (!(count > 0)) throw InputError(value.where(full), fmt::format("{} is not positive", count), "expected cells/uL above 0 (the interpolation is log-linear)");
    const double day = row.items[0].number;
    if (!counts.times_d.empty() && !(day > counts.times_d.back()))
      throw InputError(row.where(full), fmt::format("day {} follows day {}", day, counts.times_d.back()), "expected days that increase");
    counts.times_d.push_back(checked_day(day, row.where(full)));
    stated.push_back(stated_day(day, row.where(full)));
    counts.values.push_back(count);
  }
  return counts;
}

void refuse_clashes(const std::vector<DoseEntry>& doses, const std::vector<WindowEntry>& windows) {
  for (std::size_t i = 0; i < doses.size(); ++i)
    for (std::size_t j = i; j < doses.size(); ++j) {
      if (doses[i].how != doses[j].how) continue;
      for (std::size_t a = 0; a < doses[i].times_d.size(); ++a)
        for (std::size_t b = i == j ? a + 1 : 0; b < doses[j].times_d.size(); ++b)
          if (std::abs(doses[i].times_d[a] - doses[j].times_d[b]) < 1e-9)
            throw InputError(doses[j].where, fmt::format("{} is given twice on day {}", doses[j].drug, doses[j].times_d[b]),
                             i == j ? "the day stands twice in this dose" : fmt::format("also in dose \"{}\"; add the amounts up", doses[i].id));
    }
  for (std::size_t i = 0; i < windows.size(); ++i)
    for (std::size_t j = i + 1; j < windows.size(); ++j)
      if (windows[i].id == windows[j].id) {
        throw InputError(windows[j].where, fmt::format("window id \"{}\" stands twice", windows[j].id));
      } else if (windows[i].name == windows[j].name && windows[i].start_d < windows[j].end_d && windows[j].start_d < windows[i].end_d) {
        throw InputError(windows[j].where, fmt::format("overlaps window \"{}\" of the same switch", windows[i].id));
      }
}

}  // namespace

double CountTable::at(double t) const {
  if (empty()) return 0;
  if (t < times_d.front()) return zero_before ? 0 : values.front();
  if (t >= times_d.back()) return values.back();
  const auto next = static_cast<std::size_t>(std::upper_bound(times_d.begin(), times_d.end(), t) - times_d.begin());
  const double w = (t - times_d[next - 1]) / (times_d[next] - times_d[next - 1]);
  return std::exp((1 - w) * std::log(values[next - 1]) + w * std::log(values[next]));
}

Regimen parse_regimen(const Node& root, std::span<const Route> routes) {
  TableReader table(root, "");
  Regimen r;
  r.where = root.file;
  table.required("format");
  r.name = table.text("name");
  expect_plain_name(table.where("name"), "regimen", r.name);
  r.title = table.text_or("title", r.name);
  r.registration = table.text_or("registration", "");
  r.population = table.text_or("population", "");
  r.day0 = table.text_or("day0", "first NK infusion");
  r.patient = table.text("patient");
  r.product = table.text_or("product", "");
  r.patient_where = table.where("patient"), r.product_where = table.where("product");
  r.donor = table.text("donor");
  const std::vector<std::string> donors{"haploidentical", "matched", "cord-blood", "autologous"};
  if (std::find(donors.begin(), donors.end(), r.donor) == donors.end()) throw unknown_name(table.where("donor"), "donor", r.donor, donors);
  r.horizon_d = days_of(table.required("horizon"), table.where("horizon"));
  r.stated.push_back({"time.horizon", table.required_quantity("horizon")});
  if (const Node* step = table.optional("output_step")) {
    r.output_step_d = positive_days(*step, table.where("output_step"));
    r.stated.push_back({"time.output_step", table.required_quantity("output_step")});
  }
  if (const Node* notes = table.optional("notes", Node::Kind::list))
    for (const Node& note : notes->items) {
      expect_kind(note, Node::Kind::text, note.where("notes"));
      r.notes.push_back(note.text);
    }
  if (const Node* limits = table.optional("limits", Node::Kind::table)) {
    TableReader limit(*limits, "limits");
    r.product_t_cells = limit.quantity("product_t_cells");
    if (r.product_t_cells && !(r.product_t_cells->in("cells/kg") >= 0))
      throw InputError(r.product_t_cells->where, fmt::format("\"{}\" is negative", r.product_t_cells->text), "expected cells/kg, 0 or more");
    if (r.product_t_cells && r.product_t_cells->number > 0) r.stated.push_back({"limits.product_t_cells", *r.product_t_cells});
    limit.optional("product_t_cells_source", Node::Kind::text);
    limit.finish();
  }
  const Node* courses = table.optional("courses", Node::Kind::table);
  std::size_t given = 0;
  if (const Node* doses = table.optional("dose", Node::Kind::list))
    for (const Node& dose : doses->items) {
      r.doses.push_back(parse_dose(dose, courses, routes, r.stated));
      given += r.doses.back().times_d.size();
      if (given > most_administrations) throw InputError(r.doses.back().where, fmt::format("more than {} administrations", most_administrations), "expected a regimen for one patient");
    }
  for (std::size_t i = 0; i < r.doses.size(); ++i)
    for (std::size_t j = i + 1; j < r.doses.size(); ++j)
      if (r.doses[i].id == r.doses[j].id) throw InputError(r.doses[j].where, fmt::format("dose id \"{}\" stands twice", r.doses[j].id));
  if (const Node* windows = table.optional("window", Node::Kind::list))
    for (const Node& window : windows->items) r.windows.push_back(parse_window(window, r.stated));
  if (const Node* conditions = table.optional("condition", Node::Kind::list))
    for (const Node& condition : conditions->items) r.conditions.push_back(parse_condition(condition, r.doses, r.stated));
  if (const Node* reports = table.optional("report", Node::Kind::list))
    for (const Node& report : reports->items) {
      const SurvivalReport next = parse_report(report, r.stated);
      if (std::any_of(r.reports.begin(), r.reports.end(), [&](const SurvivalReport& other) { return other.name == next.name; }))
        throw InputError(next.where, fmt::format("report \"{}\" stands twice", next.name));
      r.reports.push_back(next);
    }
  if (const Node* leukocytes = table.optional("leukocytes", Node::Kind::table)) r.leukocytes = *leukocytes;
  if (const Node* patches = table.optional("patient_patches", Node::Kind::table)) r.patient_patches = *patches;
  table.optional("option");  // resolved before; known here for a misspelling of it
  table.finish();
  refuse_clashes(r.doses, r.windows);
  return r;
}

LeukocyteTables parse_leukocytes(const Node& node, double baseline_per_uL) {
  LeukocyteTables tables;
  if (node.entries.empty()) return tables;
  TableReader table(node, "leukocytes");
  tables.source = table.text_or("source", "");
  const auto own = table.quantity("baseline");
  double baseline = own ? own->in("cells/uL") : NAN;
  if (own) tables.stated.push_back({"leukocytes.count", *own});
  if (std::isfinite(baseline_per_uL)) baseline = baseline_per_uL;
  tables.host = parse_counts(table, "host", baseline, false, tables.stated);
  tables.graft = parse_counts(table, "graft", baseline, true, tables.stated);
  tables.monocytes_host = parse_counts(table, "monocytes_host", baseline, false, tables.stated);
  tables.monocytes_graft = parse_counts(table, "monocytes_graft", baseline, true, tables.stated);
  tables.blasts = parse_counts(table, "blasts", baseline, false, tables.stated);
  tables.wbc = parse_counts(table, "wbc_measured", NAN, false, tables.stated);
  tables.alc = parse_counts(table, "alc_measured", NAN, false, tables.stated);
  if (tables.wbc.empty() != tables.alc.empty())
    throw InputError(table.where(tables.wbc.empty() ? "alc_measured" : "wbc_measured"), "wbc_measured and alc_measured go together",
                     "the other leukocytes are WBC - ALC");
  table.finish();
  return tables;
}

}  // namespace nkpk
