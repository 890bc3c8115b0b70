#pragma once
#include <span>
#include <string>
#include <vector>

#include "nkpk/simulation/scenario.hpp"
#include "nkpk/solvers/integrate.hpp"

namespace nkpk {

/// A solved scenario.
struct Trajectory {
  const Scenario* scenario = nullptr;  ///< must outlive the trajectory
  SolverOptions options;
  Solution solution;                   ///< states at scenario->output_times_d, and before each event
  std::vector<StateEntry> states;
  std::string failed_state;            ///< name of the state that failed, "" when ok

  bool ok() const { return solution.status == Status::ok; }
  /// The state [n_states] at any time from start to end, after an event at that time; NaN where the solution failed.
  std::vector<double> at(double t_d) const;
  /// The states [n_times x n_states] at non-decreasing times from output i to the next one, in a single integration; at the next
  /// one before an event there. NaN where it failed.
  RowMatrix within(std::size_t i, std::span<const double> times_d) const;
  /// The state [n_states] just before event k of the timeline.
  std::vector<double> before_event(std::size_t k) const;
  /// The state just before time t: before an event at t, else at t.
  std::vector<double> before(double t_d) const;
};

/// Integrates a scenario. A numerical failure is a status in the solution, with NaN beyond it, never an exception.
Trajectory simulate(const Scenario& scenario, const SolverOptions& options = {});

}  // namespace nkpk
