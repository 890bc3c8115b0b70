// Tangents behind a solution: their own order of accuracy, stiff closed forms, failures; and the model's sensitivity equations,
// S' = J S + df/dc dc, against the same derivatives in dual numbers.
#include <algorithm>
#include <array>
#include <functional>

#include "nkpk/core/dual.hpp"
#include "nkpk/core/error.hpp"
#include "nkpk/simulation/tangents.hpp"
#include "nkpk/solvers/tangents.hpp"
#include "support/observed.hpp"

using namespace nkpk;
using namespace nkpk::test;

namespace {

constexpr std::size_t moments = TangentSystem::moments;
constexpr double infinity = std::numeric_limits<double>::infinity();

struct TangentSolution {
  Solution values;
  RowMatrix tangents;  ///< [n_times x 2]; NaN where not reached
  RowMatrix states;    ///< [n_times x 1], likewise
};

/// y' = f(t, y) in one state, with the sensitivities to p and to the initial value side by side.
struct OneState {
  std::function<double(double t, double y)> f, f_y, f_t, f_p;
  double rtol = 1e-6, atol = 1e-12, step = 0;
  std::string method = "rodas5p";

  TangentSolution run(double y0, std::array<double, 2> s0, std::vector<double> times) const {
    double slope = 0, shift = 0;
    auto rhs = [&](std::size_t, double t, std::span<const double> y, std::span<double> dy) { dy[0] = f(t, y[0]); };
    auto linearize = [&](std::size_t, double t, std::span<const double> y, std::span<double> dfdt) {
      slope = f_y(t, y[0]);
      dfdt[0] = f_t(t, y[0]);
    };
    auto factorize = [&](double by) { return shift = by, true; };
    auto solve = [&](std::span<double> b) { b[0] /= shift - slope; };
    const double tolerance = step > 0 ? infinity : atol;
    PiecewiseSystem system;
    system.size = 1;
    system.atol = {&tolerance, 1};
    system.rhs = rhs;
    system.linear.linearize = linearize;
    system.linear.factorize = factorize;
    system.linear.solve = solve;

    std::array<double, moments> slopes{}, forces{};
    double own_shift = 0;
    auto linearize_all = [&](std::size_t, std::span<const double, moments> t, std::span<const double> within, std::span<const double> end) {
      for (std::size_t m = 0; m < moments; ++m) {
        const double at = m < within.size() ? within[m] : end[0];
        slopes[m] = f_y(t[m], at), forces[m] = f_p(t[m], at);
      }
    };
    auto factorize_all = [&](double by) { own_shift = by; };
    auto solve_one = [&](std::size_t m, std::span<double> s, bool is_forced) {
      s[0] = (s[0] + (is_forced ? forces[m] : 0)) / (own_shift - slopes[m]);
      s[1] = s[1] / (own_shift - slopes[m]);
    };
    auto rate = [&](std::size_t m, std::span<const double> s, std::span<double> out) {
      out[0] = slopes[m] * s[0] + forces[m];
      out[1] = slopes[m] * s[1];
    };
    auto jump = [](std::size_t, std::span<double>, std::span<double>) {};
    const std::array tolerances{tolerance, tolerance};
    const std::array<std::pair<std::size_t, std::size_t>, 1> live{{{0, 2}}};
    TangentSolution solution;
    solution.tangents = RowMatrix::Constant(static_cast<Eigen::Index>(times.size()), 2, NAN);
    solution.states = RowMatrix::Constant(static_cast<Eigen::Index>(times.size()), 1, NAN);
    auto record = [&](std::size_t output, std::span<const double> y, std::span<const double> s) {
      solution.states(static_cast<Eigen::Index>(output), 0) = y[0];
      solution.tangents.row(static_cast<Eigen::Index>(output)) << s[0], s[1];
    };
    TangentSystem tangents;
    tangents.size = 2;
    tangents.live = live;
    tangents.atol = tolerances;
    tangents.linearize = linearize_all;
    tangents.factorize = factorize_all;
    tangents.solve = solve_one;
    tangents.rate = rate;
    tangents.jump = jump;
    tangents.record = record;

    SolverOptions options;
    options.method = method;
    options.rtol = rtol;
    if (step > 0) options.initial_step_d = options.max_step_d = step;
    solution.values = integrate_with_tangents(system, tangents, {&y0, 1}, s0, 0, times, options);
    return solution;
  }
};

/// y' = -p (1 + cos t) y^2: y = y0 / (1 + p y0 u) with u = t + sin t, dy/dp = -u y^2, dy/dy0 = (y / y0)^2.
OneState decay(double p) {
  return {.f = [=](double t, double y) { return -p * (1 + std::cos(t)) * y * y; },
          .f_y = [=](double t, double y) { return -2 * p * (1 + std::cos(t)) * y; },
          .f_t = [=](double t, double y) { return p * std::sin(t) * y * y; },
          .f_p = [](double t, double y) { return -(1 + std::cos(t)) * y * y; }};
}

}  // namespace

