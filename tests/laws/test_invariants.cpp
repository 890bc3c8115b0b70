// What holds in every simulation: conservation of cells, symmetry, positivity, bounds, and silence of what is switched
// off.
#include <fmt/format.h>

#include "support/ledger.hpp"

using namespace nkpk;
using namespace nkpk::test;

namespace {

struct Named {
  const char* regimen;
  std::vector<std::string> arms;
};
const std::vector<Named> regimens{
    {"sankoma", {"two-infusions"}}, {"sysu-ucb", {"5e7", "low-alc"}},           {"rogachev-hsct", {"treosulfan"}},
    {"rogachev-hsct", {"tbi"}},     {"rogachev-hsct", {"busulfan", "matched"}}, {"peking-aml", {}},
    {"radboud-ucb", {"high-il2"}}};

/// The right-hand side with the mechanism `off` switched off, or with all when it is Module::count.
std::vector<double> derivative(Constants<double> c, const std::vector<double>& y, Module off = Module::count) {
  if (off != Module::count) c.modules.set(off, false);
  std::vector<double> dy(y.size());
  right_hand_side(c, {}, 2.0, y.data(), dy.data());
  return dy;
}

Scenario two_infusions(std::vector<std::string> sets = {}) {
  return scenario_from(dose("nk", "nk_cells", "iv", "amount = '1e9 cells'\ndays = [0, 1]\nduration = '30 min'"),
                       std::move(sets));
}

}  // namespace

TEST_CASE("in every regimen what entered and was born is there, died, was killed, was rejected or left") {
  for (const Named& named : regimens) {
    CAPTURE(named.regimen);
    const Scenario s = shipped(named.regimen, named.arms);
    const Ledger ledger(s);
    const std::vector<double> days{-5, -2, 0, 1, 4.1, 7, 14, 28, 60};
    std::vector<double> times;
    for (const double day : days)
      if (day >= s.t_start_d) times.push_back(day);
    // a Runge-Kutta step keeps linear invariants to rounding, whatever its tolerance
    const auto errors = ledger_errors(s, times, 1e-6);
    for (std::size_t i = 0; i < times.size(); ++i)
      for (std::size_t j = 0; j < ledger.populations().size(); ++j) {
        CAPTURE(times[i]);
        CAPTURE(ledger.populations()[j].name);
        CHECK(std::abs(errors[i][j]) < 1e-8);
      }
  }
}

TEST_CASE("at any state and any parameters the derivative of a population is the sum of its flows") {
  Draws draws(21);
  for (int n = 0; n < 40; ++n) {
    auto sets = drawn_parameters(draws);
    sets.push_back("product.tau_pr=2 d");
    const char* patients[] = {"patient=boy-10y", "patient=man-70y", "patient=3y-girl", "patient=2mo-boy",
                              "patient=25y-woman"};
    sets.push_back(patients[n % 5]);
    const char* donors[] = {"donor=haploidentical", "donor=matched", "donor=cord-blood", "donor=autologous"};
    sets.push_back(donors[n % 4]);
    const Scenario s = two_infusions(sets);
    const Ledger ledger(s);
    const auto y = drawn_state(draws, s.p, s.constants);
    const Windows windows{n % 2 == 0 ? 1.0 : 0.0, draws.uniform(0, 2), draws.uniform(0, 2)};
    std::vector<double> dy(y.size());
    right_hand_side(s.constants, windows, 2.5, y.data(), dy.data());
    const auto flows = ledger.flows(2.5, y.data(), windows, 2.5);
    for (std::size_t j = 0; j < flows.size(); ++j) {
      CAPTURE(ledger.populations()[j].name);
      const Flows& f = flows[j];
      const double sum = f.entered + f.born - f.died - f.killed - f.rejected - f.left;
      double scale = f.entered + f.born + f.died + f.killed + f.rejected + f.left;
      for (const std::size_t i : ledger.populations()[j].states)
        scale += std::abs(dy[i]);  // exchange cancels to rounding
      CHECK(std::abs(ledger.populations()[j].present(dy.data()) - sum) < 1e-13 * scale);
    }
  }
}

