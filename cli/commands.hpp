#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "nkpk/simulation/scenario.hpp"
#include "nkpk/solvers/integrate.hpp"

// The sub-commands. Each returns the exit code: 0 done, 1 numerical failure (2, bad input, is an InputError).

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
  bool summary_only = false, force = false;
  std::string out, isa;
  SolverOptions solver;
};

struct ExportArguments {
  Request request;
  bool sbml = false, equations = false, force = false;
  std::string out;               ///< "" for standard output
};

int list(const Common& common);
int check(const Common& common, const Request& request, const std::vector<std::string>& files);
int show(const Common& common, const Request& request);
int simulate(const Common& common, const SimulateArguments& arguments);
int ensemble(const Common& common, const EnsembleArguments& arguments);
int export_text(const Common& common, const ExportArguments& arguments);
int info(const Common& common, const std::filesystem::path& archive);

}  // namespace nkpk::cli