TEST_CASE("tangents of a nonlinear equation have order four at least, and the closed form") {
  const double p = 0.7, y0 = 1.3, t = 2, u = t + std::sin(t), y = y0 / (1 + p * y0 * u);
  std::array<std::vector<double>, 2> errors;
  for (const double steps_per_day : {4, 8, 16, 32}) {
    OneState problem = decay(p);
    problem.step = 1 / steps_per_day;
    const TangentSolution solution = problem.run(y0, {0, 1}, {t});
    REQUIRE(solution.values.status == Status::ok);
    CHECK(solution.values.stats.steps_accepted == static_cast<std::size_t>(t * steps_per_day));
    errors[0].push_back(std::abs(solution.tangents(0, 0) + u * y * y));
    errors[1].push_back(std::abs(solution.tangents(0, 1) - (y / y0) * (y / y0)));
  }
  for (const auto& error : errors) {
    CAPTURE(error[0]);
    CAPTURE(error[3]);
    CHECK(error[3] < 1e-8);
    CHECK(std::log2(error[1] / error[3]) / 2 > 3.8);  // four, or more where errors of one sign meet those of the other
  }
}

TEST_CASE("outputs move no step of the tangents, and within steps have order four at least") {
  const double p = 0.7, y0 = 1.3;
  const auto exact = [&](double t) {
    const double u = t + std::sin(t), y = y0 / (1 + p * y0 * u);
    return std::array{-u * y * y, (y / y0) * (y / y0)};
  };
  std::vector<double> within;
  for (int i = 1; i < 100; ++i) within.push_back(0.02 * i);
  std::vector<double> errors;
  for (const double steps_per_day : {4, 8, 16, 32}) {
    OneState problem = decay(p);
    problem.step = 1 / steps_per_day;
    std::vector<double> times = within;
    times.push_back(2);
    const TangentSolution solution = problem.run(y0, {0, 1}, times), at_the_end = problem.run(y0, {0, 1}, {2});
    CHECK(solution.values.stats.steps_accepted == at_the_end.values.stats.steps_accepted);
    double worst = 0;
    for (std::size_t i = 0; i < times.size(); ++i)
      for (const int j : {0, 1}) worst = std::max(worst, std::abs(solution.tangents(static_cast<Eigen::Index>(i), j) - exact(times[i])[static_cast<std::size_t>(j)]));
    errors.push_back(worst);
    for (const int j : {0, 1}) CHECK(solution.tangents(solution.tangents.rows() - 1, j) == at_the_end.tangents(0, j));
  }
  CAPTURE(errors[0]);
  CAPTURE(errors[3]);
  CHECK(std::log2(errors[1] / errors[3]) / 2 > 4.6);  // order four and the step's own length
}

TEST_CASE("tangents that a stiff equation ties to a slow course follow it in long steps") {
  // y' = -L (y - p cos t) - p sin t from p: y = p cos t, dy/dp = cos t; dy/dy0 = exp(-L t)
  const double L = 1e4, p = 2;
  OneState problem{.f = [=](double t, double y) { return -L * (y - p * std::cos(t)) - p * std::sin(t); },
                   .f_y = [=](double, double) { return -L; },
                   .f_t = [=](double t, double) { return -L * p * std::sin(t) - p * std::cos(t); },
                   .f_p = [=](double t, double) { return L * std::cos(t) - std::sin(t); }};
  const TangentSolution within = problem.run(p, {1, 1}, {0.5, 3, 9});
  for (const auto& [i, t] : {std::pair{0, 0.5}, {1, 3.0}, {2, 9.0}}) {
    const TangentSolution solution = problem.run(p, {1, 1}, {t});
    REQUIRE(solution.values.status == Status::ok);
    CHECK(solution.states(0, 0) == doctest::Approx(p * std::cos(t)).epsilon(1e-6));
    CHECK(std::abs(solution.tangents(0, 0) - std::cos(t)) < 1e-5);
    CHECK(std::abs(solution.tangents(0, 1)) < 1e-8);
    // within steps that are a good part of a period long, interpolation shows; the slopes at their ends would be off by 1e-2
    CHECK(std::abs(within.tangents(i, 0) - std::cos(t)) < 1e-3);
    CHECK(std::abs(within.tangents(i, 1)) < 1e-8);
    CHECK(solution.values.stats.steps_accepted < 100);  // an explicit method would take thousands
  }
}

