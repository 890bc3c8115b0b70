// What integrate() asks of a linear solver, what it makes of its answers, and the dense one.
#include <algorithm>
#include <array>

#include "nkpk/solvers/error_norm.hpp"
#include "solver_problem.hpp"

using namespace nkpk;
using test::Problem;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double inf = std::numeric_limits<double>::infinity();
const std::vector<std::string> implicit_methods{"rodas4", "rodas5p"};

/// n times y' = -k (y - cos t), k = 100, with a linear solver that counts what is asked of it.
struct Relaxation {
  std::size_t n = 1;
  double k = 100;
  std::size_t linearizations = 0, factorizations = 0;
  std::vector<double> at = {}, shifts = {};  ///< times of linearizations; shifts since the last one
  bool is_singular = false;

  Solution solve(double t_end, const SolverOptions& options, double atol = 1e-12) {
    double denominator = 1;
    auto rhs = [&](std::size_t, double t, std::span<const double> y, std::span<double> dydt) {
      for (std::size_t i = 0; i < n; ++i) dydt[i] = -k * (y[i] - std::cos(t));
    };
    auto linearize = [&](std::size_t, double t, std::span<const double>, std::span<double> dfdt) {
      ++linearizations;
      at.push_back(t);
      shifts.clear();
      std::ranges::fill(dfdt, -k * std::sin(t));
    };
    auto factorize = [&](double shift) {
      ++factorizations;
      CHECK(std::ranges::find(shifts, shift) == shifts.end());
      shifts.push_back(shift);
      denominator = shift + k;
      return !is_singular;
    };
    auto solve = [&](std::span<double> b) {
      for (double& value : b) value /= denominator;
    };
    const std::vector<double> y0(n, 2), tolerances(n, atol), times{t_end};
    PiecewiseSystem system;
    system.size = n;
    system.atol = tolerances;
    system.rhs = rhs;
    system.linear = {linearize, factorize, solve};
    return integrate(system, y0, 0, times, options);
  }
};

}  // namespace

TEST_CASE("a refused step is tried again with the Jacobian that is there") {
  for (const auto& method : implicit_methods) {
    CAPTURE(method);
    Relaxation problem;
    SolverOptions options = test::with_method(method);
    options.initial_step_d = 1;  // far too long: several are refused at once
    const Solution s = problem.solve(1, options);
    REQUIRE(s.status == Status::ok);
    REQUIRE(s.stats.steps_refused >= 2);
    CHECK(problem.linearizations == s.stats.steps_accepted);
    CHECK(std::ranges::adjacent_find(problem.at) == problem.at.end());
    CHECK(s.stats.linearizations == problem.linearizations);
    CHECK(s.stats.factorizations == problem.factorizations);
    CHECK(problem.factorizations == s.stats.steps_accepted + s.stats.steps_refused);
  }
}

TEST_CASE("a matrix that is singular at one step length only is got round, at every one it ends the run") {
  for (const auto& method : implicit_methods) {
    CAPTURE(method);
    // y' = y: shift I - J is singular where 1 / (h gamma) = 1
    const double gamma = method == "rodas4" ? 0.25 : 0.21193756319429014;
    const Problem growth{.rhs = [](std::size_t, double, auto y, auto dydt) { dydt[0] = y[0]; },
                         .y0 = {1},
                         .jacobian = [](std::size_t, double, auto, auto j, auto) { j[0] = 1; }};
    SolverOptions options = test::with_method(method, 1e-6);
    options.initial_step_d = 1 / gamma;
    options.max_step_d = 10;
    const Solution s = growth.solve({5}, options);
    CHECK(s.status == Status::ok);
    CHECK(s.stats.steps_refused >= 1);
    CHECK(s.states(0, 0) == doctest::Approx(std::exp(5)).epsilon(1e-4));

    Relaxation singular;
    singular.is_singular = true;
    const Solution none = singular.solve(1, test::with_method(method));
    CHECK(none.status == Status::step_too_small);
    CHECK(none.component == -1);
    CHECK(none.t_reached == 0);
    CHECK(none.message.find("linear system") != std::string::npos);
  }
}

