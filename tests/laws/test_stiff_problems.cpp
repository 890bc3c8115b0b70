// Stiff problems of known solution: what linearly implicit methods deliver for the tolerance asked, and how the others fare.
//
// Problems and reference solutions: Hairer and Wanner, Solving Ordinary Differential Equations II,
// doi:10.1007/978-3-642-05221-7, section IV.10; Mazzia and Magherini, Test Set for Initial Value Problem Solvers, 2008.
#include <algorithm>

#include "../unit/solvers/solver_problem.hpp"

using namespace nkpk;
using test::Problem;

namespace {

struct Known {
  std::string name;
  Problem problem;
  double t;
  std::vector<std::pair<long, double>> solution;  ///< component, value at t
  std::vector<double> size;                       ///< typical, of each component: its absolute tolerance is rtol times that
};

/// Robertson's autocatalytic reaction: rates 0.04, 3e7, 1e4.
Problem robertson() {
  return {.rhs =
              [](std::size_t, double, auto y, auto dydt) {
                dydt[0] = -0.04 * y[0] + 1e4 * y[1] * y[2];
                dydt[2] = 3e7 * y[1] * y[1];
                dydt[1] = -dydt[0] - dydt[2];
              },
          .y0 = {1, 0, 0},
          .jacobian =
              [](std::size_t, double, auto y, auto j, auto) {
                j[0] = -0.04, j[1] = 1e4 * y[2], j[2] = 1e4 * y[1];
                j[7] = 6e7 * y[1];
                for (int k = 0; k < 3; ++k) j[3 + k] = -j[k] - j[6 + k];
              }};
}

/// HIRES: a light response of plants, eight reactants.
Problem hires() {
  return {.rhs =
              [](std::size_t, double, auto y, auto d) {
                d[0] = -1.71 * y[0] + 0.43 * y[1] + 8.32 * y[2] + 0.0007;
                d[1] = 1.71 * y[0] - 8.75 * y[1];
                d[2] = -10.03 * y[2] + 0.43 * y[3] + 0.035 * y[4];
                d[3] = 8.32 * y[1] + 1.71 * y[2] - 1.12 * y[3];
                d[4] = -1.745 * y[4] + 0.43 * y[5] + 0.43 * y[6];
                d[5] = -280 * y[5] * y[7] + 0.69 * y[3] + 1.71 * y[4] - 0.43 * y[5] + 0.69 * y[6];
                d[6] = 280 * y[5] * y[7] - 1.81 * y[6];
                d[7] = -d[6];
              },
          .y0 = {1, 0, 0, 0, 0, 0, 0, 0.0057},
          .jacobian =
              [](std::size_t, double, auto y, auto j, auto) {
                const auto at = [&](std::size_t row, std::size_t column) -> double& { return j[8 * row + column]; };
                at(0, 0) = -1.71, at(0, 1) = 0.43, at(0, 2) = 8.32;
                at(1, 0) = 1.71, at(1, 1) = -8.75;
                at(2, 2) = -10.03, at(2, 3) = 0.43, at(2, 4) = 0.035;
                at(3, 1) = 8.32, at(3, 2) = 1.71, at(3, 3) = -1.12;
                at(4, 4) = -1.745, at(4, 5) = 0.43, at(4, 6) = 0.43;
                at(5, 3) = 0.69, at(5, 4) = 1.71, at(5, 5) = -280 * y[7] - 0.43, at(5, 6) = 0.69, at(5, 7) = -280 * y[5];
                at(6, 5) = 280 * y[7], at(6, 6) = -1.81, at(6, 7) = 280 * y[5];
                at(7, 5) = -280 * y[7], at(7, 6) = 1.81, at(7, 7) = -280 * y[5];
              }};
}

/// The Oregonator of the Belousov-Zhabotinskii reaction.
Problem orego() {
  return {.rhs =
              [](std::size_t, double, auto y, auto d) {
                d[0] = 77.27 * (y[1] + y[0] * (1 - 8.375e-6 * y[0] - y[1]));
                d[1] = (y[2] - (1 + y[0]) * y[1]) / 77.27;
                d[2] = 0.161 * (y[0] - y[2]);
              },
          .y0 = {1, 2, 3},
          .jacobian =
              [](std::size_t, double, auto y, auto j, auto) {
                j[0] = 77.27 * (1 - 2 * 8.375e-6 * y[0] - y[1]), j[1] = 77.27 * (1 - y[0]);
                j[3] = -y[1] / 77.27, j[4] = -(1 + y[0]) / 77.27, j[5] = 1 / 77.27;
                j[6] = 0.161, j[8] = -0.161;
              }};
}

/// Van der Pol's oscillator, epsilon = 1e-6.
Problem van_der_pol() {
  return {.rhs =
              [](std::size_t, double, auto y, auto d) {
                d[0] = y[1];
                d[1] = ((1 - y[0] * y[0]) * y[1] - y[0]) * 1e6;
              },
          .y0 = {2, 0},
          .jacobian =
              [](std::size_t, double, auto y, auto j, auto) {
                j[1] = 1;
                j[2] = (-2 * y[0] * y[1] - 1) * 1e6, j[3] = (1 - y[0] * y[0]) * 1e6;
              }};
}

/// Errors of all steps add up to less than so many times the tolerance of one: each problem forgets most of them.
constexpr double within = 3;

std::vector<Known> known() {
  return {{"robertson, short", robertson(), 40, {{0, 0.715827068719}, {1, 9.18553476e-6}, {2, 0.284163745746}}, {1, 1e-5, 1}},
          {"robertson, long", robertson(), 1e11, {{0, 2.083340149701e-8}, {1, 8.333360770335e-14}}, {1e-8, 1e-13, 1}},
          {"hires", hires(), 321.8122, {{0, 7.37131257e-4}, {7, 2.85000160e-3}}, {1e-3, 1e-3, 1e-3, 1e-3, 1e-3, 1e-3, 1e-3, 1e-3}},
          {"orego", orego(), 360, {{0, 1.00081487}, {1, 1228.17852}, {2, 132.055494}}, {1, 1, 1}},
          {"van der pol", van_der_pol(), 2, {{0, 1.70616773}, {1, -0.89280970}}, {1, 1}}};
}

double error(const Known& known, const std::string& method, double rtol, bool by_differences = false) {
  Problem problem = known.problem;
  if (by_differences) problem.jacobian = {};
  std::vector<double> atol;
  for (const double size : known.size) atol.push_back(rtol * size);
  SolverOptions options = test::with_method(method, rtol);
  options.max_step_d = 1e12;
  options.max_steps = 100'000;
  // a step must be longer than the spacing of doubles at the next output: the first steps are 1e-15 of the longest run
  std::vector<double> times{known.t};
  while (times.back() > 1) times.push_back(times.back() / 1e3);
  std::ranges::reverse(times);
  const Solution s = problem.solve(times, options, atol);
  CAPTURE(s.message);
  REQUIRE(s.status == Status::ok);
  double largest = 0;
  for (const auto& [component, value] : known.solution) largest = std::max(largest, std::abs(s.states.bottomRows(1)(0, component) / value - 1));
  return largest;
}

}  // namespace

