// Ctrl-C as the executable notes it, in whichever thread the signal arrives.
#include <doctest/doctest.h>

#include <csignal>
#include <thread>

#include "nkpk/simulation/ensemble.hpp"
#include "shared.hpp"
#include "support/scenarios.hpp"

using namespace nkpk;
using namespace nkpk::test;

TEST_CASE("a signal that another thread takes stops an ensemble") {
  Request request;
  request.regimen = "sankoma";
  request.horizon_d = 2;
  request.output_step_d = 1;
  const Scenario s = make_scenario(library(), request);
  const Population population = drawn_population(s, 20 * block_size, 1);
  EnsembleOptions options;
  options.solver.rtol = 1e-3;
  options.observables = {"nk_count"};
  options.n_threads = 2;
  cli::catch_interrupt();
  options.should_stop = [] { return cli::interrupted(); };
  std::jthread sender;
  const auto summary = simulate_ensemble(s, population, options, [&](const EnsembleBlock&) {
    if (!sender.joinable()) sender = std::jthread([] { std::raise(SIGINT); });
  });
  std::signal(SIGINT, SIG_DFL);
  CHECK(summary.was_stopped);
  CHECK(summary.n_solved < population.n_patients);
}
