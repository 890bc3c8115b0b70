#include "nkpk/simulation/sensitivity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "nkpk/core/dual.hpp"
#include "nkpk/core/error.hpp"
#include "nkpk/simulation/lifted.hpp"

namespace nkpk {
namespace {

// Four tangents fill a vector register of AVX2; twelve at once cost as much as three passes and minutes of compiling.
constexpr std::size_t per_pass = 4;
using D = Dual<per_pass>;

// The numbers a parameter of the caller stands for, in the lifted scenario.
struct Seeds {
  Parameters<D> p;
  std::vector<Cohort<D>> lots;
  std::vector<Entering<D>> given;  ///< in the order of the administrations; of NK cells the declared dose

  explicit Seeds(const Scenario& s) {
    std::vector<double> values;
    Parameters<double>::visit(s.p, [&](std::string_view, const char*, const char*, Domain, const double& v) { values.push_back(v); });
    std::size_t i = 0;
    Parameters<D>::visit(p, [&](std::string_view, const char*, const char*, Domain, D& v) { v = D(values[i++]); });
    for (const Cohort<double>& lot : s.lots) {
      std::vector<double> own;
      ProductParams<double>::visit(lot.product, [&](const char*, const char*, Domain, const double& v) { own.push_back(v); });
      Cohort<D> lifted{D(lot.start_d), {}};
      std::size_t k = 0;
      ProductParams<D>::visit(lifted.product, [&](const char*, const char*, Domain, D& v) { v = D(own[k++]); });
      lots.push_back(lifted);
    }
    for (const Administration& a : s.administrations) given.push_back({D(a.amount), D(a.start_d), D(a.duration_d)});
  }
};

bool overridden(const DoseEntry& dose, const std::string& key) {
  return (key == "f_NK" && dose.f_NK) || (key == "f_T" && dose.f_T) || (key == "viability" && dose.viability);
}

// Finds what a name stands for, notes its unit and value, and calls seed(number, size) for each place it stands in; `size` is
// what its tangents are scaled with.
template <class Seed>
Sensitivities::Parameter find(const Scenario& s, Seeds& seeds, const std::string& name, Seed&& seed) {
  Sensitivities::Parameter found{name, "", NAN};
  std::vector<std::string> known = s.parameters.names();
  bool hit = false;
  const auto take = [&](D& number, std::string_view unit, double size) {
    if (!hit) found.unit = unit, found.value = number.value;
    hit = true;
    seed(number, size);
  };
  const auto own_size = [](const D& number) { return number.value != 0 ? std::abs(number.value) : 1.0; };
  Parameters<D>::visit(seeds.p, [&](std::string_view module, const char* key, const char* unit, Domain, D& number) {
    if (name == fmt::format("{}.{}", module, key)) take(number, unit, own_size(number));
  });
  for (std::size_t i = 0; i < s.administrations.size(); ++i) {
    const Administration& a = s.administrations[i];
    const DoseEntry& dose = s.regimen.doses[a.dose];
    if (a.cohort >= 0)
      ProductParams<D>::visit(seeds.lots[static_cast<std::size_t>(a.cohort)].product, [&](const char* key, const char* unit, Domain, D& number) {
        const std::string full = fmt::format("product.{}", key);
        if (!overridden(dose, key)) known.push_back(full);
        if (name == full && !overridden(dose, key)) take(number, unit, own_size(number));
      });
    const auto of_dose = [&](const char* what, D& number, std::string_view unit, double size) {
      known.push_back(fmt::format("dose.{}.{}", dose.id, what));
      if (name == known.back()) take(number, unit, size);
    };
    const Action action = drug_route(dose).action;
    if (std::isfinite(a.amount)) of_dose("amount", seeds.given[i].amount, dose.how->unit, own_size(seeds.given[i].amount));
    if (action == Action::record) continue;
    // a day is the size of a time, whatever day it falls on
    of_dose("start", seeds.given[i].start_d, "d", 1);
    if (action == Action::input && a.duration_d > 0) of_dose("duration", seeds.given[i].duration_d, "d", a.duration_d);
  }
  if (!hit) throw unknown_name("sensitivity", "parameter", name, known);
  return found;
}

/// The parameters names[first] to names[first + count - 1], in one integration.
void add_pass(const Scenario& s, std::span<const std::string> names, std::size_t first, std::size_t count, const SolverOptions& options,
              Sensitivities& result) {
  const std::size_t n_times = s.output_times_d.size();
  Seeds seeds(s);
  std::vector<double> scale(count);
  for (std::size_t j = 0; j < count; ++j) {
    // Scaled tangents have the unit of their state, share its absolute tolerance and take part in the step control. Left out of it
    // (atol infinite), at rtol 1e-6, ten of them err by up to 9e-5 of their largest with rodas5p, where values err by 5e-7, and
    // with dopri5, whose steps are at the edge of stability, by more than all of it; in it by 5e-7 and 2e-4, for 1.3 to 1.6
    // times the steps.
    auto parameter = find(s, seeds, names[first + j], [&](D& number, double size) {
      // one scale for every place of a parameter: two products may hold different values of it
      if (scale[j] == 0) scale[j] = size;
      number.tangent[j] = scale[j];
    });
    result.parameters.push_back(std::move(parameter));
  }
  std::vector<Entering<D>> entering = seeds.given;
  for (std::size_t i = 0; i < s.administrations.size(); ++i) {
    if (s.administrations[i].cohort < 0) continue;
    Cohort<D>& lot = seeds.lots[static_cast<std::size_t>(s.administrations[i].cohort)];
    entering[i].amount = viable_nk(seeds.given[i].amount, lot.product);
    lot.start_d = seeds.given[i].start_d;  // priming fades from there
  }
  const Body<D> body = Physiology::body(s.patient, seeds.p.physiology);
  const Constants<D> c = prepare(seeds.p, body, chi_of(s.regimen.donor, seeds.p), seeds.lots, s.constants.modules, s.parameters.linear_quadratic);
  const Timeline<D> timeline = make_timeline(s, seeds.p, c, entering);

  Lifted<D> lifted(c, timeline, options.isa);
  const Solution solution = integrate(lifted.system(), lifted.flat(initial_state(seeds.p, c)), s.t_start_d, s.output_times_d, options);
  result.stats.steps_accepted += solution.stats.steps_accepted;
  result.stats.steps_refused += solution.stats.steps_refused;
  result.stats.rhs_calls += solution.stats.rhs_calls;
  if (result.status == Status::ok) {
    result.status = solution.status;
    result.message = solution.message;
    result.t_reached_d = solution.t_reached;
    if (solution.status != Status::ok && solution.component >= 0) {
      result.failed_state = state_entries(s.cohorts.size())[static_cast<std::size_t>(solution.component) / (1 + per_pass)].name;
      result.message += fmt::format(" (state {}, patient {}, {} {})", result.failed_state, s.patient.name, s.regimen.name, s.label);
    }
  }

  const std::size_t before = result.derivatives.size();
  std::vector<D> values;
  for (std::size_t i = 0; i < n_times; ++i) {
    const auto row = solution.states.row(static_cast<Eigen::Index>(i));
    const D* y = lifted.states({row.data(), static_cast<std::size_t>(row.size())});
    values.clear();
    visit_observables(c, y, leukocytes_at(s.leukocytes, s.output_times_d[i]),
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

}  // namespace

Sensitivities simulate_sensitivities(const Scenario& s, std::span<const std::string> names, const SolverOptions& options) {
  if (names.empty()) throw InputError("sensitivity", "no parameter is named", "for example host_nk.d0, product.viability or dose.nk.amount");
  Sensitivities result;
  result.times_d = s.output_times_d;
  for (std::size_t first = 0; first < names.size(); first += per_pass)
    add_pass(s, names, first, std::min(per_pass, names.size() - first), options, result);
  return result;
}

}  // namespace nkpk