TEST_CASE("the step control sees the tangents: a tighter tolerance makes them better, and the states with them") {
  const double p = 0.7, y0 = 1.3, t = 20, u = t + std::sin(t), y = y0 / (1 + p * y0 * u);
  double before = infinity;
  for (const double rtol : {1e-4, 1e-6, 1e-8}) {
    OneState problem = decay(p);
    problem.rtol = rtol;
    const TangentSolution solution = problem.run(y0, {0, 1}, {t});
    const double error = std::abs(solution.tangents(0, 0) / (u * y * y) + 1);
    CAPTURE(error);
    CHECK(error < 30 * rtol);
    CHECK(error < before / 5);
    before = error;
  }
}

TEST_CASE("a tangent that is not finite ends the run where it happens, and is named as what it is") {
  OneState problem = decay(0.7);
  problem.f_p = [](double t, double) { return t < 1 ? 1.0 : NAN; };
  const TangentSolution solution = problem.run(1.3, {0, 1}, {0.5, 2});
  CHECK(solution.values.status == Status::not_finite);
  CHECK(solution.values.message.find("a tangent is not finite") != std::string::npos);
  CHECK(solution.values.t_reached > 0.9);
  CHECK(solution.values.t_reached < 1.0001);
  CHECK(std::isfinite(solution.tangents(0, 0)));
  CHECK(std::isnan(solution.tangents(1, 0)));
}

TEST_CASE("tangents that are not finite from the start, or behind an event, are found where they are") {
  const OneState problem = decay(0.7);
  const TangentSolution solution = problem.run(1.3, {NAN, 1}, {0});
  CHECK(solution.values.status == Status::not_finite);
  CHECK(solution.values.message.find("initial state") != std::string::npos);
  CHECK(std::isnan(solution.tangents(0, 1)));
}

TEST_CASE("tangents are refused behind a method that gives no states within a step") {
  OneState problem = decay(0.7);
  problem.method = "dopri5";
  CHECK_THROWS_WITH_AS(problem.run(1.3, {0, 1}, {2}), doctest::Contains("dopri5"), InputError);
}

namespace {

using D = Directions::D;

/// Three infusions, a graft, irradiation; every state and window away from zero, and every parameter moving in every direction.
struct Moving {
  Scenario s;
  std::vector<std::unique_ptr<Directions>> directions;
  Timeline<double> timeline;
  std::array<std::vector<double>, moments> y;
  std::array<double, moments> t;
};

template <class T>
Timeline<T> one_segment(const ModuleSet& on, std::vector<InputRate<T>> rates) {
  Timeline<T> line;
  line.rates = {std::move(rates)};
  Windows w;
  w.steroid = 0.6, w.treg_depletion = 0.2, w.il15_induction = 0.7;
  line.windows = {w};
  line.awake = {on};
  return line;
}

Moving moving(unsigned seed, std::size_t n_groups, const std::vector<Module>& off = {}) {
  Request request;
  request.regimen = "rogachev-hsct";
  request.arms = {"tbi"};
  request.sets = {"dose.nk-1.days=[-12, -10]", "rejection.krejN=1e-4 1/d/(cells/uL)", "fludarabine.kill_saturation=0.3 L/mg",
                  "infused_nk.Isup=0.4", "host_nk.w2P=0.1"};
  Moving m{make_scenario(library(), request), {}, {}, {}, {}};
  const Scenario& s = m.s;
  REQUIRE(s.cohorts.size() == 3);
  ModuleSet on = s.constants.modules;
  for (const Module module : off) on.set(module, false);
  Draws draws(seed);
  const auto entries = state_entries(3);
  for (std::size_t k = 0; k < moments; ++k) {
    m.y[k] = drawn_state(draws, s.p, s.constants);
    m.t[k] = draws.uniform(2, 6);
    for (std::size_t i = 0; i < entries.size(); ++i)
      if (!on.has(entries[i].module)) m.y[k][i] = 0;
  }
  const std::size_t fed = at::cohort(1) + 1, drug = at::il2 + 2;
  m.timeline = one_segment<double>(on, {{fed, 3.0}, {drug, 7.0}});
  const auto drawn = [&](double value) {
    D d(value);
    for (double& tangent : d.tangent) tangent = (value != 0 ? value : 1.0) * draws.uniform(-1, 1);
    return d;
  };
  for (std::size_t g = 0; g < n_groups; ++g) {
    Parameters<D> p;
    std::vector<double> values;
    Parameters<double>::visit(s.p, [&](std::string_view, const char*, const char*, Domain, const double& v) { values.push_back(v); });
    std::size_t next = 0;
    Parameters<D>::visit(p, [&](std::string_view, const char*, const char*, Domain, D& v) { v = drawn(values[next++]); });
    std::vector<Cohort<D>> lots;
    for (const auto& lot : s.lots) {
      std::vector<double> own;
      ProductParams<double>::visit(lot.product, [&](const char*, const char*, Domain, const double& v) { own.push_back(v); });
      Cohort<D> lifted{drawn(lot.start_d), {}};
      next = 0;
      ProductParams<D>::visit(lifted.product, [&](const char*, const char*, Domain, D& v) { v = drawn(own[next++]); });
      lots.push_back(lifted);
    }
    m.directions.push_back(std::make_unique<Directions>(prepare(p, Physiology::body(s.patient, p.physiology), chi_of(s.regimen.donor, p), lots),
                                                        one_segment<D>(on, {{fed, drawn(3)}, {drug, drawn(7)}}), std::vector<D>(entries.size())));
  }
  return m;
}

/// Doubles as the solver keeps them, aligned for its widest register.
class Aligned {
 public:
  explicit Aligned(std::size_t n) : packs_((n + 7) / 8), all_(reinterpret_cast<double*>(packs_.data()), n) {}
  std::span<double> all() { return all_; }