TEST_CASE("linearly implicit methods deliver what is asked on stiff problems") {
  for (const auto& problem : known()) {
    CAPTURE(problem.name);
    for (const std::string method : {"rodas4", "rodas5p"}) {
      CAPTURE(method);
      double previous = 0;
      for (const double rtol : {1e-4, 1e-6, 1e-8}) {
        CAPTURE(rtol);
        const double wrong = error(problem, method, rtol);
        CHECK(wrong < within * rtol);
        if (previous > 0) CHECK(wrong < previous / 10);  // the tolerance is 100 times smaller
        previous = wrong;
      }
    }
  }
}

TEST_CASE("without a Jacobian differences serve stiff problems as well") {
  for (const auto& problem : known()) {
    CAPTURE(problem.name);
    for (const std::string method : {"rodas4", "rodas5p"}) {
      CAPTURE(method);
      const double wrong = error(problem, method, 1e-6, true);
      CHECK(wrong < within * 1e-6);
    }
  }
}

TEST_CASE("the units of the components do not matter to a linearly implicit method, to the bit") {
  // powers of two, so that a change of unit rounds nothing; 2^50 = 1e15 lies between effector cells per uL and units of IL-2
  const std::vector<double> unit{0x1p-20, 0x1p30, 1, 0x1p10, 0x1p-20, 0x1p20, 0x1p-10, 0x1p5};
  const Problem plain = hires();
  Problem scaled = plain;
  const auto in_plain = [&](std::span<const double> y) {
    std::vector<double> x(y.begin(), y.end());
    for (std::size_t i = 0; i < x.size(); ++i) x[i] /= unit[i];
    return x;
  };
  scaled.rhs = [&](std::size_t segment, double t, auto y, auto dydt) {
    plain.rhs(segment, t, in_plain(y), dydt);
    for (std::size_t i = 0; i < unit.size(); ++i) dydt[i] *= unit[i];
  };
  scaled.jacobian = [&](std::size_t segment, double t, auto y, auto j, auto dfdt) {
    plain.jacobian(segment, t, in_plain(y), j, dfdt);
    for (std::size_t i = 0; i < unit.size(); ++i)
      for (std::size_t k = 0; k < unit.size(); ++k) j[i * unit.size() + k] *= unit[i] / unit[k];
  };
  std::vector<double> atol(8, 1e-9), scaled_atol = unit;
  for (std::size_t i = 0; i < unit.size(); ++i) {
    scaled.y0[i] *= unit[i];
    scaled_atol[i] *= atol[i];
  }
  for (const std::string method : {"rodas4", "rodas5p"}) {
    CAPTURE(method);
    const Solution a = plain.solve({1, 300}, test::with_method(method, 1e-6), atol);
    const Solution b = scaled.solve({1, 300}, test::with_method(method, 1e-6), scaled_atol);
    REQUIRE(a.status == Status::ok);
    CHECK(a.stats.steps_accepted == b.stats.steps_accepted);
    for (long i = 0; i < 8; ++i) CHECK(a.states(1, i) * unit[static_cast<std::size_t>(i)] == b.states(1, i));
  }
}

