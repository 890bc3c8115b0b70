#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <new>

#include "commands.hpp"
#include "nkpk/archive/archive.hpp"
#include "nkpk/core/error.hpp"
#include "nkpk/simulation/ensemble_dataset.hpp"
#include "nkpk/version.hpp"

namespace {

constexpr int cannot_go_on = 1, bad_input = 2;

// As it can be typed again: quoted where a shell would take it apart.
std::string command_line(int argc, char** argv) {
  const std::string plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=.,:/@%";
  std::string text;
  for (int i = 0; i < argc; ++i) {
    std::string word = argv[i];
    if (word.empty() || word.find_first_not_of(plain) != std::string::npos) {
      for (std::size_t at = 0; (at = word.find('\'', at)) != std::string::npos; at += 4) word.replace(at, 1, "'\\''");
      word = "'" + word + "'";
    }
    text += (i ? " " : "") + word;
  }
  return text;
}

// What CLI11 could not read, with the nearest name where one is misspelt.
std::string parse_problem(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv) {
  std::vector<std::string> commands;
  for (const CLI::App* sub : app.get_subcommands({})) commands.push_back(sub->get_name());
  std::string problem = error.what();
  if (app.get_subcommands().empty()) {
    if (argc < 2) return fmt::format("no command given; known: {}", fmt::join(commands, ", "));
    if (argv[1][0] != '-') return nkpk::unknown_name("", "command", argv[1], commands).what();
    return problem + "; see nkpk --help";
  }
  const CLI::App* sub = app.get_subcommands()[0];
  const std::string help = fmt::format("; see nkpk {} --help", sub->get_name());
  if (!dynamic_cast<const CLI::ExtrasError*>(&error) || sub->remaining().empty()) return problem + help;
  const std::string wrong = sub->remaining()[0];
  if (!wrong.starts_with("-")) return fmt::format("nothing more was expected, found \"{}\"", wrong) + help;
  std::vector<std::string> options;
  for (const CLI::Option* option : sub->get_options())
    for (const auto& name : option->get_lnames()) options.push_back("--" + name);
  const std::string near = nkpk::nearest_name(wrong, options);
  return fmt::format("unknown option \"{}\"{}{}", wrong, near.empty() ? "" : fmt::format("; did you mean \"{}\"?", near), help);
}

}  // namespace

