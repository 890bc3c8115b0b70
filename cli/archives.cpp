#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>

#include "commands.hpp"
#include "nkpk/archive/archive.hpp"
#include "nkpk/archive/csv.hpp"
#include "nkpk/archive/diff.hpp"
#include "nkpk/archive/journal.hpp"
#include "nkpk/archive/reader.hpp"
#include "nkpk/archive/verify.hpp"
#include "nkpk/core/error.hpp"
#include "shared.hpp"
#include "text.hpp"

// What is done with archives that exist.

namespace nkpk::cli {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

constexpr int differs = 1, bad_input = 2;
constexpr const char* anew = "; another program changed it, and it was sealed anew";

const Group* group(const Group& g, const std::string& name) {
  for (const auto& [key, value] : g.groups)
    if (key == name) return &value;
  return nullptr;
}

/// Names and hashes of what was read.
void add_inputs(const Group& run, std::string& text, json& entry) {
  const Group* inputs = group(run, "inputs");
  if (inputs == nullptr) return;
  const std::vector<std::string>*names = nullptr, *digests = nullptr;
  for (const NamedArray& array : inputs->arrays) {
    if (array.name == "input") names = std::get_if<std::vector<std::string>>(&array.data);
    if (array.name == "input_sha256") digests = std::get_if<std::vector<std::string>>(&array.data);
  }
  for (std::size_t i = 0; names && digests && i < std::min(names->size(), digests->size()); ++i) {
    text += fmt::format("  {:<13} {}  {}\n", i == 0 ? "inputs" : "", (*digests)[i], (*names)[i]);
    entry["inputs"][(*names)[i]] = (*digests)[i];
  }
}

std::string one_line(const std::string& text) {
  constexpr std::size_t most = 100;
  std::string line = text.size() > most ? text.substr(0, most) + "..." : text;
  for (char& c : line)
    if (c == '\n' || c == '\r') c = ' ';
  return line;
}

std::string describe(const archive::Difference& d) {
  using Kind = archive::Difference::Kind;
  switch (d.kind) {
    case Kind::only_in_a:
    case Kind::only_in_b:
      return fmt::format("{}: {}{}", d.where, to_string(d.kind), d.a.empty() && d.b.empty() ? "" : fmt::format(" (\"{}\")", one_line(d.a + d.b)));
    case Kind::input:
      return fmt::format("input {}: line {}\n    A: {}\n    B: {}", d.where, d.line, one_line(d.a), one_line(d.b));
    case Kind::values: {
      const std::string at = d.at.empty() ? "" : fmt::format(" at {}", d.at);
      if (d.at_absolute.empty() && d.max_absolute == 0 && d.max_relative == 0)
        return fmt::format("{}: {} of {} texts differ; first{}: \"{}\" and \"{}\"", d.where, d.n_different, d.n, at, one_line(d.a), one_line(d.b));
      const auto greatest = [](const char* what, double value, const std::string& where) {
        const std::string size = std::isnan(value) ? "missing on one side" : fmt::format("{:.3g}", value);
        return fmt::format("; greatest {} difference {}{}", what, size, where.empty() ? "" : " at " + where);
      };
      return fmt::format("{}: {} of {} numbers differ; first{}: {} and {}{}{}", d.where, d.n_different, d.n, at, d.a, d.b,
                         greatest("absolute", d.max_absolute, d.at_absolute), greatest("relative", d.max_relative, d.at_relative));
    }
    default:
      return fmt::format("{}: \"{}\" and \"{}\"", d.where, one_line(d.a), one_line(d.b));
  }
}

json to_json(const archive::Difference& d) {
  json entry{{"kind", to_string(d.kind)}, {"where", d.where}, {"a", d.a}, {"b", d.b}, {"provenance", d.is_origin}};
  if (d.line > 0) entry["line"] = d.line;
  if (d.n == 0) return entry;
  entry["n"] = d.n, entry["n_different"] = d.n_different, entry["at"] = d.at;
  if (d.at_absolute.empty() && d.max_absolute == 0 && d.max_relative == 0) return entry;
  entry["max_absolute"] = number_or_null(d.max_absolute), entry["at_absolute"] = d.at_absolute;
  entry["max_relative"] = number_or_null(d.max_relative), entry["at_relative"] = d.at_relative;
  return entry;
}

/// Calls action() in a process of its own, which bytes that HDF5 chokes on cannot take us down with. Throws InputError(where) when
/// the action did, or when the process did not live to its end.
template <class Action>
void in_child(const std::string& where, const Action& action) {
  std::array<int, 2> pipe{};
  std::fflush(nullptr);
  if (::pipe(pipe.data()) != 0) throw std::runtime_error("no pipe to another process");
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("no other process can be started");
  if (child == 0) {
    ::close(pipe[0]);
    std::string problem;
    try {
      action();
    } catch (const std::exception& error) {
      problem = error.what();
    }
    const bool is_told = problem.empty() || ::write(pipe[1], problem.data(), problem.size()) >= 0;
    ::_exit(problem.empty() && is_told ? 0 : bad_input);
  }
  ::close(pipe[1]);
  std::string problem;
  std::array<char, 4096> buffer{};
  for (ssize_t n = 0; (n = ::read(pipe[0], buffer.data(), buffer.size())) > 0;) problem.append(buffer.data(), static_cast<std::size_t>(n));
  ::close(pipe[0]);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
  const std::string file = where + ": ";
  if (problem.starts_with(file)) problem = problem.substr(file.size());
  throw InputError(where, problem.empty() ? "damaged: the program that read it crashed; it was not sealed" : problem);
}

/// Puts a new digest behind a file that another program changed.
void seal_anew(const std::string& path) {
  if (archive::has_seal(path)) {
    archive::check_seal(path);  // one that is right stays
    return;
  }
  in_child(path, [&] { archive::read_through_unsealed(path); });
  archive::seal_file(path, path, true);
}

}  // namespace

