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

Group ended(Group origin, bool is_ok) {
  origin.attributes.merge(end_of_run(is_ok ? "ok" : "failed"));
  return origin;
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

int check(const Common& common, const Request& asked, const std::vector<std::string>& files) {
  const Library library(common.params);
  json all = json::array();
  std::string text;
  for (const std::string& file : files) {
    Request request = asked;
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
        archive::write(file, archive_of({{s.label, std::move(group)}}, ended(origin, run.ok)), arguments.force);
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
  if (one_file) archive::write(arguments.out, archive_of(groups, ended(origin, all_ok)), arguments.force);

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

int export_any(const Common& common, const ExportArguments& arguments) {
  if (arguments.csv) return export_csv(common, arguments);
  if (!arguments.array.empty()) throw InputError("nkpk export --array", "is for archives", "expected --csv as well");
  if (arguments.sbml == arguments.equations)
    throw InputError("nkpk export", arguments.sbml ? "--sbml and --equations are two files" : "nothing was chosen", "expected --sbml, --equations or --csv");
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

}  // namespace nkpk::cli
