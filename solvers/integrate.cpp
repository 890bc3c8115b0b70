#include "nkpk/solvers/integrate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <utility>

#include "nkpk/core/error.hpp"
#include "nkpk/solvers/dense_linear_solver.hpp"
#include "nkpk/solvers/error_norm.hpp"
#include "nkpk/solvers/initial_step.hpp"
#include "nkpk/solvers/staggered.hpp"
#include "nkpk/solvers/steppers.hpp"
#include "nkpk/solvers/tangents.hpp"

namespace nkpk {
namespace {

using detail::Method;
using detail::Trial;
using detail::Vector;

// Step control: h <- h * clamp(safety * error^(-1 / (error_order + 1))); Hairer, Norsett and Wanner, Solving
// Ordinary Differential Equations I, section II.4.
constexpr double safety = 0.9, shrink_most = 0.2;
// A step shorter than this many spacings of doubles at the times it joins is rounding, not integration.
constexpr double fewest_spacings = 16;
constexpr double shortest_ever = 1e-290;  // [d]; spacings vanish near 0, and 1 / h times a method's coefficients must stay finite
constexpr std::size_t steps_between_polls = 64;
constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

/// One call of integrate(): the state on its way from t0 to the last output.
class Run {
 public:
  Run(const PiecewiseSystem& system, const SolverOptions& options, std::span<const double> output_times, Solution& solution)
      : system_(system),
        options_(options),
        solution_(solution),
        method_(detail::choose_method(system, options)),
        output_times_(output_times),
        t_last_(output_times.back()),
        trial_(system.size),
        output_(system.size),
        atol_(system.size, infinity) {
    if (method_.needs_linear && !system_.linear) {
      differences_ = std::make_unique<DenseLinearSolver>(system.size, system.rhs, system.atol);
      system_.linear = differences_->linear();
    }
    stepper_ = method_.make(system_, options.isa);
    for (std::size_t i = 0; i < system.size; ++i) atol_[i] = system.atol[i] * options.atol_factor;
  }

  /// From now on tangents take every step behind the solution, and have a say in its length.
  void follow_with(detail::Staggered& tangents) { tangents_ = &tangents; }

  /// Takes its place at (t0, y0); events before t0 are over.
  bool start(std::span<const double> y0, double t0) {
    trial_.t = t0;
    std::copy(y0.begin(), y0.end(), trial_.y.data());
    const auto& events = system_.event_times;
    trial_.segment = static_cast<std::size_t>(std::lower_bound(events.begin(), events.end(), t0) - events.begin());
    forget_past();
    constexpr std::string_view why = "the initial state is not finite there: correct it";
    const auto bad = first_non_finite(trial_.y.view());
    return bad < 0 ? tangents_are_finite(why) : fail_not_finite(bad, why);
  }

  /// To the last output, or until the solution says why not. Steps end at outputs only where the method cannot do without:
  /// elsewhere no output changes another.
  void go() {
    while (next_output_ < output_times_.size()) {
      if (!advance_through_events(method_.is_dense ? t_last_ : output_times_[next_output_])) return;
      record_here();
    }
  }

  void finish() {
    solution_.t_reached = trial_.t;
    SolverStats& stats = solution_.stats;
    stats.method = method_.name;
    stats.rhs_calls = trial_.rhs_calls + (differences_ ? differences_->rhs_calls() : 0);
    stats.linearizations = trial_.linearizations + (tangents_ ? tangents_->linearizations : 0);
    stats.factorizations = trial_.factorizations + (tangents_ ? tangents_->factorizations : 0);
  }

 private:
  /// To t_stop, through every event up to and including it. False: stopped on the way, the solution says why.
  bool advance_through_events(double t_stop) {
    while (trial_.segment < system_.event_times.size() && system_.event_times[trial_.segment] <= t_stop) {
      if (!advance(system_.event_times[trial_.segment]) || !act()) return false;
    }
    return advance(t_stop);
  }

  std::span<double> next_row() {
    if (tangents_) return output_.view();
    auto row = solution_.states.row(static_cast<Eigen::Index>(next_output_));
    return {row.data(), system_.size};
  }

  bool has_output_until(double t) const { return next_output_ < output_times_.size() && output_times_[next_output_] <= t; }

  void record_here() {
    while (has_output_until(trial_.t)) {
      std::copy_n(trial_.y.data(), system_.size, next_row().begin());
      if (tangents_) tangents_->record(next_output_, trial_.y.view());
      ++next_output_;
    }
  }

  /// Outputs within the step just tried, which ends at t_new; where an event waits there, an output wants the value after it.
  void record_within(double t_new) {
    const auto& events = system_.event_times;
    const bool is_before_event = trial_.segment < events.size() && t_new == events[trial_.segment];
    while (has_output_until(t_new)) {
      const double t = output_times_[next_output_];
      if (t == t_new && is_before_event) return;
      const double h = t_new - trial_.t, theta = (t - trial_.t) / h;
      stepper_->interpolate(trial_, theta, next_row());
      if (tangents_) tangents_->record_within(next_output_, theta, h, next_row());
      ++next_output_;
    }
  }

