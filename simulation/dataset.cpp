#include "nkpk/simulation/dataset.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <boost/version.hpp>
#include <cassert>
#include <cmath>
#include <ctime>
#include <fstream>

#include "nkpk/core/digest.hpp"
#include "nkpk/core/toml_file.hpp"
#include "nkpk/generated/model_hash.hpp"
#include "nkpk/version.hpp"

namespace nkpk {
namespace {

using Text = std::vector<std::string>;

NamedArray scalar(const std::string& name, const std::string& unit, const std::string& title, double value) {
  return {name, unit, title, {}, {}, std::vector<double>{value}, {}};
}
NamedArray texts(const std::string& name, const std::string& title, const std::string& dim, Text values) {
  const std::size_t n = values.size();
  return {name, "", title, {dim}, {n}, std::move(values), {}};
}
NamedArray numbers(const std::string& name, const std::string& unit, const std::string& title, const std::string& dim, std::vector<double> values) {
  const std::size_t n = values.size();
  return {name, unit, title, {dim}, {n}, std::move(values), {}};
}

Group events_group(const Scenario& s) {
  std::vector<std::int64_t> index;
  Text kind, drug, route, id, why, source, assumed, amount_text, unit;
  std::vector<double> start, duration, amount;
  std::vector<std::int64_t> cohort;
  for (const Administration& a : s.administrations) {
    const DoseEntry& dose = s.regimen.doses[a.dose];
    index.push_back(static_cast<std::int64_t>(index.size()));
    id.push_back(dose.id), drug.push_back(dose.drug), route.push_back(dose.route), why.push_back(dose.why);
    source.push_back(dose.source), assumed.push_back(dose.assumed), amount_text.push_back(dose.amount_text), unit.push_back(a.unit);
    start.push_back(a.start_d), duration.push_back(a.duration_d), amount.push_back(a.amount), cohort.push_back(a.cohort);
  }
  Group g;
  g.arrays.push_back({"event", "", "administration", {"event"}, {index.size()}, index, {}});
  g.arrays.push_back(numbers("event_start", "days", "start of the administration", "event", start));
  g.arrays.push_back(numbers("event_duration", "days", "duration of the administration", "event", duration));
  g.arrays.push_back(texts("drug", "what is given", "event", drug));
  g.arrays.push_back(texts("route", "how", "event", route));
  g.arrays.push_back(numbers("amount", "", "absolute amount for this patient, in amount_unit", "event", amount));
  g.arrays.push_back(texts("amount_unit", "unit of the amount", "event", unit));
  g.arrays.push_back(texts("amount_text", "the dose as the regimen states it", "event", amount_text));
  g.arrays.push_back({"event_cohort", "", "index of the cohort of an NK infusion, -1 otherwise", {"event"}, {cohort.size()}, cohort, {}});
  g.arrays.push_back(texts("dose_id", "dose in the regimen file", "event", id));
  g.arrays.push_back(texts("why", "reason", "event", why));
  g.arrays.push_back(texts("event_source", "source of the dose", "event", source));
  g.arrays.push_back(texts("assumed", "what the source leaves open", "event", assumed));
  return g;
}

Group parameters_group(const Scenario& s) {
  Text name, title, unit, text, status, source, note;
  std::vector<double> value, lower, upper, cv;
  const auto add = [&](const ParameterTable& table, const std::string& prefix) {
    for (const ParameterRecord& r : table.records) {
      name.push_back(prefix + r.name), title.push_back(r.title), unit.push_back(r.unit), text.push_back(r.text);
      status.push_back(r.status), source.push_back(r.source), note.push_back(r.note);
      value.push_back(r.value), lower.push_back(r.lower), upper.push_back(r.upper), cv.push_back(r.cv_percent);
    }
  };
  add(s.parameters, "");
  for (const Product& product : s.products) add(product.table, product.name + ":");
  Group g;
  g.arrays.push_back(texts("parameter", "parameter", "parameter", name));
  g.arrays.push_back(numbers("value", "", "value in parameter_unit", "parameter", value));
  g.arrays.push_back(texts("parameter_unit", "unit of value, lower and upper", "parameter", unit));
  g.arrays.push_back(texts("parameter_title", "meaning", "parameter", title));
  g.arrays.push_back(texts("value_text", "the value as written", "parameter", text));
  g.arrays.push_back(numbers("lower", "", "lower end of the plausible range", "parameter", lower));
  g.arrays.push_back(numbers("upper", "", "upper end of the plausible range", "parameter", upper));
  g.arrays.push_back(numbers("cv_percent", "%", "log-normal spread between patients", "parameter", cv));
  g.arrays.push_back(texts("status", "measured, derived or assumed", "parameter", status));
  g.arrays.push_back(texts("parameter_source", "source of the value", "parameter", source));
  g.arrays.push_back(texts("parameter_note", "note", "parameter", note));
  return g;
}

Group patient_group(const Scenario& s) {
  const Patient& q = s.patient;
  const Body<double>& b = s.constants.body;
  Group g;
  g.attributes = {{"name", q.name}, {"title", q.title}, {"sex", std::string(q.sex == Sex::male ? "male" : "female")}, {"source", q.source}};
  g.arrays = {scalar("age", "years", "age", q.age_y),
              scalar("weight", "kg", "body weight", q.weight_kg),
              scalar("height", "cm", "height", q.height_cm),
              scalar("bsa", "m^2", "body surface area (Mosteller)", b.bsa_m2),
              scalar("blood_volume", "L", "blood volume", b.blood_uL * 1e-6),
              scalar("egfr", "mL/min/(1.73m^2)", "estimated glomerular filtration rate", b.eGFR_L_per_d / detail::L_per_d_in_mL_per_min),
              scalar("nk_before", "cells/uL", "NK cells before conditioning", s.p.host_nk.NK0),
              scalar("t_before", "cells/uL", "conventional T cells before conditioning", s.p.t_cells.T0),
              scalar("treg_before", "cells/uL", "regulatory T cells before conditioning", s.p.treg.R0)};
  return g;
}

Group inputs_group(const Scenario& s) {
  Text names, contents, digests;
  for (const auto& [name, content] : s.inputs) names.push_back(name), contents.push_back(content), digests.push_back(sha256_hex(content));
  Group g;
  g.arrays = {texts("input", "name of the input file", "input", names), texts("input_text", "exact text of the input file", "input", contents),
              texts("input_sha256", "SHA-256 of the text", "input", digests)};
  return g;
}

/// The groups of a run that a scenario has before it is solved, in the order of the archive.
struct Part {
  const char* name;
  Group (*make)(const Scenario&);
};
constexpr std::array of_scenario{Part{"events", events_group}, Part{"parameters", parameters_group}, Part{"patient", patient_group}, Part{"inputs", inputs_group}};

Group states_group(const Trajectory& t) {
  const Scenario& s = *t.scenario;
  const auto n = s.output_times_d.size();
  Group states;
  for (std::size_t j = 0; j < t.states.size(); ++j) {
    std::vector<double> column(n, NAN);
    if (s.constants.modules.has(t.states[j].module))
      for (std::size_t i = 0; i < n; ++i) column[i] = t.solution.states(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j));
    states.arrays.push_back(numbers(t.states[j].name, cf_unit(t.states[j].unit), t.states[j].doc, "time", std::move(column)));
    states.arrays.back().attributes["absolute_tolerance"] = t.states[j].atol;
  }
  return states;
}

Group report_group(const std::vector<Metric>& metrics) {
  Group summary;
  for (const Metric& metric : metrics) {
    summary.arrays.push_back(scalar(metric.name, cf_unit(metric.unit), metric.title, metric.value));
    if (!metric.qualifier.empty()) summary.arrays.back().attributes["qualifier"] = metric.qualifier;
  }
  return summary;
}

#ifdef __clang__
constexpr const char* compiler = "clang++ " __VERSION__;
#else
constexpr const char* compiler = "g++ " __VERSION__;
#endif

std::string read_cpu_model() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "unknown";
}