TEST_CASE("the dense solver solves with and without interchanges, and refuses what is singular or not finite") {
  std::array<double, 9> jacobian{};
  auto given = [&](std::size_t, double, std::span<const double>, std::span<double> j, std::span<double>) { std::ranges::copy(jacobian, j.begin()); };
  DenseLinearSolver dense(3, DenseLinearSolver::Jacobian(given));
  const LinearSolver linear = dense.linear();
  std::vector<double> y(3), dfdt(3);
  const auto solves = [&](double shift) {
    linear.linearize(0, 0, y, dfdt);
    if (!linear.factorize(shift)) return false;
    const std::array<double, 3> x{1, -2, 3};
    std::vector<double> b(3);
    for (std::size_t i = 0; i < 3; ++i) {
      b[i] = shift * x[i];
      for (std::size_t k = 0; k < 3; ++k) b[i] -= jacobian[3 * i + k] * x[k];
    }
    linear.solve(b);
    // numbers of at most ten, a condition number below a hundred
    for (std::size_t i = 0; i < 3; ++i) CHECK(std::abs(b[i] - x[i]) < 100 * 10 * test::eps);
    return true;
  };
  jacobian = {-1, 2, 0, 0.5, -3, 1, 0, 4, -5};
  CHECK(solves(2));
  jacobian = {2, 1, 0, 1, 1, 3, 2, 0, 1};  // first pivot 2 - 2 = 0
  CHECK(solves(2));
  jacobian = {2 - 1e-12, 1, 0, 1, 1, 3, 2, 0, 1};  // and nearly so: without interchanges 1e-12 of its digits are left
  CHECK(solves(2));
  jacobian = {1, 1, 0, 1, 1, 0, 0, 0, 0};  // 2 I - J is singular
  CHECK(!solves(2));
  jacobian = {1, 1, 0, 1, not_a_number, 0, 0, 0, 0};
  CHECK(!solves(2));
}

TEST_CASE("a component of infinite tolerance has no say in the steps, but must be finite") {
  for (const auto& method : solver_names()) {
    CAPTURE(method);
    const Problem slow{.rhs = [](std::size_t, double, auto y, auto dydt) { dydt[0] = -y[0]; }, .y0 = {1}};
    Problem with_rider = slow;
    with_rider.y0 = {1, 0};
    with_rider.rhs = [](std::size_t, double t, auto y, auto dydt) {
      dydt[0] = -y[0];
      dydt[1] = 30 * std::cos(30 * t) - y[1];  // not of time alone, for which the estimate of fehlberg78 vanishes
    };
    with_rider.jacobian = [](std::size_t, double t, auto, auto j, auto dfdt) {
      j[0] = j[3] = -1;
      dfdt[1] = -900 * std::sin(30 * t);
    };
    Problem alone = slow;
    alone.jacobian = [](std::size_t, double, auto, auto j, auto) { j[0] = -1; };
    SolverOptions options = test::with_method(method, 1e-5);
    const Solution a = alone.solve({3}, options);
    const Solution b = with_rider.solve({3}, options, {1e-12, inf});
    const Solution both = with_rider.solve({3}, options);
    CHECK(b.status == Status::ok);
    CHECK(a.states(0, 0) == b.states(0, 0));
    CHECK(a.stats.steps_accepted == b.stats.steps_accepted);
    CHECK(std::isfinite(b.states(0, 1)));
    CHECK(both.stats.steps_accepted > b.stats.steps_accepted);

    with_rider.rhs = [](std::size_t, double t, auto y, auto dydt) {
      dydt[0] = -y[0];
      dydt[1] = t > 1 ? not_a_number : 0;
    };
    with_rider.jacobian = alone.jacobian;
    const Solution c = with_rider.solve({3}, options, {1e-12, inf});
    CHECK(c.status == Status::not_finite);
    CHECK(c.component == 1);
    CHECK(c.t_reached <= 1);
  }
}

