#include "nkpk/simulation/ensemble.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <deque>
#include <exception>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "nkpk/core/error.hpp"
#include "nkpk/core/pack.hpp"
#include "nkpk/simulation/lifted.hpp"

namespace nkpk {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr auto between_polls = std::chrono::milliseconds(50);

void set_lane(double& number, std::size_t, double value) { number = value; }
double lane_of(const double& number, std::size_t) { return number; }
template <std::size_t W>
void set_lane(Pack<W>& number, std::size_t lane, double value) {
  number.lane[lane] = value;
}
template <std::size_t W>
double lane_of(const Pack<W>& number, std::size_t lane) {
  return number.lane[lane];
}

/// What all threads read.
struct Plan {
  const Scenario& scenario;
  const Population& population;
  SolverOptions solver;
  std::vector<Leukocytes> leukocytes;        ///< at each output time
  std::vector<std::ptrdiff_t> place;         ///< of each observable among those asked for, or -1
  std::size_t n_observables;
};

/// Rough order of the steps that a patient takes: they follow the peak of subcutaneous IL-2, ka F/CL (4 % fewer steps than with
/// packs of neighbours; the order of IL-15 loss gives nothing).
double stiffness(const Parameters<double>& p) { return p.il2.ka * p.il2.F / p.il2.CL; }

/// A block on its way: who goes into which pack, and results as they come.
struct Work {
  EnsembleBlock block;
  std::vector<std::size_t> order;   ///< patients of the block that are to be run, a pack's side by side
  std::size_t n_packs = 0;
  bool is_ready = false;            ///< drawn and ordered
  std::size_t n_taken = 0, n_done = 0;  ///< packs

  bool is_finished() const { return is_ready && n_done == n_packs; }
};

void prepare(const Plan& plan, std::size_t width, Work& work) {
  EnsembleBlock& block = work.block;
  const std::size_t n_columns = plan.population.columns.size();
  block.parameters.resize(block.n * n_columns);
  block.values.assign(block.n * plan.leukocytes.size() * plan.n_observables, nan);
  block.runs.resize(block.n);
  plan.population.fill(block.first, block.parameters);
  Admission admission(plan.scenario, plan.population.columns);
  std::vector<double> rate(block.n);
  for (std::size_t i = 0; i < block.n; ++i) {
    if (const auto refusal = admission.refusal(std::span(block.parameters).subspan(i * n_columns, n_columns))) {
      block.runs[i].outcome = PatientRun::Outcome::refused;
      block.runs[i].message = refusal->problem + (refusal->hint.empty() ? "" : "; " + refusal->hint);
    } else {
      rate[i] = stiffness(admission.parameters());
      work.order.push_back(i);
    }
  }
  std::stable_sort(work.order.begin(), work.order.end(), [&](std::size_t a, std::size_t b) { return rate[a] < rate[b]; });
  work.n_packs = (work.order.size() + width - 1) / width;
}

/// One thread's means to run patients side by side in the lanes of T.
template <FlatScalar T>
class Runner {
 public:
  static constexpr std::size_t width = ScalarTraits<T>::width;

  explicit Runner(const Plan& plan) : plan_(plan), kernels_(kernels<T>(plan.solver.isa)), who_(plan.scenario, plan.population.columns), observed_(plan.n_observables) {}

  /// Runs the patients of the block, at most `width`. False: they failed, and as it is not known which of them, nothing is written.
  bool run(EnsembleBlock& block, std::span<const std::size_t> patients) {
    const std::size_t n_columns = plan_.population.columns.size();
    for (std::size_t lane = 0; lane < width; ++lane) {
      // a copy of a real patient asks for no step of its own
      const double* row = block.parameters.data() + patients[std::min(lane, patients.size() - 1)] * n_columns;
      for (std::size_t j = 0; j < n_columns; ++j)
        for (T* place : who_.places(j)) set_lane(*place, lane, row[j]);
    }
    const Scenario& s = plan_.scenario;
    const Body<T> body = Physiology::body(s.patient, who_.p.physiology);
    const Constants<T> c = nkpk::prepare(who_.p, body, chi_of(s.regimen.donor, who_.p), who_.lots, s.constants.modules, s.parameters.linear_quadratic);
    entering_.clear();
    for (const Administration& a : s.administrations)
      entering_.push_back({a.cohort < 0 ? T(a.amount) : viable_nk(T(a.amount), who_.lots[static_cast<std::size_t>(a.cohort)].product), T(a.start_d), T(a.duration_d)});
    const Timeline<T> timeline = make_timeline(s, who_.p, c, entering_);
    Lifted<T> lifted(c, timeline, plan_.solver.isa);
    const Solution solution = integrate(lifted.system(), lifted.flat(initial_state(who_.p, c)), s.t_start_d, s.output_times_d, plan_.solver);
    method_ = solution.stats.method;
    if (solution.status != Status::ok && width > 1) return false;

    const std::size_t n_times = plan_.leukocytes.size();
    for (std::size_t i = 0; i < n_times; ++i) {
      const auto row = solution.states.row(static_cast<Eigen::Index>(i));
      kernels_.observe(c, lifted.states({row.data(), static_cast<std::size_t>(row.size())}), plan_.leukocytes[i], plan_.place.data(), observed_.data());
      for (std::size_t lane = 0; lane < patients.size(); ++lane)
        for (std::size_t k = 0; k < plan_.n_observables; ++k)
          block.values[(patients[lane] * n_times + i) * plan_.n_observables + k] = lane_of(observed_[k], lane);
    }
    for (const std::size_t patient : patients) {
      PatientRun& run = block.runs[patient];
      run.outcome = solution.status == Status::ok ? PatientRun::Outcome::solved : PatientRun::Outcome::failed;
      run.status = solution.status;
      run.was_alone = width == 1;
      run.steps_accepted = solution.stats.steps_accepted;
      run.steps_refused = solution.stats.steps_refused;
      run.rhs_calls = solution.stats.rhs_calls;
      run.message = solution.message;
      if (solution.component >= 0)
        run.message += fmt::format(" (state {}, patient {})", state_entries(s.cohorts.size())[static_cast<std::size_t>(solution.component) / width].name, block.first + patient);
    }
    return true;
  }

