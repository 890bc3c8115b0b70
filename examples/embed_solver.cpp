// Embeds the solver: one regimen with a changed dose and a changed parameter, its report, and an observable at any time.
// Build it against an installed nkpk with find_package(nkpk) and target_link_libraries(... nkpk::simulation).
#include <cstdio>

#include "nkpk/simulation/report.hpp"

int main() {
  const nkpk::Library library;
  nkpk::Request request;
  request.regimen = "radboud-ucb";
  request.arms = {"high-il2"};
  request.sets = {"courses.nk=3e9 cells", "rejection.krej=0.05 1/d/(cells/uL)"};

  const nkpk::Scenario scenario = nkpk::make_scenario(library, request);
  nkpk::SolverOptions options;
  options.rtol = 1e-9;
  const nkpk::Trajectory trajectory = nkpk::simulate(scenario, options);
  if (!trajectory.ok()) {
    std::fprintf(stderr, "%s\n", trajectory.solution.message.c_str());
    return 1;
  }
  for (const nkpk::Metric& metric : nkpk::report(trajectory)) std::printf("%-28s %12.5g %s\n", metric.name.c_str(), metric.value, metric.unit.c_str());

  // any state or observable at any time
  const auto y = trajectory.at(7.5);
  nkpk::visit_observables(scenario.constants, y.data(), nkpk::leukocytes_at(scenario.leukocytes, 7.5),
                          [](const char* name, const char* unit, const char*, const char*, double value) {
                            if (std::string_view(name) == "chimerism_nk") std::printf("%s on day 7.5: %.2f %s\n", name, value, unit);
                          });
  return 0;
}
