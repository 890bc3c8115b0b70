#include "nkpk/simulation/sensitivity.hpp"

#include <fmt/format.h>

#include <cmath>

#include "nkpk/core/dual.hpp"
#include "nkpk/core/error.hpp"
#include "nkpk/simulation/lift.hpp"

namespace nkpk {
namespace {

constexpr std::size_t per_pass = 8;
using D = Dual<per_pass>;
constexpr std::size_t width = ScalarTraits<D>::width;

// The numbers a parameter of the caller stands for, in the lifted scenario.
struct Seeds {
  Parameters<D> p;
  std::vector<Cohort<D>> lots;
  std::vector<D> amounts;

  explicit Seeds(const Scenario& s) {
    std::vector<double> values;
    Parameters<double>::visit(s.p, [&](std::string_view, const char*, const char*, Domain, const double& v) { values.push_back(v); });
    std::size_t i = 0;
    Parameters<D>::visit(p, [&](std::string_view, const char*, const char*, Domain, D& v) { v = D(values[i++]); });
    for (const Cohort<double>& lot : s.lots) {
      std::vector<double> own;
      ProductParams<double>::visit(lot.product, [&](const char*, const char*, Domain, const double& v) { own.push_back(v); });
      Cohort<D> lifted{lot.start_d, {}};
      std::size_t k = 0;
      ProductParams<D>::visit(lifted.product, [&](const char*, const char*, Domain, D& v) { v = D(own[k++]); });
      lots.push_back(lifted);
    }
    for (const Administration& a : s.administrations) amounts.push_back(D(a.amount));
  }
};

bool overridden(const DoseEntry& dose, const std::string& key) {
  return (key == "f_NK" && dose.f_NK) || (key == "f_T" && dose.f_T) || (key == "viability" && dose.viability);
}

// Finds what a name stands for, notes its unit and value, and calls seed(number) for each place it stands in.
template <class Seed>
Sensitivities::Parameter find(const Scenario& s, Seeds& seeds, const std::string& name, Seed&& seed) {
  Sensitivities::Parameter found{name, "", NAN};
  std::vector<std::string> known = s.parameters.names();
  bool hit = false;
  const auto take = [&](D& number, const char* unit) {
    if (!hit) found.unit = unit, found.value = number.value;
    hit = true;
    seed(number);
  };
  Parameters<D>::visit(seeds.p, [&](std::string_view module, const char* key, const char* unit, Domain, D& number) {
    if (name == fmt::format("{}.{}", module, key)) take(number, unit);
  });
  for (std::size_t i = 0; i < s.administrations.size(); ++i) {
    const Administration& a = s.administrations[i];
    const DoseEntry& dose = s.regimen.doses[a.dose];
    if (a.cohort >= 0)
      ProductParams<D>::visit(seeds.lots[static_cast<std::size_t>(a.cohort)].product, [&](const char* key, const char* unit, Domain, D& number) {
        const std::string full = fmt::format("product.{}", key);
        if (!overridden(dose, key)) known.push_back(full);
        if (name == full && !overridden(dose, key)) take(number, unit);
      });
    if (!std::isfinite(a.amount)) continue;
    known.push_back(fmt::format("dose.{}.amount", dose.id));
    if (name == known.back()) take(seeds.amounts[i], dose.how->unit.data());
  }
  if (!hit) throw unknown_name("sensitivity", "parameter", name, known);
  return found;
}

}  // namespace

Sensitivities simulate_sensitivities(const Scenario& s, std::span<const std::string> names, const SolverOptions& options) {
  if (names.empty()) throw InputError("sensitivity", "no parameter is named", "for example host_nk.d0, product.viability or dose.nk.amount");
  Sensitivities result;
  result.times_d = s.output_times_d;
  const std::size_t n = s.constants.n_states(), n_times = s.output_times_d.size();
  const auto entries = state_entries(s.cohorts.size());

  for (std::size_t first = 0; first < names.size(); first += per_pass) {
    const std::size_t count = std::min(per_pass, names.size() - first);
    Seeds seeds(s);
    std::vector<double> scale(count);
    for (std::size_t j = 0; j < count; ++j) {
      // scaled tangents have the unit of their state, and share its absolute tolerance
      auto parameter = find(s, seeds, names[first + j], [&](D& number) {
        // one scale for every place of a parameter: two products may hold different values of it
        if (scale[j] == 0) scale[j] = number.value != 0 ? std::abs(number.value) : 1.0;
        number.tangent[j] = scale[j];
      });
      result.parameters.push_back(std::move(parameter));
    }
    const Body<D> body = Physiology::body(s.patient, seeds.p.physiology);
    const Constants<D> c = prepare(seeds.p, body, chi_of(s.regimen.donor, seeds.p), seeds.lots, s.constants.modules, s.parameters.linear_quadratic);
    std::vector<D> entering;
    for (std::size_t i = 0; i < s.administrations.size(); ++i) {
      const auto cohort = s.administrations[i].cohort;
      entering.push_back(cohort < 0 ? seeds.amounts[i] : viable_nk(seeds.amounts[i], seeds.lots[static_cast<std::size_t>(cohort)].product));
    }
    const Timeline<D> timeline = make_timeline(s, seeds.p, c, entering);

    std::vector<D> y(n), dy(n), scratch(n);
    auto rhs = [&](std::size_t segment, double t, std::span<const double> flat, std::span<double> rates) {
      load<D>(flat, y);
      right_hand_side(c, timeline.windows[segment], t, y.data(), dy.data());
      for (const auto& in : timeline.rates[segment]) dy[in.state] += in.rate;
      store<D>(dy, rates);
    };
    auto jump = [&](std::size_t event, std::span<double> flat) {
      load<D>(flat, y);
      apply_jumps(timeline.jumps[event], y.data(), n, scratch);
      store<D>(y, flat);
    };
    std::vector<double> atol, y0(n * width);
    for (const StateEntry& entry : entries) atol.insert(atol.end(), width, entry.atol);
    store<D>(initial_state(seeds.p, c), y0);

    PiecewiseSystem system;
    system.size = y0.size();
    system.event_times = timeline.times;
    system.atol = atol;
    system.rhs = rhs;
    system.jump = jump;
    const Solution solution = integrate(system, y0, s.t_start_d, s.output_times_d, options);
    result.stats.steps_accepted += solution.stats.steps_accepted;
    result.stats.steps_refused += solution.stats.steps_refused;
    result.stats.rhs_calls += solution.stats.rhs_calls;
    if (result.status == Status::ok) {
      result.status = solution.status;
      result.message = solution.message;
      result.t_reached_d = solution.t_reached;
      if (solution.status != Status::ok && solution.component >= 0) {
        result.failed_state = entries[static_cast<std::size_t>(solution.component) / width].name;
        result.message += fmt::format(" (state {}, patient {}, {} {})", result.failed_state, s.patient.name, s.regimen.name, s.label);
      }
    }

    const std::size_t before = result.derivatives.size();
    for (std::size_t i = 0; i < n_times; ++i) {
      const auto row = solution.states.row(static_cast<Eigen::Index>(i));
      load<D>({row.data(), static_cast<std::size_t>(row.size())}, y);
      std::vector<D> values;
      visit_observables(c, y.data(), leukocytes_at(s.leukocytes, s.output_times_d[i]),
                        [&](const char* name, const char* unit, const char*, const char* title, const D& value) {
                          if (first == 0 && i == 0) result.observables.push_back({name, unit, title});
                          values.push_back(value);
                        });
      if (i == 0) {
        const auto shape = [&] { return RowMatrix::Constant(static_cast<Eigen::Index>(n_times), static_cast<Eigen::Index>(values.size()), NAN); };
        result.values = shape();
        for (std::size_t j = 0; j < count; ++j) result.derivatives.push_back(shape());
      }
      for (std::size_t k = 0; k < values.size(); ++k) {
        const auto r = static_cast<Eigen::Index>(i), column = static_cast<Eigen::Index>(k);
        result.values(r, column) = values[k].value;
        for (std::size_t j = 0; j < count; ++j) {
          // a share of nothing has no derivative either
          result.derivatives[before + j](r, column) = std::isnan(values[k].value) ? NAN : values[k].tangent[j] / scale[j];
        }
      }
    }
  }
  return result;
}

}  // namespace nkpk
