#include "nkpk/simulation/simulate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "nkpk/simulation/lifted.hpp"

namespace nkpk {
namespace {

std::vector<double> row(const RowMatrix& m, std::size_t i) {
  return {m.row(static_cast<Eigen::Index>(i)).begin(), m.row(static_cast<Eigen::Index>(i)).end()};
}

}  // namespace

Trajectory simulate(const Scenario& s, const SolverOptions& options) {
  Trajectory result;
  result.scenario = &s;
  result.options = options;
  result.states = state_entries(s.cohorts.size());
  Lifted<double> lifted(s.constants, s.timeline);
  const auto y0 = initial_state(s.p, s.constants);
  result.solution = integrate(lifted.system(), y0, s.t_start_d, s.output_times_d, options);
  if (!result.ok() && result.solution.component >= 0) {
    result.failed_state = result.states[static_cast<std::size_t>(result.solution.component)].name;
    result.solution.message += fmt::format(" (state {}, patient {}, {} {})", result.failed_state, s.patient.name, s.regimen.name, s.label);
  }
  return result;
}

std::vector<double> Trajectory::before_event(std::size_t k) const { return row(solution.before_events, k); }

std::vector<double> Trajectory::before(double t) const {
  const auto& times = scenario->timeline.times;
  for (std::size_t k = 0; k < times.size(); ++k)
    if (std::abs(times[k] - t) < 1e-9) return before_event(k);
  return at(t);
}

std::vector<double> Trajectory::at(double t) const {
  const auto& times = scenario->output_times_d;
  const std::size_t n = scenario->constants.n_states();
  if (!(t >= times.front() && t <= times.back())) return std::vector<double>(n, NAN);
  const auto i = static_cast<std::size_t>(std::upper_bound(times.begin(), times.end(), t) - times.begin()) - 1;
  std::vector<double> y = row(solution.states, i);
  if (times[i] == t || !std::all_of(y.begin(), y.end(), [](double v) { return std::isfinite(v); })) return y;
  // every event time is an output time, and y is the state after it
  const auto& events = scenario->timeline.times;
  const auto segment = static_cast<std::size_t>(std::upper_bound(events.begin(), events.end(), times[i]) - events.begin());
  Lifted<double> lifted(scenario->constants, scenario->timeline);
  const double end[] = {t};
  const Solution piece = integrate(lifted.piece(segment), y, times[i], end, options);
  return row(piece.states, 0);
}

}  // namespace nkpk
