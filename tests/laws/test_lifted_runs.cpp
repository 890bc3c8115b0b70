// Integrated in other scalars: tangents against closed forms, patients side by side against each alone.
#include "nkpk/core/dual.hpp"
#include "nkpk/core/pack.hpp"
#include "nkpk/simulation/simulate.hpp"
#include "support/lanes.hpp"
#include "support/lifted.hpp"
#include "support/terms.hpp"

using namespace nkpk;
using namespace nkpk::test;

namespace {

constexpr double rtol = 1e-9;

Scenario transplant(const std::vector<std::string>& sets) {
  Request request;
  request.regimen = "rogachev-hsct";
  request.arms = {"tbi"};
  request.sets = sets;
  request.output_step_d = 1;
  return make_scenario(library(), request);
}

/// Constants of the reference man whose parameters `seed` gives tangents.
template <class D>
Constants<D> constants_seeded(const Scenario& s, auto&& seed) {
  Parameters<D> p = parameters_as<D>(s.p);
  seed(p);
  return prepare<D>(p, Physiology::body(s.patient, p.physiology), D(1), {});
}

}  // namespace

TEST_CASE("a scenario has the same bits with every instruction set") {
  const Scenario s = transplant({});
  SolverOptions options;
  options.isa = Isa::baseline;
  const RowMatrix expected = simulate(s, options).solution.states;
  REQUIRE(expected.allFinite());
  for (const Isa isa : {Isa::avx2, Isa::avx512}) {
    if (isa > best_isa()) continue;
    CAPTURE(to_string(isa));
    options.isa = isa;
    CHECK(simulate(s, options).solution.states == expected);
  }
}

// rtol 1e-11 a step over fewer than a hundred steps; 1e9 cells, so that their absolute tolerance plays no part
TEST_CASE("the tangents of one exponential: d/dk exp(-k t) = -t exp(-k t), and by a half-life through k") {
  using D = Dual<2>;
  const Scenario s = scenario_from("");
  const double kx = s.p.irradiation.kx, half_life = s.p.abatacept.half_life, k = std::log(2.0) / half_life;
  const auto c = constants_seeded<D>(s, [](auto& p) { p.irradiation.kx.tangent[0] = 1, p.abatacept.half_life.tangent[1] = 1; });
  std::vector<D> y0(c.n_states(), D(0));
  y0[at::irradiation] = 1e9;
  y0[at::abatacept] = 500;
  const std::vector<double> times{0.5, 1, 2};
  const auto states = solved_in(c, y0, times);
  for (std::size_t i = 0; i < times.size(); ++i) {
    const D x = states[i][at::irradiation], a = states[i][at::abatacept];
    const double t = times[i];
    CHECK(off(x.value, 1e9 * std::exp(-kx * t)) < 1e-9);
    CHECK(off(x.tangent[0], -t * 1e9 * std::exp(-kx * t)) < 1e-9);
    CHECK(x.tangent[1] == 0);
    CHECK(off(a.tangent[1], 500 * std::exp(-k * t) * k * t / half_life) < 1e-9);
    CHECK(a.tangent[0] == 0);
  }
}

TEST_CASE("the tangents of two exponentials: busulfan absorbed from the gut, by ka and by CL") {
  using D = Dual<2>;
  const Scenario s = scenario_from("");
  const auto c = constants_seeded<D>(s, [](auto& p) { p.busulfan.ka.tangent[0] = 1, p.busulfan.CL.tangent[1] = 1; });
  const double ka = s.p.busulfan.ka, k = c.busulfan.k10.value, CL = s.p.busulfan.CL;
  std::vector<D> y0(c.n_states(), D(0));
  y0[at::busulfan] = 100;
  const std::vector<double> times{0.02, 0.1, 0.3};
  const auto states = solved_in(c, y0, times);
  for (std::size_t i = 0; i < times.size(); ++i) {
    const double t = times[i], fast = std::exp(-ka * t), slow = std::exp(-k * t), d = ka - k;
    const D x = states[i][at::busulfan + Busulfan::central];
    const double by_ka = 100 * (-k / (d * d) * (slow - fast) + ka / d * t * fast);
    const double by_k = 100 * (ka / (d * d) * (slow - fast) - ka / d * t * slow);
    CHECK(off(x.value, 100 * ka / d * (slow - fast)) < 1e-9);
    CHECK(off(x.tangent[0], by_ka) < 1e-8);
    CHECK(off(x.tangent[1], by_k * k / CL) < 1e-8);
  }
}

// The plain run evaluates the compiled right-hand side, this one the model's own templates: other roundings, and then other steps.
TEST_CASE("integrated on doubles, the model's templates agree with the plain run, which is compiled from them") {
  const Scenario s = transplant({});
  const auto lifted = solved_in(s, s.p, s.lots, rtol);
  const Trajectory plain = solved(s, rtol);
  for (std::size_t i = 0; i < lifted.size(); ++i)
    for (std::size_t k = 0; k < lifted[i].size(); ++k) {
      CAPTURE(plain.states[k].name);
      const double expected = plain.solution.states(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(k));
      CHECK(std::abs(lifted[i][k] - expected) <= 10 * rtol * std::abs(expected) + 10 * plain.states[k].atol);
    }
}

// Lanes share their steps, so that a lane takes steps at least as short as alone: both are within the error of rtol, which
// grows along the solution by less than a hundredfold (10 rtol for a scalar run, times the growth of an effector clone).
TEST_CASE("four patients integrated side by side agree with each integrated alone") {
  Draws draws(7);
  std::vector<Scenario> each;
  for (std::size_t i = 0; i < 4; ++i) each.push_back(transplant(drawn_parameters(draws)));
  using P = Pack<4>;
  const Scenario& s = each.front();
  Parameters<P> p;
  std::vector<Cohort<P>> lots(s.lots.size());
  for (std::size_t lane = 0; lane < 4; ++lane) {
    fill_lane(lane, p, each[lane].p);
    for (std::size_t k = 0; k < lots.size(); ++k) {
      fill_lane(lane, lots[k].product, each[lane].lots[k].product);
      lots[k].start_d.lane[lane] = each[lane].lots[k].start_d;
    }
  }
  const auto packed = solved_in(s, p, lots, rtol);
  for (std::size_t lane = 0; lane < 4; ++lane) {
    const Trajectory alone = solved(each[lane], rtol);
    for (std::size_t i = 0; i < packed.size(); ++i) {
      CAPTURE(lane);
      CAPTURE(s.output_times_d[i]);
      std::vector<double> found, expected;
      for (const P& state : packed[i]) found.push_back(state.lane[lane]);
      for (std::size_t k = 0; k < found.size(); ++k) expected.push_back(alone.solution.states(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(k)));
      CHECK(distance(found, expected, 1e-7) < 1);
    }
  }
}
