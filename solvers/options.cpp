#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "nkpk/core/error.hpp"
#include "nkpk/solvers/steppers.hpp"

namespace nkpk {
namespace {

// A further method is a line here and a make_... of its own in steppers.hpp. Implicit methods grow their steps by up to 100 at
// once: the first step after an event is a cautious guess, and each of the steps that undo it costs as much as any other.
constexpr std::array methods{
    detail::Method{"dopri5", 4, true, false, false, 5, detail::make_dopri5},
    detail::Method{"fehlberg78", 7, false, false, false, 5, detail::make_fehlberg78},
    detail::Method{"rkc2", 2, true, false, false, 5, detail::make_rkc2},
    detail::Method{"rodas4", 3, false, true, true, 100, detail::make_rodas4},
    detail::Method{"rodas5p", 4, false, true, true, 100, detail::make_rodas5p},
};

// What "auto" means, from top to bottom: the first line that fits. At equal delivered error rodas5p is the fastest or within 23 %
// of it on every regimen (benchmarks/work_precision.md); what brings no linear solver of its own is taken for small and not stiff.
struct Choice {
  bool has_linear;  ///< for systems that bring their own linear solver
  double above_rtol;
  const char* method;
};
constexpr std::array choices{
    Choice{true, 0, "rodas5p"},
    Choice{false, 0, "dopri5"},
};
constexpr const char* automatic = "auto";

const detail::Method* find_method(std::string_view name) {
  const auto found = std::find_if(methods.begin(), methods.end(), [&](const auto& m) { return name == m.name; });
  return found == methods.end() ? nullptr : &*found;
}

bool is_positive(double value) { return value > 0 && std::isfinite(value); }

void expect_positive(const std::string& where, double value) {
  if (!is_positive(value)) {
    throw InputError(where, fmt::format("{} is out of range", value), "expected a finite number > 0");
  }
}

void expect_size(const std::string& where, std::size_t found, std::size_t size) {
  if (found != size) throw InputError(where, fmt::format("has {} values", found), fmt::format("expected {}", size));
}

}  // namespace

std::vector<std::string> solver_names() {
  std::vector<std::string> names;
  for (const auto& method : methods) names.emplace_back(method.name);
  names.emplace_back(automatic);
  return names;
}

std::string_view to_string(Status status) {
  switch (status) {
    case Status::ok:
      return "ok";
    case Status::max_steps:
      return "max_steps";
    case Status::step_too_small:
      return "step_too_small";
    case Status::not_finite:
      return "not_finite";
    case Status::interrupted:
      return "interrupted";
  }
  return "unknown";
}

void SolverOptions::validate() const {
  detail::check_method(method);
  if (!(rtol > 1e-14 && rtol < 1)) {
    throw InputError("SolverOptions.rtol", fmt::format("{} is out of range", rtol), "expected 1e-14 < rtol < 1");
  }
  expect_positive("SolverOptions.atol_factor", atol_factor);
  if (initial_step_d != 0) expect_positive("SolverOptions.initial_step_d", initial_step_d);
  expect_positive("SolverOptions.max_step_d", max_step_d);
  if (max_steps == 0) {
    throw InputError("SolverOptions.max_steps", "0 is out of range", "expected a whole number > 0");
  }
  expect_isa("SolverOptions.isa", isa);
}

namespace detail {

void check_method(const std::string& name) {
  if (name != automatic && !find_method(name)) throw unknown_name("SolverOptions.method", "method", name, solver_names());
}

const Method& choose_method(const PiecewiseSystem& system, const SolverOptions& options) {
  if (options.method != automatic) return *find_method(options.method);
  const bool has_linear = static_cast<bool>(system.linear);
  const auto fits = [&](const Choice& c) { return c.has_linear == has_linear && options.rtol > c.above_rtol; };
  return *find_method(std::find_if(choices.begin(), choices.end(), fits)->method);
}

void check_problem(const PiecewiseSystem& system, std::span<const double> y0, double t0, std::span<const double> output_times) {
  const auto& events = system.event_times;
  if (!system.rhs) throw InputError("PiecewiseSystem.rhs", "is missing", "expected a function");
  if (!system.jump && !events.empty()) {
    throw InputError("PiecewiseSystem.jump", "is missing", "expected a function, as there are events");
  }
  expect_size("y0", y0.size(), system.size);
  expect_size("PiecewiseSystem.atol", system.atol.size(), system.size);
  for (std::size_t i = 0; i < system.size; ++i) {
    // +infinity is a tolerance too: its component takes no part in the step control
    if (!(system.atol[i] > 0)) expect_positive(fmt::format("PiecewiseSystem.atol[{}]", i), system.atol[i]);
  }
  if (!std::isfinite(t0)) throw InputError("t0", fmt::format("{} is not a time", t0), "expected a finite number [d]");
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (!std::isfinite(events[i]) || (i > 0 && events[i] <= events[i - 1])) {
      throw InputError(fmt::format("PiecewiseSystem.event_times[{}]", i), fmt::format("{} is out of order", events[i]),
                       "expected finite, strictly increasing times [d]");
    }
  }
  if (output_times.empty()) throw InputError("output_times", "is empty", "expected at least one time [d]");
  for (std::size_t i = 0; i < output_times.size(); ++i) {
    if (!std::isfinite(output_times[i]) || output_times[i] < (i == 0 ? t0 : output_times[i - 1])) {
      throw InputError(fmt::format("output_times[{}]", i), fmt::format("{} is out of order", output_times[i]),
                       "expected finite, non-decreasing times [d], none before t0");
    }
  }
}

}  // namespace detail
}  // namespace nkpk
