// The C++ side of the comparison with peers (peers.py): patients, reference and two contestants, nkpk and plain Boost.Odeint.
//
//   nkpk_peers prepare PARAMS REGIMEN N FOLDER   writes problem.json, parameters.f64 and reference.f64, row-major doubles
//   nkpk_peers serve   PARAMS REGIMEN N          reads commands "METHOD RTOL ATOL_FACTOR FIRST COUNT THREADS FILE", answers each with JSON
//
// METHOD: packs (simulate_ensemble), alone (auto on doubles, patient by patient), reference (fehlberg78), stops and dense (odeint's dopri5, its steps ending
// at outputs or its dense output). FILE gets the values [COUNT x n_times x n_observables]; "-": nothing is written.
// The clock starts with the patients' parameters in memory and stops with their observables in memory.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/numeric/odeint.hpp>
#include <boost/version.hpp>
#include <chrono>
#include <cmath>
#include <ctime>
#include <fstream>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "nkpk/core/error.hpp"
#include "nkpk/simulation/ensemble.hpp"
#include "nkpk/simulation/lifted.hpp"

using namespace nkpk;
namespace odeint = boost::numeric::odeint;

namespace {

constexpr std::uint64_t seed = 1;
constexpr double first_step_d = 0.01;  // odeint's, after every event: it does not choose one

struct Command {
  std::string method;
  double rtol = 0, atol_factor = 1;
  std::size_t first = 0, count = 0;
  unsigned threads = 1;
  std::string file;
};

struct Results {
  std::vector<double> values;  // [count x n_times x n_observables]
  std::size_t steps = 0, failed = 0;
};

/// odeint's own rule, |error| <= atol + rtol (|x| + |h dx/dt|), with an absolute tolerance for each state.
struct Tolerances {
  const double* atol;
  double factor, rtol;

  template <class Algebra, class State, class Slope, class Error>
  double error(Algebra&, const State& x, const Slope& slope, Error& e, double h) const {
    double worst = 0;
    for (std::size_t i = 0; i < x.size(); ++i) worst = std::max(worst, std::abs(e[i]) / (factor * atol[i] + rtol * (std::abs(x[i]) + std::abs(h * slope[i]))));
    return worst;
  }
};

class Problem {
 public:
  Problem(const std::string& params, const std::string& regimen, std::size_t n_patients) : scenario_(scenario(params, regimen)) {
    const Population drawn = drawn_population(scenario_, n_patients, seed);
    columns_ = drawn.columns;
    rows_.resize(n_patients * columns_.size());
    drawn.fill(0, rows_);
    for (const double t : scenario_.output_times_d) leukocytes_.push_back(leukocytes_at(scenario_.leukocytes, t));
    choose_observables();
  }

  Results run(const Command& c) const {
    if (c.count == 0 || (c.first + c.count) * columns_.size() > rows_.size()) throw std::invalid_argument("no such patients");
    if (c.method == "packs") return packs(c);
    if (c.method == "alone") return one_by_one(c, [&](auto&&... a) { return with_nkpk("auto", c, a...); });
    if (c.method == "reference") return one_by_one(c, [&](auto&&... a) { return with_nkpk("fehlberg78", c, a...); });
    if (c.method != "stops" && c.method != "dense") throw std::invalid_argument("no such method: " + c.method);
    if (scenario_.cohorts.size() == 1) return one_by_one(c, [&](auto&&... a) { return with_odeint<at::cohort(1)>(c, a...); });
    if (scenario_.cohorts.size() == 2) return one_by_one(c, [&](auto&&... a) { return with_odeint<at::cohort(2)>(c, a...); });
    throw std::invalid_argument("one or two infusions, please");
  }

  /// What other programs have to know.
  std::string json() const {
    const auto list = [](const auto& all, auto&& text) {
      std::string joined;
      for (const auto& x : all) joined += (joined.empty() ? "" : ", ") + text(x);
      return "[" + joined + "]";
    };
    const auto number = [](double x) { return fmt::format("{}", x); };
    const auto quoted = [](const std::string& x) { return fmt::format("\"{}\"", x); };
    const auto states = state_entries(scenario_.cohorts.size());
    return fmt::format(
        "{{\"isa\": \"{}\", \"compiler\": \"{}\", \"boost\": \"{}\", \"start_day\": {}, \"times\": {}, \"events\": {},\n\"columns\": "
        "{},\n\"cohorts_of_columns\": {},\n"
        "\"states\": {},\n\"atol\": {},\n\"observables\": {},\n\"floors\": {}}}\n",
        to_string(best_isa()), __VERSION__, BOOST_LIB_VERSION, scenario_.t_start_d, list(scenario_.output_times_d, number),
        list(scenario_.timeline.times, number), list(columns_, [&](const Column& c) { return quoted(c.name); }),
        list(columns_, [&](const Column& c) { return list(c.cohorts, [](std::size_t k) { return fmt::format("{}", k + 1); }); }),
        list(states, [&](const StateEntry& s) { return quoted(s.name); }), list(states, [&](const StateEntry& s) { return number(s.atol); }),
        list(names_, quoted), list(floors_, number));
  }
  const std::vector<double>& rows() const { return rows_; }

