#include "commands.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "nkpk/archive/archive.hpp"
#include "nkpk/core/error.hpp"
#include "nkpk/interop/document.hpp"
#include "nkpk/interop/sbml.hpp"
#include "nkpk/simulation/calendar.hpp"
#include "nkpk/simulation/dataset.hpp"
#include "nkpk/version.hpp"
#include "shared.hpp"
#include "text.hpp"

namespace nkpk::cli {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

json metrics_json(const std::vector<Metric>& metrics) {
  json all = json::object();
  for (const Metric& m : metrics) {
    all[m.name] = {{"value", number_or_null(m.value)}, {"unit", m.unit}, {"title", m.title}};
    if (!m.qualifier.empty()) all[m.name]["qualifier"] = m.qualifier;
  }
  return all;
}

struct Run {
  std::string name;
  json summary;
  std::vector<Metric> metrics;
  bool ok;
  std::string message;
};

// What the table shows, in this order; the remaining metrics are in the archive and in --json.
const std::vector<std::pair<std::string, std::string>> columns{
    {"donor_nk_cmax", "Cmax /uL"},        {"donor_nk_tmax", "Tmax d"},        {"donor_nk_auc_0_28", "AUC0-28"},   {"donor_nk_last_day_above_1", "last >1/uL"},
    {"alc_nadir", "ALC nadir"},           {"alc_nadir_day", "day"},           {"alc_recovery_day", "ALC>500 d"},  {"il15_peak_fold", "IL-15 fold"},
    {"host_nk_nadir", "host NK nadir"},   {"host_nk_day_28", "host NK d28"},
};

std::string summary_table(const std::vector<Run>& runs) {
  std::vector<std::vector<std::string>> rows(1);
  rows[0].push_back("regimen/arm");
  for (const auto& [name, title] : columns) rows[0].push_back(title);
  std::vector<std::string> own;  // what the regimens themselves ask for
  for (const Run& run : runs)
    for (const Metric& m : run.metrics)
      if (!m.column.empty() && std::find(own.begin(), own.end(), m.column) == own.end()) own.push_back(m.column);
  rows[0].insert(rows[0].end(), own.begin(), own.end());
  for (const Run& run : runs) {
    std::vector<std::string> row{run.name};
    const auto cell = [&](auto&& wanted, double factor) {
      const auto it = std::find_if(run.metrics.begin(), run.metrics.end(), wanted);
      row.push_back(it == run.metrics.end() ? "-" : number(factor * it->value, it->qualifier));
    };
    for (const auto& [name, title] : columns) cell([&key = name](const Metric& m) { return m.name == key; }, 1);
    for (const std::string& column : own) cell([&](const Metric& m) { return m.column == column; }, 100);
    rows.push_back(row);
  }
  bool any_infused = false;
  for (const Run& run : runs)
    for (const Metric& m : run.metrics) any_infused = any_infused || m.qualifier == "*";
  return table(rows) + (any_infused ? "* most of that count is infused NK cells, just given: not a recovery\n" : "");
}

fs::path path_in(const std::string& folder, const Scenario& s) { return fs::path(folder) / s.regimen.name / (s.label + ".h5"); }

// Says no before hours of work, not after.
void check_out(const std::string& out, bool force, const std::vector<Scenario>& scenarios) {
  if (out.empty()) return;
  std::set<std::string> names;
  for (const Scenario& s : scenarios)
    if (!names.insert(run_name(s)).second) throw InputError(out, fmt::format("\"{}\" would be written twice", run_name(s)), "give every run once, and regimens different names");
  std::error_code error;
  if (is_archive_path(out)) {
    check_file(out, force);
    return;
  }
  if (fs::exists(out, error) && !fs::is_directory(out, error))
    throw InputError(out, "is not a folder", "expected FILE.h5 for one archive or a folder for one archive per run");
  for (const Scenario& s : scenarios)
    if (!force && fs::exists(path_in(out, s), error)) throw InputError(path_in(out, s).string(), "exists already", "give --force to replace it");
  for (const Scenario& s : scenarios) {
    const fs::path folder = path_in(out, s).parent_path();
    fs::create_directories(folder, error);
    if (error) throw InputError(folder.string(), error.message());
  }
}

}  // namespace

