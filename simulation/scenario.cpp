#include "nkpk/simulation/scenario.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "nkpk/core/error.hpp"
#include "nkpk/simulation/lift.hpp"
#include "nkpk/simulation/plausibility.hpp"

namespace nkpk {
namespace {

constexpr double most_outputs = 500000;  // of some 60 states each
std::vector<Route> routes() {
  std::vector<Route> all;
  for (const DrugRoute& d : drug_routes) all.push_back({d.drug, d.route, d.unit, d.needs_duration});
  return all;
}
const std::vector<Route>& known_routes() {
  static const std::vector<Route> all = routes();
  return all;
}

/// The amount of one administration in the route's unit for this patient: absolute, per kg or per m2.
double absolute_amount(const DoseEntry& dose, const Body<double>& body) {
  const Quantity& q = *dose.amount;
  const std::string unit(dose.how->unit);
  const auto fits = [&](const std::string& candidate) { return q.unit.same_dimension(parse_unit(candidate, "")); };
  if (fits(unit)) return dose.share * q.in(unit);
  if (fits(unit + "/kg")) return dose.share * q.in(unit + "/kg") * body.weight_kg;
  if (fits(unit + "/m^2")) return dose.share * q.in(unit + "/m^2") * body.bsa_m2;
  throw InputError(q.where, fmt::format("\"{}\" is not an amount of {}", q.text, dose.drug), fmt::format("expected {0}, {0}/kg or {0}/m^2", unit));
}

void apply_patient(const Patient& patient, ParameterTable& table, const PlausibleRanges& ranges, std::vector<std::string>& warnings) {
  const auto own = [&](double count, const char* parameter, const char* range) {
    if (!std::isfinite(count)) return;
    table.set_number(parameter, count, "cells/uL", "patient " + patient.name);
    // one measured patient may lie further out than the typical one of a population
    const PlausibleRange& counts = ranges.at(range);
    ParameterRecord& record = *table.find(parameter);
    record.lower = counts.lower, record.upper = counts.upper, record.range_source = counts.source;
  };
  own(patient.t_per_uL, "t_cells.T0", "patient.t_count");
  own(patient.treg_per_uL, "treg.R0", "patient.treg_count");
  own(patient.nk_per_uL, "host_nk.NK0", "patient.nk_count");
  if (patient.age_y < 1.0 / 12 || patient.age_y > 75) warnings.push_back(fmt::format("age {:.3g} y lies outside 1 month-75 years, the range of the sources", patient.age_y));
}

void apply_sets(const std::vector<Patch>& patches, ParameterTable& table) {
  for (const Patch& patch : patches) {
    if (patch.key == "switches.linear_quadratic") {
      expect_kind(patch.value, Node::Kind::flag, patch.value.where(patch.key));
      table.linear_quadratic = patch.value.flag;
    } else {
      table.set(patch.key, patch.value, "ASSUMED: set by the user");
    }
  }
}

/// What --days and --output-step say, in days.
void expect_time(const std::optional<double>& days, const char* option, const char* range, Plausibility& plausibility) {
  if (days) plausibility.expect(std::vector<Stated>{{range, {*days, parse_unit("d", ""), fmt::format("{}", *days), option}}});
}

struct Lot {
  ProductParams<double> params;
  std::string product;
};

// The product of one dose with what is known of this lot (C4, C16).
Lot lot_of(const DoseEntry& dose, const Regimen& regimen, const Library& library, const std::vector<Patch>& product_patches,
           std::vector<Product>& products, InputTexts& inputs, Plausibility& plausibility) {
  const std::string name = dose.product.empty() ? regimen.product : dose.product;
  if (name.empty()) throw InputError(dose.where, "no product is named", "expected product = \"NAME\" in the dose or the regimen");
  auto it = std::find_if(products.begin(), products.end(), [&](const Product& p) { return p.name == name; });
  if (it == products.end()) {
    products.push_back(library.product(name, inputs, dose.product.empty() ? regimen.product_where : dose.where));
    apply_sets(product_patches, products.back().table);
    plausibility.expect(products.back().table);
    it = std::prev(products.end());
  }
  Lot lot{to_product(it->table), it->name};
  const auto own = [&](const std::optional<Quantity>& stated, const char* parameter, double& value) {
    if (!stated) return;
    plausibility.expect(it->table.at(parameter), *stated);
    value = stated->in("1");
  };
  own(dose.f_NK, "product.f_NK", lot.params.f_NK);
  own(dose.f_T, "product.f_T", lot.params.f_T);
  own(dose.viability, "product.viability", lot.params.viability);
  return lot;
}

std::vector<Administration> expand(const Regimen& regimen, const Body<double>& body, Plausibility& plausibility) {
  std::vector<Administration> all;
  for (std::size_t d = 0; d < regimen.doses.size(); ++d) {
    const DoseEntry& dose = regimen.doses[d];
    for (const double start : dose.times_d) {
      Administration a;
      a.start_d = start;
      a.duration_d = dose.duration_d;
      a.dose = d;
      a.unit = std::string(dose.how->unit);
      a.amount = dose.amount ? absolute_amount(dose, body) : NAN;
      if (dose.amount && !std::isfinite(a.amount)) throw InputError(dose.amount->where, fmt::format("\"{}\" is no finite amount for this patient", dose.amount->text));
      a.entering = a.amount;
      all.push_back(a);
    }
    if (dose.amount) plausibility.expect_amount(dose, all.back().amount, body);
  }
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.start_d < b.start_d - same_time_d; });
  return all;
}