int main(int argc, char** argv) {
  using namespace nkpk;
  CLI::App app{"Pharmacokinetics of infused NK cells", "nkpk"};
  app.require_subcommand(1);
  app.set_version_flag("--version", fmt::format("nkpk {} (HDF5 {}, format {})", version, archive::hdf5_version(), archive::format_version));
  cli::Common common;
  common.command_line = command_line(argc, argv);
  // also accepted after the sub-command, where people type them
  const auto shared = [&common](CLI::App* sub) {
    sub->add_flag("--json", common.json, "print JSON instead of text");
    sub->add_flag("--quiet", common.quiet, "print errors only");
    sub->add_option("--params", common.params, "folder of parameter files instead of the shipped one");
    return sub;
  };

  shared(app.add_subcommand("list", "list regimens with their arms and levels, patients, products, solvers"));

  const auto allowing = [](CLI::App* sub, Request& request) {
    sub->add_flag("--allow-implausible", request.allow_implausible, "warn of numbers outside their plausible range instead of stopping");
  };
  std::vector<std::string> files;
  Request checked;
  CLI::App* check = shared(app.add_subcommand("check", "read regimens and every combination of their arms and levels"));
  check->add_option("FILE", files, "regimen: a name or a TOML file")->required();
  allowing(check, checked);

  cli::SimulateArguments arguments;
  const auto choices = [&allowing](CLI::App* sub, Request& request) {
    allowing(sub, request);
    sub->add_option("--arm", request.arms, "a choice of an option group, by name; repeatable")->type_name("A")->allow_extra_args(false);
    sub->add_option("--level", request.level, "dose level")->type_name("L");
    sub->add_option("--patient", request.patient, "a name, a TOML file, or an age such as 3y-girl")->type_name("P");
    sub->add_option("--set", request.sets, "change a parameter, a dose or the patient, for example host_nk.d0='0.05 1/d'; repeatable")
        ->type_name("KEY=VALUE")->allow_extra_args(false);
    sub->add_option("--without", request.without, "switch a mechanism off, for example rejection; repeatable")->type_name("NAME")->allow_extra_args(false);
  };
  const auto numerics = [](CLI::App* sub, Request& request, SolverOptions& solver, std::string& isa) {
    sub->add_option("--days", request.horizon_d, "last day of the simulation")->type_name("N");
    sub->add_option("--output-step", request.output_step_d, "days between outputs")->type_name("D");
    sub->add_option("--solver", solver.method, "see nkpk list")->type_name("S")->capture_default_str();
    sub->add_option("--rtol", solver.rtol, "relative tolerance")->capture_default_str();
    sub->add_option("--atol-factor", solver.atol_factor, "multiplies every absolute tolerance")->capture_default_str();
    sub->add_option("--max-steps", solver.max_steps, "step budget of one run")->capture_default_str()->check(CLI::PositiveNumber);
    sub->add_option("--isa", isa, "instruction set: baseline, avx2 or avx512; default: the widest that runs here")->type_name("I");
  };
  CLI::App* show = shared(app.add_subcommand("show", "print the treatment calendar for this patient"));
  show->add_option("FILE", arguments.request.regimen, "regimen: a name or a TOML file")->required();
  choices(show, arguments.request);

  CLI::App* simulate = shared(app.add_subcommand("simulate", "simulate regimens and write archives"));
  simulate->add_option("FILE", arguments.regimens, "regimens: names or TOML files")->required();
  choices(simulate, arguments.request);
  simulate->add_flag("--all-arms", arguments.all_arms, "every combination of the arms and levels that --arm and --level leave open");
  numerics(simulate, arguments.request, arguments.solver, arguments.isa);
  simulate->add_option("-o,--out", arguments.out, "FILE.h5 for one archive, a folder for one archive per run")->type_name("OUT")
      ->check([](const std::string& out) { return out.empty() ? "the name is empty" : ""; }, "");
  simulate->add_flag("--force", arguments.force, "replace existing archives");

  cli::EnsembleArguments many;
  CLI::App* ensemble = shared(app.add_subcommand("ensemble", "simulate many virtual patients, drawn with the spreads of the parameter files"));
  ensemble->add_option("FILE", many.request.regimen, "regimen: a name or a TOML file")->required();
  ensemble->add_option("-n,--n-patients", many.n_patients, "number of patients")->type_name("N")->required();
  ensemble->add_option("--seed", many.seed, "of the patients; the same seed gives the same ones")->type_name("S")->capture_default_str();
  choices(ensemble, many.request);
  numerics(ensemble, many.request, many.solver, many.isa);
  ensemble->add_option("--threads", many.threads, "0: as many as the machine has. The numbers are the same on any number")->type_name("K")->capture_default_str();
  ensemble->add_option("--observables", many.observables, fmt::format("names with commas between; default: {}", fmt::join(usual_observables(), ",")))
      ->type_name("A,B");
  ensemble->add_option("--quantiles", many.quantiles, "from 0 to 1, with commas between; default: 0.05,0.25,0.5,0.75,0.95")->type_name("P,Q");
  ensemble->add_flag("--summary-only", many.summary_only, "store quantiles, means, parameters and outcomes, not every patient's course");
  ensemble->add_option("-o,--out", many.out, "the archive, FILE.h5")->type_name("OUT")
      ->check([](const std::string& out) { return out.empty() ? "the name is empty" : ""; }, "");
  ensemble->add_flag("--resume", many.resume, "go on where an interrupted run of the same ensemble ended; its journal is OUT.part");
  ensemble->add_option("--checkpoint-every", many.checkpoint_every_s, "with --summary-only: seconds between checkpoints of the quantiles, at least")
      ->type_name("SECONDS")->capture_default_str()->check(CLI::NonNegativeNumber);
  ensemble->add_flag("--force", many.force, "replace an existing archive, or start anew where an interrupted run could go on");

  cli::ExportArguments wanted;
  CLI::App* exporting = shared(app.add_subcommand("export", "write a scenario as SBML for other programs, the equations of the model, or an archive as CSV"));
  exporting->add_option("FILE", wanted.request.regimen, "regimen: a name or a TOML file; for --csv an archive");
  exporting->add_flag("--sbml", wanted.sbml, "the model with this patient and regimen in SBML Level 3 Version 2");
  exporting->add_flag("--equations", wanted.equations, "the equations of the model in Markdown; takes no regimen");
  exporting->add_flag("--csv", wanted.csv, "all of an archive as tables, in the folder that -o names");
  exporting->add_option("--array", wanted.array, "with --csv: the table of this array on standard output, for example alc or states/treg")->type_name("NAME");
  choices(exporting, wanted.request);
  exporting->add_option("-o,--out", wanted.out, "file instead of standard output; for --csv a folder")->type_name("OUT")
      ->check([](const std::string& out) { return out.empty() ? "the name is empty" : ""; }, "");
  exporting->add_flag("--force", wanted.force, "replace an existing file, or an earlier export");

  std::string archive_path;
  CLI::App* info = shared(app.add_subcommand("info", "say what an archive holds"));
  info->add_option("ARCHIVE", archive_path, "an archive")->required();

  cli::VerifyArguments verified;
  CLI::App* verify = shared(app.add_subcommand("verify", "read archives from end to end: digest, every value, the rules of the format"));
  verify->add_option("ARCHIVE", verified.files, "archives")->required();
  verify->add_flag("--seal", verified.seal, "put a new digest at the end of files that another program changed, after reading them through");

  cli::DiffArguments compared;
  CLI::App* diff = shared(app.add_subcommand("diff", "say which inputs and numbers of two archives differ; exit code 1 where any do"));
  diff->add_option("A", compared.a, "an archive")->required();
  diff->add_option("B", compared.b, "another")->required();
  diff->add_option("--rtol", compared.tolerance.rtol, "numbers are the same when |a - b| <= atol + rtol max(|a|, |b|)")->capture_default_str();
  diff->add_option("--atol", compared.tolerance.atol, "in the unit of each array")->capture_default_str();
  diff->add_flag("--provenance", compared.provenance, "when, where and by what they were made counts as well");

  const auto run = [&] {
    if (app.got_subcommand("list")) return cli::list(common);
    if (app.got_subcommand(check)) return cli::check(common, checked, files);
    if (app.got_subcommand(show)) return cli::show(common, arguments.request);
    if (app.got_subcommand(simulate)) return cli::simulate(common, arguments);
    if (app.got_subcommand(ensemble)) return cli::ensemble(common, many);
    if (app.got_subcommand(exporting)) return cli::export_any(common, wanted);
    if (app.got_subcommand(verify)) return cli::verify(common, verified);
    if (app.got_subcommand(diff)) return cli::diff(common, compared);
    return cli::info(common, archive_path);
  };
  try {
    app.parse(argc, argv);
    const int code = run();
    if (std::fflush(stdout) == 0 && !std::ferror(stdout)) return code;
    fmt::print(stderr, "nkpk: the output cannot be written\n");
    return cannot_go_on;
  } catch (const CLI::Success& success) {
    return app.exit(success);  // --help, --version
  } catch (const CLI::ParseError& error) {
    fmt::print(stderr, "nkpk: {}\n", parse_problem(app, error, argc, argv));
    return bad_input;
  } catch (const InputError& error) {
    fmt::print(stderr, "nkpk: {}\n", error.what());
    return bad_input;
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "nkpk: out of memory; fewer runs, days or outputs need less\n");
    return cannot_go_on;
  } catch (const std::exception& error) {
    fmt::print(stderr, "nkpk: internal error, please report it: {}\n", error.what());
    return cannot_go_on;
  }
}
