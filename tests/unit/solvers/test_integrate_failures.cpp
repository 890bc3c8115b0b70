// Every way in which integrate() can stop early, and every way to call it wrongly.
#include <algorithm>

#include "nkpk/core/error.hpp"
#include "solver_problem.hpp"

using namespace nkpk;
using test::Problem;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

Problem decay() {
  return {.rhs = [](std::size_t, double, auto y, auto dydt) { dydt[0] = -y[0]; }, .y0 = {1}};
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

template <class F>
std::string input_error(F&& f) {
  try {
    f();
  } catch (const InputError& error) {
    return error.what();
  }
  return "no InputError";
}

}  // namespace

TEST_CASE("a right-hand side that is NaN from day 1 on stops the run there, and the rest is NaN") {
  for (const auto& method : solver_names()) {
    CAPTURE(method);
    const Problem problem{.rhs =
                              [](std::size_t, double t, auto, auto dydt) {
                                dydt[0] = 1;
                                dydt[1] = t > 1 ? not_a_number : 2;
                              },
                          .y0 = {0, 0},
                          .event_times = {0.25, 2}};
    const Solution s = problem.solve({0.5, 1.5, 3}, test::with_method(method));
    CHECK(s.status == Status::not_finite);
    CHECK(s.component == 1);
    // given up when a fifth of a refused step is below 16 spacings at the next stop, day 1.5
    CHECK(s.t_reached <= 1);
    CHECK(s.t_reached > 1 - 5 * 16 * 1.5 * test::eps);
    CHECK(std::abs(s.states(0, 0) - 0.5) < 1e-14);
    CHECK(s.states.bottomRows(2).array().isNaN().all());
    CHECK(std::abs(s.before_events(0, 1) - 0.5) < 1e-14);
    CHECK(s.before_events.row(1).array().isNaN().all());
    CHECK(contains(s.message, "stopped at t = 1 d: component 1 is not finite"));
  }
}

TEST_CASE("a right-hand side that is NaN only for too long a step is got round") {
  for (const auto& method : solver_names()) {
    CAPTURE(method);
    const Problem problem{
        .rhs = [](std::size_t, double, auto y,
                  auto dydt) { dydt[0] = y[0] < 0 ? not_a_number : -100 * std::sqrt(y[0]) * y[0]; },
        .y0 = {1}};
    SolverOptions options = test::with_method(method);
    options.initial_step_d = 1;  // a stage goes below zero at once
    const Solution s = problem.solve({0.1}, options);
    REQUIRE(s.status == Status::ok);
    CHECK(s.stats.steps_refused >= 1);
    // 1/sqrt(y) = 1 + 50 t; errors shrink from then on, so at worst one tolerance per step
    CHECK(std::abs(s.states(0, 0) - 1.0 / 36) <
          static_cast<double>(s.stats.steps_accepted) * (options.rtol + 1e-12));
  }
}

TEST_CASE("a step that lands where no slope can be had is refused, and another way is found") {
  for (const auto& method : solver_names()) {
    CAPTURE(method);
    const double landing = decay().solve({1}, test::fixed_steps(method, 1)).states(0, 0);
    // one step of a day is off by more than the hole is wide, the shorter ones after it by less than half of
    // that
    const double wrong = std::abs(landing - std::exp(-1.0));
    Problem problem = decay();
    problem.rhs = [&](std::size_t, double, auto y, auto dydt) {
      dydt[0] = std::abs(y[0] - landing) < wrong / 2 ? not_a_number : -y[0];
    };
    const Solution s = problem.solve({1}, test::fixed_steps(method, 1));
    CHECK(s.status == Status::ok);
    CHECK(s.stats.steps_refused == 1);
    CHECK(std::abs(s.states(0, 0) - std::exp(-1.0)) < wrong / 2);
  }
}

TEST_CASE("a NaN hidden behind a later finite component is seen by the step control") {
  for (const auto& method : solver_names()) {
    CAPTURE(method);
    const Problem problem{.rhs =
                              [](std::size_t, double t, auto y, auto dydt) {
                                dydt[0] = t > 0 ? not_a_number : 0;
                                dydt[1] = -y[1];
                              },
                          .y0 = {1, 1}};
    const Solution s = problem.solve({1}, test::with_method(method));
    CHECK(s.status == Status::not_finite);
    CHECK(s.component == 0);
    CHECK(s.t_reached == 0);
    CHECK(s.states.array().isNaN().all());
  }
}

