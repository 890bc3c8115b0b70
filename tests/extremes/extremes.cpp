// Patients from the whole box of plausible parameters: does every run end well, or say why not?
//
//   nkpk_extremes REGIMEN CHOICES FIRST N SEED BOOKS
//
// CHOICES are arms with commas between, "-" for the defaults. Patients FIRST to FIRST + N of this order:
//
//   0, 1            every parameter at its lower bound, at its upper bound
//   2 to 2P + 1     one of P parameters at its lower or upper bound, the others as shipped
//   then in turn    a corner drawn by tossing a coin for each parameter; a point drawn log-uniformly (uniformly from 0 or below)
//
// Each is run alone, on doubles, and in packs beside the others. Demanded of a run that ends ok: no state or observable is
// NaN or infinite (but shares of less than one cell), none is negative by more than ten times its absolute tolerance, and at every tenth output the change of
// each population is the sum of its flows. Of every BOOKS-th patient: over the whole run cells in are cells out and cells present (tests/support/ledger.hpp). A
// run that does not end ok must say when, where and why. Prints one line of JSON; "wrong" lists what broke a demand.
#define DOCTEST_CONFIG_IMPLEMENT
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <chrono>
#include <map>
#include <set>

#include "nkpk/core/error.hpp"
#include "nkpk/simulation/ensemble.hpp"
#include "nkpk/simulation/lift.hpp"
#include "support/ledger.hpp"

using namespace nkpk;

