// Each mechanism alone, its signals set by hand, against a closed form or against its formula worked out with numbers.
#include <array>

#include "support/scenarios.hpp"

using namespace nkpk;
using namespace nkpk::test;

namespace {

const Scenario& plain() {
  static const Scenario s =
      scenario_from(dose("nk", "nk_cells", "iv", "amount = '1e9 cells'\ndays = [0]\nduration = '30 min'"));
  return s;
}

/// The rates of N states from a call that adds them.
template <std::size_t N, class F>
std::array<double, N> rates(F&& add) {
  std::array<double, N> dy{};
  add(dy.data());
  return dy;
}

/// The solution of a module of N states at time t, from y0 at 0.
template <std::size_t N, class F>
std::array<double, N> alone(std::array<double, N> y0, double t, F&& add) {
  const std::vector<double> atol(N, 1e-12);
  auto rhs = [&](std::size_t, double time, std::span<const double> y, std::span<double> dy) {
    std::fill(dy.begin(), dy.end(), 0.0);
    add(time, y.data(), dy.data());
  };
  PiecewiseSystem system;
  system.size = N;
  system.atol = atol;
  system.rhs = rhs;
  const double end[] = {t};
  const Solution solution = integrate(system, y0, 0, end, with_rtol(1e-12));
  REQUIRE(solution.status == Status::ok);
  std::array<double, N> y;
  for (std::size_t i = 0; i < N; ++i) y[i] = solution.states(0, static_cast<Eigen::Index>(i));
  return y;
}

}  // namespace

TEST_CASE("the cytokine signal of host NK is one saturation of IL-15 and of IL-2 that Treg leave") {
  const auto& c = plain().constants.nk;
  Signals<double> s;
  s.il15_fold = 7;
  s.il2_IU_per_L = 5e4;
  s.treg = 300;
  Windows w;
  CytokineSignal::derive(c, w, s);
  const double u = 7.0 / 35 + 5e4 / (1 + 300.0 / 150) / 300e3, v = 7.0 / 35 + 5e4 / 35 / 2.3e3;
  const double Es = (1.0 / 35) / ((0.30 - 0.03) / (0.069 - 0.03) - 1), z = 7 + 3 * 5e4 / 2.3e3;
  CHECK(off(s.p_host, 0.8 * u / (1 + u)) < 1e-14);
  CHECK(off(s.d_host, 0.03 + 0.27 / (1 + v / Es)) < 1e-13);
  CHECK(off(s.precursor_drive, 4 * z / (3 + z)) < 1e-14);
  CHECK(off(s.margination, 1 + 4 * 50.0 / 75) < 1e-14);
  CHECK(off(s.il2_local, 5e4 / 3) < 1e-14);
}

TEST_CASE("at the baseline the signal of host NK is d0 of death, p0 of division and a drive of one") {
  Signals<double> s;
  CytokineSignal::derive(plain().constants.nk, Windows{}, s);
  CHECK(off(s.d_host, 0.069) < 1e-14);
  CHECK(off(s.p_host, 0.8 / 36) < 1e-14);
  CHECK(off(s.precursor_drive, 1) < 1e-15);
  CHECK(s.margination == 1);
}

TEST_CASE(
    "the signal saturates: with any cytokine division stays below its maximum and marrow drive below its ceiling") {
  Signals<double> s;
  s.il15_fold = 1e9;
  s.il2_IU_per_L = 1e15;
  CytokineSignal::derive(plain().constants.nk, Windows{}, s);
  CHECK(s.p_host < 0.8);
  CHECK(off(s.p_host, 0.8) < 1e-6);
  CHECK(s.precursor_drive < 4 * (1 + 1e-15));
  CHECK(off(s.d_host, 0.03) < 1e-6);
}

