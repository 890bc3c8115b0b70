// Limiting cases with closed forms, C35: infused NK cells, precursors, rejection.
#include <fmt/format.h>

#include "support/scenarios.hpp"

using namespace nkpk;
using namespace nkpk::test;

namespace {

constexpr double cells = 1e9;

/// One cohort of infused NK cells at time 0; everything else at the baseline.
struct OneCohort {
  Scenario s;
  Constants<double>& c = s.constants;
  std::vector<double> y0;

  explicit OneCohort(std::vector<std::string> sets = {}, int n = 1)
      : s(scenario_from(
            dose("nk", "nk_cells", "iv",
                 fmt::format("amount = '1e9 cells'\nstart = '0 d'\nevery = '1 d'\ncount = {}\nduration = '30 min'", n)),
            std::move(sets))) {
    for (auto& cohort : c.infused_nk.cohorts) cohort.start_d = 0;
    y0 = initial_state(s.p, c);
  }
  double& lung(std::size_t k = 0) { return y0[at::cohort(k) + InfusedNk::lung]; }
  double& blood(std::size_t k = 0) { return y0[at::cohort(k) + InfusedNk::blood]; }
  double& tissue(std::size_t k = 0) { return y0[at::cohort(k) + InfusedNk::tissue]; }
};

double infused_total(const RowMatrix& y, Eigen::Index i, std::size_t k = 0) {
  const auto at_state = [&](std::size_t j) { return y(i, static_cast<Eigen::Index>(at::cohort(k) + j)); };
  return at_state(InfusedNk::lung) + at_state(InfusedNk::blood) + at_state(InfusedNk::tissue);
}
double value(const RowMatrix& y, std::size_t i, std::size_t state) {
  return y(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(state));
}

const std::vector<double> hours_and_days{0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10};

}  // namespace

TEST_CASE("case 2: without turnover blood approaches its share of the body at the rate of both exchanges") {
  OneCohort m;
  stop_turnover(m.c);
  m.blood() = cells;
  const double k = m.c.nk.kBT + m.c.nk.kTB, share = m.c.nk.kTB / k;
  CHECK(std::abs(share - 0.04915) < 0.5e-5);  // not phi = 0.05: tissue also feeds what the baseline loses
  const auto y = solved_from(m.c, m.y0, hours_and_days);
  for (std::size_t i = 0; i < hours_and_days.size(); ++i) {
    const double expected = share + (1 - share) * std::exp(-k * hours_and_days[i]);
    CHECK(off(value(y, i, at::cohort(0) + InfusedNk::blood) / cells, expected) < 1e-9);
  }
}

TEST_CASE("case 3: without turnover the lung empties exponentially into blood and tissue") {
  OneCohort m;
  stop_turnover(m.c);
  m.lung() = cells;
  const auto y = solved_from(m.c, m.y0, hours_and_days);
  for (std::size_t i = 0; i < hours_and_days.size(); ++i) {
    const double left = cells * std::exp(-m.s.p.infused_nk.kLB * hours_and_days[i]);
    const double gone = value(y, i, at::cohort(0) + InfusedNk::blood) + value(y, i, at::cohort(0) + InfusedNk::tissue);
    CHECK(std::abs(value(y, i, at::cohort(0)) - left) < 1e-8 * cells);
    CHECK(off(gone, cells - left) < 1e-8);
  }
}

TEST_CASE("case 4: at a constant cytokine level and without lung or rejection all infused NK grow as one exponential") {
  for (const double kBT : {10.0, 50.0, 70.0}) {
    for (const double fold : {1.0, 4.0, 9.0, 30.0}) {
      CAPTURE(kBT);
      CAPTURE(fold);
      OneCohort m({fmt::format("nk.kBT={} 1/d", kBT), "rejection.krej=0 1/d/(cells/uL)"});
      m.c.il15.kel = 0;  // holds IL-15 where it is put
      m.y0[at::il15] = fold;
      m.blood() = cells;
      const auto& k = m.c.infused_nk.cohorts[0];
      const double u = fold / k.E15, p = k.pmax * u / (1 + u);
      const double d = m.s.p.nk.dmin + (k.dmax - m.s.p.nk.dmin) / (1 + u / k.Es);
      const auto y = solved_from(m.c, m.y0, hours_and_days);
      for (std::size_t i = 0; i < hours_and_days.size(); ++i)
        CHECK(off(infused_total(y, static_cast<Eigen::Index>(i)), cells * std::exp((p - d) * hours_and_days[i])) <
              1e-9);
    }
  }
}