namespace {

constexpr std::size_t step_budget = 20000;  // of one patient: what bounds his time
constexpr double step_bin = 10, output_step_d = 0.5;
constexpr double largest_flow_error = 1e-11;  // of the sum of all flows, rounding
constexpr double fewest_digits = 1e-290;      // numbers near the smallest that a double can hold have no 16 digits
constexpr double largest_difference = 1e-2;   // of two solutions of one patient at rtol 1e-6, which exponential growth widens
constexpr double largest_book_error = 1e-8;   // of all that entered and was born

struct Bound {
  std::string name;
  double shipped, lower, upper;
};

std::vector<Bound> box_of(const Scenario& s) {
  std::vector<Bound> box;
  const auto take = [&](const ParameterTable& table, const std::string& product) {
    for (const ParameterRecord& r : table.records)
      if (std::isfinite(r.lower))
        box.push_back({product.empty() ? r.name : fmt::format("product[{}].{}", product, r.name.substr(8)), r.value, r.lower, r.upper});
  };
  take(s.parameters, "");
  for (const Product& product : s.products) {
    const std::size_t first = box.size();
    take(product.table, product.name);
    if (s.products.size() == 1)
      for (std::size_t j = first; j < box.size(); ++j) box[j].name = "product." + box[j].name.substr(box[j].name.find("].") + 2);
  }
  return box;
}

std::vector<double> patient_of(const std::vector<Bound>& box, std::size_t i, unsigned seed) {
  std::vector<double> row;
  test::Draws draws(seed * 1000003u + static_cast<unsigned>(i));
  for (std::size_t j = 0; j < box.size(); ++j) {
    const auto& [name, shipped, lower, upper] = box[j];
    if (i < 2)
      row.push_back(i == 0 ? lower : upper);
    else if (i < 2 * box.size() + 2)
      row.push_back((i - 2) / 2 != j ? shipped : i % 2 == 0 ? lower : upper);
    else if (i % 2 == 0)
      row.push_back(draws.below(2) == 0 ? lower : upper);
    else
      row.push_back(lower > 0 ? draws.log_uniform(lower, upper) : draws.uniform(lower, upper));
  }
  return row;
}

/// The scenario with one patient's parameters in every place that holds them.
Scenario scenario_of(const Scenario& base, const std::vector<Column>& columns, std::span<const double> row) {
  Scenario s = base;
  Individual<double> who(base, columns);
  for (std::size_t j = 0; j < columns.size(); ++j) {
    for (double* place : who.places(j)) *place = row[j];
    const std::string key = columns[j].name.substr(columns[j].name.find('.') + 1);
    for (Product& product : s.products)
      if (columns[j].is_of_product && (s.products.size() == 1 || columns[j].name == fmt::format("product[{}].{}", product.name, key)))
        product.table.find("product." + key)->value = row[j];
  }
  s.p = who.p;
  s.lots = who.lots;
  s.constants =
      prepare(s.p, Physiology::body(s.patient, s.p.physiology), chi_of(s.regimen.donor, s.p), s.lots, s.constants.modules, s.parameters.linear_quadratic);
  std::vector<Entering<double>> entering;
  for (const Administration& a : s.administrations)
    entering.push_back({a.cohort < 0 ? a.amount : viable_nk(a.amount, s.lots[static_cast<std::size_t>(a.cohort)].product), a.start_d, a.duration_d});
  s.timeline = make_timeline(s, s.p, s.constants, entering);
  return s;
}

struct Observed {
  std::vector<std::string> names;
  std::vector<double> values;  ///< [n_times x n_names]
};

Observed observed(const Scenario& s, const Trajectory& run) {
  Observed all;
  for (std::size_t i = 0; i < s.output_times_d.size(); ++i)
    visit_observables(s.constants, run.solution.states.row(static_cast<Eigen::Index>(i)).data(), leukocytes_at(s.leukocytes, s.output_times_d[i]),
                      [&](const char* name, auto, auto, auto, double value) {
                        if (i == 0) all.names.push_back(name);
                        all.values.push_back(value);
                      });
  return all;
}

/// Entries of observed() that are shares of less than one cell: the tolerance of a thousandth of a cell leaves them no digits.
std::vector<bool> shares_of_nothing(const Scenario& s, const Trajectory& run, const std::vector<std::string>& names) {
  std::vector<bool> all;
  for (std::size_t i = 0; i < s.output_times_d.size(); ++i) {
    const auto y = run.solution.states.row(static_cast<Eigen::Index>(i));
    const auto at_place = [&y](std::size_t state) { return y(static_cast<Eigen::Index>(state)); };
    double blood = at_place(at::host_nk + HostNk::blood) + at_place(at::graft + Graft::blood) + at_place(at::irradiation + Irradiation::X_H) +
                   at_place(at::irradiation + Irradiation::X_D);
    double tissue = at_place(at::host_nk + HostNk::tissue) + at_place(at::graft + Graft::tissue);
    for (std::size_t k = 0; k < s.cohorts.size(); ++k) {
      blood += at_place(at::cohort(k) + InfusedNk::blood);
      tissue += at_place(at::cohort(k) + InfusedNk::tissue);
    }
    for (const std::string& name : names) all.push_back((name.starts_with("chimerism_nk") && blood < 1) || (name == "marrow_donor_share" && tissue < 1));
  }
  return all;
}

/// What was seen of a number, the worst of all patients.
struct Worst {
  double value = 0;
  std::string what;
  void take(double candidate, const std::function<std::string()>& name) {
    if (candidate > value || std::isnan(candidate)) value = candidate, what = name();
  }
};

std::string quoted(const std::string& text) {
  std::string all = "\"";
  for (const char c : text) all += c == '"' || c == '\\' ? std::string{'\\', c} : std::string{c};
  return all + "\"";
}

class Study {
 public:
  Study(const Scenario& base, std::size_t first, std::size_t n, unsigned seed, std::size_t books)
      : base_(base), box_(box_of(base)), first_(first), n_(n), books_(books), usual_(observed(base, test::solved(base, 1e-6))) {
    std::vector<std::string> names;
    for (const Bound& b : box_) names.push_back(b.name);
    std::vector<double> values;
    for (std::size_t i = 0; i < n; ++i)
      for (const double v : patient_of(box_, first + i, seed)) values.push_back(v);
    options_.max_steps = step_budget;
    population_ = population_of(base, names, values);
    rows_ = std::move(values);
  }

  void run() {
    Admission admission(base_, population_.columns);
    for (std::size_t i = 0; i < n_; ++i) {
      const auto row = std::span(rows_).subspan(i * box_.size(), box_.size());
      if (const auto refusal = admission.refusal(row)) {
        outcomes_.push_back(PatientRun::Outcome::refused);
        ++refusals_[refusal->hint];
        if (refusal->problem.empty()) wrong(i, "refused without a reason");
      } else {
        alone(i, scenario_of(base_, population_.columns, row));
      }
    }
    in_packs();
  }

