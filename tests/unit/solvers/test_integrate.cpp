// What integrate() computes: events, outputs and accuracy. How it fails: test_integrate_failures.cpp.
#include <algorithm>
#include <cstring>

#include "solver_problem.hpp"

using namespace nkpk;
using test::Problem;

namespace {

/// y' = -k y with boluses of 1, 2 and 3 at days 0.5, 1.25 and 3.
const double k = 1.3;
const std::vector<double> bolus_times{0.5, 1.25, 3};

Problem three_boluses() {
  return {.rhs = [](std::size_t, double, auto y, auto dydt) { dydt[0] = -k * y[0]; },
          .y0 = {2},
          .event_times = bolus_times,
          .jump = [](std::size_t event, auto y) { y[0] += static_cast<double>(event + 1); }};
}

double three_boluses_exact(double t) {
  double y = 2 * std::exp(-k * t);
  for (std::size_t i = 0; i < bolus_times.size(); ++i) {
    if (t >= bolus_times[i]) y += static_cast<double>(i + 1) * std::exp(-k * (t - bolus_times[i]));
  }
  return y;
}

/// Nothing moves but by events: the recorded numbers are exact.
Problem still(std::vector<double> event_times) {
  return {.rhs = [](std::size_t, double, auto, auto dydt) { std::ranges::fill(dydt, 0.0); },
          .y0 = {1},
          .event_times = std::move(event_times),
          .jump = [](std::size_t, auto y) { y[0] = 10 * y[0] + 2; }};
}

}  // namespace

TEST_CASE("exponential decay with three boluses is right with every method") {
  const std::vector<double> times{0, 0.25, 0.5, 1, 1.25, 2, 3, 4, 10};
  for (const auto& method : solver_names()) {
    CAPTURE(method);
    const auto options = test::with_method(method);
    const auto problem = three_boluses();
    const Solution s = problem.solve(times, options);
    REQUIRE(s.status == Status::ok);
    CHECK(s.message.empty());
    CHECK(s.component == -1);
    CHECK(s.t_reached == 10);
    // the system forgets errors, so they add up at worst: one tolerance per step, y < 4
    const double bound = static_cast<double>(s.stats.steps_accepted) * (options.rtol * 4 + problem.atol);
    for (std::size_t i = 0; i < times.size(); ++i) {
      CAPTURE(times[i]);
      CHECK(std::abs(s.states(static_cast<long>(i), 0) - three_boluses_exact(times[i])) < bound);
    }
    for (std::size_t i = 0; i < bolus_times.size(); ++i) {
      const double before = three_boluses_exact(bolus_times[i]) - static_cast<double>(i + 1);
      CHECK(std::abs(s.before_events(static_cast<long>(i), 0) - before) < bound);
    }
  }
}

TEST_CASE("an output at an event time is the value after it, before_events the value before it") {
  const Solution s = still({1, 2}).solve({0, 1, 1.5, 2});
  CHECK(s.states(0, 0) == 1);
  CHECK(s.states(1, 0) == 12);
  CHECK(s.states(2, 0) == 12);
  CHECK(s.states(3, 0) == 122);
  CHECK(s.before_events(0, 0) == 1);
  CHECK(s.before_events(1, 0) == 12);
}

TEST_CASE("an event at the start acts before the output at the start") {
  const Solution s = still({0}).solve({0, 1});
  CHECK(s.states(0, 0) == 12);
  CHECK(s.states(1, 0) == 12);
  CHECK(s.before_events(0, 0) == 1);
}

TEST_CASE("events before the start are over and events after the last output are not reached") {
  std::vector<std::size_t> segments;
  Problem problem = still({-1, 0.5, 3});
  problem.rhs = [&](std::size_t segment, double, auto, auto dydt) {
    segments.push_back(segment);
    dydt[0] = 0;
  };
  const Solution s = problem.solve({0, 1, 2});
  REQUIRE(s.status == Status::ok);
  CHECK(s.states(0, 0) == 1);
  CHECK(s.states(1, 0) == 12);
  CHECK(s.states(2, 0) == 12);
  CHECK(std::isnan(s.before_events(0, 0)));
  CHECK(s.before_events(1, 0) == 1);
  CHECK(std::isnan(s.before_events(2, 0)));
  CHECK(segments.front() == 1);
  CHECK(segments.back() == 2);
}