TEST_CASE("rkc2 diffuses heat with few steps, where an explicit pair is bound by stability") {
  // u_t = u_xx on 100 points, u = sin(pi x) + sin(3 pi x) / 2 at first: both are eigenvectors of the differences too
  constexpr int n = 100;
  const double pi = std::acos(-1.0), dx = 1.0 / (n + 1);
  const auto rate = [&](int k) { return std::pow(2 * std::sin(k * pi * dx / 2) / dx, 2); };
  const auto exact = [&](int i, double t) {
    return std::exp(-rate(1) * t) * std::sin(pi * dx * (i + 1)) + std::exp(-rate(3) * t) * std::sin(3 * pi * dx * (i + 1)) / 2;
  };
  Problem heat{.rhs =
                   [&](std::size_t, double, auto y, auto dydt) {
                     for (std::size_t i = 0; i < n; ++i) dydt[i] = ((i > 0 ? y[i - 1] : 0) - 2 * y[i] + (i + 1 < n ? y[i + 1] : 0)) / (dx * dx);
                   },
               .y0 = {}};
  for (int i = 0; i < n; ++i) heat.y0.push_back(exact(i, 0));
  heat.atol = 1e-10;
  const double t = 0.3;
  const auto largest_error = [&](const Solution& s) {
    double largest = 0;
    for (int i = 0; i < n; ++i) largest = std::max(largest, std::abs(s.states(0, i) - exact(i, t)));
    return largest;
  };
  const Solution stabilised = heat.solve({t}, test::with_method("rkc2", 1e-4));
  REQUIRE(stabilised.status == Status::ok);
  const Solution tighter = heat.solve({t}, test::with_method("rkc2", 1e-6));
  const Solution explicit_pair = heat.solve({t}, test::with_method("dopri5", 1e-4));
  REQUIRE(explicit_pair.status == Status::ok);
  CHECK(largest_error(stabilised) < 1e-4);
  CHECK(largest_error(tighter) < largest_error(stabilised) / 5);
  // the estimate grows as h^3: a tolerance 100 times smaller takes 100^(1/3) = 4.6 times as many steps
  CHECK(tighter.stats.steps_accepted < 7 * stabilised.stats.steps_accepted);
  // dopri5 is stable up to h |lambda| = 3.3, here |lambda| = 4 / dx^2
  CHECK(static_cast<double>(explicit_pair.stats.steps_accepted) > 0.9 * t * 4 / (dx * dx) / 3.3);
  CHECK(stabilised.stats.rhs_calls < explicit_pair.stats.rhs_calls / 5);
}

