// The order of a method is the slope of log(error) over log(step): no tolerance takes part, the steps are
// fixed. dopri5 advances with its solution of order 5. fehlberg78, as odeint has it, advances with the one of
// order 8. rkc2 takes the fewest stages here: for more see
// test_stiff_problems.cpp.
#include <algorithm>

#include "../unit/solvers/solver_problem.hpp"
#include "nkpk/solvers/steppers.hpp"

using namespace nkpk;
using test::Problem;

namespace {

struct Known {
  std::string method;
  int order;
  std::vector<double> steps_per_day;  ///< so that truncation stays well above rounding
  int degree;                         ///< polynomials of t up to this one are integrated exactly
  double weight = 1;                  ///< largest of the tableau, to 16 digits each: they cancel
  int dense_order = 0;                ///< within a step; 0: the method gives no states there
};
const std::vector<Known> methods{{"dopri5", 5, {8, 16, 32, 64}, 5},
                                 {"fehlberg78", 8, {8, 12, 16}, 8},
                                 {"rkc2", 2, {64, 128, 256}, 2},
                                 {"rodas4", 4, {64, 128, 256}, 5, 35, 3},
                                 {"rodas5p", 5, {32, 64, 128}, 5, 166, 4}};

/// Rotation at an angular velocity of the radius squared, y' = w |y|^2 (-y1, y0), from (1, 0); y <- 1.25 y at
/// day 1. w = 1, or w = 1 + cos(t) / 4 where the time drives it.
Problem rotation(bool is_driven, bool has_jump) {
  const auto w = [=](double t) { return is_driven ? 1 + std::cos(t) / 4 : 1; };
  return {.rhs =
              [=](std::size_t, double t, auto y, auto dydt) {
                const double speed = w(t) * (y[0] * y[0] + y[1] * y[1]);
                dydt[0] = -speed * y[1];
                dydt[1] = speed * y[0];
              },
          .y0 = {1, 0},
          .event_times = has_jump ? std::vector<double>{1} : std::vector<double>{},
          .jump =
              [](std::size_t, auto y) {
                y[0] *= 1.25;
                y[1] *= 1.25;
              },
          .jacobian =
              [=](std::size_t, double t, auto y, auto j, auto dfdt) {
                const double square = y[0] * y[0] + y[1] * y[1];
                j[0] = w(t) * -2 * y[0] * y[1];
                j[1] = w(t) * (-square - 2 * y[1] * y[1]);
                j[2] = w(t) * (square + 2 * y[0] * y[0]);
                j[3] = w(t) * 2 * y[0] * y[1];
                const double faster = is_driven ? -std::sin(t) / 4 : 0;
                dfdt[0] = -faster * square * y[1];
                dfdt[1] = faster * square * y[0];
              }};
}

/// Distance from the exact solution at day 2.
double error(const Known& known, bool is_driven, bool has_jump, double steps_per_day) {
  const Solution s = rotation(is_driven, has_jump).solve({2}, test::fixed_steps(known.method, 1 / steps_per_day));
  REQUIRE(s.status == Status::ok);
  REQUIRE(s.stats.steps_accepted == static_cast<std::size_t>(2 * steps_per_day));
  const auto turned = [=](double t) { return is_driven ? t + std::sin(t) / 4 : t; };
  const double radius = has_jump ? 1.25 : 1, angle = turned(1) + radius * radius * (turned(2) - turned(1));
  return std::hypot(s.states(0, 0) - radius * std::cos(angle), s.states(0, 1) - radius * std::sin(angle));
}

void demand_order(bool is_driven, bool has_jump) {
  for (const auto& known : methods) {
    CAPTURE(known.method);
    const auto& n = known.steps_per_day;
    for (std::size_t i = 1; i < n.size(); ++i) {
      CAPTURE(n[i]);
      const double gain = error(known, is_driven, has_jump, n[i - 1]) / error(known, is_driven, has_jump, n[i]);
      // the next order's share fades only as the step does: the nearest whole number is what can be demanded
      const double slope = std::log(gain) / std::log(n[i] / n[i - 1]);
      CAPTURE(slope);
      CHECK(std::lround(slope) == known.order);
    }
  }
}

/// One step of length h from day 0 of the driven rotation, tried and then accepted as the segment loop does it.
struct OneStep {
  Problem problem = rotation(true, false);
  PiecewiseSystem system;
  DenseLinearSolver linear{2, DenseLinearSolver::Jacobian(problem.jacobian)};
  std::unique_ptr<detail::Stepper> stepper;
  detail::Trial trial{2};