TEST_CASE("the order of two doses in the file changes nothing") {
  const auto nk = [](const char* id, double amount, double day) {
    return dose(id, "nk_cells", "iv",
                fmt::format("amount = '{} cells/kg'\ndays = [{}]\nduration = '30 min'", amount, day));
  };
  const std::string flu = dose("flu", "fludarabine", "iv", "amount = '25 mg/m^2'\ndays = [-3, -2]\nduration = '1 h'");
  const std::string cy = dose("cy", "cyclophosphamide", "iv", "amount = '30 mg/kg'\ndays = [-3]\nduration = '1 h'");
  const Scenario a = scenario_from(flu + cy + nk("a", 5e7, 0) + nk("b", 1e7, 4)),
                 b = scenario_from(nk("b", 1e7, 4) + nk("a", 5e7, 0) + cy + flu);
  const Trajectory x = solved(a, 1e-8), y = solved(b, 1e-8);
  for (const double t : {0.0, 3.0, 4.5, 20.0}) CHECK(distance(x.at(t), y.at(t), 1e-12) < 1);
}

TEST_CASE("swapping the labels of two cohorts of one product changes nothing") {
  Draws draws(22);
  const Scenario s = two_infusions();
  Constants<double> c = s.constants, swapped = s.constants;
  std::swap(swapped.infused_nk.cohorts[0], swapped.infused_nk.cohorts[1]);
  const auto swap_states = [](std::vector<double> y) {
    std::swap_ranges(y.begin() + at::cohort(0), y.begin() + at::cohort(1), y.begin() + at::cohort(1));
    return y;
  };
  for (int n = 0; n < 20; ++n) {
    const auto y = drawn_state(draws, s.p, c);
    const auto dy = derivative(c, y), expected = swap_states(derivative(swapped, swap_states(y)));
    for (std::size_t i = 0; i < y.size(); ++i) CHECK(dy[i] == doctest::Approx(expected[i]).epsilon(1e-14));
  }
  // cohorts that begin together are one cohort in two parts
  for (auto& cohort : c.infused_nk.cohorts) cohort.start_d = 0;
  auto y0 = initial_state(s.p, c);
  y0[at::cohort(0)] = 3e8, y0[at::cohort(1)] = 7e8;
  const auto a = solved_from(c, y0, {1, 10}, 1e-9), b = solved_from(c, swap_states(y0), {1, 10}, 1e-9);
  for (Eigen::Index row = 0; row < 2; ++row)
    for (std::size_t j = 0; j < 3; ++j) {
      const auto first = static_cast<Eigen::Index>(at::cohort(0) + j),
                 second = static_cast<Eigen::Index>(at::cohort(1) + j);
      CHECK(off(a(row, first), b(row, second)) < 1e-12);
      CHECK(off(a(row, first) * 7, a(row, second) * 3) < 1e-9);
    }
}