int list(const Common& common) {
  const Library library(common.params);
  json all;
  std::string text = "regimens (choices; * = default)\n";
  for (const auto& name : library.names("regimens")) {
    const TomlFile file = library.regimen(name);
    const auto groups = option_groups(file);
    const Node* title = file.root.find("title");
    text += fmt::format("  {:<15} {}\n{}", name, title ? title->text : "", options_text(groups));
    json options = json::object();
    for (const auto& group : groups) {
      json choices = json::array();
      for (const auto& choice : group.choices) choices.push_back({{"name", choice.name}, {"title", choice.title}});
      options[group.name] = {{"default", group.default_choice}, {"choices", choices}};
    }
    all["regimens"][name] = {{"title", title ? title->text : ""}, {"options", options}};
  }
  for (const char* kind : {"patients", "products"}) {
    text += fmt::format("{}\n ", kind);
    for (const auto& name : library.names(kind)) text += " " + name;
    text += std::string(kind) == "patients" ? "\n  or a typical one of any age: 6mo-boy, 3y-girl, 45y-woman\n" : "\n";
    all[kind] = library.names(kind);
  }
  text += "mechanisms (for --without)\n ";
  for (const auto& name : module_names) text += fmt::format(" {}", name), all["mechanisms"].push_back(name);
  text += "\nsolvers\n ";
  for (const auto& name : solver_names()) text += " " + name;
  text += "\n";
  all["solvers"] = solver_names();
  all["folder"] = library.folder().string();
  fmt::print("{}", common.json ? dump(all) + "\n" : text);
  return 0;
}

int check(const Common& common, const std::vector<std::string>& files) {
  const Library library(common.params);
  json all = json::array();
  std::string text;
  for (const std::string& file : files) {
    Request request;
    request.regimen = file;
    std::size_t n = 0;
    json warnings = json::array();
    for (const Request& one : all_arms(library, request)) {
      const Scenario s = make_scenario(library, one);
      ++n;
      for (const auto& warning : s.warnings) {
        const std::string line = fmt::format("{}: {}", s.label, warning);
        warnings.push_back(line);
        text += "warning: " + line + "\n";
      }
    }
    text += fmt::format("{}: {} combination{} of arms and levels, no errors\n", file, n, n == 1 ? "" : "s");
    all.push_back({{"file", file}, {"combinations", n}, {"warnings", warnings}});
  }
  fmt::print("{}", common.json ? dump(all) + "\n" : text);
  return 0;
}

int show(const Common& common, const Request& request) {
  const Library library(common.params);
  const Scenario s = make_scenario(library, request);
  if (!common.json) {
    fmt::print("{}", calendar_text(s));
    return 0;
  }
  json events = json::array();
  for (const Administration& a : s.administrations) {
    const DoseEntry& d = s.regimen.doses[a.dose];
    events.push_back({{"day", a.start_d}, {"duration_d", a.duration_d}, {"id", d.id}, {"drug", d.drug}, {"route", d.route}, {"amount", number_or_null(a.amount)},
                      {"unit", a.unit}, {"stated", d.amount_text}, {"why", d.why}, {"source", d.source}, {"assumed", d.assumed}});
  }
  const json all{{"regimen", s.regimen.name}, {"arm", s.label}, {"patient", s.patient.name}, {"calendar", events}, {"warnings", s.warnings}};
  fmt::print("{}\n", dump(all));
  return 0;
}