TEST_CASE("a start, an event or a first slope that is not finite is reported where it is") {
  Problem start = decay();
  start.y0 = {not_a_number};
  Solution s = start.solve({0, 1});
  CHECK(s.status == Status::not_finite);
  CHECK(s.t_reached == 0);
  CHECK(s.states.array().isNaN().all());
  CHECK(contains(s.message, "initial state"));

  Problem event = decay();
  event.event_times = {0.5};
  event.jump = [](std::size_t, auto y) { y[0] = not_a_number; };
  s = event.solve({0, 0.5, 1});
  CHECK(s.status == Status::not_finite);
  CHECK(s.t_reached == 0.5);
  CHECK(s.component == 0);
  CHECK(s.states(0, 0) == 1);
  CHECK(std::isnan(s.states(1, 0)));
  CHECK(s.before_events(0, 0) == doctest::Approx(std::exp(-0.5)));
  CHECK(contains(s.message, "event"));

  Problem slope = decay();
  slope.rhs = [](std::size_t, double, auto, auto dydt) { dydt[0] = not_a_number; };
  s = slope.solve({0, 1});
  CHECK(s.status == Status::not_finite);
  CHECK(s.t_reached == 0);
  CHECK(s.states(0, 0) == 1);
  CHECK(s.stats.rhs_calls == 1);
  CHECK(contains(s.message, "derivative"));
}

TEST_CASE("the step budget ends a run and keeps what was reached") {
  SolverOptions options;
  options.max_steps = 20;
  const Solution s = decay().solve({1e-4, 100}, options);
  CHECK(s.status == Status::max_steps);
  CHECK(s.stats.steps_accepted + s.stats.steps_refused == 20);
  CHECK(s.component == 0);
  CHECK(s.t_reached > 1e-4);
  CHECK(s.t_reached < 100);
  CHECK(s.states(0, 0) == doctest::Approx(std::exp(-1e-4)).epsilon(1e-8));
  CHECK(std::isnan(s.states(1, 0)));
  CHECK(contains(s.message, "max_steps"));
}

TEST_CASE("a budget that is just enough is enough") {
  const std::size_t needed =
      decay().solve({10}).stats.steps_accepted + decay().solve({10}).stats.steps_refused;
  SolverOptions options;
  options.max_steps = needed;
  CHECK(decay().solve({10}, options).status == Status::ok);
  options.max_steps = needed - 1;
  CHECK(decay().solve({10}, options).status == Status::max_steps);
}

TEST_CASE("a solution that blows up ends with a step too small to move the time") {
  for (const auto& method : solver_names()) {
    CAPTURE(method);
    // component 1 is 1 / (1 - t)
    const Problem problem{.rhs =
                              [](std::size_t, double, auto y, auto dydt) {
                                dydt[0] = -y[0];
                                dydt[1] = y[1] * y[1];
                              },
                          .y0 = {1, 1}};
    const Solution s = problem.solve({0.5, 2}, test::with_method(method));
    CHECK(s.status == Status::step_too_small);
    CHECK(s.component == 1);
    // a relative error of rtol in y moves the pole by less than rtol
    CHECK(std::abs(s.t_reached - 1) < static_cast<double>(s.stats.steps_accepted) * 1e-8);
    CHECK(s.states(0, 1) == doctest::Approx(2).epsilon(std::max(1e-6, static_cast<double>(s.stats.steps_accepted) * 1e-8)));
    CHECK(s.states.row(1).array().isNaN().all());
    CHECK(contains(s.message, "component 1"));
  }
}

TEST_CASE("a run that is asked to stop stops within 64 steps") {
  int asked = 0;
  auto stop_at_third = [&] { return ++asked == 3; };
  SolverOptions options;
  options.initial_step_d = 1e-4;
  options.max_step_d = 0.01;
  options.should_stop = stop_at_third;
  const Solution s = decay().solve({0.5, 100}, options);
  CHECK(s.status == Status::interrupted);
  CHECK(asked == 3);
  CHECK(s.stats.steps_accepted + s.stats.steps_refused == 128);
  CHECK(s.component == -1);
  CHECK(s.t_reached > 0.5);
  CHECK(s.t_reached < 128 * 0.01);
  CHECK(s.states(0, 0) == doctest::Approx(std::exp(-0.5)));
  CHECK(std::isnan(s.states(1, 0)));
}

