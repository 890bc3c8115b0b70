// What several threads may do at once, as those of Python do behind a released lock.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <thread>

#include "nkpk/archive/archive.hpp"
#include "nkpk/archive/growing.hpp"
#include "nkpk/simulation/calendar.hpp"
#include "nkpk/simulation/dataset.hpp"
#include "nkpk/simulation/ensemble_dataset.hpp"
#include "support/files.hpp"
#include "support/scenarios.hpp"

using namespace nkpk;
using namespace nkpk::test;

namespace {

Scenario few_days() {
  Request request;
  request.regimen = "sankoma";
  request.horizon_d = 3;
  request.output_step_d = 0.5;
  return make_scenario(library(), request);
}

}  // namespace

TEST_CASE("threads that read, run and archive beside each other get what one alone gets") {
  const Folder folder;
  const Scenario shared = few_days();
  const auto work = [&](const std::string& name) {
    const Scenario own = few_days();
    const Trajectory of_own = simulate(own, with_rtol(1e-4)), of_shared = simulate(shared, with_rtol(1e-4));
    const auto file = folder / name.c_str();
    archive::write(file, to_group(of_own, report(of_own)));
    const Group back = archive::read(file);
    return std::tuple(calendar_text(own), of_own.solution.states, of_shared.solution.states, back.arrays.size(), bytes_of(file));
  };
  const auto expected = work("alone.h5");
  std::vector<decltype(work(""))> found(3);
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < found.size(); ++i) threads.emplace_back([&, i] { found[i] = work(std::to_string(i) + ".h5"); });
  }
  for (const auto& one : found) CHECK(one == expected);
}

TEST_CASE("an ensemble grows into an archive, and tells its progress, while other threads use archives") {
  const Folder folder;
  const Scenario s = few_days();
  const Population population = drawn_population(s, 2 * block_size + 5, 1);
  EnsembleOptions options;
  options.solver.rtol = 1e-3;
  options.observables = {"nk_count"};
  options.n_threads = 3;
  std::size_t told = 0;
  options.progress = [&](std::size_t done, std::size_t) { told = std::max(told, done); };
  EnsembleDataset data(s, population, options, {});
  archive::GrowingArchive file(folder / "many.h5", data.frame(), "patient", population.n_patients);
  std::atomic<bool> is_over = false;
  std::jthread other([&] {
    const Group tree{{{"x", "1", "", {}, {}, std::vector<double>{1}}}, {}, {}};
    while (!is_over) {
      archive::write(folder / "other.h5", tree, true);
      archive::read(folder / "other.h5");
    }
  });
  const auto summary = simulate_ensemble(s, population, options, [&](const EnsembleBlock& block) { file.append(data.take(block)); });
  file.finish(data.rest(summary));
  is_over = true;
  other.join();
  CHECK(summary.n_solved == population.n_patients);
  CHECK(told == population.n_patients);
  const Group back = archive::read(folder / "many.h5");
  const auto nk = std::ranges::find(back.arrays, "nk_count", &NamedArray::name);
  REQUIRE(nk != back.arrays.end());
  CHECK(nk->shape[0] == population.n_patients);
}