int simulate(const Common& common, const SimulateArguments& arguments) {
  catch_interrupt();  // from the start: building the scenarios of many arms takes a while, too
  const Library library(common.params);
  SolverOptions options = solver_options(arguments.solver, arguments.isa);
  // everything is read and checked before anything is written
  std::vector<Scenario> scenarios;
  for (const std::string& regimen : arguments.regimens) {
    Request request = arguments.request;
    request.regimen = regimen;
    for (const Request& one : arguments.all_arms ? all_arms(library, request) : std::vector<Request>{request}) {
      if (interrupted()) break;
      scenarios.push_back(make_scenario(library, one));
    }
  }
  const bool one_file = is_archive_path(arguments.out);
  check_out(arguments.out, arguments.force, scenarios);

  auto should_stop = [] { return interrupted(); };
  options.should_stop = should_stop;
  const Group origin = provenance(common.command_line, {{"hdf5", archive::hdf5_version()}});

  std::vector<Run> runs;
  std::vector<Group::Entry> groups;
  bool all_ok = true;
  {
    Progress progress(scenarios.size(), common.quiet);
    for (const Scenario& s : scenarios) {
      if (interrupted()) break;
      const Trajectory t = nkpk::simulate(s, options);
      if (interrupted()) break;  // what is not finished is not written
      Run run{run_name(s), {}, report(t), t.ok(), t.solution.message};
      if (interrupted()) break;  // the report integrates too
      all_ok = all_ok && run.ok;
      Group group;
      if (!arguments.out.empty()) group = to_group(t, run.metrics);
      std::string file;
      if (!arguments.out.empty() && !one_file) {
        file = path_in(arguments.out, s).string();
        archive::write(file, archive_of({{s.label, std::move(group)}}, origin), arguments.force);
      } else if (one_file) {
        file = arguments.out;
        groups.emplace_back(scenarios.size() == 1 ? s.label : s.regimen.name + "_" + s.label, std::move(group));
      }
      run.summary = {{"regimen", s.regimen.name}, {"arm", s.label}, {"patient", s.patient.name}, {"status", std::string(to_string(t.solution.status))},
                     {"message", t.solution.message}, {"t_reached_d", t.solution.t_reached}, {"archive", file}, {"warnings", s.warnings},
                     {"solver", t.solution.stats.method}, {"rhs_calls", t.solution.stats.rhs_calls}, {"seed", 0}, {"report", metrics_json(run.metrics)}};
      if (!common.quiet)
        for (const auto& warning : s.warnings) fmt::print(stderr, "nkpk: warning: {}: {}\n", run.name, warning);
      progress.step(run.name);
      runs.push_back(std::move(run));
    }
  }
  if (interrupted()) {
    const bool some = !one_file && !arguments.out.empty() && !runs.empty();
    fmt::print(stderr, "nkpk: interrupted; {}\n", some ? fmt::format("{} of {} runs are written to {}", runs.size(), scenarios.size(), arguments.out) : "nothing is written");
    return 128 + SIGINT;
  }
  if (one_file) archive::write(arguments.out, archive_of(groups, origin), arguments.force);

  if (common.json) {
    json all = json::array();
    for (const Run& run : runs) all.push_back(run.summary);
    fmt::print("{}\n", dump(all));
  } else if (!common.quiet) {
    fmt::print("{}", summary_table(runs));
    if (!arguments.out.empty()) fmt::print("\nwritten to {}\n", arguments.out);
  }
  for (const Run& run : runs)
    if (!run.ok) fmt::print(stderr, "nkpk: {}: {}\n", run.name, run.message);
  return all_ok ? 0 : 1;
}

int export_text(const Common& common, const ExportArguments& arguments) {
  if (arguments.sbml == arguments.equations)
    throw InputError("nkpk export", arguments.sbml ? "--sbml and --equations are two files" : "nothing was chosen", "expected --sbml or --equations");
  if (arguments.sbml && arguments.request.regimen.empty()) throw InputError("nkpk export --sbml", "no regimen is named", "expected a name or a TOML file");
  if (arguments.equations && !arguments.request.regimen.empty())
    throw InputError("nkpk export --equations", "the equations are those of every regimen", fmt::format("leave out \"{}\"", arguments.request.regimen));
  std::string text;
  if (arguments.sbml) {
    const Library library(common.params);
    const Scenario s = make_scenario(library, arguments.request);
    if (!common.quiet)
      for (const auto& warning : s.warnings) fmt::print(stderr, "nkpk: warning: {}: {}\n", run_name(s), warning);
    text = to_sbml(s);
  } else {
    text = equations_document();
  }
  if (arguments.out.empty()) {
    fmt::print("{}", text);
    return 0;
  }
  check_file(arguments.out, arguments.force);
  std::ofstream file(arguments.out, std::ios::binary);
  file << text;
  file.close();
  if (!file) throw InputError(arguments.out, "cannot be written");
  if (common.json) fmt::print("{}\n", dump(json{{"written", arguments.out}}));
  else if (!common.quiet) fmt::print("written to {}\n", arguments.out);
  return 0;
}