  bool act() {
    solution_.before_events.row(static_cast<Eigen::Index>(trial_.segment)) = trial_.y.array().transpose();
    if (tangents_)
      tangents_->jump(trial_.segment, trial_.y.view());
    else
      system_.jump(trial_.segment, trial_.y.view());
    ++trial_.segment;
    forget_past();
    constexpr std::string_view why = "the event at this time made it so: check the event's amounts";
    const auto bad = first_non_finite(trial_.y.view());
    return bad < 0 ? tangents_are_finite(why) : fail_not_finite(bad, why);
  }

  bool tangents_are_finite(std::string_view why) {
    tangents_decide_ = tangents_ && !all_finite(tangents_->tangents(), options_.isa);
    return !tangents_decide_ || fail_not_finite(-1, why);
  }

  /// After a jump neither the slope at the end of the last step nor its length means anything.
  void forget_past() {
    ++trial_.state_number;
    if (tangents_) tangents_->forget_past();
    slope_is_known_ = false;
    h_ = options_.initial_step_d;
  }

  /// Steps to t_stop exactly, within one segment.
  bool advance(double t_stop) {
    if (trial_.t < t_stop) record_here();
    bool was_refused = false;
    while (trial_.t < t_stop) {
      if (!may_go_on()) return false;
      if (!slope_is_known_) {
        evaluate(trial_.t, trial_.y, trial_.slope);
        slope_is_known_ = true;
        const auto bad = first_non_finite(trial_.slope.view());
        if (bad >= 0) return fail_not_finite(bad, "its derivative is not: check the model's values");
      }
      if (h_ == 0) h_ = detail::initial_step(system_, trial_, atol_, options_.rtol, method_.error_order, segment_end() - trial_.t);
      const double remaining = t_stop - trial_.t;
      const double t_aim = trial_.t + std::min({h_, options_.max_step_d, remaining});
      const double shortest = std::max(fewest_spacings * std::numeric_limits<double>::epsilon() * std::max(std::abs(trial_.t), std::abs(t_aim)), shortest_ever);
      const double planned = std::max(std::min(h_, options_.max_step_d), shortest);
      // takes the last few spacings along, rather than leave a step of rounding errors
      const bool is_clipped = planned >= remaining - shortest;
      const double h = is_clipped ? remaining : planned;

      stepper_->try_step(trial_, h);
      has_bad_slope_ = false;
      double error = trial_.is_solvable ? scaled_error() : infinity;
      if (error == infinity && trial_.is_solvable) stepper_->find_culprit(trial_, h);
      const double t_new = is_clipped ? t_stop : trial_.t + h;
      if (error <= 1 && !method_.gives_new_slope && !add_new_slope(t_new)) error = infinity;
      tangents_decide_ = false;
      if (error <= 1 && tangents_) {
        const double of_tangents = tangents_->try_step(trial_, *stepper_, h, t_new, error);
        tangents_decide_ = of_tangents > error;
        error = std::max(error, of_tangents);
      }

      double factor = safety * std::pow(error, -1.0 / (method_.error_order + 1));
      if (error <= 1) {
        ++solution_.stats.steps_accepted;
        factor = std::clamp(factor, shrink_most, was_refused ? 1.0 : method_.grow_most);
        // the step before clipping is remembered: a short last step says nothing against a long next one
        h_ = is_clipped ? std::max(planned, h * factor) : h * factor;
        was_refused = false;
        if (method_.is_dense) record_within(t_new);
        trial_.t = t_new;
        trial_.y.swap(trial_.y_new);
        trial_.slope.swap(trial_.slope_new);
        ++trial_.state_number;
        if (tangents_) tangents_->accept();
      } else {
        ++solution_.stats.steps_refused;
        h_ = h * std::clamp(factor, shrink_most, safety);
        was_refused = true;
        if (h_ < shortest) return fail_too_small(h_, std::isfinite(error));
      }
    }
    return true;
  }

  double scaled_error() const {
    if (system_.live.empty()) return error_norm_value(trial_.error.padded(), trial_.y.padded(), trial_.y_new.padded(), atol_.padded(), options_.rtol, options_.isa);
    return error_norm_value(system_.live, trial_.error.view(), trial_.y.view(), trial_.y_new.view(), atol_.view(), options_.rtol, options_.isa);
  }

  /// A finite state with a non-finite slope is a dead end: found now, a shorter step may still avoid it. The slope is the first
  /// stage of the next step, so that asking for it now costs nothing but at the end of a segment.
  bool add_new_slope(double t_new) {
    evaluate(t_new, trial_.y_new, trial_.slope_new);
    has_bad_slope_ = !all_finite(trial_.slope_new.padded(), options_.isa);
    return !has_bad_slope_;
  }

  /// The component that decided on the last step: of the largest error or not finite. Whether the step was accepted, and
  /// y_new became y, does not matter: the norm takes the larger of the two.
  std::ptrdiff_t worst() const {
    if (!trial_.is_solvable || tangents_decide_) return -1;
    if (has_bad_slope_) return first_non_finite(trial_.slope_new.view());
    return static_cast<std::ptrdiff_t>(error_norm(trial_.error.view(), trial_.y.view(), trial_.y_new.view(), atol_.view(), options_.rtol).component);
  }