  const std::string& method() const { return method_; }

 private:
  const Plan& plan_;
  const Kernels<T>& kernels_;
  Individual<T> who_;
  std::vector<Entering<T>> entering_;
  std::vector<T> observed_;
  std::string method_;
};

/// The crew's common desk. Blocks are begun in order, and no more than `most_live` at a time: the rest waits for the caller to take
/// what is finished.
class Desk {
 public:
  Desk(std::size_t first_patient, std::size_t n_patients, std::size_t most_live) : next_(first_patient), end_(n_patients), most_live_(most_live) {}

  struct Task {
    std::shared_ptr<Work> work;
    std::optional<std::size_t> pack;  ///< none: prepare the block
  };

  /// Waits for something to do; a task without work: nothing is left.
  Task take() {
    std::unique_lock lock(mutex_);
    for (;;) {
      if (is_stopped_) return {};
      if (next_ < end_ && live_.size() < most_live_) {
        auto work = std::make_shared<Work>();
        work->block.first = next_;
        work->block.n = std::min(block_size, end_ - next_);
        next_ += work->block.n;
        live_.push_back(work);
        return {work, std::nullopt};
      }
      bool is_more_to_come = next_ < end_;
      for (const auto& work : live_) {
        if (work->is_ready && work->n_taken < work->n_packs) return {work, work->n_taken++};
        is_more_to_come = is_more_to_come || !work->is_ready;
      }
      if (!is_more_to_come) return {};
      changed_.wait(lock);
    }
  }

  void done(const Task& task, std::size_t n_patients, const std::string& method = "") {
    const std::lock_guard lock(mutex_);
    if (!method.empty()) task.work->block.method = method;
    if (task.pack)
      ++task.work->n_done;
    else
      task.work->is_ready = true;
    n_patients_done_ += n_patients;
    if (!task.pack || task.work->is_finished()) changed_.notify_all();
  }

  /// The next block in order once it is finished; null when a while has passed, or all is over.
  std::shared_ptr<Work> finished() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, between_polls, [&] { return error_ || (!live_.empty() && live_.front()->is_finished()); });
    if (error_) std::rethrow_exception(error_);
    return !live_.empty() && live_.front()->is_finished() ? live_.front() : nullptr;
  }
  /// The caller has what he wants of the first block.
  void forget_first() {
    const std::lock_guard lock(mutex_);
    live_.pop_front();
    changed_.notify_all();
  }
  bool is_over() {
    const std::lock_guard lock(mutex_);
    return next_ >= end_ && live_.empty();
  }
  std::size_t n_patients_done() {
    const std::lock_guard lock(mutex_);
    return n_patients_done_;
  }
  void stop(std::exception_ptr error = nullptr) {
    const std::lock_guard lock(mutex_);
    is_stopped_ = true;
    if (error && !error_) error_ = error;
    changed_.notify_all();
  }
  bool is_stopped() const { return is_stopped_; }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Work>> live_;
  std::size_t next_, end_, most_live_, n_patients_done_ = 0;
  std::atomic<bool> is_stopped_ = false;
  std::exception_ptr error_;
};

/// What one thread does until nothing is left.
template <FlatScalar T>
void work_at(Desk& desk, const Plan& plan) {
  Runner<T> side_by_side(plan);
  Runner<double> alone(plan);
  for (auto task = desk.take(); task.work; task = desk.take()) {
    if (!task.pack) {
      prepare(plan, Runner<T>::width, *task.work);
      desk.done(task, task.work->block.n - task.work->order.size());
      continue;
    }
    const auto patients = std::span<const std::size_t>(task.work->order).subspan(*task.pack * Runner<T>::width);
    const auto mine = patients.first(std::min(patients.size(), Runner<T>::width));
    if (!side_by_side.run(task.work->block, mine))
      for (std::size_t i = 0; i < mine.size() && !desk.is_stopped(); ++i) alone.run(task.work->block, mine.subspan(i, 1));
    if (!desk.is_stopped()) desk.done(task, mine.size(), side_by_side.method());
  }
}