 private:
  std::vector<Pack<8>> packs_;
  std::span<double> all_;
};

/// Tangents of every state in every direction, zero where its mechanism is off.
void draw(std::span<double> s, Draws& draws, const Moving& m) {
  const auto entries = state_entries(3);
  const std::size_t n = entries.size();
  for (std::size_t k = 0; k < s.size(); ++k) {
    const std::size_t state = k / Directions::count % n;
    s[k] = m.timeline.awake[0].has(entries[state].module) ? m.y[0][state] * draws.uniform(-1, 1) : 0;
  }
}

std::vector<double> side_by_side(const Moving& m) {
  std::vector<double> all;
  for (std::size_t i = 0; i < m.y[0].size(); ++i)
    for (std::size_t k = 0; k < TangentSystem::within; ++k) all.push_back(m.y[k][i]);
  return all;
}

std::vector<Isa> instruction_sets() {
  std::vector<Isa> all{Isa::baseline};
  if (best_isa() >= Isa::avx2) all.push_back(Isa::avx2);
  if (best_isa() >= Isa::avx512) all.push_back(Isa::avx512);
  return all;
}

}  // namespace

TEST_CASE("the sensitivity equations are those of dual numbers, for every parameter, moment and number of directions") {
  for (const std::size_t n_groups : {1, 2, 3, 5})
    for (const auto& off : {std::vector<Module>{}, std::vector<Module>{Module::graft, Module::thiotepa, Module::irradiation, Module::il2}}) {
      const Moving m = moving(11 + static_cast<unsigned>(n_groups), n_groups, off);
      const std::size_t n = m.y[0].size();
      LiftedTangents lifted(m.s.constants, m.timeline, m.directions);
      TangentSystem system = lifted.system();
      REQUIRE(system.size == n_groups * n * Directions::count);
      Aligned s(system.size), out(system.size);
      Draws draws(5);
      draw(s.all(), draws, m);
      system.linearize(0, m.t, side_by_side(m), m.y.back());
      std::vector<D> y(n), dy(n);
      for (std::size_t k = 0; k < moments; ++k) {
        system.rate(k, s.all(), out.all());
        for (std::size_t g = 0; g < n_groups; ++g) {
          for (std::size_t i = 0; i < n; ++i) y[i] = lifted.states(g, m.y[k], s.all())[i];
          const Directions& d = *m.directions[g];
          right_hand_side(d.c, m.timeline.awake[0], m.timeline.windows[0], m.t[k], y.data(), dy.data());
          for (const auto& in : d.timeline.rates[0])
            if (m.timeline.awake[0].has(state_entries(3)[in.state].module)) dy[in.state] += in.rate;
          for (std::size_t i = 0; i < n; ++i) {
            if (!m.timeline.awake[0].has(state_entries(3)[i].module)) continue;
            double size = 0;
            for (const double tangent : dy[i].tangent) size = std::max(size, std::abs(tangent));
            for (std::size_t j = 0; j < Directions::count; ++j) {
              CAPTURE(state_entries(3)[i].name);
              CAPTURE(g);
              CHECK(std::abs(out.all()[(g * n + i) * Directions::count + j] - dy[i].tangent[j]) <= 1e-9 * size);
            }
          }
        }
      }
    }
}

