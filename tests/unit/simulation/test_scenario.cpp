// From a request to numbers: times, warnings and what the patient's own values replace.
#include "support/refusal.hpp"
#include "nkpk/simulation/scenario.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "nkpk/core/error.hpp"
#include "nkpk/simulation/calendar.hpp"
#include "support/scenarios.hpp"

using namespace nkpk;

namespace {

using test::refusal_of;
bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }
bool contains(const std::vector<double>& times, double t) {
  return std::any_of(times.begin(), times.end(), [t](double x) { return std::abs(x - t) < 1e-9; });
}
const std::string cells = "amount = '1e7 cells/kg'\nduration = '30 min'\n";

}  // namespace

TEST_CASE("the run starts one day before the first event and ends at the horizon") {
  const Scenario s = test::scenario_from(test::dose("cy", "cyclophosphamide", "iv", "amount = '1 g'\ndays = [-5]\nduration = '1 h'"));
  CHECK(s.t_start_d == -6);
  CHECK(s.output_times_d.front() == -6);
  CHECK(s.output_times_d.back() == 30);
  CHECK(test::scenario_from("").t_start_d == -1);
}

TEST_CASE("outputs are the grid, every event, and a day after every infusion") {
  const Scenario s = test::scenario_from(test::dose("nk", "nk_cells", "iv", cells + "days = [0.123]"));
  CHECK(std::is_sorted(s.output_times_d.begin(), s.output_times_d.end()));
  CHECK(std::adjacent_find(s.output_times_d.begin(), s.output_times_d.end()) == s.output_times_d.end());
  for (const double t : {0.123, 0.123 + 0.5 / 24, 1.123 + 0.5 / 24, s.t_start_d + 0.1, s.t_start_d + 7.7}) {
    CAPTURE(t);
    CHECK(contains(s.output_times_d, t));
  }
}

TEST_CASE("two times that rounding sets apart are one event") {
  // 3 * 0.1 is not 0.3
  const Scenario s = test::scenario_from(test::dose("a", "cyclophosphamide", "iv", "amount = '1 g'\nstart = '0 d'\nevery = '0.1 d'\ncount = 4\nduration = '1 min'") +
                                         test::dose("b", "fludarabine", "iv", "amount = '1 mg'\ndays = [0.3]\nduration = '1 min'"));
  CHECK(s.timeline.times.size() == 8);
  CHECK(std::is_sorted(s.timeline.times.begin(), s.timeline.times.end()));
}

TEST_CASE("too many outputs are refused before they are made") {
  Request request;
  request.regimen = "sankoma";
  request.output_step_d = 1e-9;
  CHECK(holds(refusal_of([&] { make_scenario(test::library(), request); }), "expected at most 500000"));
  for (const double step : {0.0, -1.0, static_cast<double>(NAN), static_cast<double>(INFINITY)}) {
    request.output_step_d = step;
    CHECK(holds(refusal_of([&] { make_scenario(test::library(), request); }), "expected a finite number of days above 0"));
  }
}

TEST_CASE("a condition on days that is not met is a warning, one that is met is none") {
  const auto warnings = [](const char* day) {
    return test::scenario_from(test::dose("cy", "cyclophosphamide", "iv", "amount = '1 g'\ndays = [-3]\nduration = '1 h'") +
                               test::dose("nk", "nk_cells", "iv", cells + "days = [" + day + "]") +
                               "[[condition]]\nbefore = ['nk']\nafter = ['cy']\nmin_days = 2\nmax_days = 4\ntext = 'two to four days'\n")
        .warnings;
  };
  CHECK(warnings("-1").empty());
  CHECK(warnings("1.9").empty());  // calendar days
  REQUIRE(warnings("-1.5").size() == 1);
  CHECK(warnings("-1.5")[0] == "day -1.5: condition not met: two to four days (1 d)");
  CHECK(warnings("2").size() == 1);
}

TEST_CASE("conditions that are never met do not fill the memory with warnings") {
  const auto s = test::scenario_from(test::dose("a", "cyclophosphamide", "iv", "amount = '1 mg'\nstart = '0 d'\nevery = '2 h'\ncount = 300\nduration = '1 h'") +
                                     test::dose("b", "fludarabine", "iv", "amount = '1 mg'\nstart = '0 d'\nevery = '2 h'\ncount = 300\nduration = '1 h'") +
                                     "[[condition]]\nbefore = ['a']\nafter = ['b']\nmin_days = 2\ntext = 't'\n");
  CHECK(std::count_if(s.warnings.begin(), s.warnings.end(), [](const auto& w) { return holds(w, "condition not met"); }) == 100);
  CHECK(std::count(s.warnings.begin(), s.warnings.end(), "conditions are not met 199 times more") == 1);
}

TEST_CASE("infusions that run over one another for years are refused") {
  std::string doses;
  for (int i = 0; i < 5; ++i)
    doses += test::dose("d" + std::to_string(i), "cyclophosphamide", "iv", "amount = '1 mg'\nstart = '" + std::to_string(i) + " min'\nevery = '11 min'\ncount = 1000\nduration = '900 d'");
  CHECK(holds(refusal_of([&] { test::scenario_from(doses); }), "too many infusions run at the same time"));
}