void refuse_t_cells(const Scenario& s) {
  if (!s.regimen.product_t_cells) return;
  const double limit = s.regimen.product_t_cells->in("cells/kg");
  double total = 0;
  for (const auto& a : s.administrations) {
    if (a.cohort < 0) continue;
    const DoseEntry& dose = s.regimen.doses[a.dose];
    total += a.t_cells_per_kg;
    const bool alone = a.t_cells_per_kg > limit * (1 + 1e-12);
    if (alone || total > limit * (1 + 1e-12))
      throw InputError(dose.where, fmt::format("{} T cells/kg in the product {} on day {} exceed the limit of {}",
                                               fmt::format("{:.3g}", alone ? a.t_cells_per_kg : total), alone ? "given" : "given so far", a.start_d,
                                               s.regimen.product_t_cells->text),
                       "lower the dose or the product's f_T");
  }
}

void check_conditions(const Scenario& s, std::vector<std::string>& warnings) {
  constexpr std::size_t most_unmet = 100;
  std::size_t unmet = 0;
  for (const Condition& c : s.regimen.conditions) {
    if (!c.min_days && !c.max_days) continue;
    std::vector<bool> before, after;  // of each dose
    for (const DoseEntry& dose : s.regimen.doses) {
      const auto listed = [&dose](const std::vector<std::string>& ids) { return std::find(ids.begin(), ids.end(), dose.id) != ids.end(); };
      before.push_back(listed(c.before)), after.push_back(listed(c.after));
    }
    std::vector<double> days_after;
    for (const auto& b : s.administrations)
      if (after[b.dose]) days_after.push_back(b.start_d);
    std::sort(days_after.begin(), days_after.end());
    for (const auto& a : s.administrations) {
      if (!before[a.dose]) continue;
      const auto next = std::lower_bound(days_after.begin(), days_after.end(), a.start_d);
      if (next == days_after.begin()) continue;
      const double last = *std::prev(next);
      const double days = std::floor(a.start_d + same_time_d) - std::floor(last + same_time_d);  // calendar days (C41)
      if (!((c.min_days && days < *c.min_days) || (c.max_days && days > *c.max_days))) continue;
      if (++unmet <= most_unmet)
        warnings.push_back(fmt::format("day {}: condition not met: {} ({} d)", a.start_d, c.text, days));
    }
  }
  if (unmet > most_unmet) warnings.push_back(fmt::format("conditions are not met {} times more", unmet - most_unmet));
}

void refuse_early_reports(const Scenario& s) {
  for (const SurvivalReport& r : s.regimen.reports)
    if (const double first = std::min(r.day, r.since_day.value_or(r.day)); first < s.t_start_d)
      throw InputError(r.where, fmt::format("day {} is before the simulation, which starts on day {}", first, s.t_start_d), "expected a later day");
}

// The names of the program's own metrics begin so (report.hpp); an archive holds every name once.
void refuse_taken_names(const Regimen& regimen) {
  for (const SurvivalReport& r : regimen.reports)
    for (const char* taken : {"donor_nk_", "alc_", "il15_", "host_nk_"})
      if (r.name.starts_with(taken)) throw InputError(r.where, fmt::format("\"{}\" may be a name of the program's own", r.name), fmt::format("expected a name that does not begin with {}", taken));
}

std::vector<double> output_grid(const Scenario& s, double step) {
  std::vector<double> times;
  const double n = std::floor((s.t_end_d - s.t_start_d) / step + 1e-9);
  if (!(n <= most_outputs))
    throw InputError("", fmt::format("{:.3g} d in steps of {:.3g} d give {:.3g} outputs", s.t_end_d - s.t_start_d, step, n), fmt::format("expected at most {}: shorten the horizon or raise the output step", most_outputs));
  for (double i = 0; i <= n; ++i) times.push_back(std::round((s.t_start_d + i * step) * 1e9) / 1e9);
  for (const double t : s.timeline.times)
    if (t <= s.t_end_d) times.push_back(t);
  for (const auto& c : s.cohorts)
    if (c.end_d + 1 <= s.t_end_d) times.push_back(c.end_d + 1);  // where the reported maximum may begin (C33)
  times.push_back(s.t_end_d);
  std::sort(times.begin(), times.end());
  // of two times that are one, keep the event's own value
  std::vector<double> unique;
  for (const double t : times) {
    if (!unique.empty() && t - unique.back() < same_time_d) {
      if (std::binary_search(s.timeline.times.begin(), s.timeline.times.end(), t)) unique.back() = t;
      continue;
    }
    unique.push_back(t);
  }
  return unique;
}