TEST_CASE("infused NK of mixed priming add their IL-2 potencies, and priming fades exponentially from the infusion") {
  auto c = plain().constants.infused_nk;
  Signals<double> s;
  s.il15_fold = 8;
  s.il2_effective = 4e4;
  s.il2_local = 2e4;
  s.treg = 100;
  c.Isup = 0.4;
  for (const double t : {0.0, 1.0, 6.0}) {
    const double pr = 0.5 * std::exp(-t / 3), E2D = 1 / (pr / 10e3 + (1 - pr) / 424e3), u = 8.0 / 20 + 2e4 / E2D;
    const double v = u + 4e4 / 35 / 2.3e3;
    const auto rate = InfusedNk::turnover(t, c.cohorts[0], c, s);
    CHECK(off(rate.p, 0.5 * u / (1 + u) * (1 - 0.4 * 100 / 250)) < 1e-14);
    CHECK(off(rate.d, 0.03 + 0.67 / (1 + v / 0.1)) < 1e-14);
  }
}

TEST_CASE(
    "without cytokine infused NK of the expanded product die at dmax and are rejected by every mechanism at once") {
  auto c = plain().constants.infused_nk;
  Signals<double> s;
  s.il15_fold = 0;
  s.effectors = 3;
  s.host_blood_nk = 2e9;
  c.krej_chi = 0.1;
  c.krejN_per_uL = 1e-3 / 5e6;
  c.k_hum = 0.2;
  s.kill.donor = 0.4;
  CHECK(off(InfusedNk::rejection_rate(c, s), 0.3 + 0.4 + 0.2) < 1e-14);
  // dmax 0.7, rho 0.9, kappa 0.4: the lung also releases
  const auto y =
      alone<3>({1e9, 0, 0}, 1, [&](double t, const double* x, double* dx) { InfusedNk::add_rates(t, x, c, s, dx); });
  CHECK(off(y[0], 1e9 * std::exp(-2.0 - 2.8)) < 1e-9);
  CHECK(off(y[0] + y[1] + y[2], 1e9 * std::exp(-2.0)) < 1e-9);
}

TEST_CASE("host NK without marrow and signals are exchanged and killed") {
  auto c = plain().constants.host_nk;
  Signals<double> s;
  s.p_host = 0.1, s.d_host = 0.2, s.kill.nk = 0.5, s.kill.precursor = 3, s.precursor_drive = 2, s.margination = 2.5;
  c.lamP = 0;
  const auto dy = rates<5>([&](double* d) {
    const double y[] = {100, 1000, 10, 20, 40};
    HostNk::add_rates(y, c, s, d);
  });
  CHECK(off(dy[0], c.ktr * 40 - 50 * 2.5 * 100 + c.kTB * 1000 - 0.6 * 100) < 1e-13);
  CHECK(off(dy[1], 50 * 2.5 * 100 - c.kTB * 1000 - 0.6 * 1000) < 1e-13);
  CHECK(off(dy[2], -30) < 1e-14);
  CHECK(off(dy[3], 4 / 5.2 * (10 - 20) - 60) < 1e-14);
  CHECK(off(dy[4], 4 / 5.2 * (20 - 40) - 120) < 1e-14);
}

TEST_CASE("a pulse of precursors goes through two transit stages") {
  auto c = plain().constants.host_nk;
  c.lamP = 0;
  Signals<double> s;
  const double k = c.ktr;
  // P1 constant from empty transit stages: the distribution functions of one and of two stages
  const auto y =
      alone<5>({0, 0, 1e6, 0, 0}, 2, [&](double, const double* x, double* dx) { HostNk::add_rates(x, c, s, dx); });
  CHECK(off(y[3], 1e6 * (1 - std::exp(-2 * k))) < 1e-10);
  CHECK(off(y[4], 1e6 * (1 - std::exp(-2 * k) * (1 + 2 * k))) < 1e-10);
}