TEST_CASE("doubling weight and all doses per kg changes no count per uL") {
  // with clearances linear in weight, blood volume and IL-15 volume per kg, and no IL-2 (C35)
  const auto scenario = [](double weight) {
    return scenario_from(
        dose("flu", "fludarabine", "iv", "amount = '0.7 mg/kg'\ndays = [-5, -4, -3]\nduration = '30 min'") +
            dose("cy", "cyclophosphamide", "iv", "amount = '20 mg/kg'\ndays = [-5]\nduration = '1 h'") +
            dose("tt", "thiotepa", "iv", "amount = '2 mg/kg'\ndays = [-4]\nduration = '1 h'") +
            dose("treo", "treosulfan", "iv", "amount = '100 mg/kg'\ndays = [-3]\nduration = '1 h'") +
            dose("bu", "busulfan", "po", "amount = '1 mg/kg'\ndays = [-2]") +
            dose("tbi", "tbi", "external", "amount = '1 Gy'\ndays = [1]") +
            dose("aba", "abatacept", "iv", "amount = '10 mg/kg'\ndays = [0]") +
            dose("il15", "il15", "iv", "amount = '1 ng/kg'\ndays = [3]\nduration = '5 d'") +
            dose("graft", "graft", "iv", "days = [2]\nmyeloablative = true") +
            dose("nk", "nk_cells", "iv", "amount = '1e7 cells/kg'\ndays = [0, 4]\nduration = '30 min'"),
        {"physiology.e_CL=1", fmt::format("patient.weight={} kg", weight),
         fmt::format("patient.blood_volume={} L", 0.07 * weight), "horizon=28 d"});
  };
  const Scenario one = scenario(35), two = scenario(70);
  const Trajectory a = solved(one, 1e-10), b = solved(two, 1e-10);
  for (const double t : {-4.9, -2.0, 0.0, 0.3, 1.0, 2.0, 4.5, 14.0, 28.0}) {
    std::vector<double> x, y;
    visit_observables(one.constants, a.at(t).data(), Leukocytes{}, [&](auto, auto, auto, auto, double v) { x.push_back(v); });
    visit_observables(two.constants, b.at(t).data(), Leukocytes{}, [&](auto, auto, auto, auto, double v) { y.push_back(v); });
    for (std::size_t i = 0; i < x.size(); ++i)
      if (std::isfinite(x[i])) CHECK(std::abs(x[i] - y[i]) <= 1e-7 * std::abs(x[i]) + 1e-9);
  }
}

namespace {

void demand_no_negative_state(const Scenario& s, double rtol) {
  const Trajectory run = solved(s, rtol);
  const auto atol = tolerances(s.cohorts.size());
  for (std::size_t j = 0; j < atol.size(); ++j) {
    CAPTURE(run.states[j].name);
    CHECK(run.solution.states.col(static_cast<Eigen::Index>(j)).minCoeff() >= -10 * atol[j]);
  }
}

}  // namespace

TEST_CASE("no state of any regimen is negative") {
  for (const Named& named : regimens) {
    CAPTURE(named.regimen);
    demand_no_negative_state(shipped(named.regimen, named.arms), 1e-8);
  }
}

TEST_CASE("no state is negative for parameters drawn between their bounds") {
  Draws draws(23);
  for (int n = 0; n < 20; ++n) {
    const Named& named = regimens[static_cast<std::size_t>(n) % regimens.size()];
    CAPTURE(n);
    CAPTURE(named.regimen);
    auto sets = drawn_parameters(draws);
    sets.push_back("horizon=20 d");
    demand_no_negative_state(shipped(named.regimen, named.arms, sets), 1e-6);
  }
}

TEST_CASE("precursors of which a deep kill leaves far less than a cell stay above zero and come back as the equations say") {
  // they grow in proportion to themselves: an error of a thousandth of a cell would become a marrow, one below zero diverge
  const std::vector<std::string> deep{"fludarabine.r_precursor=20", "cyclophosphamide.r_precursor=20",
                                      "fludarabine.s_T=0.25 L/mg/h", "cyclophosphamide.s_T=0.06 L/mg",
                                      "host_nk.lamP=0.6 1/d", "host_nk.kap=8", "host_nk.MTT=10 d"};
  for (const char* regimen : {"sankoma", "radboud-ucb", "peking-aml"}) {
    CAPTURE(regimen);
    const Scenario s = shipped(regimen, {}, deep);
    const Trajectory run = solved(s, 1e-6), close = solved(s, 1e-9);
    const auto P1 = run.solution.states.col(at::host_nk + HostNk::P1);
    CHECK(P1.minCoeff() > 0);
    CHECK(P1.minCoeff() < 1e-50);
    const double last = P1(P1.size() - 1), expected = close.solution.states(P1.size() - 1, at::host_nk + HostNk::P1);
    CHECK(last > 1e20 * P1.minCoeff());
    CHECK(off(last, expected) < 1e-3);
  }
}