TEST_CASE("what is solved solves: shift s - (J s + B) gives back what was asked for, with and without B") {
  const Moving m = moving(3, 4);
  LiftedTangents lifted(m.s.constants, m.timeline, m.directions);
  TangentSystem system = lifted.system();
  Aligned asked(system.size), s(system.size), image(system.size), force(system.size), zero(system.size);
  Draws draws(6);
  draw(asked.all(), draws, m);
  std::fill(zero.all().begin(), zero.all().end(), 0.0);
  system.linearize(0, m.t, side_by_side(m), m.y.back());
  for (const double shift : {3.0, 900.0}) {
    system.factorize(shift);
    for (const std::size_t k : {std::size_t(0), moments - 1})
      for (const bool is_forced : {false, true}) {
        std::copy(asked.all().begin(), asked.all().end(), s.all().begin());
        system.solve(k, s.all(), is_forced);
        system.rate(k, s.all(), image.all());
        system.rate(k, zero.all(), force.all());
        double worst = 0;
        for (std::size_t i = 0; i < system.size; ++i) {
          const double back = shift * s.all()[i] - image.all()[i] + (is_forced ? 0 : force.all()[i]);
          const double size = std::abs(shift * s.all()[i]) + std::abs(image.all()[i]) + std::abs(force.all()[i]) + std::abs(asked.all()[i]);
          worst = std::max(worst, std::abs(back - asked.all()[i]) / size);
        }
        CHECK(worst < 1e-10);
      }
  }
}

TEST_CASE("every instruction set gives the same bits of the sensitivity equations") {
  const Moving m = moving(8, 3);
  std::vector<double> expected;
  for (const Isa isa : instruction_sets()) {
    LiftedTangents lifted(m.s.constants, m.timeline, m.directions, isa);
    TangentSystem system = lifted.system();
    Aligned s(system.size), out(system.size);
    Draws draws(5);
    draw(s.all(), draws, m);
    system.linearize(0, m.t, side_by_side(m), m.y.back());
    system.factorize(40);
    std::vector<double> found;
    for (std::size_t k = 0; k < moments; ++k) {
      system.rate(k, s.all(), out.all());
      found.insert(found.end(), out.all().begin(), out.all().end());
      system.solve(k, out.all(), true);
      found.insert(found.end(), out.all().begin(), out.all().end());
    }
    if (expected.empty()) expected = found;
    CHECK(std::equal(found.begin(), found.end(), expected.begin(), expected.end()));
  }
}

TEST_CASE("in every regimen, tangents behind the solution are those of dual numbers integrated with an explicit method") {
  struct Case {
    std::string regimen, arm;
  };
  for (const auto& c : std::vector<Case>{{"radboud-ucb", "high-il2"}, {"sankoma", ""}, {"sysu-ucb", ""}, {"rogachev-hsct", "tbi"}, {"peking-aml", ""}}) {
    CAPTURE(c.regimen);
    Request request;
    request.regimen = c.regimen;
    if (!c.arm.empty()) request.arms = {c.arm};
    request.output_step_d = 5;
    const Scenario s = make_scenario(library(), request);
    // fourteen: two blocks of groups, the last group half empty
    std::vector<std::string> names{"product.pmax", "host_nk.d0", "infused_nk.fv", "host_nk.NK0", "product.E15", "rejection.krej", "t_cells.pT",
                                   "nk.phi", "il15.fc", "product.viability", "treg.dR", "il15.kel", "fludarabine.V1", "nk.kBT"};
    SolverOptions tight;
    tight.rtol = 1e-9, tight.atol_factor = 1e-3;
    tight.method = "rodas5p";
    const Sensitivities found = simulate_sensitivities(s, names, tight);
    tight.method = "dopri5";
    const Sensitivities expected = simulate_sensitivities(s, names, tight);
    REQUIRE(found.status == Status::ok);
    REQUIRE(expected.status == Status::ok);
    for (std::size_t j = 0; j < names.size(); ++j) {
      CAPTURE(names[j]);
      const RowMatrix by = derivatives_by(found, j), expected_by = derivatives_by(expected, j);
      for (Eigen::Index k = 0; k < found.values.cols(); ++k) {
        CAPTURE(found.observables[static_cast<std::size_t>(k)].name);
        const double size = largest(expected_by, k);
        for (Eigen::Index i = 0; i < found.values.rows(); ++i) {
          const double a = by(i, k), b = expected_by(i, k);
          CHECK(std::isnan(a) == std::isnan(b));
          if (!std::isnan(b)) CHECK(std::abs(a - b) <= 1e-6 * size + 1e-12);
        }
      }
    }
  }
}