TEST_CASE("two outputs at one time are the same value, at an event too") {
  const Solution s = three_boluses().solve({0.25, 0.25, 0.5, 0.5, 1});
  CHECK(s.states(0, 0) == s.states(1, 0));
  CHECK(s.states(2, 0) == s.states(3, 0));
  CHECK(s.states(4, 0) < s.states(3, 0));
}

TEST_CASE("outputs before the first event do not know of it") {
  Problem without = three_boluses();
  without.event_times.clear();
  const Solution a = three_boluses().solve({0.1, 0.4, 1}), b = without.solve({0.1, 0.4, 1});
  CHECK(a.states(0, 0) == b.states(0, 0));
  CHECK(a.states(1, 0) == b.states(1, 0));
  CHECK(a.states(2, 0) > b.states(2, 0) + 0.5);
}

TEST_CASE("an infusion runs in its own segment only, from its start up to its end") {
  for (const auto& method : solver_names()) {
    CAPTURE(method);
    const double rate = 5;
    const Problem problem{
        .rhs = [&](std::size_t segment, double, auto, auto dydt) { dydt[0] = segment == 1 ? rate : 0; },
        .y0 = {0},
        .event_times = {1, 3}};
    const Solution s = problem.solve({0.5, 1, 1.5, 3, 90}, test::with_method(method));
    REQUIRE(s.status == Status::ok);
    CHECK(s.states(0, 0) == 0);
    CHECK(s.states(1, 0) == 0);
    // a constant slope is integrated exactly; each step rounds a value below 10 a few times
    const double bound = static_cast<double>(s.stats.steps_accepted) * 10 * 4 * test::eps;
    CHECK(std::abs(s.states(2, 0) - 2.5) < bound);
    CHECK(std::abs(s.states(3, 0) - 10) < bound);
    CHECK(s.states(4, 0) == s.states(3, 0));
  }
}

TEST_CASE("the right-hand side of a segment is never asked for times outside it") {
  for (const auto& method : solver_names()) {
    CAPTURE(method);
    double worst = -1;
    const std::vector<double> edges{0, 0.7, 1.9, 4};
    Problem problem = three_boluses();
    problem.event_times = {0.7, 1.9};
    problem.rhs = [&](std::size_t segment, double t, auto y, auto dydt) {
      worst = std::max({worst, edges[segment] - t, t - edges[segment + 1]});
      dydt[0] = -k * y[0];
    };
    REQUIRE(problem.solve({0.3, 4}, test::with_method(method)).status == Status::ok);
    CHECK(worst <= 4 * test::eps);  // t + (end - t) may round to a neighbour of the end, here below 4
  }
}

TEST_CASE("the slope is asked anew after every event and never after a mere output") {
  std::size_t calls = 0;
  Problem problem = three_boluses();
  problem.rhs = [&](std::size_t, double, auto y, auto dydt) {
    ++calls;
    dydt[0] = -k * y[0];
  };
  const std::size_t n_segments = 4;
  std::vector<double> times;
  for (int i = 0; i <= 50; ++i) times.push_back(0.1 * i);

  for (const bool is_automatic : {false, true}) {  // a first step chosen anew asks once more
    CAPTURE(is_automatic);
    const auto solve = [&](const std::string& method) {
      calls = 0;
      SolverOptions options = test::with_method(method);
      options.initial_step_d = is_automatic ? 0 : 1e-4;
      return problem.solve(times, options);
    };
    const std::size_t at_starts = n_segments * (is_automatic ? 2 : 1);
    Solution s = solve("dopri5");
    CHECK(s.stats.rhs_calls == calls);
    CHECK(calls == at_starts + 6 * (s.stats.steps_accepted + s.stats.steps_refused));

    s = solve("fehlberg78");
    CHECK(s.stats.rhs_calls == calls);
    CHECK(calls == at_starts + 12 * (s.stats.steps_accepted + s.stats.steps_refused) + s.stats.steps_accepted);

    // the slope at a new state is the first stage of the step from there; each linearization of a single state asks for f,
    // df/dt and df/dy
    s = solve("rodas4");
    CHECK(s.stats.rhs_calls == calls);
    CHECK(calls == at_starts + 5 * (s.stats.steps_accepted + s.stats.steps_refused) + s.stats.steps_accepted + 3 * s.stats.linearizations);

    s = solve("rodas5p");
    CHECK(s.stats.rhs_calls == calls);
    CHECK(calls == at_starts + 7 * (s.stats.steps_accepted + s.stats.steps_refused) + s.stats.steps_accepted + 3 * s.stats.linearizations);
  }
}