template <FlatScalar T>
EnsembleSummary simulate_in(const Plan& plan, const EnsembleOptions& options, const std::function<void(const EnsembleBlock&)>& deliver) {
  EnsembleSummary summary;
  summary.isa = options.solver.isa;
  summary.pack_width = Runner<T>::width;
  const std::size_t n = plan.population.n_patients - options.first_patient;
  const unsigned n_threads = thread_count(options.n_threads);
  // one that is solved, one that is drawn, one that is delivered; more where a block has too few packs for all threads
  const std::size_t most_live = 3 + n_threads * Runner<T>::width / block_size;
  Desk desk(options.first_patient, plan.population.n_patients, most_live);
  Plan watched = plan;
  const auto is_stopped = [&desk] { return desk.is_stopped(); };
  watched.solver.should_stop = is_stopped;
  std::vector<std::jthread> crew;
  struct AtTheEnd {  // whatever is thrown below, the crew goes home
    Desk& desk;
    ~AtTheEnd() { desk.stop(); }
  } at_the_end{desk};
  for (unsigned i = 0; i < n_threads; ++i)
    crew.emplace_back([&] {
      try {
        work_at<T>(desk, watched);
      } catch (...) {
        desk.stop(std::current_exception());
      }
    });

  while (!desk.is_over()) {
    if (options.should_stop && options.should_stop()) {
      summary.was_stopped = true;
      break;
    }
    const auto work = desk.finished();
    if (options.progress) options.progress(desk.n_patients_done(), n);
    if (!work) continue;
    work->block.pack_width = Runner<T>::width;
    add(summary, work->block);
    deliver(work->block);
    desk.forget_first();
  }
  desk.stop();
  crew.clear();
  return summary;
}

/// Where each observable of the model stands among those asked for, or -1.
std::vector<std::ptrdiff_t> places_of(const Scenario& s, const std::vector<std::string>& asked) {
  std::vector<std::string> known;
  const std::vector<double> nothing(s.constants.n_states());
  visit_observables(s.constants, nothing.data(), Leukocytes{}, [&](const char* name, auto, auto, auto, double) { known.push_back(name); });
  std::vector<std::ptrdiff_t> places(known.size(), -1);
  if (asked.empty()) throw InputError("ensemble", "no observable is named", "for example nk_count");
  for (std::size_t k = 0; k < asked.size(); ++k) {
    const auto it = std::find(known.begin(), known.end(), asked[k]);
    if (it == known.end()) throw unknown_name("ensemble", "observable", asked[k], known);
    auto& place = places[static_cast<std::size_t>(it - known.begin())];
    if (place >= 0) throw InputError("ensemble", fmt::format("observable \"{}\" is named twice", asked[k]));
    place = static_cast<std::ptrdiff_t>(k);
  }
  return places;
}

}  // namespace

void add(EnsembleSummary& summary, const EnsembleBlock& block) {
  for (const PatientRun& run : block.runs) {
    summary.n_solved += run.outcome == PatientRun::Outcome::solved;
    summary.n_failed += run.outcome == PatientRun::Outcome::failed;
    summary.n_refused += run.outcome == PatientRun::Outcome::refused;
    summary.n_alone += run.was_alone;
  }
  if (!block.method.empty()) summary.method = block.method;
  summary.pack_width = block.pack_width;
}

unsigned thread_count(unsigned asked) { return asked > 0 ? asked : std::max(1u, std::thread::hardware_concurrency()); }

void expect_ensemble(const Scenario& s, const Population& population, const EnsembleOptions& options) {
  options.solver.validate();
  if (population.n_patients == 0) throw InputError("ensemble", "has no patients", "expected one at least");
  if (options.first_patient % block_size != 0 || options.first_patient >= population.n_patients)
    throw InputError("ensemble", fmt::format("cannot begin at patient {}", options.first_patient),
                     fmt::format("expected a multiple of {} below {}", block_size, population.n_patients));
  places_of(s, options.observables);
}

EnsembleSummary simulate_ensemble(const Scenario& s, const Population& population, const EnsembleOptions& options,
                                  const std::function<void(const EnsembleBlock&)>& deliver) {
  expect_ensemble(s, population, options);
  Plan plan{s, population, options.solver, {}, places_of(s, options.observables), options.observables.size()};
  for (const double t : s.output_times_d) plan.leukocytes.push_back(leukocytes_at(s.leukocytes, t));
#if NKPK_HAS_ISA_VARIANTS
  if (options.solver.isa == Isa::avx512) return simulate_in<Pack<8>>(plan, options, deliver);
  if (options.solver.isa == Isa::avx2) return simulate_in<Pack<4>>(plan, options, deliver);
#endif
  return simulate_in<Pack<2>>(plan, options, deliver);
}

}  // namespace nkpk