TEST_CASE("graft precursors share the niche with the host's") {
  const auto& c = plain().constants.host_nk;
  Signals<double> s;
  s.p1_total = 0.75 * c.P_ss;
  s.precursor_drive = 2;
  const double y[] = {0, 0, 0.25 * c.P_ss, 0, 0};
  const auto dy = rates<5>([&](double* d) { Graft::add_rates(y, c, s, d); });
  CHECK(off(dy[2], 0.2 * 0.25 * c.P_ss * (2 - 0.75)) < 1e-14);
  Signals<double> sums;
  HostNk::publish(y, c, sums);
  Graft::publish(y, c, sums);
  CHECK(off(sums.p1_total, 0.5 * c.P_ss) < 1e-15);
}

TEST_CASE("T cells of host and graft keep their ratio, crowd each other and are killed alike") {
  const auto& p = plain().constants.t_cells;
  const auto run = [&](double kill, double t) {
    return alone<2>({30, 10}, t, [&](double, const double* x, double* dx) {
      Signals<double> s;
      TCells::publish(x, s);
      s.kill.t = kill;
      TCells::add_rates(x, p, s, dx);
    });
  };
  const auto grown = run(0, 40);
  CHECK(off(grown[0] + grown[1], 1000 / (1 + (1000.0 / 40 - 1) * std::exp(-0.09 * 40))) < 1e-10);
  CHECK(off(grown[0], 3 * grown[1]) < 1e-12);
  const auto killed = run(0.5, 5);  // logistic with net rate 0.09 - 0.5
  const double n = 0.09 - 0.5, K = 1000 * n / 0.09;
  CHECK(off(killed[0] + killed[1], K / (1 + (K / 40 - 1) * std::exp(-n * 5))) < 1e-10);
}

TEST_CASE("Treg follow the square root of T help and grow with IL-2 up to a cap") {
  const auto& p = plain().constants.treg;
  Signals<double> s;
  s.t_total = 250;
  s.kill.treg = 0.3;
  Windows w;
  w.treg_depletion = 0.2;
  // without IL-2 linear: towards dR R0 sqrt(1/4)/(dR + 0.5)
  const auto y =
      alone<1>({58}, 3, [&](double, const double* x, double* dx) { Treg::add_rates(x, p, 1000.0, w, s, dx); });
  const double level = 0.05 * 58 * 0.5 / 0.55;
  CHECK(off(y[0], level + (58 - level) * std::exp(-0.55 * 3)) < 1e-10);
  s.il2_effective = 3e3;
  const double R[] = {120};
  const auto dy = rates<1>([&](double* d) { Treg::add_rates(R, p, 1000.0, Windows{}, s, d); });
  CHECK(off(dy[0], 0.05 * (58 * 0.5 - 120) + 1.2 * 0.75 * 120 / (1 + 4) - 0.3 * 120) < 1e-13);
}

TEST_CASE("without T help at all Treg still have a finite rate") {
  const double R[] = {1};
  Signals<double> s;
  s.t_total = -1e-13;  // what rounding leaves
  const auto dy = rates<1>([&](double* d) { Treg::add_rates(R, plain().constants.treg, 1000.0, Windows{}, s, d); });
  CHECK(off(dy[0], -0.05) < 1e-14);
}

TEST_CASE("effectors are recruited and grow by the antigen that abatacept lets through, up to their ceiling") {
  auto c = plain().constants.rejection;
  Signals<double> s;
  s.donor_blood_nk = 0.6 * c.blood_uL;  // a = 2/3
  s.t_host = 400;
  s.priming_block = 0.25;
  s.kill.t = 0.35;
  const double A[] = {20};
  const auto dy = rates<1>([&](double* d) { Rejection::add_rates(A, c, s, d); });
  CHECK(off(dy[0], 0.75 * 2 / 3 * (0.1 * 1e-3 * 400 + 0.7 * 20 * (1 - 20.0 / 50)) - 0.5 * 20) < 1e-13);
  s.donor_blood_nk = 0;
  CHECK(Rejection::drive(c, s) == 0);
}

