// Resting mechanisms are left out of the right-hand side, and methods are exchanged: no number may tell.
#include "support/observed.hpp"

using namespace nkpk;
using namespace nkpk::test;

TEST_CASE("leaving resting mechanisms out changes no bit, in every arm of every regimen") {
  std::size_t n_arms = 0, n_resting = 0;
  for (const Request& request : every_arm()) {
    const Scenario s = make_scenario(library(), request);
    CAPTURE(s.regimen.name);
    CAPTURE(s.label);
    Scenario all = s;
    for (ModuleSet& awake : all.timeline.awake) {
      for (std::size_t m = 0; m < module_names.size(); ++m) n_resting += awake.has(static_cast<Module>(m)) != s.constants.modules.has(static_cast<Module>(m));
      awake = s.constants.modules;
    }
    const Trajectory plain = solved(s, 1e-6), full = solved(all, 1e-6);
    CHECK(plain.solution.stats.rhs_calls == full.solution.stats.rhs_calls);
    CHECK((plain.solution.states.array() == full.solution.states.array()).all());
    ++n_arms;
  }
  CHECK(n_arms == 45);
  CHECK(n_resting > 1000);
}

// Below a thousandth of these an observable is nothing, as in the check against the independent program.
TEST_CASE("linearly implicit methods agree with the explicit one in every arm of every regimen") {
  const auto typical = [](const std::string& unit, const std::string& name) {
    if (name == "il2") return 10.0;
    if (name == "il15_fold") return 1.0;
    if (name == "il15") return 5.0;
    if (unit == "mg/L") return 1.0;
    if (unit == "%") return 10.0;
    if (name == "alc" || name == "wbc_count") return 1300.0;
    return name.find("treg") != std::string::npos ? 58.0 : 100.0;
  };
  for (Request request : every_arm()) {
    request.output_step_d = 1;
    const Scenario s = make_scenario(library(), request);
    CAPTURE(s.regimen.name);
    CAPTURE(s.label);
    const RowMatrix expected = observables(s, with_rtol(1e-10));
    std::vector<double> floors;
    std::vector<std::string> names;
    visit_observables(s.constants, initial_state(s.p, s.constants).data(), Leukocytes{},
                      [&](const char* name, const char* unit, const char*, const char*, double) { names.push_back(name), floors.push_back(1e-3 * typical(unit, name)); });
    for (const char* method : {"rodas4", "rodas5p"}) {
      CAPTURE(method);
      SolverOptions options = with_rtol(1e-9);
      options.method = method;
      const RowMatrix found = observables(s, options);
      for (Eigen::Index k = 0; k < found.cols(); ++k) {
        CAPTURE(names[static_cast<std::size_t>(k)]);
        for (Eigen::Index i = 0; i < found.rows(); ++i) {
          CHECK(std::isnan(found(i, k)) == std::isnan(expected(i, k)));
          // the clone of effectors multiplies errors made early by up to a thousand
          if (!std::isnan(expected(i, k))) CHECK(std::abs(found(i, k) - expected(i, k)) <= 1e-6 * std::max(std::abs(expected(i, k)), floors[static_cast<std::size_t>(k)]));
        }
      }
    }
  }
}