int info(const Common& common, const fs::path& path) {
  constexpr std::size_t most_elements = 1'000;  // of what is shown; an ensemble may have gigabytes of others
  const Group root = archive::read_outline(path, most_elements);
  const auto attribute = [](const Group& g, const std::string& key) -> std::string {
    const auto it = g.attributes.find(key);
    if (it == g.attributes.end()) return "";
    if (const auto* text = std::get_if<std::string>(&it->second)) return *text;
    if (const auto* real = std::get_if<double>(&it->second)) return fmt::format("{:g}", *real);
    if (const auto* integer = std::get_if<std::int64_t>(&it->second)) return fmt::format("{}", *integer);
    return "";
  };
  const auto typed = [](const Group& g, const std::string& key) {
    const auto it = g.attributes.find(key);
    return it == g.attributes.end() ? json(nullptr) : std::visit([](const auto& value) { return json(value); }, it->second);
  };
  const auto group = [](const Group& g, const std::string& name) -> const Group* {
    for (const auto& [key, value] : g.groups)
      if (key == name) return &value;
    return nullptr;
  };
  std::vector<std::pair<std::string, const Group*>> runs;
  if (attribute(root, "nkpk_kind") == "simulation") {
    runs.emplace_back("", &root);
  } else if (const Group* all = group(root, "simulation")) {
    for (const auto& [name, run] : all->groups) runs.emplace_back(name, &run);
  }
  json summary{{"file", path.string()}, {"title", attribute(root, "title")}, {"runs", json::array()}};
  std::string text = fmt::format("{}\n  {}\n", path.string(), attribute(root, "title"));
  if (const Group* origin = group(root, "provenance")) {
    for (const char* key : {"program", "created", "command_line", "compiler", "hdf5", "cpu"}) {
      text += fmt::format("  {:<13} {}\n", key, attribute(*origin, key));
      summary["provenance"][key] = attribute(*origin, key);
    }
  }
  for (const auto& [name, run] : runs) {
    json entry;
    text += fmt::format("run {}\n", name.empty() ? "(root)" : name);
    for (const char* key : {"regimen", "arm", "patient", "donor", "solver", "rtol", "status", "message", "t_reached_d", "seed"}) {
      const std::string value = attribute(*run, key);
      entry[key] = typed(*run, key);
      if (!value.empty()) text += fmt::format("  {:<13} {}\n", key, value);
    }
    std::size_t n_times = 0, n_observables = 0;
    for (const auto& array : run->arrays) {
      if (array.name == "time") n_times = array.shape.empty() ? 1 : array.shape[0];
      else if (array.dims.size() == 1 && array.dims[0] == "time") ++n_observables;
    }
    const Group* states = group(*run, "states");
    text += fmt::format("  {:<13} {} times, {} observables, {} states\n", "holds", n_times, n_observables, states ? states->arrays.size() : 0);
    entry["n_times"] = n_times;
    if (const Group* metrics = group(*run, "report")) {
      for (const auto& array : metrics->arrays) {
        const auto* values = std::get_if<std::vector<double>>(&array.data);
        if (!values || values->size() != 1) continue;
        const double value = values->front();
        const auto qualifier = array.attributes.find("qualifier");
        const auto* text_of = qualifier == array.attributes.end() ? nullptr : std::get_if<std::string>(&qualifier->second);
        const std::string sign = text_of ? *text_of : "";
        text += fmt::format("  {:<40} {:>10} {}\n", array.name, number(value, sign), array.unit == "1" ? "" : array.unit);
        entry["report"][array.name] = {{"value", number_or_null(value)}, {"unit", array.unit}};
      }
    }
    summary["runs"].push_back(entry);
  }
  if (attribute(root, "nkpk_kind") == "ensemble") {
    json entry;
    text += "ensemble\n";
    for (const char* key : {"regimen", "arm", "patient", "donor", "population", "seed", "n_asked", "n_patients", "n_solved", "n_failed", "n_refused", "solver",
                            "isa", "rtol", "status"}) {
      entry[key] = typed(root, key);
      text += fmt::format("  {:<13} {}\n", key, attribute(root, key));
    }
    bool has_courses = false;
    for (const auto& array : root.arrays) has_courses = has_courses || array.dims == std::vector<std::string>{"patient", "time"};
    json observables = json::array();
    if (const Group* quantiles = group(root, "quantiles"))
      for (const auto& array : quantiles->arrays)
        if (array.dims.size() == 2) observables.push_back(array.name);
    text += fmt::format("  {:<13} {} of {} observables\n", "holds", has_courses ? "courses, quantiles and means" : "quantiles and means", observables.size());
    entry["observables"] = observables;
    entry["has_courses"] = has_courses;
    summary["ensemble"] = entry;
  }
  fmt::print("{}", common.json ? dump(summary) + "\n" : text);
  return 0;
}

}  // namespace nkpk::cli