TEST_CASE("case 4: cells held in the lung die but do not divide, so that with lung the exponential is left") {
  OneCohort m({"rejection.krej=0 1/d/(cells/uL)"});
  m.c.il15.kel = 0;
  // the IL-15 fold at which death and division balance, by bisection on the formulas of 6.4
  const auto& k = m.c.infused_nk.cohorts[0];
  const auto net = [&](double fold) {
    const double u = fold / k.E15;
    return k.pmax * u / (1 + u) - m.s.p.nk.dmin - (k.dmax - m.s.p.nk.dmin) / (1 + u / k.Es);
  };
  double low = 1, high = 100;
  for (int i = 0; i < 60; ++i) (net((low + high) / 2) < 0 ? low : high) = (low + high) / 2;
  m.y0[at::il15] = low;
  const double fL = m.s.p.infused_nk.fL, u = low / k.E15, d = k.pmax * u / (1 + u);
  m.lung() = fL * cells;
  m.blood() = (1 - fL) * cells;
  const auto y = solved_from(m.c, m.y0, {30});
  // of what the lung holds, kLB/(kLB + d) comes out; what is out neither grows nor shrinks
  const double kLB = m.s.p.infused_nk.kLB;
  CHECK(off(infused_total(y, 0), cells * (1 - fL + fL * kLB / (kLB + d))) < 1e-9);
  CHECK(infused_total(y, 0) < 0.98 * cells);
}

TEST_CASE("case 5: blood holds its share exactly without lung input, at any exchange rate and net growth") {
  for (const double kBT : {10.0, 50.0, 70.0}) {
    OneCohort m({fmt::format("nk.kBT={} 1/d", kBT), "rejection.krej=0 1/d/(cells/uL)"});
    m.c.il15.kel = 0;
    m.y0[at::il15] = 9;
    m.blood() = cells;
    const double share = m.c.nk.kTB / (m.c.nk.kBT + m.c.nk.kTB);
    const auto y = solved_from(m.c, m.y0, {3, 5, 10}, 1e-13);
    for (std::size_t i = 0; i < 3; ++i)  // after 3 d the transient is below exp(-31)
      CHECK(off(value(y, i, at::cohort(0) + InfusedNk::blood), share * infused_total(y, static_cast<Eigen::Index>(i))) <
            1e-11);
  }
}

TEST_CASE("case 5: input from the lung lifts blood above its share by 107 % at 6 h, 7 % at 1 d and 0.4 % at 2 d") {
  OneCohort m;
  stop_turnover(m.c);
  m.lung() = cells;
  const double kTB = m.c.nk.kTB, k = m.c.nk.kBT + kTB, share = kTB / k, kLB = m.s.p.infused_nk.kLB;
  const std::vector<double> times{0.25, 1, 2};
  const double stated[] = {1.07, 0.07, 0.004}, rounding[] = {0.005, 0.005, 0.0005};
  const auto y = solved_from(m.c, m.y0, times);
  for (std::size_t i = 0; i < times.size(); ++i) {
    const double lung = std::exp(-kLB * times[i]), fast = std::exp(-k * times[i]);
    const double exact = share * (1 - fast) + (kLB - kTB) / (k - kLB) * (lung - fast);
    const double blood = value(y, i, at::cohort(0) + InfusedNk::blood) / cells;
    CHECK(off(blood, exact) < 1e-8);
    CHECK(std::abs(blood / (share * (1 - lung)) - 1 - stated[i]) < rounding[i]);
  }
}

TEST_CASE("case 10: at a constant drive renewing precursors follow a logistic curve to their set-point") {
  for (const double fold : {0.3, 1.0, 8.0, 40.0}) {
    for (const double start : {1e-4, 1.0, 3.0}) {
      CAPTURE(fold);
      CAPTURE(start);
      OneCohort m;
      m.c.il15.kel = 0;
      m.y0[at::il15] = fold;
      const double kap = m.s.p.host_nk.kap, g = kap * fold / (kap - 1 + fold), P_ss = m.c.host_nk.P_ss;
      m.y0[at::host_nk + HostNk::P1] = start * P_ss;
      const auto y = solved_from(m.c, m.y0, hours_and_days);
      for (std::size_t i = 0; i < hours_and_days.size(); ++i) {
        const double expected =
            g * P_ss / (1 + (g / start - 1) * std::exp(-m.s.p.host_nk.lamP * g * hours_and_days[i]));
        CHECK(off(value(y, i, at::host_nk + HostNk::P1), expected) < 1e-8);
      }
    }
  }
}