TEST_CASE("rkc2 has order 2 with any number of stages, where the time drives the solution too") {
  // y0 = exp(sin t); beside it a component at rest, whose rate k / h makes 1 + sqrt(1 + 1.54 * 1.2 k) stages
  for (const double k : {1.0, 10.0, 100.0, 1000.0}) {
    CAPTURE(k);
    const auto wrong = [&](double steps_per_day) {
      const Problem problem{.rhs =
                                [&](std::size_t, double t, auto y, auto dydt) {
                                  dydt[0] = y[0] * std::cos(t);
                                  dydt[1] = -k * steps_per_day * y[1];
                                },
                            .y0 = {1, 0}};
      const Solution s = problem.solve({1}, test::fixed_steps("rkc2", 1 / steps_per_day));
      REQUIRE(s.stats.rhs_calls > steps_per_day * std::sqrt(1.54 * 1.2 * k));
      return std::abs(s.states(0, 0) - std::exp(std::sin(1)));
    };
    for (const double n : {32, 64, 128}) {
      CAPTURE(n);
      CHECK(std::lround(std::log2(wrong(n) / wrong(2 * n))) == 2);
    }
  }
}

TEST_CASE("rkc2 looks for what is fast anew in every segment") {
  // of two components at rest one is fast on the first day, the other on the second
  const double k = 2000, steps_per_day = 100;
  std::size_t calls = 0;
  const Problem problem{.rhs =
                            [&](std::size_t segment, double, auto, auto dydt) {
                              if (segment == 1) ++calls;
                              std::ranges::fill(dydt, 0.0);
                            },
                        .y0 = {1, 0, 0},
                        .event_times = {1}};
  Problem turns = problem;
  turns.rhs = [&](std::size_t segment, double t, auto y, auto dydt) {
    problem.rhs(segment, t, y, dydt);
    dydt[0] = -y[0];
    dydt[1] = -(segment == 0 ? k : 1) * y[1];
    dydt[2] = -(segment == 1 ? k : 1) * y[2];
  };
  REQUIRE(turns.solve({2}, test::fixed_steps("rkc2", 1 / steps_per_day)).status == Status::ok);
  CHECK(static_cast<double>(calls) > steps_per_day * std::sqrt(1.54 * k / steps_per_day));
}

TEST_CASE("explicit and stabilised methods do a mildly stiff problem") {
  const Known mild = known()[2];
  REQUIRE(mild.name == "hires");
  // a method of order 2 makes several times as many steps, the errors of which add up
  for (const auto& [method, many] : {std::pair{"dopri5", within}, {"fehlberg78", within}, {"rkc2", 20.0}}) {
    CAPTURE(method);
    CHECK(error(mild, method, 1e-5) < many * 1e-5);
  }
}

TEST_CASE("an explicit method that cannot do a stiff problem says so") {
  for (const std::string method : {"dopri5", "fehlberg78"}) {
    CAPTURE(method);
    SolverOptions options = test::with_method(method, 1e-5);
    options.max_steps = 5000;
    const Solution s = van_der_pol().solve({0, 2}, options);
    CHECK(s.status == Status::max_steps);
    CHECK(s.t_reached < 2);
    CHECK(s.states(0, 0) == 2);
    CHECK(s.states.row(1).array().isNaN().all());
  }
}