  double segment_end() const {
    const auto& events = system_.event_times;
    return trial_.segment < events.size() ? std::min(events[trial_.segment], t_last_) : t_last_;
  }

  void evaluate(double t, const Vector& y, Vector& slope) {
    system_.rhs(trial_.segment, t, y.view(), slope.view());
    ++trial_.rhs_calls;
  }

  bool may_go_on() {
    const std::size_t steps = solution_.stats.steps_accepted + solution_.stats.steps_refused;
    if (steps % steps_between_polls == 0 && options_.should_stop && options_.should_stop()) {
      return fail(Status::interrupted, -1, "the run was asked to stop; start it again to have the rest");
    }
    if (steps < options_.max_steps) return true;
    return fail(Status::max_steps, worst(),
                fmt::format("all {} steps are used up, {} having the largest error: raise max_steps or "
                            "rtol, or look for a rate constant that is far too large",
                            steps, named(worst())));
  }

  bool fail_too_small(double h, bool is_finite) {
    if (!trial_.is_solvable) {
      return fail(Status::step_too_small, -1,
                  "the linear system of an implicit step cannot be solved however short the step: check the derivatives of "
                  "the right-hand side, or take an explicit method");
    }
    if (!is_finite) return fail_not_finite(worst(), "no step is short enough to avoid it: check the model's values near this time");
    return fail(Status::step_too_small, worst(),
                fmt::format("{} would need a step of {:.3g} d, too short to move the time: raise rtol or "
                            "atol_factor, or look for a value that grows without bound",
                            named(worst()), h));
  }

  std::string named(std::ptrdiff_t component) const {
    return component >= 0 ? fmt::format("component {}", component) : tangents_decide_ ? "a tangent" : "the linear system";
  }

  bool fail_not_finite(std::ptrdiff_t component, std::string_view what_to_try) {
    return fail(Status::not_finite, component, fmt::format("{} is not finite; {}", named(component), what_to_try));
  }

  bool fail(Status status, std::ptrdiff_t component, const std::string& why) {
    solution_.status = status;
    solution_.component = component;
    solution_.message = fmt::format("stopped at t = {:.10g} d: {}", trial_.t, why);
    return false;
  }

  PiecewiseSystem system_;  ///< the caller's, with a linear solver if the method needs one
  const SolverOptions& options_;
  Solution& solution_;
  const Method& method_;
  std::span<const double> output_times_;
  std::size_t next_output_ = 0;
  double t_last_;
  std::unique_ptr<DenseLinearSolver> differences_;
  std::unique_ptr<detail::Stepper> stepper_;
  detail::Staggered* tangents_ = nullptr;
  bool tangents_decide_ = false;  ///< on the last step
  Trial trial_;
  Vector output_;  ///< with tangents, which hand it on
  Vector atol_;
  double h_ = 0;  ///< next trial step before any clipping [d]; 0: yet to be chosen
  bool slope_is_known_ = false;
  bool has_bad_slope_ = false;  ///< of the last step
};

RowMatrix not_yet(std::size_t rows, std::size_t columns) {
  return RowMatrix::Constant(static_cast<Eigen::Index>(rows), static_cast<Eigen::Index>(columns), nan);
}

}  // namespace

Solution integrate(const PiecewiseSystem& system, std::span<const double> y0, double t0, std::span<const double> output_times, const SolverOptions& options) {
  options.validate();
  detail::check_problem(system, y0, t0, output_times);
  Solution solution;
  solution.states = not_yet(output_times.size(), system.size);
  solution.before_events = not_yet(system.event_times.size(), system.size);

  Run run(system, options, output_times, solution);
  if (run.start(y0, t0)) run.go();
  run.finish();
  return solution;
}

bool has_dense_output(const PiecewiseSystem& system, const SolverOptions& options) {
  options.validate();
  return detail::choose_method(system, options).is_dense;
}

Solution integrate_with_tangents(const PiecewiseSystem& system, const TangentSystem& tangents, std::span<const double> y0, std::span<const double> s0,
                                 double t0, std::span<const double> output_times, const SolverOptions& options) {
  options.validate();
  detail::check_problem(system, y0, t0, output_times);
  if (s0.size() != tangents.size || tangents.atol.size() != tangents.size)
    throw InputError("tangents", fmt::format("s0 has {} values, atol {}", s0.size(), tangents.atol.size()), fmt::format("expected {} of both", tangents.size));
  if (!has_dense_output(system, options))
    throw InputError("SolverOptions.method", fmt::format("'{}' has no dense output, which tangents follow", options.method), "expected rodas5p, rodas4 or auto");
  Solution solution;
  solution.before_events = not_yet(system.event_times.size(), system.size);

  detail::Staggered staggered(tangents, system.size, options, s0);
  Run run(system, options, output_times, solution);
  run.follow_with(staggered);
  if (run.start(y0, t0)) run.go();
  run.finish();
  return solution;
}

}  // namespace nkpk