TEST_CASE("an infusion of less than a second is refused: it would end when it begins, and nothing would flow") {
  const auto lasting = [](const char* duration) {
    return refusal_of([&] { test::scenario_from(test::dose("cy", "cyclophosphamide", "iv", std::string("amount = '1 mg'\ndays = [0]\nduration = '") + duration + "'")); });
  };
  CHECK(lasting("1 s") == "no refusal");
  CHECK(holds(lasting("0.9 s"), "dose.cy.duration: \"0.9 s\" is too short; expected a second at least"));
  CHECK(holds(lasting("1e-300 d"), "is too short"));
}

TEST_CASE("the calendar shows a share as it is written, and any source") {
  const auto calendar = [](const char* rest) {
    return calendar_text(test::scenario_from("[courses]\ncy = '600 mg'\n" +
                                             test::dose("cy", "cyclophosphamide", "iv", std::string("course = 'cy'\ndays = [0, 1]\nduration = '1 h'\n") + rest)));
  };
  CHECK(holds(calendar(""), "1/2 of 600 mg"));
  CHECK(holds(calendar("fraction = '2/3'"), "2/3 of 600 mg"));
  CHECK(holds(calendar("fraction = 0.3"), "0.3 of 600 mg"));
  CHECK(holds(calendar("fraction = 1e-300"), "1e-300 of 600 mg"));
  CHECK(holds(calendar("source = 'ASSUMED'"), "1/2 of 600 mg"));  // no reason behind it
}

TEST_CASE("the T-cell limit counts every infusion and their sum") {
  const auto with_f_T = [](const char* f_T) {
    return refusal_of([&] {
      test::scenario_from("[limits]\nproduct_t_cells = '1e6 cells/kg'\n" + test::dose("nk", "nk_cells", "iv", cells + "days = [0, 7]\nf_T = '" + f_T + "'"));
    });
  };
  CHECK(with_f_T("0.05") == "no refusal");
  CHECK(holds(with_f_T("0.051"), "1.02e+06 T cells/kg in the product given so far on day 7 exceed the limit of 1e6 cells/kg"));
  CHECK(holds(with_f_T("0.11"), "1.1e+06 T cells/kg in the product given on day 0 exceed"));
}

TEST_CASE("the patient's own counts are initial value and set-point") {
  const Scenario s = test::scenario_from("", {"patient.nk_count=100 cells/uL", "patient.t_count=800 cells/uL", "patient.treg_count=30 cells/uL"});
  CHECK(s.p.host_nk.NK0 == 100);
  CHECK(s.p.t_cells.T0 == 800);
  CHECK(s.p.treg.R0 == 30);
  CHECK(s.parameters.at("t_cells.T0").source == "patient man-45y");
}

TEST_CASE("a very low NK count is raised with a warning, and zero is refused") {
  const Scenario s = test::scenario_from("", {"patient.nk_count=3 cells/uL"});
  CHECK(s.p.host_nk.NK0 == s.p.host_nk.NK0_min);
  REQUIRE_FALSE(s.warnings.empty());
  CHECK(holds(s.warnings[0], "NK count 3/uL before conditioning is below 10/uL"));
  CHECK(holds(refusal_of([] { test::scenario_from("", {"patient.nk_count=0 cells/uL"}); }), "is not positive"));
}

TEST_CASE("the patient's white cell count less the lymphocytes is the baseline of the leukocytes") {
  const std::string table = "[leukocytes]\nbaseline = '4000 cells/uL'\nhost = [[0, 'baseline']]\n";
  CHECK(test::scenario_from(table).leukocytes.host.at(0) == 4000);
  const Scenario s = test::scenario_from(table, {"patient.wbc_count=7000 cells/uL"});
  const double alc = (s.p.host_nk.NK0 + s.p.t_cells.T0 + s.p.treg.R0) / (1 - s.p.blood_count.fB);
  CHECK(s.leukocytes.host.at(0) == doctest::Approx(7000 - alc).epsilon(1e-12));
  CHECK(holds(refusal_of([&] { test::scenario_from(table, {"patient.wbc_count=900 cells/uL"}); }), "is not above the lymphocytes"));
}

TEST_CASE("an age outside that of the sources is a warning") {
  CHECK(test::scenario_from("", {"patient.age=80 y"}).warnings.size() == 1);
  CHECK(test::scenario_from("", {"patient.age=60 y"}).warnings.empty());
}

TEST_CASE("parameters that leave no equilibrium are refused") {
  for (const char* set : {"nk.dmin=0.08 1/d", "host_nk.dmax=0.05 1/d", "host_nk.pmax=10 1/d", "nk.kBT=0.0001 1/d", "host_nk.kap=1", "il15.fc=1", "nk.phi=0", "nk.phi=1"}) {
    CAPTURE(set);
    CHECK(refusal_of([&] { test::scenario_from("", {set}); }) != "no refusal");
  }
}

TEST_CASE("a mechanism to switch off that does not exist is refused by name") {
  CHECK(holds(refusal_of([] { test::scenario_from("", {}, {"rejecton"}); }), "--without: unknown mechanism \"rejecton\"; did you mean \"rejection\"?"));
}

TEST_CASE("a product is changed only where there is one") {
  CHECK(holds(refusal_of([] { test::scenario_from("", {"product.pmax=0.5 1/d"}); }), "there is no NK product in this regimen"));
}