TEST_CASE("a status has its name in words") {
  CHECK(to_string(Status::ok) == "ok");
  CHECK(to_string(Status::max_steps) == "max_steps");
  CHECK(to_string(Status::step_too_small) == "step_too_small");
  CHECK(to_string(Status::not_finite) == "not_finite");
  CHECK(to_string(Status::interrupted) == "interrupted");
}

TEST_CASE("the usual options are valid") { CHECK_NOTHROW(SolverOptions{}.validate()); }

TEST_CASE("an unusable option is named with its value and what was expected") {
  const auto message = [](auto&& change) {
    SolverOptions options;
    change(options);
    const std::string text = input_error([&] { options.validate(); });
    CHECK(input_error([&] { decay().solve({1}, options); }) == text);  // integrate() asks too
    return text;
  };
  const auto start = [](const std::string& field) { return "SolverOptions." + field + ": "; };
  CHECK(message([](auto& o) { o.method = "dopri4"; }) ==
        start("method") + "unknown method \"dopri4\"; did you mean \"dopri5\"? known: dopri5, fehlberg78, rkc2, rodas4, rodas5p, auto");
  for (const double bad : {1e-14, 1.0, -1.0, not_a_number}) {
    const auto text = message([&](auto& o) { o.rtol = bad; });
    CHECK(contains(text, start("rtol")));
    CHECK(contains(text, "expected 1e-14 < rtol < 1"));
  }
  CHECK(contains(message([](auto& o) { o.rtol = 2.5; }), "2.5 is out of range"));
  for (const double bad : {0.0, -1.0, not_a_number, std::numeric_limits<double>::infinity()}) {
    CHECK(contains(message([&](auto& o) { o.atol_factor = bad; }), start("atol_factor")));
    if (bad != 0) CHECK(contains(message([&](auto& o) { o.initial_step_d = bad; }), start("initial_step_d")));
    CHECK(contains(message([&](auto& o) { o.max_step_d = bad; }), start("max_step_d")));
  }
  CHECK(contains(message([](auto& o) { o.max_steps = 0; }), start("max_steps") + "0 is out of range"));
}

TEST_CASE("unusable times are named with their index") {
  const auto at = [](std::vector<double> outputs, std::vector<double> events = {}, double t0 = 0) {
    Problem problem = decay();
    problem.event_times = std::move(events);
    problem.t0 = t0;
    return input_error([&] { problem.solve(outputs); });
  };
  CHECK(contains(at({1, 2, 1.5}), "output_times[2]: 1.5 is out of order"));
  CHECK(contains(at({0, 1}, {}, 0.5), "output_times[0]: 0 is out of order"));
  CHECK(contains(at({1, not_a_number}), "output_times[1]: nan is out of order"));
  CHECK(contains(at({}), "output_times: is empty"));
  CHECK(contains(at({1}, {0.5, 0.5}), "event_times[1]: 0.5 is out of order"));
  CHECK(contains(at({1}, {not_a_number}), "event_times[0]: nan is out of order"));
  CHECK(contains(at({1}, {}, not_a_number), "t0: nan is not a time"));
}

TEST_CASE("a system that does not fit together is refused") {
  const std::vector<double> y0{1}, two{1, 1}, negative{-1}, times{1};
  auto rhs = [](std::size_t, double, std::span<const double>, std::span<double> dydt) { dydt[0] = 0; };
  PiecewiseSystem good;
  good.size = 1;
  good.atol = y0;
  good.rhs = rhs;
  const auto refusal = [&](const PiecewiseSystem& system, const std::vector<double>& start) {
    return input_error([&] { integrate(system, start, 0, times, {}); });
  };
  CHECK(refusal(good, y0) == "no InputError");
  CHECK(contains(refusal(good, two), "y0: has 2 values; expected 1"));
  PiecewiseSystem bad = good;
  bad.atol = two;
  CHECK(contains(refusal(bad, y0), "atol: has 2 values; expected 1"));
  bad.atol = negative;
  CHECK(contains(refusal(bad, y0), "atol[0]: -1 is out of range"));
  bad = good;
  bad.rhs = {};
  CHECK(contains(refusal(bad, y0), "rhs: is missing"));
  bad = good;
  bad.event_times = times;
  CHECK(contains(refusal(bad, y0), "jump: is missing"));
}
