// The model on packs of patients: lane i has the numbers of patient i alone, to the rounding of an exp, and the same bits whatever
// stands in the other lanes.
#include "nkpk/core/pack.hpp"
#include "support/everything.hpp"
#include "support/lanes.hpp"

using namespace nkpk;
using namespace nkpk::test;

namespace {

// exp is within 2^-52 of that of doubles (core/pack.hpp); up to three such factors stand in a number of the model, and what
// subtracts them loses a digit
constexpr double of_exp = 1e-14;

template <std::size_t W>
Inputs<Pack<W>> side_by_side(const std::vector<Inputs<double>>& patients) {
  Inputs<Pack<W>> all = inputs_as<Pack<W>>(patients.front());
  for (std::size_t i = 0; i < W; ++i) fill_lane(i, all, patients[i]);
  return all;
}

/// W patients of every age with all parameters, states and infusions their own, in one situation.
template <std::size_t W>
void check_lanes() {
  const std::vector<std::string> patients{"10y-boy", "1mo-girl", "1y-boy", "14y-girl", "60y-man"};
  const std::vector<std::string> donors{"haploidentical", "matched", "cord-blood", "autologous"};
  for (const bool linear_quadratic : {false, true}) {
    Draws draws(W + linear_quadratic);
    std::vector<Drawn> each;
    std::vector<Inputs<double>> inputs;
    for (std::size_t i = 0; i < W; ++i) {
      each.push_back(drawn(draws, patients[i % patients.size()], donors[i % donors.size()], linear_quadratic));
      for (double& start_d : each[i].in.starts_d) start_d += draws.uniform(-3, 3);
      // lanes on both sides of every choice: never primed, in extinction
      if (i % 3 == 1) each[i].in.product.tau_pr = 0;
      if (i % 3 == 2) each[i].in.y[at::t_cells] = each[i].in.y[at::t_cells + 1] = 0;
      inputs.push_back(each[i].in);
    }
    const Situation& shared = each.front().situation;
    const Inputs<Pack<W>> packs = side_by_side<W>(inputs);
    Individual<Pack<W>> who;
    for (std::size_t i = 0; i < W; ++i) {
      const auto alone = individual(inputs[i].p, each[i].situation.scenario);
      fill_lane(i, who.body, alone.body);
      who.chi.lane[i] = alone.chi;
    }
    const auto found = everything(packs, who, shared);
    std::size_t differing = 0;
    for (std::size_t i = 0; i < W; ++i) {
      CAPTURE(i);
      const auto alone = individual(inputs[i].p, each[i].situation.scenario);
      check_values(found, everything(inputs[i], alone, shared), [i](const Pack<W>& x) { return x.lane[i]; }, of_exp);
    }
    for (const auto& row : found) differing += row.value.lane[0] != row.value.lane[1];
    CHECK(differing > found.size() / 2);

    // lanes of one patient with parameters of their own: the body too is computed on packs
    const auto same_patient = everything(packs, shared);
    for (std::size_t i = 0; i < W; ++i) {
      CAPTURE(i);
      check_values(same_patient, everything(inputs[i], shared), [i](const Pack<W>& x) { return x.lane[i]; }, of_exp);
    }
  }
}

}  // namespace

TEST_CASE("two patients in two lanes: each lane has the numbers of its patient alone") { check_lanes<2>(); }

TEST_CASE("four patients in four lanes: each lane has the numbers of its patient alone") { check_lanes<4>(); }

TEST_CASE("eight patients in eight lanes: each lane has the numbers of its patient alone") { check_lanes<8>(); }

TEST_CASE("a lane has the same bits wherever it stands and whoever stands beside it") {
  Draws draws(6);
  const Drawn one = drawn(draws, "10y-boy", "haploidentical", false);
  std::vector<Inputs<double>> patients;
  for (int i = 0; i < 8; ++i) patients.push_back(drawn(draws, "10y-boy", "haploidentical", false).in);
  patients[3] = one.in;
  const auto among = everything(side_by_side<8>(patients), one.situation);
  const auto pair = everything(side_by_side<2>({patients[0], one.in}), one.situation);
  REQUIRE(among.size() == pair.size());
  for (std::size_t i = 0; i < among.size(); ++i) {
    CAPTURE(among[i].name);
    const double here = among[i].value.lane[3], there = pair[i].value.lane[1];
    CHECK(here == there);
  }
}

TEST_CASE("a patient whose numbers are not finite does not touch the other lanes") {
  Draws draws(5);
  const Drawn one = drawn(draws, "10y-boy", "haploidentical", false);
  Inputs<double> lost = one.in;
  Inputs<double>::visit(lost, [](std::size_t, auto&&, double& value) { value = NAN; });
  const auto found = everything(side_by_side<4>({one.in, lost, one.in, lost}), one.situation);
  for (const std::size_t i : {0, 2})
    check_values(found, everything(one.in, one.situation), [i](const Pack<4>& x) { return x.lane[i]; }, of_exp);
}
