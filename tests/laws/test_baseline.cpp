// The untreated patient is an exact equilibrium of every state (C26).
#include <fmt/format.h>

#include "support/scenarios.hpp"
#include "support/terms.hpp"

using namespace nkpk;
using namespace nkpk::test;

namespace {

/// A patient of any age with counts of his or her own; without treatment.
Scenario untreated(Draws& draws, std::vector<std::string> sets = {}) {
  const double age_y = draws.uniform(0, 90);
  Request request;
  const Folder folder;
  request.regimen = (folder.path / "untreated.toml").string();
  std::ofstream(request.regimen) << "format = 1\nname = 'untreated'\npatient = 'man-45y'\nproduct = 'expanded'\n"
                                    "donor = 'haploidentical'\nhorizon = '364 d'\noutput_step = '365 d'\n";
  request.patient = fmt::format("{:.3f}y-{}", age_y, draws.below(2) ? "male" : "female");
  request.sets = std::move(sets);
  request.sets.push_back(fmt::format("patient.nk_count={} cells/uL", draws.log_uniform(10, 2000)));
  request.sets.push_back(fmt::format("patient.t_count={} cells/uL", draws.log_uniform(50, 8000)));
  request.sets.push_back(fmt::format("patient.treg_count={} cells/uL", draws.log_uniform(3, 300)));
  return make_scenario(library(), request);
}

/// The model of a scenario in another number type, with one cohort.
template <class T>
struct Model {
  Parameters<T> p;
  Constants<T> c;
  std::vector<T> y0;

  explicit Model(const Scenario& s) : p(parameters_as<T>(s.p)) {
    Body<T> body = Physiology::body(s.patient, p.physiology);
    InputTexts texts;
    const Cohort<T> cohort{0.0, product_as<T>(to_product(library().product("expanded", texts).table))};
    c = prepare<T>(p, body, T(1), {cohort});
    y0 = initial_state(p, c);
  }
  std::vector<T> derivative(const std::vector<T>& y, double t, const Windows& windows = {}) const {
    std::vector<T> dy(y.size());
    right_hand_side(c, windows, t, y.data(), dy.data());
    return dy;
  }
};

void demand_equilibrium(const Scenario& s) {
  CAPTURE(s.patient.name);
  const Model<Terms> model(s);
  std::vector<Terms> y;
  for (const Terms& value : model.y0) y.push_back(value.value());  // a state is one term
  const auto dy = model.derivative(y, 0.0);
  const auto entries = state_entries(1);
  for (std::size_t i = 0; i < y.size(); ++i) {
    CAPTURE(entries[i].name);
    CHECK(std::abs(dy[i].value()) <= 1e-12 * dy[i].largest());  // no term at all: exactly 0
  }
}

void demand_same(const AffineJump<Terms>& found, const AffineJump<double>& expected) {
  REQUIRE(found.size() == expected.size());
  REQUIRE(!expected.empty());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CAPTURE(i);
    CHECK(found[i].target == expected[i].target);
    CHECK(found[i].add.value() == expected[i].add);
    REQUIRE(found[i].sources.size() == expected[i].sources.size());
    for (std::size_t j = 0; j < expected[i].sources.size(); ++j) {
      CHECK(found[i].sources[j].first == expected[i].sources[j].first);
      CHECK(found[i].sources[j].second.value() == expected[i].sources[j].second);
    }
  }
}

}  // namespace

TEST_CASE("the right-hand side is the same in a number type that cannot branch") {
  Draws draws(11);
  for (int n = 0; n < 50; ++n) {
    const Scenario s = untreated(draws);
    const Model<double> plain(s);
    const Model<Terms> terms(s);
    const Windows windows{draws.uniform(0, 1), draws.uniform(0, 1), draws.uniform(0, 1)};
    const auto y = drawn_state(draws, plain.p, plain.c);
    const auto expected = plain.derivative(y, 1.5, windows);
    const auto found = terms.derivative(states_as<Terms>(y), 1.5, windows);
    for (std::size_t i = 0; i < y.size(); ++i) CHECK(found[i].value() == expected[i]);
  }
}

TEST_CASE("the observables and the jumps are the same in a number type that cannot branch") {
  Draws draws(12);
  const Scenario s = untreated(draws);
  const Model<double> plain(s);
  const Model<Terms> terms(s);
  const auto y = drawn_state(draws, plain.p, plain.c);
  const auto y_terms = states_as<Terms>(y);
  const Leukocytes others{1000, 10, 200, 5, 1};
  std::vector<double> expected, found;
  visit_observables(plain.c, y.data(), others, [&](auto, auto, auto, auto, double v) { expected.push_back(v); });
  visit_observables(terms.c, y_terms.data(), others,
                    [&](auto, auto, auto, auto, const Terms& v) { found.push_back(v.value()); });
  CHECK(found == expected);
  demand_same(irradiation_jump(terms.c, Terms(2)), irradiation_jump(plain.c, 2.0));
  demand_same(graft_jump(terms.c, GraftDose<Terms>{2e7, 1e7, 1e5, true}),
              graft_jump(plain.c, GraftDose<double>{2e7, 1e7, 1e5, true}));
}

TEST_CASE("the largest term of a sum is remembered where terms cancel") {
  Draws draws(13);
  const Model<Terms> model(untreated(draws));
  const auto dy = model.derivative(model.y0, 0.0);
  // the exchange with tissue is the largest flow of the blood pool
  const double exchange = model.c.nk.kBT.value() * model.y0[at::host_nk + HostNk::blood].value();
  CHECK(dy[at::host_nk + HostNk::blood].largest() >= exchange);
  CHECK(dy[at::host_nk + HostNk::blood].largest() < 1.5 * exchange);
  CHECK((Terms(1e3) - Terms(999)).largest() == 1e3);
}

TEST_CASE("without treatment every derivative is zero to rounding, for any patient of any age") {
  Draws draws(14);
  for (int n = 0; n < 200; ++n) demand_equilibrium(untreated(draws));
}

TEST_CASE("without treatment every derivative is zero to rounding, for any parameters within their bounds") {
  Draws draws(15);
  for (int n = 0; n < 100; ++n) demand_equilibrium(untreated(draws, drawn_parameters(draws)));
}

TEST_CASE("case 1: without a dose every state is the same after a year") {
  Draws draws(16);
  for (int n = 0; n < 8; ++n) {
    const Scenario s = untreated(draws);
    CAPTURE(s.patient.name);
    // an explicit method at rest steps at its limit of stability, where rounding grows up to the tolerance: both below
    // 1e-10
    SolverOptions options = with_rtol(1e-12);
    options.atol_factor = 1e-3;
    const Trajectory run = simulate(s, options);
    REQUIRE(run.ok());
    REQUIRE(s.t_end_d - s.t_start_d == 365);
    const auto y0 = initial_state(s.p, s.constants), y = run.at(s.t_end_d);
    for (std::size_t i = 0; i < y.size(); ++i) {
      CAPTURE(run.states[i].name);
      CHECK(off(y[i], y0[i]) < 1e-10);
    }
  }
}