TEST_CASE("IL-15 at constant lymphocytes relaxes to its level at the rate of all losses") {
  const auto& c = plain().constants.il15;
  Signals<double> s;
  s.nk_sink = 0.3 * c.N0;
  s.t_total = 0.1 * c.T0;
  Windows w;
  w.il15_induction = 0.5;
  const double S = 0.5 * 0.3 + 0.5 * 0.1, level = 10 * 1.5 / (1 + 9 * S), rate = 6.65 * (1 + 9 * S);
  const auto y = alone<2>({1, 0}, 0.1, [&](double, const double* x, double* dx) { Il15::add_rates(x, c, w, s, dx); });
  CHECK(off(y[0], level + (1 - level) * std::exp(-rate * 0.1)) < 1e-10);
}

TEST_CASE(
    "IL-15 from the depot raises the fold by its amount over volume and baseline, and is lost like the patient's own") {
  auto c = plain().constants.il15;
  c.kel = 0;
  Signals<double> s;
  const auto y = alone<2>({1, 1e6}, 50, [&](double, const double* x, double* dx) { Il15::add_rates(x, c, Windows{}, s, dx); });
  CHECK(off(y[0] - 1, 1e6 / (2.4e3 * 6)) < 1e-9);
}

TEST_CASE("uptake of IL-2 by Treg saturates and belongs to a number of Treg") {
  const auto& c = plain().constants.il2;
  Signals<double> s;
  const double y[] = {0, 0, 6.9e3 * c.V1, 0};  // I = KmR
  Il2::publish(y, c, s);
  CHECK(off(s.il2_IU_per_L, 6.9e3) < 1e-14);
  s.treg = 116;
  const auto with = rates<4>([&](double* d) { Il2::add_rates(y, c, s, d); });
  s.treg = 0;
  const auto without = rates<4>([&](double* d) { Il2::add_rates(y, c, s, d); });
  CHECK(off(without[2] - with[2], 0.37e6 * 2 * plain().constants.body.blood_uL / 4.9e6 / 2) < 1e-10);
  CHECK(with[3] == without[3]);
}

TEST_CASE("IL-2 scales with body surface: concentrations after a dose per m2 are the same in every body") {
  const auto small = Il2::prepare(plain().p.il2, [] {
    Body<double> b = plain().constants.body;
    b.bsa_m2 = 0.5;
    return b;
  }());
  const auto& large = plain().constants.il2;
  CHECK(small.k10 == large.k10);
  CHECK(off(small.V1 / 0.5, 2.66 / 1.73) < 1e-14);
  CHECK(off(large.k10, 10 * 24 / 2.66) < 1e-14);
  CHECK(off(large.k12, 1.13 * 24 / 2.66) < 1e-14);
  CHECK(off(large.k21, 1.13 * 24 / 1.94) < 1e-14);
}

TEST_CASE("held in the body for a day, cyclophosphamide shortens its own half-life from 8.7 h to 3.6 h") {
  // stated for concentrations well above C50; as a dose decays, induction stays a little behind
  const auto& c = plain().constants.cyclophosphamide;
  const auto half_life_h = [&](double day, bool held) {
    const auto y = alone<2>({4200, 1}, day, [&](double, const double* x, double* dx) {
      Cyclophosphamide::add_rates(x, c, dx);
      if (held) dx[0] = 0;
    });
    return std::log(2.0) / (c.k0 * y[1]) * 24;
  };
  CHECK(off(half_life_h(0, true), 8.7) < 1e-12);
  CHECK(off(half_life_h(1, true), 8.7 / (1 + 2.25 * 100 / 101 * (1 - std::exp(-1.0)))) < 1e-10);  // 100 mg/L
  CHECK(std::abs(half_life_h(1, true) - 3.6) < 0.05);
  CHECK(half_life_h(1, false) > half_life_h(1, true));
}