  std::string json() const {
    const auto counts = [](const auto& map) {
      std::vector<std::string> all;
      for (const auto& [key, count] : map) all.push_back(fmt::format("{}: {}", quoted(fmt::format("{}", key)), count));
      return fmt::format("{{{}}}", fmt::join(all, ", "));
    };
    const auto texts = [](const std::vector<std::string>& list) {
      std::vector<std::string> all;
      for (const std::string& text : list) all.push_back(quoted(text));
      return fmt::format("[{}]", fmt::join(all, ", "));
    };
    const auto worst = [](const Worst& w) { return fmt::format("[{:.3g}, {}]", w.value, quoted(w.what)); };
    return fmt::format(
        R"({{"regimen": {}, "arm": {}, "first": {}, "n": {}, "parameters": {}, "solved": {}, "failed": {}, "refused": {}, "refusals": {}, "failures": {}, )"
        R"("steps": {}, "most_steps": {}, "slowest_s": {}, "negative_state": {}, "negative_observable": {}, "flows": {}, "books": {}, "n_books": {}, )"
        R"("packs": {}, "delivered": {}, "n_wrong": {}, "wrong": {}}})",
        quoted(base_.regimen.name), quoted(base_.label), first_, n_, box_.size(), n_solved_, n_failed_, n_ - n_solved_ - n_failed_, counts(refusals_),
        texts(failures_), counts(steps_), worst(most_steps_), worst(slowest_s_), worst(negative_state_), worst(negative_observable_), worst(flows_),
        worst(book_), n_books_, worst(packs_), worst(delivered_), n_wrong_, texts(wrong_));
  }

 private:
  void wrong(std::size_t i, const std::string& what) {
    ++n_wrong_;
    if (wrong_.size() < 20) wrong_.push_back(fmt::format("patient {}: {}", first_ + i, what));
  }
  std::string patient(std::size_t i) const { return fmt::format("patient {}", first_ + i); }

  void alone(std::size_t i, const Scenario& s) {
    const auto start = std::chrono::steady_clock::now();
    const Trajectory t = simulate(s, options_);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const auto& stats = t.solution.stats;
    const auto n_steps = static_cast<double>(stats.steps_accepted + stats.steps_refused);
    ++steps_[static_cast<int>(step_bin * std::floor(n_steps / step_bin))];
    most_steps_.take(n_steps, [&] { return patient(i); });
    slowest_s_.take(seconds, [&] { return patient(i); });
    if (!t.ok()) {
      ++n_failed_;
      outcomes_.push_back(PatientRun::Outcome::failed);
      own_.emplace_back();
      ignored_.emplace_back();
      failures_.push_back(fmt::format("patient {}: {}: {}", first_ + i, to_string(t.solution.status), t.solution.message));
      if (t.solution.message.empty() || !(t.solution.t_reached >= s.t_start_d && t.solution.t_reached <= s.t_end_d) || t.failed_state.empty())
        wrong(i, "failed without saying when, where and why");
      return;
    }
    ++n_solved_;
    outcomes_.push_back(PatientRun::Outcome::solved);
    look_at_states(i, t);
    own_.push_back(observed(s, t).values);
    ignored_.push_back(shares_of_nothing(s, t, usual_.names));
    look_at_observables(i, own_.back(), ignored_.back());
    look_at_flows(i, s, t);
    if ((first_ + i) % books_ == 0) {
      close_books(i, s);
      SolverOptions tight = options_;
      tight.rtol = 1e-10, tight.atol_factor = 1e-10, tight.max_steps = 100 * step_budget;
      compare(i, own_.back(), observed(s, simulate(s, tight)).values, ignored_.back(), "the run and one at far smaller tolerances", delivered_);
    }
  }

  void look_at_states(std::size_t i, const Trajectory& t) {
    for (std::size_t j = 0; j < t.states.size(); ++j) {
      const auto column = t.solution.states.col(static_cast<Eigen::Index>(j));
      if (!column.allFinite()) wrong(i, fmt::format("state {} is not finite though the run is ok", t.states[j].name));
      const double below = -column.minCoeff() / t.states[j].atol;
      negative_state_.take(below, [&] { return fmt::format("{}, patient {}", t.states[j].name, first_ + i); });
      if (below > 10) wrong(i, fmt::format("state {} falls to {:.3g}", t.states[j].name, column.minCoeff()));
    }
  }