int info(const Common& common, const fs::path& path) {
  constexpr std::size_t most_elements = 1'000;  // of what is shown; an ensemble may have gigabytes of others
  std::optional<archive::Seal> seal;
  Group root;
  if (archive::is_journal(path)) {
    root = archive::read_outline(path, most_elements);
  } else {
    const archive::Reader reader(path);
    root = reader.tree(most_elements);
    seal = reader.seal();
  }
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
  std::vector<std::pair<std::string, const Group*>> runs;
  if (attribute(root, "nkpk_kind") == "simulation") {
    runs.emplace_back("", &root);
  } else if (const Group* all = group(root, "simulation")) {
    for (const auto& [name, run] : all->groups) runs.emplace_back(name, &run);
  }
  json summary{{"file", path.string()}, {"title", attribute(root, "title")}, {"runs", json::array()}};
  std::string text = fmt::format("{}\n  {}\n", path.string(), attribute(root, "title"));
  if (seal) {
    text += fmt::format("  {:<13} SHA-256 {}, as it was written{}\n", "digest", seal->digest, seal->is_anew ? anew : "");
    summary["digest"] = {{"sha256", seal->digest}, {"sealed_anew", seal->is_anew}};
  } else {
    text += fmt::format("  {:<13} a journal, each record with a checksum; --resume goes on from it\n", "digest");
    summary["digest"] = nullptr;
  }
  summary["format_version"] = archive::format_version;
  if (const Group* origin = group(root, "provenance")) {
    for (const auto& [key, value] : origin->attributes) {
      text += fmt::format("  {:<13} {}\n", key, attribute(*origin, key));
      summary["provenance"][key] = typed(*origin, key);
    }
  }
  for (const auto& [name, run] : runs) {
    json entry;
    text += fmt::format("run {}\n", name.empty() ? "(root)" : name);
    for (const char* key : {"regimen", "arm", "patient", "donor", "solver", "rtol", "isa", "status", "message", "t_reached_d", "seed"}) {
      const std::string value = attribute(*run, key);
      entry[key] = typed(*run, key);
      if (!value.empty()) text += fmt::format("  {:<13} {}\n", key, value);
    }
    std::size_t n_times = 0, n_observables = 0;
    for (const auto& array : run->arrays) {
      if (array.name == "time")
        n_times = array.shape.empty() ? 1 : array.shape[0];
      else if (array.dims.size() == 1 && array.dims[0] == "time")
        ++n_observables;
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
    add_inputs(*run, text, entry);
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
    if (const Group* scenario = group(root, "scenario")) add_inputs(*scenario, text, entry);
    summary["ensemble"] = entry;
  }
  fmt::print("{}", common.json ? dump(summary) + "\n" : text);
  return 0;
}

int verify(const Common& common, const VerifyArguments& arguments) {
  json all = json::array();
  std::string text;
  bool all_ok = true;
  for (const std::string& file : arguments.files) {
    if (arguments.seal) seal_anew(file);
    const archive::Verdict verdict = archive::verify(file);
    all_ok = all_ok && verdict.ok();
    const bool is_anew = verdict.seal && verdict.seal->is_anew;
    if (verdict.ok()) {
      text += fmt::format("{}: ok, format {}, {} arrays, {} values, SHA-256 {}{}\n", file, archive::format_version, verdict.n_arrays, verdict.n_values,
                          verdict.seal->digest, is_anew ? anew : "");
    } else {
      text += fmt::format("{}: {}", file, verdict.problems[0]);
      text += verdict.problems.size() > 1 ? fmt::format(" (and {} more, see --json)\n", verdict.problems.size() - 1) : "\n";
    }
    all.push_back({{"file", file},
                   {"ok", verdict.ok()},
                   {"problems", verdict.problems},
                   {"sealed_anew", is_anew},
                   {"n_groups", verdict.n_groups},
                   {"n_arrays", verdict.n_arrays},
                   {"n_values", verdict.n_values},
                   {"sha256", verdict.seal ? json(verdict.seal->digest) : json(nullptr)}});
  }
  if (common.json)
    fmt::print("{}\n", dump(all));
  else if (!common.quiet || !all_ok)
    fmt::print("{}", text);
  return all_ok ? 0 : bad_input;
}

int diff(const Common& common, const DiffArguments& arguments) {
  const auto differences = archive::diff(arguments.a, arguments.b, arguments.tolerance);
  std::size_t n = 0;
  json all = json::array();
  std::string text, origin;
  for (const archive::Difference& d : differences) {
    const bool counts = arguments.provenance || !d.is_origin;
    n += counts;
    (counts ? text : origin) += (counts ? "" : "  ") + describe(d) + "\n";
    all.push_back(to_json(d));
  }
  if (!origin.empty()) origin = "made differently (does not count without --provenance):\n" + origin;
  const std::string verdict = n == 0 ? "the same" : fmt::format("{} difference{}", n, n == 1 ? "" : "s");
  if (common.json)
    fmt::print("{}\n", dump({{"a", arguments.a}, {"b", arguments.b}, {"same", n == 0}, {"differences", all}}));
  else if (!common.quiet)
    fmt::print("{}{}{}\n", text, origin, verdict);
  return n == 0 ? 0 : differs;
}

int export_csv(const Common& common, const ExportArguments& arguments) {
  const std::string& archive = arguments.request.regimen;
  if (arguments.sbml || arguments.equations) throw InputError("nkpk export --csv", "takes an archive and goes alone", "leave out --sbml and --equations");
  if (archive.empty()) throw InputError("nkpk export --csv", "no archive is named", "expected FILE.h5");
  if (!arguments.array.empty()) {
    if (!arguments.out.empty()) throw InputError("nkpk export --array", "goes to standard output", "leave out -o");
    archive::export_array(archive, arguments.array, [](std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); });
    return 0;
  }
  if (arguments.out.empty())
    throw InputError("nkpk export --csv", "no folder is named", "expected -o FOLDER, or --array NAME for one table on standard output");
  const auto files = archive::export_csv(archive, arguments.out, arguments.force);
  json names = json::array();
  for (const auto& file : files) names.push_back(file.string());
  if (common.json)
    fmt::print("{}\n", dump({{"written", arguments.out}, {"files", names}}));
  else if (!common.quiet)
    fmt::print("{} files written to {}\n", files.size(), arguments.out);
  return 0;
}

}  // namespace nkpk::cli