TEST_CASE(
    "a drug kills each population at its potency times its concentration, saturating where a saturation is given") {
  Kill<double> kill;
  KillParams<double> k{2.0, 0.8, 1.1, 0.5, 12, 0};
  k.add(k.saturated(3.0), kill);
  CHECK(off(kill.t, 6) < 1e-15);
  CHECK(off(kill.nk, 4.8) < 1e-15);
  CHECK(off(kill.donor, 6.6) < 1e-15);
  CHECK(off(kill.treg, 3) < 1e-15);
  CHECK(off(kill.precursor, 72) < 1e-15);
  k.kill_saturation = 0.5;  // C50 = 2
  CHECK(off(k.saturated(3.0), 3.0 / (1 + 3.0 / 2)) < 1e-15);
}

TEST_CASE("the drugs' kill adds up") {
  const auto& c = plain().constants;
  auto y = initial_state(plain().p, c);
  const auto kill_T = [&] { return signals(c, {}, y.data()).kill.t; };
  double sum = 0;
  const std::pair<std::size_t, double> drugs[] = {
      {at::fludarabine, 0.15 * 24 / 39},
      {at::treosulfan, 8e-4 * 24 / 20.2},
      {at::busulfan + 1, 0.0156 * 24 / (0.56 * 70)},
      {at::cyclophosphamide, 0.033 * 0.75 * std::log(2.0) * 24 / 8.7 / (0.6 * 70)},
      {at::thiotepa, 0.115 * 24 * 0.5 * std::log(2.0) / 2.9 / (0.38 * 70)},
      {at::thiotepa + 1, 0.115 * 24 * 0.5 * std::log(2.0) / 10 / (0.38 * 70)}};
  for (const auto& [state, per_mg] : drugs) {
    y[state] = 100;
    sum += 100 * per_mg;
    CHECK(off(kill_T(), sum) < 1e-13);
  }
}

TEST_CASE("doomed cells are lost at one rate and tell no other mechanism but the count") {
  const auto& c = plain().constants;
  const auto y = alone<3>({3, 2, 1}, 2,
                          [&](double, const double* x, double* dx) { Irradiation::add_rates(x, c.irradiation, dx); });
  for (std::size_t i = 0; i < 3; ++i) CHECK(off(y[i], static_cast<double>(3 - i) * std::exp(-1.1)) < 1e-10);
  auto state = initial_state(plain().p, c);
  std::vector<double> quiet(state.size()), loud(state.size());
  right_hand_side(c, {}, 0, state.data(), quiet.data());
  for (std::size_t i = 0; i < 3; ++i) state[at::irradiation + i] = 1e9;
  right_hand_side(c, {}, 0, state.data(), loud.data());
  for (std::size_t i = 0; i < state.size(); ++i)
    if (i != at::exposure && (i < at::irradiation || i >= at::fludarabine)) CHECK(loud[i] == quiet[i]);
}

TEST_CASE("exposure is the area under the count of infused NK, doomed ones included") {
  Signals<double> s;
  s.donor_blood_nk = 3e6;
  s.doomed_infused_nk = 1e6;
  CHECK(rates<1>([&](double* d) { Exposure::add_rates(2e6, s, d); })[0] == 2);
}