 private:
  static Scenario scenario(const std::string& params, const std::string& regimen) {
    Request request;
    request.regimen = regimen;
    if (regimen == "radboud-ucb") request.arms = {"high-il2"};
    request.output_step_d = 1;
    request.horizon_d = 90;
    return make_scenario(Library(params), request);
  }

  /// All that are a number at some time; each with its smallest reported size.
  void choose_observables() {
    const Solution s = integrate_typical();
    for (std::size_t i = 0; i < leukocytes_.size(); ++i) {
      std::ptrdiff_t k = 0;
      visit_observables(scenario_.constants, s.states.row(static_cast<Eigen::Index>(i)).data(), leukocytes_[i],
                        [&](const std::string& name, auto, const std::string& limit, auto, double value) {
                          if (i == 0) place_.push_back(-1);
                          if (place_[static_cast<std::size_t>(k)] < 0 && std::isfinite(value)) {
                            place_[static_cast<std::size_t>(k)] = static_cast<std::ptrdiff_t>(names_.size());
                            names_.push_back(name);
                            floors_.push_back(smallest(name, limit));
                          }
                          ++k;
                        });
    }
  }
  Solution integrate_typical() const {
    Lifted<double> lifted(scenario_.constants, scenario_.timeline);
    return integrate(lifted.system(), initial_state(scenario_.p, scenario_.constants), scenario_.t_start_d, scenario_.output_times_d, {});
  }
  /// The limit of quantification; a fold is near 1, and an area is that of a count over one day.
  double smallest(const std::string& name, const std::string& limit) const {
    if (!limit.empty()) return scenario_.lloqs.at(limit).value;
    return name == "donor_nk_auc" ? scenario_.lloqs.at("cells").value : 1e-3;
  }

  Results packs(const Command& c) const {
    std::vector<std::string> names;
    for (const Column& column : columns_) names.push_back(column.name);
    const auto begin = rows_.begin() + static_cast<std::ptrdiff_t>(c.first * columns_.size());
    const Population population = population_of(scenario_, names, {begin, begin + static_cast<std::ptrdiff_t>(c.count * columns_.size())});
    EnsembleOptions options;
    options.solver.rtol = c.rtol;
    options.solver.atol_factor = c.atol_factor;
    options.observables = names_;
    options.n_threads = c.threads;
    Results r;
    r.values.reserve(c.count * leukocytes_.size() * names_.size());
    const EnsembleSummary summary = simulate_ensemble(scenario_, population, options, [&](const EnsembleBlock& block) {
      r.values.insert(r.values.end(), block.values.begin(), block.values.end());
      for (const PatientRun& run : block.runs) r.steps += run.steps_accepted + run.steps_refused;
    });
    r.failed = summary.n_failed + summary.n_refused;
    return r;
  }

  /// Each patient set up on his own; `solve(lifted, y0, states, r)` fills the states at the output times.
  template <class Solve>
  Results one_by_one(const Command& command, Solve&& solve) const {
    const std::size_t n_times = leukocytes_.size();
    const auto& kernel = kernels<double>(best_isa());
    Results r;
    r.values.resize(command.count * n_times * names_.size());
    Individual<double> who(scenario_, columns_);
    std::vector<Entering<double>> entering;
    RowMatrix states;
    double* out = r.values.data();
    for (std::size_t i = command.first; i < command.first + command.count; ++i) {
      for (std::size_t j = 0; j < columns_.size(); ++j)
        for (double* place : who.places(j)) *place = rows_[i * columns_.size() + j];
      const Scenario& s = scenario_;
      const auto c = prepare(who.p, Physiology::body(s.patient, who.p.physiology), chi_of(s.regimen.donor, who.p), who.lots, s.constants.modules,
                             s.parameters.linear_quadratic);
      entering.clear();
      for (const auto& a : s.administrations)
        entering.push_back({a.cohort < 0 ? a.amount : viable_nk(a.amount, who.lots[static_cast<std::size_t>(a.cohort)].product), a.start_d, a.duration_d});
      const auto timeline = make_timeline(s, who.p, c, entering);
      Lifted<double> lifted(c, timeline);
      solve(lifted, initial_state(who.p, c), states, r);
      for (std::size_t t = 0; t < n_times; ++t, out += names_.size())
        kernel.observe(c, states.row(static_cast<Eigen::Index>(t)).data(), leukocytes_[t], place_.data(), out);
    }
    return r;
  }

  void with_nkpk(const char* method, const Command& c, Lifted<double>& lifted, const std::vector<double>& y0, RowMatrix& states, Results& r) const {
    SolverOptions options;
    options.method = method;
    options.rtol = c.rtol;
    options.atol_factor = c.atol_factor;
    Solution solution = integrate(lifted.system(), y0, scenario_.t_start_d, scenario_.output_times_d, options);
    r.steps += solution.stats.steps_accepted + solution.stats.steps_refused;
    r.failed += solution.status != Status::ok;
    states = std::move(solution.states);
  }

