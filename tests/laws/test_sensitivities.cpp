// Sensitivities against closed forms and central differences, through doses, irradiation and the baseline.
#include "nkpk/core/error.hpp"
#include "support/observed.hpp"

using namespace nkpk;
using namespace nkpk::test;

namespace {

Scenario daily(const std::string& regimen, std::vector<std::string> arms, std::vector<std::string> sets = {}) {
  Request request;
  request.regimen = regimen;
  request.arms = std::move(arms);
  request.sets = std::move(sets);
  request.output_step_d = 1;
  return make_scenario(Library(NKPK_SOURCE_DIR "/params"), request);
}

SolverOptions tight() {
  SolverOptions options;
  options.rtol = 1e-11;
  options.atol_factor = 1e-4;
  return options;
}

}  // namespace

TEST_CASE("a linear drug is proportional to its dose: the derivative by the amount is concentration over amount") {
  const Scenario s = daily("peking-aml", {});
  const std::vector<std::string> names{"dose.flu.amount", "fludarabine.mass_ratio"};
  const Sensitivities d = simulate_sensitivities(s, names, tight());
  REQUIRE(d.status == Status::ok);
  for (const double day : {-5.0, -2.0, 0.0}) {
    const std::size_t i = index_of(d, day);
    const double c = value(d, "fludarabine_conc", i);
    CHECK(derivative(d, 0, "fludarabine_conc", i) * d.parameters[0].value == doctest::Approx(c).epsilon(1e-9));
    CHECK(derivative(d, 1, "fludarabine_conc", i) * d.parameters[1].value == doctest::Approx(c).epsilon(1e-9));
  }
  CHECK(d.parameters[0].unit == "mg");
}

TEST_CASE("the untreated host follows its own count: the derivative through the steady state is one, and stays so") {
  const Scenario s = scenario_from("", {"host_nk.NK0=180 cells/uL"});
  const std::vector<std::string> names{"host_nk.NK0", "host_nk.d0", "t_cells.T0"};
  const Sensitivities d = simulate_sensitivities(s, names, tight());
  for (std::size_t i = 0; i < d.times_d.size(); i += 50) {
    CHECK(derivative(d, 0, "host_nk_count", i) == doctest::Approx(1).epsilon(1e-8));
    CHECK(derivative(d, 2, "alc", i) == doctest::Approx(1).epsilon(1e-8));
    // whatever d0, the count stays at NK0
    CHECK(std::abs(derivative(d, 1, "host_nk_count", i) * d.parameters[1].value) < 1e-6 * 180);
  }
}

TEST_CASE("survival after irradiation: the derivative by D0 is survival times dose over D0 squared, also through the doomed") {
  const Scenario s = scenario_from(dose("tbi", "tbi", "external", "amount = '2 Gy'\ndays = [0]"));
  const std::vector<std::string> names{"irradiation.D0_NK", "irradiation.fX", "dose.tbi.amount"};
  const Sensitivities d = simulate_sensitivities(s, names, tight());
  const std::size_t i = index_of(d, 0);  // right after the fraction
  const double NK0 = 250, D0 = 5.5, fX = 0.5, S = std::exp(-2 / D0);
  // H_B and the doomed share fX of those hit: NK0 (S + fX (1 - S))
  CHECK(value(d, "host_nk_count", i) == doctest::Approx(NK0 * (S + fX * (1 - S))).epsilon(1e-9));
  CHECK(derivative(d, 0, "host_nk_count", i) == doctest::Approx(NK0 * (1 - fX) * S * 2 / (D0 * D0)).epsilon(1e-9));
  CHECK(derivative(d, 1, "host_nk_count", i) == doctest::Approx(NK0 * (1 - S)).epsilon(1e-9));
  CHECK(derivative(d, 2, "host_nk_count", i) == doctest::Approx(-NK0 * (1 - fX) * S / D0).epsilon(1e-9));
}

TEST_CASE("in every regimen the sensitivities are the central differences, through doses, viability, bioavailability and survival") {
  struct Case {
    std::string regimen, arm, parameter, unit;
  };
  const std::vector<Case> cases{{"radboud-ucb", "high-il2", "il2.F", ""},           {"radboud-ucb", "high-il2", "product.pr0", ""},
                                {"radboud-ucb", "high-il2", "host_nk.NK0", "cells/uL"}, {"radboud-ucb", "high-il2", "product.viability", ""},
                                {"sankoma", "two-infusions", "infused_nk.fv", ""},  {"sankoma", "two-infusions", "rejection.krej", "1/d/(cells/uL)"},
                                {"rogachev-hsct", "tbi", "irradiation.D0_donor", "Gy"}, {"rogachev-hsct", "tbi", "graft.NK_dose", "cells/kg"},
                                {"rogachev-hsct", "busulfan", "busulfan.F", ""},    {"peking-aml", "consecutive", "fludarabine.s_T", "L/mg/d"},
                                {"sysu-ucb", "low-alc", "product.E15", ""}};
  for (const Case& c : cases) {
    CAPTURE(c.regimen);
    CAPTURE(c.parameter);
    const Scenario s = daily(c.regimen, {c.arm}, {"product.viability=0.9"});
    const std::vector<std::string> names{c.parameter};
    const Sensitivities d = simulate_sensitivities(s, names, tight());
    REQUIRE(d.status == Status::ok);
    const double p = d.parameters[0].value, h = 1e-4 * p;
    const auto shifted = [&](double x) {
      char text[64];
      std::snprintf(text, sizeof text, "%s=%.17g %s", c.parameter.c_str(), x, c.unit.c_str());
      return observables(daily(c.regimen, {c.arm}, {"product.viability=0.9", text}), tight());
    };
    const RowMatrix up = shifted(p + h), down = shifted(p - h);
    const RowMatrix found = derivatives_by(d, 0);
    bool moved = false;
    for (Eigen::Index k = 0; k < up.cols(); ++k) {
      // the size of an observable in this run bounds what a difference can resolve
      double size = 0, largest = 0;
      for (Eigen::Index i = 0; i < up.rows(); ++i)
        if (std::isfinite(up(i, k))) size = std::max(size, std::abs(up(i, k)));
      for (Eigen::Index i = 0; i < up.rows(); ++i) {
        const double exact = found(i, k) * p, difference = (up(i, k) - down(i, k)) / (2 * h) * p;
        CHECK(std::isnan(exact) == std::isnan(difference));
        if (std::isnan(exact)) continue;
        // truncation (h/p)^2 = 1e-8 of a third derivative, and 1e-9 of solver error over 2 h/p
        CHECK(std::abs(exact - difference) <= 1e-5 * std::abs(difference) + 2e-6 * size);
        largest = std::max(largest, std::abs(exact) / (size + 1e-300));
      }
      moved = moved || largest > 1e-2;
    }
    CHECK(moved);
  }
}