TEST_CASE("a short last step before an output does not become the next trial step") {
  Problem problem = three_boluses();
  problem.event_times.clear();
  for (const auto& method : solver_names()) {
    CAPTURE(method);
    const auto plain = problem.solve({10}, test::with_method(method));
    const auto crowded = problem.solve({5, 5 + 1e-9, 10}, test::with_method(method));
    // each output cuts one step in two, and the shifted steps may need one more; growing again
    // from 1e-9 d by factors of 5 would take a dozen
    CHECK(crowded.stats.steps_accepted <= plain.stats.steps_accepted + 3);
  }
}

TEST_CASE("steps begin at initial_step_d after an event and never exceed max_step_d") {
  std::vector<double> slopes_at;
  Problem problem = still({1});
  problem.rhs = [&](std::size_t segment, double t, auto, auto dydt) {
    if (segment == 1) slopes_at.push_back(t);
    dydt[0] = 0;
  };
  SolverOptions options = test::with_method("dopri5");
  options.initial_step_d = 1.0 / 64;
  options.max_step_d = 0.25;
  const Solution s = problem.solve({3}, options);
  CHECK(slopes_at[0] == 1);
  CHECK(slopes_at[6] == 1 + 1.0 / 64);
  // both segments start with 1/64 and then 5/64: day 0-1 in 1/64, 5/64, 3 x 16/64, 10/64; day 1-3 in 1/64,
  // 5/64, 7 x 16/64, 10/64
  CHECK(s.stats.steps_accepted == 6 + 10);
}

TEST_CASE("a transfer chain keeps its sum to rounding") {
  for (const auto& method : solver_names()) {
    CAPTURE(method);
    const Problem problem{.rhs =
                              [](std::size_t, double, auto y, auto dydt) {
                                const double first = 0.7 * y[0], second = 0.4 * y[1];
                                dydt[0] = -first;
                                dydt[1] = first - second;
                                dydt[2] = second;
                              },
                          .y0 = {1, 0, 0},
                          // differences would keep the sum to their own error only
                          .jacobian = [](std::size_t, double, auto, auto j, auto) {
                            j[0] = -0.7, j[3] = 0.7, j[4] = -0.4, j[7] = 0.4;
                          }};
    const Solution s = problem.solve({5}, test::with_method(method, 1e-5));
    REQUIRE(s.status == Status::ok);
    CHECK(s.states(0, 2) > 0.5);
    // 3 values of at most 1, each rounded by half a spacing in every step
    CHECK(std::abs(s.states.row(0).sum() - 1) <= 3 * static_cast<double>(s.stats.steps_accepted) * test::eps / 2);
  }
}

