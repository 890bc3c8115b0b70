// Body size, blood volume, kidney function and the kinetics of the drugs that follow from them, against numbers worked
// out by hand.
#include <fmt/format.h>

#include "support/scenarios.hpp"

using namespace nkpk;
using namespace nkpk::test;

namespace {

Patient patient(Sex sex, double age_y, double weight_kg, double height_cm) {
  Patient q;
  q.sex = sex;
  q.age_y = age_y;
  q.weight_kg = weight_kg;
  q.height_cm = height_cm;
  return q;
}

const Parameters<double>& parameters() {
  static const Parameters<double> p = [] {
    InputTexts texts;
    return to_parameters(library().parameters(texts));
  }();
  return p;
}

Body<double> body(const Patient& q) { return Physiology::body(q, parameters().physiology); }

double egfr_mL_per_min(const Patient& q) { return body(q).eGFR_L_per_d / 1.44; }

/// Area under a concentration [mg*h/L] over `days`, as the kill it would do at a potency of 1 L/mg/d.
double auc(const Scenario& s, std::size_t state, double volume_L) {
  const Constants<double>& c = s.constants;
  const std::size_t n = c.n_states();
  auto atol = tolerances(s.cohorts.size());
  atol.push_back(1e-9);
  auto rhs = [&](std::size_t segment, double t, std::span<const double> y, std::span<double> dy) {
    right_hand_side(c, {}, t, y.data(), dy.data());
    for (const auto& in : s.timeline.rates[segment]) dy[in.state] += in.rate;
    dy[n] = y[state] / volume_L * 24;
  };
  auto jump = [](std::size_t, std::span<double>) {};
  PiecewiseSystem system;
  system.size = n + 1;
  system.event_times = s.timeline.times;
  system.atol = atol;
  system.rhs = rhs;
  system.jump = jump;
  auto y0 = initial_state(s.p, c);
  y0.push_back(0);
  const double end[] = {s.t_end_d};
  const Solution solution = integrate(system, y0, s.t_start_d, end, with_rtol(1e-9));
  REQUIRE(solution.status == Status::ok);
  return solution.states(0, static_cast<Eigen::Index>(n));
}

}  // namespace

TEST_CASE("body surface is the square root of height times weight over 3600") {
  CHECK(body(patient(Sex::male, 30, 70, 170)).bsa_m2 == doctest::Approx(1.81812).epsilon(1e-5));
  CHECK(body(patient(Sex::female, 1, 9, 100)).bsa_m2 == doctest::Approx(0.5).epsilon(1e-12));
}

TEST_CASE("blood volume of adults follows Nadler by sex") {
  CHECK(body(patient(Sex::male, 45, 70, 170)).blood_uL ==
        doctest::Approx((0.3669 * 4.913 + 2.2533 + 0.6041) * 1e6).epsilon(1e-12));
  CHECK(body(patient(Sex::female, 18, 60, 165)).blood_uL ==
        doctest::Approx((0.3561 * 4.492125 + 1.9848 + 0.1833) * 1e6).epsilon(1e-12));
}

TEST_CASE("blood volume of children is 85, 80, 75 and 70 mL/kg, each up to but not including the next age") {
  const std::pair<double, double> edges[] = {{0, 0.085}, {0.2499, 0.085}, {0.25, 0.080}, {1.9999, 0.080},
                                             {2, 0.075}, {11.99, 0.075},  {12, 0.070},   {17.999, 0.070}};
  for (const auto& [age, per_kg] : edges) {
    CAPTURE(age);
    CHECK(off(body(patient(Sex::male, age, 20, 110)).blood_uL, per_kg * 20 * 1e6) < 1e-12);
  }
  CHECK(off(body(patient(Sex::male, 18, 20, 110)).blood_uL, 0.070 * 20 * 1e6) > 1e-3);
}

TEST_CASE("a blood volume of the patient's own goes first") {
  Patient q = patient(Sex::male, 45, 70, 170);
  q.blood_volume_L = 6.1;
  CHECK(body(q).blood_uL == 6.1e6);
}

TEST_CASE("eGFR of children follows Schwartz from creatinine") {
  Patient q = patient(Sex::male, 10, 30, 138);
  q.creatinine_mg_per_dL = 0.5;
  CHECK(egfr_mL_per_min(q) == doctest::Approx(0.413 * 138 / 0.5).epsilon(1e-12));  // 113.99
}

TEST_CASE("eGFR of adults follows CKD-EPI 2021 from creatinine") {
  // 142 * (1.2/0.9)^-1.2 * 0.9938^45 = 142 * 0.708052 * 0.755900
  Patient man = patient(Sex::male, 45, 70, 170);
  man.creatinine_mg_per_dL = 1.2;
  CHECK(egfr_mL_per_min(man) == doctest::Approx(76.0).epsilon(0.002));
  // 142 * (0.5/0.7)^-0.241 * 0.9938^60 * 1.012 = 142 * 1.084469 * 0.688576 * 1.012
  Patient woman = patient(Sex::female, 60, 60, 165);
  woman.creatinine_mg_per_dL = 0.5;
  CHECK(egfr_mL_per_min(woman) == doctest::Approx(107.3).epsilon(0.002));
  // at the knee, 0.9 mg/dL in a man, only age remains
  man.creatinine_mg_per_dL = 0.9;
  man.age_y = 20;
  CHECK(egfr_mL_per_min(man) == doctest::Approx(142 * std::pow(0.9938, 20)).epsilon(1e-12));
}

