#pragma once
#include <map>
#include <string>
#include <vector>

#include "nkpk/core/named_array.hpp"
#include "nkpk/simulation/report.hpp"
#include "nkpk/simulation/sensitivity.hpp"

namespace nkpk {

/// One run as named arrays with units: what archives hold and Python reads. docs/archive_format.md lists the content.
Group to_group(const Trajectory& trajectory, const std::vector<Metric>& metrics);

/// Its parts, for who does not need all at once: the run without groups, the names of its groups in their order, and each group.
/// `metrics` are read by the group "report" alone; the name must be one of group_names().
Group run_group(const Trajectory& trajectory);
std::vector<std::string> group_names();
Group group_of(const Trajectory& trajectory, const std::string& name, const std::vector<Metric>& metrics);

/// Sensitivities as arrays over (time, parameter), one per observable, in its unit per `parameter_unit`.
Group to_group(Sensitivities sensitivities);

/// Title, regimen, arm, patient, donor, warnings and the like: attributes of every kind of run.
Attributes scenario_attributes(const Scenario& scenario);

/// A unit as archives write it.
std::string cf_unit(const std::string& unit);

/// What a scenario is before it is solved: the groups `events`, `parameters`, `patient` and `inputs` of a run.
Group describe(const Scenario& scenario);

/// Program, compiler, libraries, machine, command line, time of the start: attributes of the group `provenance`.
/// `extra` adds what only the caller knows, for example the HDF5 version.
Group provenance(const std::string& command_line, const std::map<std::string, std::string>& extra);

/// What provenance gets when the work has ended: `finished`, the time, and `exit_state`: "ok", "interrupted" or "failed".
Attributes end_of_run(const std::string& exit_state);

/// An archive of one run (the run is the root) or of several (each in /simulation/LABEL).
Group archive_of(const std::vector<Group::Entry>& runs, const Group& provenance);

}  // namespace nkpk