TEST_CASE("the error follows the tolerance") {
  // y = exp(sin 4t)
  const Problem problem{
      .rhs = [](std::size_t, double t, auto y, auto dydt) { dydt[0] = 4 * y[0] * std::cos(4 * t); },
      .y0 = {1}};
  for (const auto& method : solver_names()) {
    CAPTURE(method);
    double previous = 0;
    for (const double rtol : {1e-4, 1e-6, 1e-8, 1e-10}) {
      CAPTURE(rtol);
      const Solution s = problem.solve({1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, test::with_method(method, rtol));
      double error = 0;
      for (int i = 0; i < 10; ++i)
        error = std::max(error, std::abs(s.states(i, 0) - std::exp(std::sin(4 * (i + 1)))));
      // an early error grows by at most max y / min y = e^2 = 7.4 and y is at most e = 2.7: 20 tolerances per
      // step
      CHECK(error < 20 * static_cast<double>(s.stats.steps_accepted) * rtol);
      // the advancing order is that of the estimate plus 1, so error ~ rtol: 100, with a factor 10 to spare
      if (previous > 0) CHECK(error < previous / 10);
      previous = error;
    }
  }
}

TEST_CASE("the same call gives the same bits") {
  for (const auto& method : solver_names()) {
    CAPTURE(method);
    const std::vector<double> times{0.3, 1, 2.7, 10};
    const Solution a = three_boluses().solve(times, test::with_method(method));
    const Solution b = three_boluses().solve(times, test::with_method(method));
    REQUIRE(a.states.size() == 4);
    CHECK(std::memcmp(a.states.data(), b.states.data(), 4 * sizeof(double)) == 0);
    CHECK(a.stats.rhs_calls == b.stats.rhs_calls);
  }
}

TEST_CASE("every instruction set gives the same bits, whatever the number of components leaves of the last register") {
  for (const auto& method : solver_names()) {
    CAPTURE(method);
    for (const std::size_t size : {1, 7, 8, 9, 16, 23}) {
      CAPTURE(size);
      // each component relaxes to its neighbour at a rate of its own
      const Problem chain{.rhs =
                              [&](std::size_t, double t, auto y, auto dydt) {
                                for (std::size_t i = 0; i < size; ++i) dydt[i] = (1 + 0.7 * static_cast<double>(i)) * ((i > 0 ? y[i - 1] : std::cos(t)) - y[i]);
                              },
                          .y0 = std::vector<double>(size, 0.3)};
      const auto states = [&](Isa isa) {
        SolverOptions options = test::with_method(method, 1e-5);
        options.isa = isa;
        const Solution s = chain.solve({0.3, 1, 2}, options);
        REQUIRE(s.status == Status::ok);
        return s.states;
      };
      const RowMatrix expected = states(Isa::baseline);
      for (const Isa isa : {Isa::avx2, Isa::avx512}) {
        if (isa > best_isa()) continue;
        CAPTURE(to_string(isa));
        CHECK(states(isa) == expected);
      }
    }
  }
}

TEST_CASE("an implicit method gives the same bits at a time whatever other times are asked for, and takes the same steps") {
  const std::vector<double> few{0, 0.3, 0.5, 2.7, 3, 10};
  std::vector<double> many = few;
  for (int i = 0; i <= 1000; ++i) many.push_back(0.01 * i);
  many.push_back(std::nextafter(0.5, 0)), many.push_back(std::nextafter(0.5, 1));
  std::ranges::sort(many);
  for (const std::string method : {"rodas4", "rodas5p"}) {
    CAPTURE(method);
    const Solution a = three_boluses().solve(few, test::with_method(method, 1e-4)), b = three_boluses().solve(many, test::with_method(method, 1e-4));
    REQUIRE(b.status == Status::ok);
    CHECK(a.stats.rhs_calls == b.stats.rhs_calls);
    CHECK(a.stats.steps_accepted < 100);
    for (std::size_t i = 0; i < few.size(); ++i) {
      const auto j = std::ranges::find(many, few[i]) - many.begin();
      CHECK(a.states(static_cast<long>(i), 0) == b.states(j, 0));
    }
    for (std::size_t i = 0; i < many.size(); ++i) {
      CAPTURE(many[i]);
      CHECK(std::abs(b.states(static_cast<long>(i), 0) - three_boluses_exact(many[i])) < 1e-3);
    }
  }
}

TEST_CASE("outputs of steps that were taken stay where a later step fails") {
  for (const std::string method : {"rodas4", "rodas5p"}) {
    CAPTURE(method);
    Problem problem = three_boluses();
    problem.rhs = [](std::size_t segment, double, auto y, auto dydt) { dydt[0] = segment == 3 ? NAN : -k * y[0]; };
    const Solution s = problem.solve({0, 0.1, 0.5, 2.9, 3, 3.1, 4}, test::with_method(method));
    CHECK(s.status == Status::not_finite);
    CHECK(s.t_reached == 3);
    for (const int i : {0, 1, 2, 3}) CHECK(std::isfinite(s.states(i, 0)));
    CHECK(s.states(2, 0) > 2);  // after the event
    CHECK(std::isfinite(s.before_events(2, 0)));
    for (const int i : {5, 6}) CHECK(std::isnan(s.states(i, 0)));
  }
}

TEST_CASE("every method is offered by name") {
  CHECK(solver_names() == std::vector<std::string>{"dopri5", "fehlberg78", "rkc2", "rodas4", "rodas5p", "auto"});
  CHECK(SolverOptions{}.method == "auto");
}