TEST_CASE("case 11: T cells recover along a logistic curve") {
  OneCohort m;
  const double T0 = m.s.p.t_cells.T0, pT = m.s.p.t_cells.pT;
  for (const double nadir : {1e-4, 1.0, 300.0, 1000.0}) {
    m.y0[at::t_cells] = nadir;
    const std::vector<double> days{1, 7, 30, 100, 365};
    const auto y = solved_from(m.c, m.y0, days);
    for (std::size_t i = 0; i < days.size(); ++i)
      CHECK(off(value(y, i, at::t_cells), T0 / (1 + (T0 / nadir - 1) * std::exp(-pT * days[i]))) < 1e-8);
  }
}

namespace {

/// Infused NK rejected by effectors that grow exponentially from A0: the source, the half-saturation and the ceiling
/// off.
RowMatrix rejected(double A0, double krej, const std::vector<double>& times, double& n) {
  OneCohort m;
  stop_turnover(m.c);
  m.c.infused_nk.krej_chi = krej;
  m.c.rejection.f_allo = 0;
  m.c.rejection.KA = 0;
  m.c.rejection.A_max = INFINITY;
  n = m.s.p.rejection.pA - m.s.p.rejection.dA;
  m.blood() = 1e13;
  m.y0[at::rejection] = A0;
  return solved_from(m.c, m.y0, times) / 1e13;
}

/// Day on which half of the infused NK are left: the secant method on ln(-ln(share)), which is almost a line.
double half_lost(double A0, double krej) {
  double n = 0;
  const auto f = [&](double t) {
    return std::log(-std::log(infused_total(rejected(A0, krej, {t}, n), 0)) / std::log(2.0));
  };
  double t0 = 8, t1 = 12, f0 = f(t0);
  for (int step = 0; step < 6 && t1 != t0; ++step) {
    const double f1 = f(t1);
    if (f1 == f0) break;
    const double next = t1 - f1 * (t1 - t0) / (f1 - f0);
    t0 = t1, f0 = f1, t1 = next;
  }
  return t1;
}

}  // namespace

TEST_CASE("case 12: rejection by exponentially growing effectors is Gompertz's law") {
  double n = 0;
  const std::vector<double> days{1, 5, 9, 12};
  for (const double A0 : {0.1, 0.01}) {
    const RowMatrix y = rejected(A0, 0.02, days, n);
    CHECK(n == doctest::Approx(0.55));
    for (std::size_t i = 0; i < days.size(); ++i) {
      const double A = A0 * std::exp(n * days[i]);
      CHECK(off(value(y, i, at::rejection) * 1e13, A) < 1e-8);
      CHECK(off(infused_total(y, static_cast<Eigen::Index>(i)), std::exp(-0.02 * (A - A0) / n)) < 1e-8);
    }
  }
}

TEST_CASE("case 12: half of the cells are lost by day 9.56, and 4.2 d later for each tenth of the effectors") {
  const double n = 0.55, first = half_lost(0.1, 0.02), second = half_lost(0.01, 0.02), third = half_lost(0.001, 0.02);
  CHECK(std::abs(first - std::log(1 + n * std::log(2.0) / (0.02 * 0.1)) / n) < 1e-6);
  CHECK(std::abs(first - 9.56) < 0.005);
  for (const double shift : {second - first, third - second}) {
    CHECK(shift > 4.11);
    CHECK(shift < 4.21);
  }
  CHECK(std::abs(third - second - std::log(10.0) / n) < 0.005);  // the limit of few effectors
}