std::string utc_now() { return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr))); }

}  // namespace

std::string cf_unit(const std::string& unit) { return unit == "d" ? "days" : unit; }

Attributes scenario_attributes(const Scenario& s) {
  Text choices;
  for (const auto& [group, choice] : s.choices) choices.push_back(group + "=" + choice);
  return {{"title", fmt::format("{}: {}", s.regimen.name, s.regimen.title)},
          {"Conventions", std::string("CF-1.10")},
          {"source", fmt::format("nkpk {}", version)},
          {"references", s.regimen.registration},
          {"regimen", s.regimen.name},
          {"arm", s.label},
          {"choices", choices},
          {"patient", s.patient.name},
          {"donor", s.regimen.donor},
          {"day0", s.regimen.day0},
          {"warnings", s.warnings},
          {"notes", s.regimen.notes},
          {"switched_off", s.switched_off}};
}

Group describe(const Scenario& s) {
  Group all;
  for (const auto& [name, make] : of_scenario) all.groups.emplace_back(name, make(s));
  return all;
}

std::vector<std::string> group_names() {
  std::vector<std::string> names{"states", "report"};
  for (const auto& part : of_scenario) names.emplace_back(part.name);
  return names;
}

Group group_of(const Trajectory& t, const std::string& name, const std::vector<Metric>& metrics) {
  if (name == "states") return states_group(t);
  if (name == "report") return report_group(metrics);
  const auto part = std::find_if(of_scenario.begin(), of_scenario.end(), [&](const Part& p) { return name == p.name; });
  assert(part != of_scenario.end());
  return part->make(*t.scenario);
}