TEST_CASE("more parameters than one pass takes give the same as each alone, and the values of a plain run") {
  const Scenario s = daily("radboud-ucb", {"high-il2"});
  std::vector<std::string> names;
  for (const char* key : {"CL", "V1", "V2", "Q", "F", "ka", "VmR", "KmR"}) names.push_back(std::string("il2.") + key);
  names.push_back("infused_nk.kLB");
  names.push_back("dose.nk.amount");
  const Sensitivities all = simulate_sensitivities(s, names, tight());
  REQUIRE(all.parameters.size() == 10);
  const RowMatrix plain = observables(s, tight());
  for (const std::size_t j : {std::size_t{0}, std::size_t{9}}) {
    const std::vector<std::string> one{names[j]};
    const Sensitivities alone = simulate_sensitivities(s, one, tight());
    const std::size_t i = index_of(all, 7);
    for (const char* observable : {"donor_nk_count", "treg_count", "il15", "alc"})
      CHECK(derivative(all, j, observable, i) == doctest::Approx(derivative(alone, 0, observable, i)).epsilon(1e-6));
    CHECK(value(all, "donor_nk_count", i) == doctest::Approx(plain(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(column(all, "donor_nk_count")))).epsilon(1e-9));
  }
}

TEST_CASE("a parameter that two products hold with different values is moved by the same amount in both") {
  const std::string infusions = dose("nk-1", "nk_cells", "iv", "amount = '1e9 cells'\ndays = [0]\nduration = '30 min'") +
                                dose("nk-2", "nk_cells", "iv", "amount = '1e9 cells'\ndays = [2]\nduration = '30 min'\nproduct = 'overnight-activated'");
  const Scenario s = scenario_from(infusions);
  REQUIRE(s.lots.size() == 2);
  REQUIRE(s.lots[0].product.pmax != s.lots[1].product.pmax);
  const std::vector<std::string> names{"product.pmax"};
  const Sensitivities d = simulate_sensitivities(s, names, tight());
  const double h = 1e-4;
  const auto moved = [&](double by) {
    Scenario other = s;
    for (auto& lot : other.lots) lot.product.pmax += by;
    other.constants = prepare(other.p, s.constants.body, other.p.rejection.chi_haploidentical, other.lots);
    return observables(other, tight());
  };
  const RowMatrix up = moved(h), down = moved(-h);
  const auto k = static_cast<Eigen::Index>(column(d, "donor_nk_count"));
  for (const double day : {1.0, 3.0, 5.0}) {
    const std::size_t i = index_of(d, day);
    const auto row = static_cast<Eigen::Index>(i);
    CHECK(derivative(d, 0, "donor_nk_count", i) == doctest::Approx((up(row, k) - down(row, k)) / (2 * h)).epsilon(1e-5));
  }
}

TEST_CASE("an unknown method is refused before anything is integrated") {
  SolverOptions options;
  options.method = "rodsa5p";
  CHECK_THROWS_WITH_AS(simulate_sensitivities(daily("sankoma", {}), std::vector<std::string>{"host_nk.d0"}, options), doctest::Contains("rodas5p"), InputError);
}

TEST_CASE("unknown parameters and overridden ones are refused by name") {
  const Scenario s = daily("sankoma", {});
  const auto message = [&](const std::string& name) {
    const std::vector<std::string> names{name};
    try {
      simulate_sensitivities(s, names);
    } catch (const InputError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK(message("host_nk.d00").find("did you mean \"host_nk.d0\"?") != std::string::npos);
  CHECK(message("dose.nk-3.amount").find("unknown parameter") != std::string::npos);
  CHECK_THROWS_AS(simulate_sensitivities(s, std::vector<std::string>{}), InputError);
}

TEST_CASE("a failed sensitivity run says so and reports nothing that it did not reach") {
  const Scenario s = daily("sankoma", {});
  SolverOptions options;
  options.max_steps = 50;
  const std::vector<std::string> names{"host_nk.d0"};
  const Sensitivities d = simulate_sensitivities(s, names, options);
  CHECK(d.status == Status::max_steps);
  CHECK(d.message.find("sankoma") != std::string::npos);
  CHECK(std::isnan(derivative(d, 0, "host_nk_count", d.times_d.size() - 1)));
}
