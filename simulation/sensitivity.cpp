#include "nkpk/simulation/sensitivity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "nkpk/core/dual.hpp"
#include "nkpk/core/error.hpp"
#include "nkpk/simulation/tangents.hpp"

namespace nkpk {
namespace {

using D = Directions::D;

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

bool overridden(const DoseEntry& dose, std::string_view key) {
  return (key == "f_NK" && dose.f_NK) || (key == "f_T" && dose.f_T) || (key == "viability" && dose.viability);
}

/// A name as it is put together: nothing is allocated to compare it.
struct NameParts {
  std::string_view first, second, third;  // joined by dots; the third may be empty
  bool are(std::string_view name) const {
    for (const std::string_view part : {first, second, third}) {
      if (part.empty()) break;
      if (part.data() != first.data() && !take(name, ".")) return false;
      if (!take(name, part)) return false;
    }
    return name.empty();
  }
  std::string joined() const { return fmt::format("{}.{}{}{}", first, second, third.empty() ? "" : ".", third); }

 private:
  static bool take(std::string_view& from, std::string_view part) {
    if (!from.starts_with(part)) return false;
    from.remove_prefix(part.size());
    return true;
  }
};

/// Visits every number that can be named as v(parts, number, unit, size); `size` is what its tangents are scaled with.
template <class V>
void visit_numbers(const Scenario& s, Seeds& seeds, V&& v) {
  const auto own_size = [](const D& number) { return number.value != 0 ? std::abs(number.value) : 1.0; };
  Parameters<D>::visit(seeds.p, [&](std::string_view module, const char* key, const char* unit, Domain, D& number) {
    v(NameParts{module, key, {}}, number, unit, own_size(number));
  });
  for (std::size_t i = 0; i < s.administrations.size(); ++i) {
    const Administration& a = s.administrations[i];
    const DoseEntry& dose = s.regimen.doses[a.dose];
    if (a.cohort >= 0)
      ProductParams<D>::visit(seeds.lots[static_cast<std::size_t>(a.cohort)].product, [&](const char* key, const char* unit, Domain, D& number) {
        if (!overridden(dose, key)) v(NameParts{"product", key, {}}, number, unit, own_size(number));
      });
    const auto of_dose = [&](const char* what, D& number, std::string_view unit, double size) { v(NameParts{"dose", dose.id, what}, number, unit, size); };
    const Action action = drug_route(dose).action;
    if (std::isfinite(a.amount)) of_dose("amount", seeds.given[i].amount, dose.how->unit, own_size(seeds.given[i].amount));
    if (action == Action::record) continue;
    // a day is the size of a time, whatever day it falls on
    of_dose("start", seeds.given[i].start_d, "d", 1);
    if (action == Action::input && a.duration_d > 0) of_dose("duration", seeds.given[i].duration_d, "d", a.duration_d);
  }
}

// Finds what a name stands for, notes its unit and value, and calls seed(number, size) for each place it stands in.
template <class Seed>
Sensitivities::Parameter find(const Scenario& s, Seeds& seeds, const std::string& name, Seed&& seed) {
  Sensitivities::Parameter found{name, "", NAN};
  bool hit = false;
  visit_numbers(s, seeds, [&](const NameParts& parts, D& number, std::string_view unit, double size) {
    if (!parts.are(name)) return;
    if (!hit) found.unit = unit, found.value = number.value;
    hit = true;
    seed(number, size);
  });
  if (!hit) {
    std::vector<std::string> known;
    visit_numbers(s, seeds, [&](const NameParts& parts, auto&&...) { known.push_back(parts.joined()); });
    throw unknown_name("sensitivity", "parameter", name, known);
  }
  return found;
}

/// The parameters names[first] to names[first + count - 1] as directions, and their scales.
std::unique_ptr<Directions> make_directions(const Scenario& s, std::span<const std::string> names, std::size_t first, std::size_t count,
                                            std::vector<double>& scale, Sensitivities& result) {
  Seeds seeds(s);
  for (std::size_t j = 0; j < count; ++j) {
    // Scaled tangents have the unit of their state, share its absolute tolerance and take part in the step control.
    double& own = scale.emplace_back(0);
    result.parameters.push_back(find(s, seeds, names[first + j], [&](D& number, double size) {
      // one scale for every place of a parameter: two products may hold different values of it
      if (own == 0) own = size;
      number.tangent[j] = own;
    }));
  }
  std::vector<Entering<D>> entering = seeds.given;
  for (std::size_t i = 0; i < s.administrations.size(); ++i) {
    if (s.administrations[i].cohort < 0) continue;
    Cohort<D>& lot = seeds.lots[static_cast<std::size_t>(s.administrations[i].cohort)];
    entering[i].amount = viable_nk(seeds.given[i].amount, lot.product);
    lot.start_d = seeds.given[i].start_d;  // priming fades from there
  }
  const Body<D> body = Physiology::body(s.patient, seeds.p.physiology);
  Constants<D> c = prepare(seeds.p, body, chi_of(s.regimen.donor, seeds.p), seeds.lots, s.constants.modules, s.parameters.linear_quadratic);
  Timeline<D> timeline = make_timeline(s, seeds.p, c, entering);
  std::vector<D> initial = initial_state(seeds.p, c);
  return std::make_unique<Directions>(std::move(c), std::move(timeline), std::move(initial));
}

/// Takes over how an integration went; `per_state`: doubles that stand for one state.
void add_outcome(const Scenario& s, const Solution& solution, std::size_t per_state, Sensitivities& result) {
  SolverStats& stats = result.stats;
  stats.method = solution.stats.method;
  stats.steps_accepted += solution.stats.steps_accepted;
  stats.steps_refused += solution.stats.steps_refused;
  stats.rhs_calls += solution.stats.rhs_calls;
  stats.linearizations += solution.stats.linearizations;
  stats.factorizations += solution.stats.factorizations;
  if (result.status != Status::ok) return;
  result.status = solution.status;
  result.message = solution.message;
  result.t_reached_d = solution.t_reached;
  if (solution.status != Status::ok && solution.component >= 0) {
    result.failed_state = state_entries(s.cohorts.size())[static_cast<std::size_t>(solution.component) / per_state].name;
    result.message += fmt::format(" (state {}, patient {}, {} {})", result.failed_state, s.patient.name, s.regimen.name, s.label);
  }
}

/// Space for every output, not filled yet. One block of memory: freed, it serves the next run, where many small ones would go back
/// to the system and be fetched anew, which took a sixth of the time.
void make_room(const Scenario& s, std::span<const double> initial, Sensitivities& result) {
  visit_observables(s.constants, initial.data(), leukocytes_at(s.leukocytes, s.t_start_d),
                    [&](const char* name, const char* unit, const char*, const char* title, double) { result.observables.push_back({name, unit, title}); });
  const auto n_times = static_cast<Eigen::Index>(result.times_d.size()), n = static_cast<Eigen::Index>(result.observables.size());
  result.values.resize(n_times, n);
  result.derivatives.resize(n * n_times, static_cast<Eigen::Index>(result.parameters.size()));
}

/// NaN from an output on.
void leave_out(std::size_t first, Sensitivities& result) {
  const auto n_times = static_cast<Eigen::Index>(result.times_d.size()), missing = n_times - static_cast<Eigen::Index>(first);
  result.values.bottomRows(missing).setConstant(NAN);
  for (Eigen::Index end = n_times; end <= result.derivatives.rows(); end += n_times) result.derivatives.middleRows(end - missing, missing).setConstant(NAN);
}

/// Where a group of directions puts one output.
struct Place {
  std::size_t output, first, count;  ///< parameters [first, first + count)
  const double* per_scale;           ///< [count]
  Sensitivities* result;
};

/// The observables of one output and their derivatives.
template <class States>
void observe(const Constants<D>& c, const States& y, const Leukocytes& leukocytes, const Place& at) {
  const std::size_t n_parameters = at.result->parameters.size(), to_next = at.result->times_d.size() * n_parameters;
  double* value = at.result->values.row(static_cast<Eigen::Index>(at.output)).data();
  double* to = at.result->derivatives.data() + at.output * n_parameters + at.first;
  visit_observables(c, y, leukocytes, [&](auto, auto, auto, auto, const D& x) {
    *value++ = x.value;
    // a share of nothing has no derivative either
    for (std::size_t j = 0; j < at.count; ++j) to[j] = std::isnan(x.value) ? NAN : x.tangent[j] * at.per_scale[j];
    to += to_next;
  });
}

}  // namespace

Sensitivities simulate_sensitivities(const Scenario& s, std::span<const std::string> names, const SolverOptions& options) {
  if (names.empty()) throw InputError("sensitivity", "no parameter is named", "for example host_nk.d0, product.viability or dose.nk.amount");
  options.validate();
  Sensitivities result;
  result.times_d = s.output_times_d;
  std::vector<std::unique_ptr<Directions>> directions;
  std::vector<double> scale;
  const auto count_of = [&](std::size_t group) { return std::min(Directions::count, names.size() - group * Directions::count); };
  for (std::size_t first = 0; first < names.size(); first += Directions::count)
    directions.push_back(make_directions(s, names, first, count_of(directions.size()), scale, result));

  const std::vector<double> initial = initial_state(s.p, s.constants);
  make_room(s, initial, result);
  std::vector<double> per_scale;
  for (const double x : scale) per_scale.push_back(1 / x);
  const auto observe_group = [&]<class States>(std::size_t g, std::size_t output, const States& y) {
    const std::size_t first = g * Directions::count;
    Variants<observe<States>>::of(options.isa)(directions[g]->c, y, leukocytes_at(s.leukocytes, s.output_times_d[output]),
                                       {output, first, count_of(g), &per_scale[first], &result});
  };
  Lifted<double> plain(s.constants, s.timeline, options.isa);
  if (has_dense_output(plain.system(), options)) {
    LiftedTangents tangents(s.constants, s.timeline, directions, options.isa);
    std::size_t n_reached = 0;
    const auto record = [&](std::size_t output, std::span<const double> y, std::span<const double> tangent) {
      for (std::size_t g = 0; g < directions.size(); ++g) observe_group(g, output, tangents.states(g, y, tangent));
      n_reached = output + 1;
    };
    TangentSystem system = tangents.system();
    system.record = record;
    add_outcome(s, integrate_with_tangents(plain.system(), system, plain.flat(initial), tangents.initial(), s.t_start_d, s.output_times_d, options), 1, result);
    leave_out(n_reached, result);
    return result;
  }
  for (std::size_t g = 0; g < directions.size(); ++g) {
    Lifted<D> lifted(directions[g]->c, directions[g]->timeline, options.isa);
    const Solution solution = integrate(lifted.system(), lifted.flat(directions[g]->initial), s.t_start_d, s.output_times_d, options);
    add_outcome(s, solution, Lifted<D>::width, result);
    for (std::size_t i = 0; i < result.times_d.size(); ++i) {
      const auto row = solution.states.row(static_cast<Eigen::Index>(i));
      observe_group(g, i, lifted.states({row.data(), static_cast<std::size_t>(row.size())}));
    }
  }
  return result;
}

}  // namespace nkpk