void switch_off(const std::vector<std::string>& names, ModuleSet& modules) {
  for (const std::string& name : names) {
    const auto it = std::find(module_names.begin(), module_names.end(), name);
    if (it == module_names.end()) throw unknown_name("--without", "mechanism", name, {module_names.begin(), module_names.end()});
    modules.set(static_cast<Module>(it - module_names.begin()), false);
  }
}

}  // namespace

const DrugRoute& drug_route(const DoseEntry& dose) {
  return drug_routes[static_cast<std::size_t>(dose.how - known_routes().data())];
}

Leukocytes leukocytes_at(const LeukocyteTables& t, double day) {
  Leukocytes m;
  m.host = t.host.at(day);
  m.graft = t.graft.at(day);
  if (!t.monocytes_host.empty()) {
    m.monocytes_host = t.monocytes_host.at(day);
    m.monocytes_graft = t.monocytes_graft.at(day);
  }
  m.blasts = t.blasts.at(day);
  if (!t.wbc.empty() && day >= std::max(t.wbc.times_d.front(), t.alc.times_d.front())) {
    // only the sum is measured: the tables say how it divides between host and graft
    const double sum = std::max(0.0, t.wbc.at(day) - t.alc.at(day)), table = m.host + m.graft;
    const double graft_share = table > 0 ? m.graft / table : 0;
    m.host = (1 - graft_share) * sum;
    m.graft = graft_share * sum;
  }
  return m;
}

