#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "nkpk/simulation/scenario.hpp"
#include "nkpk/solvers/integrate.hpp"

// What several commands need.

namespace nkpk::cli {

/// From now on Ctrl-C is noted, not obeyed.
void catch_interrupt();
bool interrupted();

/// Bytes that are not UTF-8, for example in a file name, must not stop the output.
std::string dump(const nlohmann::json& value);
nlohmann::json number_or_null(double v);

/// "regimen/arm"
std::string run_name(const Scenario& s);

/// Checked, with the instruction set of this name; "": the widest that runs here.
SolverOptions solver_options(SolverOptions options, const std::string& isa);

/// FILE.h5 and the like, as opposed to a folder.
bool is_archive_path(const std::string& out);

/// Throws InputError when no file can be written there.
void check_file(const std::string& out, bool force);

}  // namespace nkpk::cli