  /// N states in an array of that length, which odeint's loops like best; a new stepper in each segment, so that no slope outlives an event.
  template <std::size_t N>
  void with_odeint(const Command& c, Lifted<double>& lifted, const std::vector<double>& y0, RowMatrix& states, Results& r) const {
    using State = std::array<double, N>;
    using Dopri5 = odeint::runge_kutta_dopri5<State>;
    using Controlled = odeint::controlled_runge_kutta<Dopri5, Tolerances>;
    const auto& outputs = scenario_.output_times_d;
    const PiecewiseSystem system = lifted.system();
    const Controlled controlled(Tolerances{system.atol.data(), c.atol_factor, c.rtol});
    State y;
    std::copy(y0.begin(), y0.end(), y.begin());
    states.resize(static_cast<Eigen::Index>(outputs.size()), static_cast<Eigen::Index>(N));
    std::size_t next = 0;
    const auto record = [&](std::size_t output) { std::copy(y.begin(), y.end(), states.row(static_cast<Eigen::Index>(output)).data()); };
    std::vector<double> times;
    double t = scenario_.t_start_d;
    for (std::size_t segment = 0; next < outputs.size(); ++segment) {
      const bool is_last = segment == system.event_times.size() || system.event_times[segment] > outputs.back();
      const double end = is_last ? outputs.back() : system.event_times[segment];
      if (end > t) {
        while (outputs[next] <= t) record(next++);
        std::size_t place = next;
        times.assign(1, t);
        for (; next < outputs.size() && (outputs[next] < end || is_last); ++next) times.push_back(outputs[next]);
        if (times.back() < end) times.push_back(end);
        const auto rhs = [&](const State& x, State& dx, double at) { system.rhs(segment, at, {x.data(), N}, {dx.data(), N}); };
        const auto observe = [&](const State& x, double at) {
          if (at > t && place < next) std::copy(x.begin(), x.end(), states.row(static_cast<Eigen::Index>(place++)).data());
          if (at == end) y = x;
        };
        State x = y;
        if (c.method == "dense") {
          r.steps +=
              odeint::integrate_times(odeint::dense_output_runge_kutta<Controlled>(controlled), rhs, x, times.begin(), times.end(), first_step_d, observe);
        } else {
          r.steps += odeint::integrate_times(controlled, rhs, x, times.begin(), times.end(), first_step_d, observe);
        }
        t = end;
      }
      if (!is_last) {
        system.jump(segment, y);
        if (next < outputs.size() && outputs[next] == end) record(next++);
      }
    }
  }

  Scenario scenario_;
  std::vector<Column> columns_;
  std::vector<double> rows_;  // [n_patients x n_columns]
  std::vector<Leukocytes> leukocytes_;
  std::vector<std::ptrdiff_t> place_;
  std::vector<std::string> names_;
  std::vector<double> floors_;
};

void write(const std::string& file, const std::vector<double>& values) {
  std::ofstream out(file, std::ios::binary);
  out.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(double)));
  if (!out.flush()) throw std::runtime_error("cannot write " + file);
}

void prepare_files(const Problem& problem, std::size_t n, const std::string& folder) {
  std::ofstream(folder + "/problem.json") << problem.json();
  write(folder + "/parameters.f64", problem.rows());
  const Results r = problem.run({"reference", 1e-11, 1e-4, 0, n, 1, ""});
  if (r.failed) throw std::runtime_error("the reference failed");
  write(folder + "/reference.f64", r.values);
}

void serve(const Problem& problem) {
  std::string line;
  while (std::getline(std::cin, line)) {
    Command c;
    if (!(std::istringstream(line) >> c.method >> c.rtol >> c.atol_factor >> c.first >> c.count >> c.threads >> c.file))
      throw std::invalid_argument("bad command: " + line);
    const auto wall = std::chrono::steady_clock::now();
    const std::clock_t cpu = std::clock();
    const Results r = problem.run(c);
    const double cpu_s = static_cast<double>(std::clock() - cpu) / CLOCKS_PER_SEC;
    const double wall_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - wall).count();
    if (c.file != "-") write(c.file, r.values);
    fmt::print("{{\"cpu_s\": {}, \"wall_s\": {}, \"steps\": {}, \"failed\": {}}}\n", cpu_s, wall_s, static_cast<double>(r.steps) / static_cast<double>(c.count),
               r.failed);
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) try {
  const std::vector<std::string> a(argv + 1, argv + argc);
  if (a.size() < 4 || (a[0] != "serve" && (a[0] != "prepare" || a.size() < 5)))
    return fmt::print(stderr, "usage: nkpk_peers prepare PARAMS REGIMEN N FOLDER | nkpk_peers serve PARAMS REGIMEN N\n"), 2;
  const std::size_t n = std::stoul(a[3]);
  const Problem problem(a[1], a[2], n);
  if (a[0] == "prepare")
    prepare_files(problem, n, a[4]);
  else
    serve(problem);
  return 0;
} catch (const std::exception& error) {
  return fmt::print(stderr, "nkpk_peers: {}\n", error.what()), 1;
}