TEST_CASE("the observables are sums and shares of the states") {
  const Scenario& s = plain();
  const double V = s.constants.body.blood_uL;
  std::vector<double> y(s.constants.n_states(), 0.0);
  const auto put = [&](std::size_t i, double per_uL) { y[i] = per_uL * V; };
  put(at::host_nk, 40), put(at::graft, 10), put(at::cohort(0) + 1, 5);
  put(at::irradiation + Irradiation::X_H, 2), put(at::irradiation + Irradiation::X_D, 3);
  y[at::t_cells] = 100, y[at::t_cells + 1] = 20, y[at::treg] = 8, y[at::rejection] = 4,
  y[at::irradiation + Irradiation::X_T] = 6;
  y[at::host_nk + 1] = 60, y[at::graft + 1] = 15, y[at::cohort(0) + 2] = 5;
  y[at::il15] = 3, y[at::il2 + 2] = 7e3 * s.constants.il2.V1;
  const Leukocytes m{300, 50, 30, 20, 10};
  std::map<std::string, double> v;
  visit_observables(s.constants, y.data(), m,
                    [&](const char* name, auto, auto, auto, double value) { v[name] = value; });
  const double nk = 60, lymphocytes = nk + 100 + 20 + 8 + 4 + 6, wb = lymphocytes + 300 + 50 + 10,
               pbmc = lymphocytes + 30 + 20 + 10;
  const std::map<std::string, double> expected{{"nk_count", nk},
                                               {"host_nk_count", 42},
                                               {"graft_nk_count", 10},
                                               {"donor_nk_count", 8},
                                               {"all_donor_nk_count", 18},
                                               {"alc", lymphocytes},
                                               {"t_count", 120},
                                               {"host_t_count", 100},
                                               {"graft_t_count", 20},
                                               {"treg_count", 8},
                                               {"effector_count", 4},
                                               {"wbc_count", wb},
                                               {"chimerism_nk", 100 * 18 / nk},
                                               {"chimerism_nk_infused", 100 * 8 / nk},
                                               {"chimerism_wb", 100 * (18 + 20 + 50) / wb},
                                               {"chimerism_wb_infused", 100 * 8 / wb},
                                               {"chimerism_pbmc", 100 * (18 + 20 + 20) / pbmc},
                                               {"chimerism_pbmc_infused", 100 * 8 / pbmc},
                                               {"marrow_donor_share", 25},
                                               {"il15", 7.2},
                                               {"il15_fold", 3},
                                               {"il2", 7}};
  for (const auto& [name, value] : expected) {
    CAPTURE(name);
    REQUIRE(v.count(name) == 1);
    CHECK(off(v[name], value) < 1e-13);
  }
}

TEST_CASE("infused NK publish their blood and tissue as IL-15 sink and their blood as antigen, never the lung") {
  const auto& c = plain().constants.infused_nk;
  const std::array<double, 3> y{1e9, 2e7, 3e8};  // lung, blood, tissue
  Signals<double> s;
  InfusedNk::publish(y.data(), c, s);
  CHECK(s.nk_sink == 3.2e8);
  CHECK(s.donor_blood_nk == 2e7);
}

TEST_CASE("monocytes that were not given are unknown, not none") {
  const Leukocytes unknown = leukocytes_at({}, 3);
  CHECK(std::isnan(unknown.monocytes_host));
  CHECK(std::isnan(unknown.monocytes_graft));
  CHECK(unknown.host == 0);
}

TEST_CASE("measured white cells replace the template from their first day on, divided as the template divides") {
  LeukocyteTables tables;
  tables.host = {{0}, {300}, false};
  tables.graft = {{0}, {100}, true};
  tables.wbc = {{5, 10}, {2000, 2000}, false};
  tables.alc = {{5, 10}, {400, 400}, false};
  CHECK(leukocytes_at(tables, 4).host == 300);
  CHECK(off(leukocytes_at(tables, 6).host, 1200) < 1e-12);
  CHECK(off(leukocytes_at(tables, 6).graft, 400) < 1e-12);
}

TEST_CASE("what belongs to a switched-off mechanism alone is NaN, and counts as nothing in sums") {
  Constants<double> c = plain().constants;
  c.modules.set(Module::host_nk, false);
  std::vector<double> y(c.n_states(), 0.0);
  y[at::t_cells + TCells::host] = 500;
  visit_observables(c, y.data(), Leukocytes{}, [](std::string_view name, const char*, const char*, const char*, double value) {
    if (name == "host_nk_count") CHECK(std::isnan(value));
    if (name == "alc") CHECK(value == 500);
  });
}