TEST_CASE("before their infusion infused NK cells are exactly none, and so are effectors without them") {
  const Scenario s = shipped("rogachev-hsct", {"tbi"});
  const Trajectory run = solved(s, 1e-6);
  REQUIRE(s.cohorts.size() == 2);
  for (std::size_t i = 0; i < s.output_times_d.size(); ++i) {
    const double t = s.output_times_d[i];
    for (std::size_t k = 0; k < 2; ++k)
      for (std::size_t j = 0; j < 3; ++j)
        if (t <= s.cohorts[k].start_d)
          CHECK(run.solution.states(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(at::cohort(k) + j)) == 0);
    if (t <= s.cohorts[0].start_d) CHECK(run.solution.states(static_cast<Eigen::Index>(i), at::rejection) == 0);
  }
}

TEST_CASE("without an infusion of NK cells donor NK cells are exactly none for ever") {
  const Scenario s = shipped("sankoma", {}, {"dose.nk-1.amount=0 cells/kg", "dose.nk-2.amount=0 cells/kg"});
  const Trajectory run = solved(s, 1e-6);
  const auto y = run.at(60);
  for (std::size_t i = at::infused_nk; i < y.size(); ++i) CHECK(y[i] == 0);
  CHECK(y[at::rejection] == 0);
  CHECK(y[at::exposure] == 0);
  CHECK(run.solution.states.col(at::host_nk).minCoeff() < 0.5 * y[at::host_nk]);  // the treatment did something
}

TEST_CASE("IL-15, T cells, precursors and effectors stay below their bounds") {
  for (const Named& named : regimens) {
    CAPTURE(named.regimen);
    const Scenario s = shipped(named.regimen, named.arms);
    const double rtol = 1e-8, slack = 1 + 10 * rtol;
    const Trajectory run = solved(s, rtol);
    const auto highest = [&](std::size_t i) {
      return run.solution.states.col(static_cast<Eigen::Index>(i)).maxCoeff();
    };
    CHECK(highest(at::il15) <= slack / (1 - s.p.il15.fc));
    const auto t_total = (run.solution.states.col(at::t_cells) + run.solution.states.col(at::t_cells + 1)).eval();
    CHECK(t_total.maxCoeff() <= slack * s.p.t_cells.T0);
    CHECK(highest(at::host_nk + HostNk::P1) <= slack * s.p.host_nk.kap * s.constants.host_nk.P_ss);
    // above the ceiling effectors are only recruited, at most at kA0 f_allo T0, and lost
    const auto& r = s.p.rejection;
    CHECK(highest(at::rejection) <= slack * std::max(r.A_max, r.kA0 * r.f_allo * s.p.t_cells.T0 / r.dA));
    CHECK(run.solution.states.col(at::il15).minCoeff() > 0);
  }
}

TEST_CASE("a mechanism switched off is that mechanism with its rates at zero") {
  // what the rates at zero are, for each mechanism that can be said so
  const std::pair<Module, std::vector<std::string>> neutral[] = {
      {Module::fludarabine, {"fludarabine.s_T=0 L/mg/h"}},
      {Module::cyclophosphamide, {"cyclophosphamide.s_T=0 L/mg"}},
      {Module::thiotepa, {"thiotepa.s_T=0 L/mg/h"}},
      {Module::treosulfan, {"treosulfan.s_T=0 L/mg/h"}},
      {Module::busulfan, {"busulfan.s_T=0 L/mg/h"}},
      {Module::abatacept, {"abatacept.aba=0"}},
      {Module::rejection, {"rejection.krej=0 1/d/(cells/uL)"}},
      {Module::exposure, {}},
  };
  Draws draws(24);
  const Scenario base = two_infusions();
  for (const auto& [module, sets] : neutral) {
    CAPTURE(module_names[static_cast<std::size_t>(module)]);
    const Scenario zero = two_infusions(sets);
    const auto y = drawn_state(draws, base.p, base.constants);
    const auto off_rates = derivative(base.constants, y, module), zero_rates = derivative(zero.constants, y),
               on_rates = derivative(base.constants, y);
    const auto entries = state_entries(2);
    bool differs = false;
    for (std::size_t i = 0; i < y.size(); ++i) {
      CAPTURE(entries[i].name);
      if (entries[i].module == module) {
        CHECK(off_rates[i] == 0);
      } else {
        CHECK(off_rates[i] == zero_rates[i]);
        differs = differs || off_rates[i] != on_rates[i];
      }
    }
    CHECK(differs == (module != Module::exposure));  // exposure is read by nobody
  }
}