Group to_group(const Trajectory& t, const std::vector<Metric>& metrics) {
  Group run = run_group(t);
  for (const std::string& name : group_names()) run.groups.emplace_back(name, group_of(t, name, metrics));
  return run;
}

Group run_group(const Trajectory& t) {
  const Scenario& s = *t.scenario;
  const auto n = s.output_times_d.size();
  const std::size_t n_cohorts = s.cohorts.size();
  Group run;
  run.attributes = scenario_attributes(s);
  run.attributes.merge(Attributes{{"nkpk_kind", std::string("simulation")},
                                  {"status", std::string(to_string(t.solution.status))},
                                  {"message", t.solution.message},
                                  {"failed_state", t.failed_state},
                                  {"t_reached_d", t.solution.t_reached},
                                  {"solver", t.solution.stats.method},
                                  {"rtol", t.options.rtol},
                                  {"atol_factor", t.options.atol_factor},
                                  {"isa", std::string(to_string(t.options.isa))},
                                  {"steps_accepted", static_cast<std::int64_t>(t.solution.stats.steps_accepted)},
                                  {"steps_refused", static_cast<std::int64_t>(t.solution.stats.steps_refused)},
                                  {"rhs_calls", static_cast<std::int64_t>(t.solution.stats.rhs_calls)},
                                  {"seed", std::int64_t{0}},
                                  {"random", std::string("none: a deterministic run, the seed is not used")}});
  run.arrays.push_back(numbers("time", "days", "days since " + s.regimen.day0, "time", s.output_times_d));
  run.arrays.back().attributes["axis"] = std::string("T");
  Text cohort_names;
  for (const auto& c : s.cohorts) cohort_names.push_back(c.name);
  run.arrays.push_back(texts("cohort", "infusion of NK cells", "cohort", cohort_names));

  std::vector<NamedArray> observables;
  std::vector<std::vector<double>> columns;
  std::vector<double> counts(n * n_cohorts), bodies(n * n_cohorts);
  for (std::size_t i = 0; i < n; ++i) {
    const double* y = t.solution.states.row(static_cast<Eigen::Index>(i)).data();
    std::size_t j = 0;
    visit_observables(s.constants, y, leukocytes_at(s.leukocytes, s.output_times_d[i]),
                      [&](const char* name, const char* unit, const char* lloq, const char* title, double value) {
                        if (i == 0) {
                          observables.push_back(numbers(name, cf_unit(unit), title, "time", {}));
                          if (*lloq) observables.back().attributes["lloq"] = s.lloqs.at(lloq).value;
                          columns.emplace_back(n);
                        }
                        columns[j++][i] = value;
                      });
    for (std::size_t k = 0; k < n_cohorts; ++k) {
      counts[i * n_cohorts + k] = cohort_count(s.constants, y, k);
      bodies[i * n_cohorts + k] = cohort_body(y, k);
    }
  }
  for (std::size_t j = 0; j < observables.size(); ++j) {
    observables[j].shape = {n};
    observables[j].data = std::move(columns[j]);
    run.arrays.push_back(std::move(observables[j]));
  }
  run.arrays.push_back({"donor_nk_cohort_count", "cells/uL", "infused NK cells in blood, by infusion", {"time", "cohort"}, {n, n_cohorts}, counts, {{"lloq", s.lloqs.at("cells").value}}});
  run.arrays.push_back({"infused_cells_body", "cells", "infused NK cells in lung, blood and tissue, by infusion", {"time", "cohort"}, {n, n_cohorts}, bodies, {}});
  std::vector<double> starts, dosed;
  for (const auto& c : s.cohorts) starts.push_back(c.start_d), dosed.push_back(c.nk_dosed);
  run.arrays.push_back(numbers("cohort_start", "days", "start of the infusion", "cohort", starts));
  run.arrays.push_back(numbers("cohort_nk_dosed", "cells", "viable NK cells dosed", "cohort", dosed));
  return run;
}

