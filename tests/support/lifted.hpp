#pragma once
#include <vector>

#include "nkpk/core/scalar.hpp"
#include "nkpk/simulation/lift.hpp"
#include "support/scenarios.hpp"

// The model integrated in any scalar, through the solver that sees doubles only.

namespace nkpk::test {

/// [n_times][n_states] from y0 at t0; every double of a state shares its absolute tolerance. Every mechanism is awake throughout.
template <FlatScalar T>
std::vector<std::vector<T>> solved_in(const Constants<T>& c, const Timeline<T>& timeline, const std::vector<T>& y0, double t0,
                                      const std::vector<double>& times, double rtol) {
  constexpr std::size_t width = ScalarTraits<T>::width;
  const std::size_t n = c.n_states();
  std::vector<T> y(n), dy(n), scratch(n);
  auto rhs = [&](std::size_t segment, double t, std::span<const double> flat, std::span<double> rates) {
    load<T>(flat, y);
    right_hand_side(c, timeline.windows[segment], t, y.data(), dy.data());
    for (const auto& in : timeline.rates[segment]) dy[in.state] += in.rate;
    store<T>(dy, rates);
  };
  auto jump = [&](std::size_t event, std::span<double> flat) {
    load<T>(flat, y);
    for (const auto& lines : timeline.jumps[event]) apply_jump(lines, y.data(), n, scratch);
    store<T>(y, flat);
  };
  std::vector<double> atol, start(n * width);
  for (const double each : tolerances(c.n_cohorts())) atol.insert(atol.end(), width, each);
  store<T>(y0, start);
  PiecewiseSystem system;
  system.size = start.size();
  system.event_times = timeline.times;
  system.atol = atol;
  system.rhs = rhs;
  system.jump = jump;
  const Solution solution = integrate(system, start, t0, times, with_rtol(rtol));
  REQUIRE_MESSAGE(solution.status == Status::ok, solution.message);
  std::vector<std::vector<T>> states(times.size(), std::vector<T>(n));
  for (std::size_t i = 0; i < times.size(); ++i)
    load<T>({solution.states.row(static_cast<Eigen::Index>(i)).data(), start.size()}, states[i]);
  return states;
}

/// The model from the state y0 at time 0, without events.
template <FlatScalar T>
std::vector<std::vector<T>> solved_in(const Constants<T>& c, const std::vector<T>& y0, const std::vector<double>& times, double rtol = 1e-11) {
  Timeline<T> nothing;
  nothing.windows.resize(1);
  nothing.rates.resize(1);
  return solved_in(c, nothing, y0, 0, times, rtol);
}

/// A whole scenario, with all that may differ between patients in T.
template <FlatScalar T>
std::vector<std::vector<T>> solved_in(const Scenario& s, const Parameters<T>& p, const std::vector<Cohort<T>>& lots, double rtol) {
  const Constants<T> c = prepare(p, Physiology::body(s.patient, p.physiology), chi_of(s.regimen.donor, p), lots, s.constants.modules, s.parameters.linear_quadratic);
  std::vector<Entering<T>> entering;
  for (const Administration& a : s.administrations)
    entering.push_back({a.cohort < 0 ? T(a.amount) : viable_nk(T(a.amount), lots[static_cast<std::size_t>(a.cohort)].product), T(a.start_d), T(a.duration_d)});
  return solved_in(c, make_timeline(s, p, c, entering), initial_state(p, c), s.t_start_d, s.output_times_d, rtol);
}

}  // namespace nkpk::test