  /// Where the shipped patient has a number, this one has, and none is negative but for rounding of the largest.
  void look_at_observables(std::size_t i, const std::vector<double>& values, const std::vector<bool>& ignored) {
    const std::size_t n = usual_.names.size();
    std::vector<double> largest(n, 0);
    for (std::size_t k = 0; k < values.size(); ++k) largest[k % n] = std::max(largest[k % n], std::isfinite(values[k]) ? std::abs(values[k]) : 0);
    for (std::size_t k = 0; k < values.size(); ++k) {
      if (ignored[k]) continue;
      if (!std::isfinite(values[k]) && std::isfinite(usual_.values[k])) {
        wrong(i, fmt::format("observable {} is not finite on day {}", usual_.names[k % n], base_.output_times_d[k / n]));
        return;
      }
      const double below = largest[k % n] > 0 ? -values[k] / largest[k % n] : 0;
      if (std::isnan(below)) continue;
      negative_observable_.take(below, [&] { return fmt::format("{}, patient {}", usual_.names[k % n], first_ + i); });
      if (below > 1e-6) return wrong(i, fmt::format("observable {} falls to {:.3g} on day {}", usual_.names[k % n], values[k], base_.output_times_d[k / n]));
    }
  }

  void look_at_flows(std::size_t i, const Scenario& s, const Trajectory& t) {
    const test::Ledger ledger(s);
    const auto& events = s.timeline.times;
    std::vector<double> dy(s.constants.n_states());
    for (std::size_t k = 0; k < s.output_times_d.size(); k += 10) {
      const double time = s.output_times_d[k];
      const auto segment = static_cast<std::size_t>(std::upper_bound(events.begin(), events.end(), time) - events.begin());
      const double* y = t.solution.states.row(static_cast<Eigen::Index>(k)).data();
      right_hand_side(s.constants, s.timeline.windows[segment], time, y, dy.data());
      for (const auto& in : s.timeline.rates[segment]) dy[in.state] += in.rate;
      const double inside = segment == events.size() ? time : (std::max(time, segment ? events[segment - 1] : time) + events[segment]) / 2;
      const auto flows = ledger.flows(time, y, s.timeline.windows[segment], inside);
      for (std::size_t j = 0; j < flows.size(); ++j) {
        const test::Flows& f = flows[j];
        const test::LedgerPopulation& population = ledger.populations()[j];
        double scale = f.entered + std::abs(f.born) + std::abs(f.died) + std::abs(f.killed) + std::abs(f.rejected) + std::abs(f.left);
        for (const std::size_t state : population.states) scale += std::abs(dy[state]) + std::abs(y[state]);
        if (scale < fewest_digits) continue;
        const double error = std::abs(population.present(dy.data()) - (f.entered + f.born - f.died - f.killed - f.rejected - f.left)) / scale;
        flows_.take(error, [&] { return fmt::format("{}, patient {}", population.name, first_ + i); });
        if (!(error <= largest_flow_error))
          return wrong(i, fmt::format("{} changes by other than its flows on day {}: {:.3g} of them", population.name, time, error));
      }
    }
  }

  void close_books(std::size_t i, const Scenario& s) {
    ++n_books_;
    std::vector<double> days;
    for (const double day : {-5.0, 0.0, 1.0, 4.1, 14.0, 60.0})
      if (day >= s.t_start_d) days.push_back(day);
    const test::Ledger ledger(s);
    const auto errors = test::ledger_errors(s, days, 1e-6);
    for (std::size_t d = 0; d < days.size(); ++d)
      for (std::size_t j = 0; j < errors[d].size(); ++j) {
        const double error = std::abs(errors[d][j]);
        book_.take(error, [&] { return fmt::format("{}, patient {}", ledger.populations()[j].name, first_ + i); });
        if (!(error <= largest_book_error))
          wrong(i, fmt::format("the books of {} do not close on day {}: {:.3g}", ledger.populations()[j].name, days[d], error));
      }
  }