TEST_CASE("an automatic first step is neither refused nor far too short, on any scale of time") {
  for (const std::string method : {"dopri5", "rodas4", "rodas5p"}) {
    for (const double rate : {1e-3, 1.0, 1e3, 1e6}) {
      CAPTURE(method);
      CAPTURE(rate);
      const Problem decay{.rhs = [&](std::size_t, double, auto y, auto dydt) { dydt[0] = -rate * y[0]; }, .y0 = {1}};
      SolverOptions options = test::with_method(method, 1e-6);
      options.max_step_d = 1e6;
      const Solution whole = decay.solve({1 / rate}, options);
      REQUIRE(whole.status == Status::ok);
      CHECK(whole.stats.steps_refused == 0);
      // a step that is far too short costs steps, though each of them may be up to a hundred times as long as the last
      options.initial_step_d = 1e-4 / rate;
      CHECK(whole.stats.steps_accepted + 1 <= decay.solve({1 / rate}, options).stats.steps_accepted);
    }
  }
}

TEST_CASE("an automatic first step asks for no slope beyond its segment, however slow the system") {
  for (const auto& method : solver_names()) {
    CAPTURE(method);
    double latest = 0;
    const Problem slow{.rhs =
                           [&](std::size_t segment, double t, auto y, auto dydt) {
                             if (segment == 0) latest = std::max(latest, t);
                             dydt[0] = -1e-3 * y[0];
                           },
                       .y0 = {1},
                       .event_times = {0.25}};
    CHECK(slow.solve({1}, test::with_method(method, 1e-4)).status == Status::ok);
    CHECK(latest <= 0.25);
  }
}

TEST_CASE("auto takes an implicit method where there is a linear solver, and says what ran") {
  Relaxation implicit;
  CHECK(implicit.solve(1, test::with_method("auto", 1e-6)).stats.method == "rodas5p");
  CHECK(implicit.linearizations > 0);
  CHECK(implicit.solve(1, test::with_method("auto", 1e-3)).stats.method == "rodas5p");
  const Problem plain{.rhs = [](std::size_t, double, auto y, auto dydt) { dydt[0] = -y[0]; }, .y0 = {1}};
  for (const double rtol : {1e-3, 1e-6, 1e-10}) CHECK(plain.solve({1}, test::with_method("auto", rtol)).stats.method == "dopri5");
  for (const auto& method : solver_names()) {
    if (method != "auto") CHECK(plain.solve({1}, test::with_method(method)).stats.method == method);
  }
}

TEST_CASE("a component's bits do not depend on where it stands among the others") {
  // a vector of any instruction set, and what is left over when they are filled, compute the same
  for (const auto& method : implicit_methods) {
    CAPTURE(method);
    Relaxation one;
    const Solution alone = one.solve(2, test::with_method(method, 1e-6));
    for (const std::size_t n : {2, 3, 7, 8, 16, 29, 45}) {
      CAPTURE(n);
      Relaxation many;
      many.n = n;
      const Solution s = many.solve(2, test::with_method(method, 1e-6));
      CHECK((s.states.array() == alone.states(0, 0)).all());
      CHECK(s.stats.steps_accepted == alone.stats.steps_accepted);
    }
  }
}

TEST_CASE("the quick error norm is the plain one") {
  const double rtol = 0.01;
  for (std::size_t n = 1; n < 40; ++n) {
    std::vector<double> error(n), y(n), y_new(n), atol(n);
    for (std::size_t i = 0; i < n; ++i) {
      const double x = static_cast<double>(i + n);
      error[i] = std::sin(7 * x), y[i] = 5 * std::cos(3 * x), y_new[i] = 4 * std::sin(x), atol[i] = 1e-3 * (1.5 + std::sin(x));
    }
    CAPTURE(n);
    CHECK(error_norm_value(error, y, y_new, atol, rtol) == error_norm(error, y, y_new, atol, rtol).value);
    for (std::size_t bad = 0; bad < n; ++bad) {
      for (const double value : {not_a_number, -not_a_number, inf, -inf}) {
        for (auto* where : {&error, &y_new}) {
          const double kept = std::exchange((*where)[bad], value);
          CHECK(error_norm_value(error, y, y_new, atol, rtol) == inf);
          CHECK(!all_finite(*where));
          CHECK(first_non_finite(*where) == static_cast<std::ptrdiff_t>(bad));
          (*where)[bad] = kept;
        }
      }
    }
    CHECK(first_non_finite(error) == -1);
  }
}