TEST_CASE("case 13: two pools under a cytokine that is withdrawn follow Stein's piecewise solution") {
  // Stein 2019: growth to day Tm, then two exponentials; here two cohorts of the infused-NK module alone, signals set
  // by hand
  const double fold = 3900, Tm = 9.3, Cm = 24000, a = 0.16, F = 0.0079, b = 0.0032;
  const double rho = std::log(fold) / Tm, R0 = Cm / fold;
  OneCohort m({}, 2);
  auto& c = m.c.infused_nk;
  c.nk.dmin = 0;
  for (std::size_t k = 0; k < 2; ++k) {
    auto& cohort = c.cohorts[k];
    cohort.dmax = k == 0 ? a : b;  // the loss without cytokine
    // with IL-15 at E15 division is pmax/2: the net rate is to be rho
    cohort.pmax = 2 * (rho + cohort.dmax / (1 + 1 / cohort.Es));
  }
  const double start[] = {0, R0 * (1 - F), 0, 0, R0 * F, 0};
  const double events[] = {Tm}, atol[] = {1e-12, 1e-12, 1e-12, 1e-12, 1e-12, 1e-12};
  auto rhs = [&](std::size_t segment, double t, std::span<const double> y, std::span<double> dy) {
    Signals<double> s;
    s.il15_fold = segment == 0 ? c.cohorts[0].E15 : 0;
    std::fill(dy.begin(), dy.end(), 0.0);
    InfusedNk::add_rates(t, y.data(), c, s, dy.data());
  };
  auto no_jump = [](std::size_t, std::span<double>) {};
  PiecewiseSystem system;
  system.size = 6;
  system.event_times = events;
  system.atol = atol;
  system.rhs = rhs;
  system.jump = no_jump;
  const std::vector<double> days{1, 5, 9.3, 12, 28, 90, 365};
  const Solution solution = integrate(system, start, 0, days, with_rtol(1e-12));
  REQUIRE(solution.status == Status::ok);
  for (std::size_t i = 0; i < days.size(); ++i) {
    const double after = days[i] - Tm;
    const double expected =
        after <= 0 ? R0 * std::exp(rho * days[i]) : (1 - F) * Cm * std::exp(-a * after) + F * Cm * std::exp(-b * after);
    CHECK(off(solution.states.row(static_cast<Eigen::Index>(i)).sum(), expected) < 1e-8);
  }
}

TEST_CASE("case 14: with IL-15 held and without rejection repeat doses add up") {
  const auto one = [](double day) {
    return dose(fmt::format("nk{:.0f}", day), "nk_cells", "iv",
                fmt::format("amount = '{} cells'\ndays = [{}]\nduration = '30 min'", 1e7 * (1 + day), day));
  };
  // drugs and IL-2 act on all of them alike; each infusion is a cohort of its own with its own priming
  const std::string others =
      dose("flu", "fludarabine", "iv", "amount = '25 mg/m^2'\ndays = [-3, 1]\nduration = '1 h'") +
      dose("il2", "il2", "sc", "amount = '1e6 IU/m^2'\ndays = [0.5, 2.5]");
  const std::vector<std::string> sets{"rejection.krej=0 1/d/(cells/uL)", "horizon=12 d"};
  const auto donor = [&](const std::string& doses) {
    Scenario s = scenario_from(others + doses, sets);
    s.constants.il15.kel = 0;
    const Trajectory run = solved(s, 1e-10);
    std::vector<double> sums;
    for (const double t : {0.3, 1.5, 2.2, 4.0, 8.0, 12.0}) {
      const auto y = run.at(t);
      for (const auto state : {InfusedNk::lung, InfusedNk::blood, InfusedNk::tissue}) {
        sums.push_back(0);
        for (std::size_t k = 0; k < s.constants.n_cohorts(); ++k) sums.back() += y[at::cohort(k) + state];
      }
    }
    return sums;
  };
  const auto all = donor(one(0) + one(1) + one(3)), first = donor(one(0)), second = donor(one(1)),
             third = donor(one(3));
  for (std::size_t i = 0; i < all.size(); ++i) {
    const double parts = first[i] + second[i] + third[i];
    CHECK(std::abs(all[i] - parts) < 2e-7 * parts + 1.0);  // one cell: a thousand absolute tolerances
  }
}

TEST_CASE("case 15: no priming at infusion and priming of no duration are the same") {
  const auto final_state = [](const char* set) {
    const Scenario s = shipped("radboud-ucb", {"high-il2"}, {set, "horizon=14 d"}, true);  // no duration at all is implausible
    return solved(s, 1e-9).at(14);
  };
  CHECK(final_state("product.pr0=0") == final_state("product.tau_pr=0 d"));
}

TEST_CASE("case 15: without priming the IL-2 arms move towards each other but do not meet") {
  const auto donor_on_day_14 = [](const char* arm, const char* set) {
    const Scenario s = shipped("radboud-ucb", {arm}, {set, "horizon=14 d"});
    return cohort_count(s.constants, solved(s, 1e-9).at(14).data(), 0);
  };
  const auto ratio = [&](const char* set) { return donor_on_day_14("high-il2", set) / donor_on_day_14("no-il2", set); };
  const double primed = ratio("product.pr0=0.5"), unprimed = ratio("product.pr0=0");
  CAPTURE(primed);
  CAPTURE(unprimed);
  CHECK(unprimed < primed);
  CHECK(unprimed > 1);
}