Scenario make_scenario(const Library& library, const Request& request) {
  Scenario s;
  const TomlFile file = library.regimen(request.regimen);
  s.inputs["regimens/" + std::filesystem::path(file.name).filename().string()] = file.content;
  const auto groups = option_groups(file);
  s.choices = select_choices(groups, request.arms, request.level, file.name);
  s.label = label_of(s.choices);

  std::vector<Patch> regimen_patches, model_patches, product_patches;
  for (const std::string& text : request.sets) {
    Patch patch = parse_patch(text, "--set " + text);
    (is_regimen_key(patch.key) ? regimen_patches : patch.key.starts_with("product.") ? product_patches : model_patches).push_back(std::move(patch));
  }
  s.regimen = parse_regimen(resolve(file, groups, s.choices, regimen_patches), known_routes());

  Node own_parameters;
  std::vector<Stated> stated = s.regimen.stated;
  s.patient = library.patient(request.patient.value_or(s.regimen.patient), s.regimen.patient_patches, own_parameters, s.inputs, stated,
                              request.patient ? "" : s.regimen.patient_where);
  s.parameters = library.parameters(s.inputs);
  const PlausibleRanges ranges = library.ranges(s.inputs);
  Plausibility plausibility(ranges, request.allow_implausible, s.warnings);
  plausibility.expect(stated);
  apply_patient(s.patient, s.parameters, ranges, s.warnings);
  for (const auto& [name, value] : own_parameters.entries) s.parameters.set(name, value, "patient " + s.patient.name);
  apply_sets(model_patches, s.parameters);
  plausibility.expect(s.parameters);
  const double NK0 = s.parameters.at("host_nk.NK0").value, NK0_min = s.parameters.at("host_nk.NK0_min").value;
  if (NK0 < NK0_min) {
    s.warnings.push_back(fmt::format("NK count {:.4g}/uL before conditioning is below {:.4g}/uL, which is used instead", NK0, NK0_min));
    s.parameters.set_number("host_nk.NK0", NK0_min, "cells/uL", "ASSUMED: host_nk.NK0_min");
  }
  s.p = to_parameters(s.parameters);
  check_parameters(s.p, request.regimen);
  const Body<double> body = Physiology::body(s.patient, s.p.physiology);

  s.administrations = expand(s.regimen, body, plausibility);
  std::map<std::size_t, int> infusions_of_dose;
  for (auto& a : s.administrations) {
    const DoseEntry& dose = s.regimen.doses[a.dose];
    if (dose.drug != "nk_cells") continue;
    const Lot lot = lot_of(dose, s.regimen, library, product_patches, s.products, s.inputs, plausibility);
    a.cohort = static_cast<std::ptrdiff_t>(s.lots.size());
    a.entering = viable_nk(a.amount, lot.params);
    a.t_cells_per_kg = a.amount / body.weight_kg * lot.params.f_T;
    s.lots.push_back({a.start_d, lot.params});
    const int nth = ++infusions_of_dose[a.dose];
    s.cohorts.push_back({dose.times_d.size() > 1 ? fmt::format("{}-{}", dose.id, nth) : dose.id, lot.product, a.start_d, a.start_d + a.duration_d, a.entering});
    if (s.lots.size() > InfusedNk::max_cohorts)
      throw InputError(dose.where, "more than eight NK infusions", "each infusion is a cohort of its own, and eight are followed");
  }
  if (!product_patches.empty() && s.products.empty()) throw InputError(product_patches[0].value.where(), "there is no NK product in this regimen");
  refuse_t_cells(s);
  refuse_taken_names(s.regimen);
  check_conditions(s, s.warnings);
  if (s.patient.weight_kg < 10)
    for (const DoseEntry& dose : s.regimen.doses)
      if (dose.amount && dose.amount->unit.powers[Unit::length_m] == -2) {
        s.warnings.push_back(fmt::format("{:.3g} kg: doses per m2 are given as written, without a change to doses per kg below 10 kg", s.patient.weight_kg));
        break;
      }

  ModuleSet modules;
  switch_off(request.without, modules);
  s.switched_off = request.without;
  if (!modules.has(Module::il15_dynamics))
    for (const Administration& a : s.administrations)
      if (s.regimen.doses[a.dose].drug == "il15")
        throw InputError("--without", "il15_dynamics cannot be switched off where IL-15 is given", "at quasi-steady state a dose of it would vanish at once");
  s.constants = prepare(s.p, body, chi_of(s.regimen.donor, s.p), s.lots, modules, s.parameters.linear_quadratic);
  std::vector<Entering<double>> entering;
  for (const auto& a : s.administrations) entering.push_back({a.entering, a.start_d, a.duration_d});
  s.timeline = make_timeline(s, s.p, s.constants, entering);

  double baseline = NAN;
  if (std::isfinite(s.patient.wbc_per_uL)) {
    const double alc = (s.p.host_nk.NK0 + s.p.t_cells.T0 + s.p.treg.R0) / (1 - s.p.blood_count.fB);
    baseline = s.patient.wbc_per_uL - alc;
    if (!(baseline > 0)) throw InputError("patient " + s.patient.name, fmt::format("wbc_count {}/uL is not above the lymphocytes, {:.4g}/uL", s.patient.wbc_per_uL, alc));
  }
  s.leukocytes = parse_leukocytes(s.regimen.leukocytes, baseline);
  std::vector<Stated> of_assays = s.leukocytes.stated;
  s.lloqs = library.lloqs(s.inputs, of_assays);
  plausibility.expect(of_assays);

  s.t_end_d = request.horizon_d.value_or(s.regimen.horizon_d);
  // one day before the first event (C1)
  s.t_start_d = s.timeline.times.empty() ? std::min(0.0, s.t_end_d) - 1 : s.timeline.times.front() - 1;
  if (!(s.t_end_d > s.t_start_d)) throw InputError(file.name, fmt::format("the horizon, day {}, is not after the start, day {}", s.t_end_d, s.t_start_d));
  const double step = request.output_step_d.value_or(s.regimen.output_step_d);
  if (!(step > 0 && std::isfinite(step))) throw InputError("output_step", fmt::format("is {}", step), "expected a finite number of days above 0");
  s.output_times_d = output_grid(s, step);
  expect_time(request.horizon_d, "days", "time.horizon", plausibility);
  expect_time(request.output_step_d, "output_step", "time.output_step", plausibility);
  refuse_early_reports(s);
  return s;
}

std::vector<Request> all_arms(const Library& library, const Request& request) {
  const TomlFile file = library.regimen(request.regimen);
  const auto groups = option_groups(file);
  select_choices(groups, request.arms, request.level, file.name);  // refuses what does not exist
  const auto fits = [&request](const Choices& choices) {
    const auto has = [&choices](const std::string& group, const std::string& choice) {
      return std::any_of(choices.begin(), choices.end(), [&](const auto& c) { return (group.empty() || c.first == group) && c.second == choice; });
    };
    if (request.level && !has("level", *request.level)) return false;
    return std::all_of(request.arms.begin(), request.arms.end(), [&](const std::string& arm) {
      const auto equals = arm.find('=');
      return equals == std::string::npos ? has("", arm) : has(arm.substr(0, equals), arm.substr(equals + 1));
    });
  };
  std::vector<Request> all;
  for (const Choices& choices : all_choices(groups)) {
    if (!fits(choices)) continue;
    Request one = request;
    one.arms.clear();
    one.level.reset();
    for (const auto& [group, choice] : choices) one.arms.push_back(group + "=" + choice);
    all.push_back(std::move(one));
  }
  return all;
}

}  // namespace nkpk