  /// The same patients side by side: the same outcomes, numbers where they are demanded, and near those of each alone.
  void in_packs() {
    EnsembleOptions options;
    options.solver = options_;
    options.n_threads = 1;
    options.observables = usual_.names;
    std::size_t next_own = 0;
    std::size_t i = 0;
    const std::size_t n = usual_.values.size();
    simulate_ensemble(base_, population_, options, [&](const EnsembleBlock& block) {
      for (std::size_t b = 0; b < block.n; ++b, ++i) {
        const PatientRun& run = block.runs[b];
        if (run.outcome != outcomes_[i]) wrong(i, fmt::format("in a pack the run ends otherwise than alone: {}", run.message));
        if (outcomes_[i] == PatientRun::Outcome::refused) continue;
        const std::vector<bool>& ignored = ignored_[next_own];
        const std::vector<double>& own = own_[next_own++];
        if (run.outcome != PatientRun::Outcome::solved || own.empty()) continue;
        const std::span values(block.values.data() + b * n, n);
        look_at_observables(i, {values.begin(), values.end()}, ignored);
        compare(i, values, own, ignored, "side by side and alone", packs_);
      }
    });
  }

  /// Above a thousandth of an observable's largest value in this patient.
  void compare(std::size_t i, std::span<const double> values, std::span<const double> expected, const std::vector<bool>& ignored, const char* what,
               Worst& worst) {
    const std::size_t n = usual_.names.size();
    std::vector<double> largest(n, 0);
    for (std::size_t k = 0; k < expected.size(); ++k) largest[k % n] = std::max(largest[k % n], std::isfinite(expected[k]) ? std::abs(expected[k]) : 0);
    double own_worst = 0;
    std::size_t at = 0;
    for (std::size_t k = 0; k < expected.size(); ++k) {
      if (ignored[k] || !(largest[k % n] > 0 && std::isfinite(expected[k]))) continue;
      const double difference = std::abs(values[k] - expected[k]) / std::max(std::abs(expected[k]), 1e-3 * largest[k % n]);
      if (difference > own_worst || std::isnan(difference)) own_worst = difference, at = k;
    }
    const auto place = [&] { return fmt::format("{}, patient {}, day {:.4g}", usual_.names[at % n], first_ + i, base_.output_times_d[at / n]); };
    worst.take(own_worst, place);
    if (!(own_worst <= largest_difference)) wrong(i, fmt::format("{} differ by {:.3g}: {}", what, own_worst, place()));
  }

  const Scenario& base_;
  const std::vector<Bound> box_;
  const std::size_t first_, n_, books_;
  const Observed usual_;
  SolverOptions options_;
  Population population_;
  std::vector<double> rows_;
  std::vector<PatientRun::Outcome> outcomes_;
  std::vector<std::vector<bool>> ignored_;
  std::vector<std::vector<double>> own_;  ///< observables of those who were admitted
  std::map<std::string, std::size_t> refusals_;
  std::map<int, std::size_t> steps_;
  std::vector<std::string> failures_, wrong_;
  std::size_t n_solved_ = 0, n_failed_ = 0, n_books_ = 0, n_wrong_ = 0;
  Worst most_steps_, slowest_s_, negative_state_, negative_observable_, flows_, book_, packs_, delivered_;
};

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= list.size() && list != "-";) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    parts.push_back(list.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) {
    fmt::print(stderr, "nkpk_extremes REGIMEN CHOICES FIRST N SEED BOOKS\n");
    return 2;
  }
  doctest::Context context;  // tests/support demands things of runs outside of any test case
  context.setAsDefaultForAssertsOutOfTestCases();
  context.setAssertHandler([](const doctest::AssertData& data) {
    if (data.m_failed) throw std::runtime_error(data.m_expr);
  });
  try {
    Request request;
    request.regimen = argv[1];
    request.arms = split(argv[2]);
    request.output_step_d = output_step_d;
    const Scenario base = make_scenario(test::library(), request);
    Study study(base, std::stoul(argv[3]), std::stoul(argv[4]), static_cast<unsigned>(std::stoul(argv[5])), std::stoul(argv[6]));
    study.run();
    fmt::print("{}\n", study.json());
  } catch (const std::exception& error) {
    fmt::print(stderr, "nkpk_extremes: {}\n", error.what());
    return 1;
  }
}