TEST_CASE("a mechanism switched off is the model without its states") {
  // these tell the others of their states: switched off they are as if empty, IL-15 as if at baseline
  Draws draws(25);
  const Scenario s = two_infusions();
  for (const Module module : {Module::il2, Module::il15, Module::host_nk, Module::graft, Module::t_cells, Module::treg,
                              Module::infused_nk, Module::irradiation}) {
    CAPTURE(module_names[static_cast<std::size_t>(module)]);
    const auto y = drawn_state(draws, s.p, s.constants);
    auto empty = y;
    const auto entries = state_entries(2);
    for (std::size_t i = 0; i < y.size(); ++i)
      if (entries[i].module == module) empty[i] = i == at::il15 ? 1 : 0;
    const auto off_rates = derivative(s.constants, y, module), empty_rates = derivative(s.constants, empty);
    for (std::size_t i = 0; i < y.size(); ++i) {
      CAPTURE(entries[i].name);
      CHECK(off_rates[i] == (entries[i].module == module ? 0 : empty_rates[i]));
    }
  }
}

TEST_CASE("a dose of a mechanism that is switched off does nothing") {
  const std::string busy = dose("flu", "fludarabine", "iv", "amount = '25 mg/m^2'\ndays = [-2]\nduration = '1 h'") +
                           dose("bu", "busulfan", "po", "amount = '1 mg/kg'\ndays = [-1]") +
                           dose("il2", "il2", "sc", "amount = '1e6 IU'\ndays = [0]") +
                           dose("tbi", "tbi", "external", "amount = '2 Gy'\ndays = [-1]") +
                           dose("graft", "graft", "iv", "days = [1]\nmyeloablative = true") +
                           dose("nk", "nk_cells", "iv", "amount = '1e9 cells'\ndays = [0]\nduration = '1 h'");
  const std::pair<const char*, const char*> cases[] = {{"fludarabine", "dose.flu.amount=0 mg"},
                                                       {"busulfan", "dose.bu.amount=0 mg"},
                                                       {"il2", "dose.il2.amount=0 IU"},
                                                       {"irradiation", "dose.tbi.amount=0 Gy"},
                                                       {"infused_nk", "dose.nk.amount=0 cells"}};
  for (const auto& [module, nothing] : cases) {
    CAPTURE(std::string(module));
    const Scenario off_s = scenario_from(busy, {"horizon=5 d"}, {module}),
                   none = scenario_from(busy, {"horizon=5 d", nothing});
    CHECK(distance(solved(off_s, 1e-9).at(5), solved(none, 1e-9).at(5), 1e-7) < 1);
  }
  const Scenario no_graft = scenario_from(busy, {"horizon=5 d"}, {"graft"});
  const auto y = solved(no_graft, 1e-8).at(5);
  for (std::size_t i = at::graft; i < at::graft + Graft::states.size(); ++i) CHECK(y[i] == 0);
  CHECK(y[at::t_cells + TCells::graft] == 0);
  CHECK(y[at::host_nk + HostNk::P1] > 0);
}
