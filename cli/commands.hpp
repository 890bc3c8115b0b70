#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "nkpk/archive/diff.hpp"
#include "nkpk/simulation/scenario.hpp"
#include "nkpk/solvers/integrate.hpp"

// The sub-commands. Each returns the exit code: 0 done, 1 numerical failure or, of diff, differences (2, bad input, is an InputError or
// an archive that verify finds wrong).

namespace nkpk::cli {

struct Common {
  std::filesystem::path params;  ///< --params
  bool json = false, quiet = false;
  std::string command_line;
};

struct SimulateArguments {
  std::vector<std::string> regimens;
  Request request;               ///< arms, level, patient, sets, horizon, without
  bool all_arms = false, force = false;
  std::string out, isa;            ///< isa: "" for the widest that runs here
  SolverOptions solver;
};

struct EnsembleArguments {
  Request request;
  std::size_t n_patients = 0;
  std::int64_t seed = 1;
  unsigned threads = 0;              ///< 0: all
  std::string observables, quantiles;  ///< with commas between; "" for the usual ones
  bool summary_only = false, force = false, resume = false;
  double checkpoint_every_s = 10;
  std::string out, isa;
  SolverOptions solver;
};

struct ExportArguments {
  Request request;
  bool sbml = false, equations = false, csv = false, force = false;
  std::string out;               ///< "" for standard output; a folder for --csv
  std::string array;             ///< the one that is wanted; "" for all
};

struct VerifyArguments {
  std::vector<std::string> files;
  bool seal = false;
};

struct DiffArguments {
  std::string a, b;
  archive::Tolerance tolerance;
  bool provenance = false;
};

int list(const Common& common);
int check(const Common& common, const Request& request, const std::vector<std::string>& files);
int show(const Common& common, const Request& request);
int simulate(const Common& common, const SimulateArguments& arguments);
int ensemble(const Common& common, const EnsembleArguments& arguments);
int export_any(const Common& common, const ExportArguments& arguments);
int export_csv(const Common& common, const ExportArguments& arguments);
int info(const Common& common, const std::filesystem::path& archive);
int verify(const Common& common, const VerifyArguments& arguments);
int diff(const Common& common, const DiffArguments& arguments);

}  // namespace nkpk::cli
