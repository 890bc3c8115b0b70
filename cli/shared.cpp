#include "shared.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <csignal>

#include "nkpk/core/error.hpp"

namespace nkpk::cli {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

// of any thread: the one that the signal interrupts need not be the one that asks
std::atomic<bool> is_interrupted = false;
static_assert(std::atomic<bool>::is_always_lock_free);

}  // namespace

void catch_interrupt() {
  std::signal(SIGINT, [](int) { is_interrupted = true; });
}
bool interrupted() { return is_interrupted; }

std::string dump(const json& value) { return value.dump(2, ' ', false, json::error_handler_t::replace); }

json number_or_null(double v) { return std::isfinite(v) ? json(v) : json(nullptr); }

std::string run_name(const Scenario& s) { return s.regimen.name + "/" + s.label; }

SolverOptions solver_options(SolverOptions options, const std::string& isa) {
  const auto solvers = solver_names();
  if (std::find(solvers.begin(), solvers.end(), options.method) == solvers.end()) throw unknown_name("--solver", "solver", options.method, solvers);
  if (!isa.empty()) {
    options.isa = isa_from(isa, "--isa");
    expect_isa("--isa", options.isa);
  }
  options.validate();
  return options;
}

bool is_archive_path(const std::string& out) { return out.ends_with(".h5") || out.ends_with(".hdf5") || out.ends_with(".nc"); }

void check_file(const std::string& out, bool force) {
  std::error_code error;
  const fs::path folder = fs::path(out).has_parent_path() ? fs::path(out).parent_path() : fs::path(".");
  if (!fs::exists(folder, error)) throw InputError(out, fmt::format("the folder {} does not exist", folder.string()));
  if (!fs::is_directory(folder, error)) throw InputError(out, fmt::format("{} is not a folder", folder.string()));
  if (fs::is_directory(out, error)) throw InputError(out, "is a folder, not a file");
  if (!force && fs::exists(out, error)) throw InputError(out, "exists already", "give --force to replace it");
}

}  // namespace nkpk::cli
