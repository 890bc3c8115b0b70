// The order of a method is the slope of log(error) over log(step): no tolerance takes part, the steps are
// fixed. dopri5 advances with its solution of order 5. fehlberg78, as odeint has it, advances with the one of
// order 8.
#include <algorithm>

#include "../unit/solvers/solver_problem.hpp"

using namespace nkpk;
using test::Problem;

namespace {

struct Known {
  std::string method;
  int order;
  std::vector<double> steps_per_day;  ///< so that truncation stays well above rounding
};
const std::vector<Known> methods{{"dopri5", 5, {8, 16, 32, 64}}, {"fehlberg78", 8, {8, 12, 16}}};

/// Rotation at an angular velocity of the radius squared, y' = |y|^2 (-y1, y0), from (1, 0); y <- 1.25 y at
/// day 1.
Problem rotation(bool has_jump) {
  return {.rhs =
              [](std::size_t, double, auto y, auto dydt) {
                const double speed = y[0] * y[0] + y[1] * y[1];
                dydt[0] = -speed * y[1];
                dydt[1] = speed * y[0];
              },
          .y0 = {1, 0},
          .event_times = has_jump ? std::vector<double>{1} : std::vector<double>{},
          .jump =
              [](std::size_t, auto y) {
                y[0] *= 1.25;
                y[1] *= 1.25;
              }};
}

/// Distance from the exact solution at day 2.
double error(const Known& known, bool has_jump, double steps_per_day) {
  const Solution s = rotation(has_jump).solve({2}, test::fixed_steps(known.method, 1 / steps_per_day));
  REQUIRE(s.status == Status::ok);
  REQUIRE(s.stats.steps_accepted == static_cast<std::size_t>(2 * steps_per_day));
  const double radius = has_jump ? 1.25 : 1, angle = 1 + radius * radius;
  return std::hypot(s.states(0, 0) - radius * std::cos(angle), s.states(0, 1) - radius * std::sin(angle));
}

void demand_order(bool has_jump) {
  for (const auto& known : methods) {
    CAPTURE(known.method);
    const auto& n = known.steps_per_day;
    for (std::size_t i = 1; i < n.size(); ++i) {
      CAPTURE(n[i]);
      const double gain = error(known, has_jump, n[i - 1]) / error(known, has_jump, n[i]);
      // the next order's share fades only as the step does: the nearest whole number is what can be demanded
      const double slope = std::log(gain) / std::log(n[i] / n[i - 1]);
      CAPTURE(slope);
      CHECK(std::lround(slope) == known.order);
    }
  }
}

}  // namespace

TEST_CASE("every method has its order of accuracy on a smooth problem") { demand_order(false); }

TEST_CASE("every method keeps its order of accuracy across a jump") { demand_order(true); }

TEST_CASE("a method of order p integrates polynomials up to degree p exactly, and no higher one") {
  for (const auto& known : methods) {
    CAPTURE(known.method);
    for (int degree = 0; degree <= known.order + 1; ++degree) {
      CAPTURE(degree);
      const Problem problem{
          .rhs = [&](std::size_t, double t, auto, auto dydt) { dydt[0] = degree * std::pow(t, degree - 1); },
          .y0 = {1},
          .t0 = 1};
      const double exact = std::pow(2, degree);  // 1 + (2^degree - 1)
      const double wrong =
          std::abs(problem.solve({2}, test::fixed_steps(known.method, 1)).states(0, 0) - exact);
      if (degree > known.order) {
        CHECK(wrong > 1e-5);
      } else {
        // each of at most 13 stages is rounded, and so is each of the factors of t^(degree - 1)
        CHECK(wrong <= (13 + degree) * test::eps * degree * exact);
      }
    }
  }
}