  OneStep(const std::string& method, double h) {
    system.size = 2;
    system.rhs = problem.rhs;
    system.linear = linear.linear();
    stepper = detail::choose_method(system, test::with_method(method)).make(system, best_isa());
    trial.state_number = 1;
    std::ranges::copy(problem.y0, trial.y.data());
    problem.rhs(0, 0, problem.y0, trial.slope.view());
    stepper->try_step(trial, h);
  }
  void accept() {
    trial.y.swap(trial.y_new);
    ++trial.state_number;
  }
  std::array<double, 2> at(double theta) {
    std::array<double, 2> y{};
    REQUIRE(stepper->interpolate(trial, theta, y));
    return y;
  }
};

double error_within(const std::string& method, double h, double theta) {
  const double angle = theta * h + std::sin(theta * h) / 4;
  const auto y = OneStep(method, h).at(theta);
  return std::hypot(y[0] - std::cos(angle), y[1] - std::sin(angle));
}

}  // namespace

TEST_CASE("every method has its order of accuracy on a smooth problem") { demand_order(false, false); }

TEST_CASE("every method keeps its order of accuracy across a jump") { demand_order(false, true); }

TEST_CASE("every method has its order of accuracy where the time drives the solution") { demand_order(true, false); }

TEST_CASE("every method keeps its order of accuracy across a jump where the time drives the solution") { demand_order(true, true); }

TEST_CASE("a state within a step is wrong by the dense output's order plus one") {
  for (const auto& known : methods) {
    if (known.dense_order == 0) continue;
    CAPTURE(known.method);
    for (const double theta : {0.3, 0.6, 0.9}) {
      CAPTURE(theta);
      for (const double h : {1.0 / 16, 1.0 / 32, 1.0 / 64}) {
        const double slope = std::log2(error_within(known.method, h, theta) / error_within(known.method, h / 2, theta));
        CAPTURE(slope);
        // its leading term changes sign somewhere, which rodas5p does near 0.9 on this problem
        CHECK(std::lround(slope) >= known.dense_order + 1);
        if (theta < 0.9) CHECK(std::lround(slope) == known.dense_order + 1);
      }
    }
  }
}

TEST_CASE("dense output joins the ends of its step to the bit, and is the same before and after the step is accepted") {
  for (const auto& known : methods) {
    if (known.dense_order == 0) continue;
    CAPTURE(known.method);
    OneStep step(known.method, 0.1);
    const auto start = step.at(0), middle = step.at(0.4), end = step.at(1);
    for (std::size_t i = 0; i < 2; ++i) {
      CHECK(start[i] == step.trial.y[i]);
      CHECK(end[i] == step.trial.y_new[i]);
    }
    step.accept();
    CHECK(step.at(0) == start);
    CHECK(step.at(0.4) == middle);
    CHECK(step.at(1) == end);
  }
}

TEST_CASE("a method says whether it gives states within a step") {
  for (const auto& known : methods) {
    CAPTURE(known.method);
    OneStep step(known.method, 0.1);
    std::array<double, 2> y{};
    const bool is_dense = known.dense_order > 0;
    CHECK(step.stepper->interpolate(step.trial, 0.5, y) == is_dense);
    CHECK(detail::choose_method(step.system, test::with_method(known.method)).is_dense == is_dense);
  }
}

TEST_CASE("a method integrates polynomials up to its degree exactly, and no higher one") {
  for (const auto& known : methods) {
    CAPTURE(known.method);
    for (int degree = 0; degree <= known.degree + 1; ++degree) {
      CAPTURE(degree);
      const Problem problem{.rhs = [&](std::size_t, double t, auto, auto dydt) { dydt[0] = degree * std::pow(t, degree - 1); },
                            .y0 = {1},
                            .t0 = 1,
                            .jacobian = [&](std::size_t, double t, auto, auto, auto dfdt) { dfdt[0] = degree * (degree - 1) * std::pow(t, degree - 2); }};
      const double exact = std::pow(2, degree);  // 1 + (2^degree - 1)
      const double wrong = std::abs(problem.solve({2}, test::fixed_steps(known.method, 1)).states(0, 0) - exact);
      if (degree > known.degree) {
        CHECK(wrong > 1e-5);
      } else {
        // each of at most 13 stages is rounded, and so is each of the factors of t^(degree - 1)
        CHECK(wrong <= (13 + degree) * known.weight * test::eps * degree * exact);
      }
    }
  }
}