Group to_group(Sensitivities d) {
  Text names, units;
  std::vector<double> values;
  for (const auto& p : d.parameters) names.push_back(p.name), units.push_back(p.unit), values.push_back(p.value);
  Group g;
  g.attributes = {{"nkpk_kind", std::string("sensitivity")}, {"status", std::string(to_string(d.status))}, {"message", d.message},
                  {"failed_state", d.failed_state}, {"t_reached_d", d.t_reached_d}, {"rhs_calls", static_cast<std::int64_t>(d.stats.rhs_calls)}};
  g.arrays.push_back(numbers("time", "days", "days", "time", d.times_d));
  g.arrays.push_back(texts("parameter", "parameter", "parameter", names));
  g.arrays.push_back(texts("parameter_unit", "unit of the parameter", "parameter", units));
  g.arrays.push_back(numbers("parameter_value", "", "value of the parameter, in parameter_unit", "parameter", values));
  const std::size_t n = d.times_d.size(), m = d.parameters.size();
  const auto of_observable = [&](std::size_t k) { return std::vector<double>(d.derivatives.data() + k * n * m, d.derivatives.data() + (k + 1) * n * m); };
  for (std::size_t k = 0; k < d.observables.size(); ++k) {
    const auto& o = d.observables[k];
    g.arrays.push_back({o.name, cf_unit(o.unit), "derivative of: " + o.title, {"time", "parameter"}, {n, m}, of_observable(k), {}});
    g.arrays.back().attributes["per"] = std::string("parameter_unit");
  }
  return g;
}

Attributes end_of_run(const std::string& exit_state) { return {{"finished", utc_now()}, {"exit_state", exit_state}}; }

Group provenance(const std::string& command_line, const std::map<std::string, std::string>& extra) {
  static const std::string cpu = read_cpu_model();  // once per process: reading it takes longer than all the rest
  utsname machine{};
  uname(&machine);
  Group g;
  g.attributes = {{"program", fmt::format("nkpk {}", version)},
                  {"command_line", command_line},
                  {"created", utc_now()},
                  {"compiler", std::string(compiler)},
                  {"model_hash", std::string(model_hash)},
                  {"boost", fmt::format("{}.{}.{}", BOOST_VERSION / 100000, BOOST_VERSION / 100 % 1000, BOOST_VERSION % 100)},
                  {"eigen", fmt::format("{}.{}.{}", EIGEN_WORLD_VERSION, EIGEN_MAJOR_VERSION, EIGEN_MINOR_VERSION)},
                  {"fmt", fmt::format("{}.{}.{}", FMT_VERSION / 10000, FMT_VERSION / 100 % 100, FMT_VERSION % 100)},
                  {"tomlplusplus", toml_library_version()},
                  {"openssl", openssl_version()},
                  {"system", fmt::format("{} {} {}", machine.sysname, machine.release, machine.machine)},
                  {"cpu", cpu},
                  {"threads", std::int64_t{1}}};
  for (const auto& [key, value] : extra) g.attributes[key] = value;
  return g;
}

Group archive_of(const std::vector<Group::Entry>& runs, const Group& provenance) {
  Group root;
  if (runs.size() == 1) {
    root = runs[0].group;
  } else {
    Group simulations;
    for (const auto& [label, run] : runs) simulations.groups.emplace_back(label, run);
    root.attributes = {{"nkpk_kind", std::string("collection")},
                       {"Conventions", std::string("CF-1.10")},
                       {"title", fmt::format("{} simulations", runs.size())},
                       {"source", fmt::format("nkpk {}", version)}};
    root.groups.emplace_back("simulation", simulations);
  }
  const auto& created = std::get<std::string>(provenance.attributes.at("created"));
  root.attributes["history"] = fmt::format("{} {}", created, std::get<std::string>(provenance.attributes.at("command_line")));
  root.groups.emplace_back("provenance", provenance);
  return root;
}

}  // namespace nkpk