TEST_CASE("without creatinine eGFR matures over the first years and falls by one per cent a year from 40") {
  CHECK(egfr_mL_per_min(patient(Sex::male, 0, 3.4, 50)) ==
        doctest::Approx(120 / (1 + std::pow(40 / 47.7, -3.4))).epsilon(1e-12));
  CHECK(egfr_mL_per_min(patient(Sex::male, 7.7 / 52.18, 5, 57)) == doctest::Approx(60).epsilon(1e-9));
  CHECK(egfr_mL_per_min(patient(Sex::male, 40, 70, 170)) == doctest::Approx(120).epsilon(1e-5));
  CHECK(egfr_mL_per_min(patient(Sex::male, 70, 70, 170)) == doctest::Approx(84).epsilon(1e-5));
  Patient measured = patient(Sex::male, 70, 70, 170);
  measured.eGFR_mL_per_min_per_1_73m2 = 55;
  measured.creatinine_mg_per_dL = 0.9;
  CHECK(egfr_mL_per_min(measured) == doctest::Approx(55).epsilon(1e-12));
}

TEST_CASE(
    "25 mg/m2 of fludarabine are 4.03 mg*h/L of F-ara-A, 46.9 ng/mL a day and 14.6 ng/mL two days after the fifth "
    "dose") {
  const std::vector<std::string> sets{"patient.eGFR=120 mL/min/1.73m^2", "horizon=40 d"};  // 70 kg, 170 cm
  const Scenario one =
      scenario_from(dose("flu", "fludarabine", "iv", "amount = '25 mg/m^2'\ndays = [0]\nduration = '30 min'"), sets);
  CHECK(std::abs(auc(one, at::fludarabine, 39) - 4.03) < 0.005);
  const Scenario five = scenario_from(
      dose("flu", "fludarabine", "iv", "amount = '25 mg/m^2'\ndays = [-6, -5, -4, -3, -2]\nduration = '30 min'"), sets);
  const Trajectory run = solved(five, 1e-9);
  const auto ng_per_mL = [&](double day) { return run.at(day)[at::fludarabine] / 39 * 1000; };
  CHECK(std::abs(ng_per_mL(-1) - 46.9) < 0.05);
  CHECK(std::abs(ng_per_mL(0) - 14.6) < 0.05);
}

TEST_CASE(
    "busulfan has 0.74 L/kg up to 6 years, 0.56 from 15, a line between, and 95 % of its clearance at 2.5 years") {
  const auto at_age = [&](double age) {
    return Busulfan::prepare(parameters().busulfan, body(patient(Sex::male, age, 70, 170)));
  };
  const std::pair<double, double> volumes[] = {{0, 0.74}, {6, 0.74}, {10.5, 0.65}, {12, 0.62}, {15, 0.56}, {80, 0.56}};
  for (const auto& [age, per_kg] : volumes) {
    CAPTURE(age);
    CHECK(off(at_age(age).V_L, per_kg * 70) < 1e-12);
  }
  const auto CL_L_per_h = [&](double age) { return at_age(age).k10 * at_age(age).V_L / 24; };
  CHECK(std::abs(CL_L_per_h(2.5) / 12.4 - 0.95) < 0.01);
  CHECK(CL_L_per_h(40) == doctest::Approx(12.4).epsilon(1e-3));
}

TEST_CASE("42 g/m2 of treosulfan are about 4690 mg*h/L in a child of 10 years and 30 kg") {
  const Scenario s =
      scenario_from("[courses]\ntreo = '42 g/m^2'\n" +
                        dose("treo", "treosulfan", "iv", "course = 'treo'\ndays = [-4, -3, -2]\nduration = '2 h'"),
                    {"patient=boy-10y", "horizon=6 d"});
  CHECK(std::abs(auc(s, at::treosulfan, 20.2 * 30 / 70) / 4690 - 1) < 0.005);
}

TEST_CASE(
    "a month-old child of 4 kg gets a fludarabine AUC of 11.6 per 40 mg/m2 and a treosulfan AUC of 8560 per course") {
  // BSA of 4 kg and 53 cm; stated for one child in C27 without a height
  const std::vector<std::string> sets{"patient=1mo-boy", "patient.weight=4 kg", "patient.height=53 cm", "horizon=20 d"};
  const Scenario flu =
      scenario_from(dose("flu", "fludarabine", "iv", "amount = '40 mg/m^2'\ndays = [0]\nduration = '1 h'"), sets);
  CHECK(std::abs(auc(flu, at::fludarabine, 39.0 * 4 / 70) / 11.6 - 1) < 0.02);
  const Scenario treo =
      scenario_from(dose("treo", "treosulfan", "iv", "amount = '14 g/m^2'\ndays = [0, 1, 2]\nduration = '2 h'"), sets);
  CHECK(std::abs(auc(treo, at::treosulfan, 20.2 * 4 / 70) / 8560 - 1) < 0.02);
}

TEST_CASE("10 mg/kg of thiotepa are 26.3 mg*h/L of thiotepa, as much of TEPA, and 3.03 ln-kill of T cells") {
  for (const double weight : {12.0, 70.0}) {
    Scenario s = scenario_from(dose("tt", "thiotepa", "iv", "amount = '5 mg/kg'\ndays = [0, 1]\nduration = '1 h'"),
                               {fmt::format("patient.weight={} kg", weight), "horizon=12 d"});
    CHECK(std::abs(auc(s, at::thiotepa, s.constants.thiotepa.V_L) - 26.3) < 0.05);
    CHECK(std::abs(auc(s, at::thiotepa + Thiotepa::tepa, s.constants.thiotepa.V_TEPA_L) - 26.3) < 0.05);
    stop_turnover(s.constants);
    CHECK(std::abs(std::log(s.p.t_cells.T0 / solved(s, 1e-9).at(12)[at::t_cells]) - 3.03) < 0.005);
  }
}
