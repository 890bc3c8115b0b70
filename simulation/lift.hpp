#pragma once
#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "nkpk/core/error.hpp"
#include "nkpk/simulation/scenario.hpp"

// A scenario valued in any scalar: the same parameters, doses and events as doubles or as dual numbers, so that a derivative
// passes through every dose, survival and baseline without code of its own.

namespace nkpk {

inline constexpr double same_time_d = 1e-9;  // 0.1 ms: two computed times closer than this are one
inline constexpr std::size_t most_running_infusions = 1'000'000;  // summed over segments: 16 MB of doubles

/// HLA multiplier of rejection for this donor (C21).
template <class T>
T chi_of(const std::string& donor, const Parameters<T>& p) {
  if (donor == "haploidentical") return p.rejection.chi_haploidentical;
  if (donor == "matched") return p.rejection.chi_matched;
  if (donor == "cord-blood") return p.rejection.chi_cord_blood;
  return p.rejection.chi_autologous;
}

/// NK cells that enter, of a declared dose (C4).
template <class T>
T viable_nk(const T& declared, const ProductParams<T>& lot) {
  return declared * lot.f_NK * lot.viability;
}

template <class T>
GraftDose<T> graft_dose(const DoseEntry& dose, const Parameters<T>& p) {
  GraftDose<T> g{p.graft.NK_dose, p.graft.CD34_dose, p.graft.CD3_dose, dose.myeloablative};
  if (dose.nk_dose) g.NK_per_kg = T(dose.nk_dose->in("cells/kg"));
  if (dose.cd34_dose) g.CD34_per_kg = T(dose.cd34_dose->in("cells/kg"));
  if (dose.cd3_dose) g.CD3_per_kg = T(dose.cd3_dose->in("cells/kg"));
  return g;
}

template <class T>
AffineJump<T> bolus(const std::vector<InputRate<T>>& weights, const T& amount) {
  AffineJump<T> jump;
  for (const auto& w : weights) jump.push_back({w.state, {{w.state, T(1)}}, w.rate * amount});
  return jump;
}

/// What enters of an administration (viable NK cells, or the amount), and when.
template <class T>
struct Entering {
  T amount, start_d, duration_d;
};

/// Leaving out what rests changes no bit of the others.
inline ModuleSet awake_from_the_start(const ModuleSet& on) {
  ModuleSet awake = on;
  for (std::size_t m = 0; m < std::size_t(Module::count); ++m)
    if (rests(Module(m))) awake.set(Module(m), false);
  return awake;
}

/// `entering` in the order of the administrations.
template <class T>
Timeline<T> make_timeline(const Scenario& s, const Parameters<T>& p, const Constants<T>& c, const std::vector<Entering<T>>& entering) {
  Timeline<T> line;
  std::vector<double>& times = line.times;
  for (const auto& a : s.administrations) {
    times.push_back(a.start_d);
    const Action action = drug_route(s.regimen.doses[a.dose]).action;
    if (a.duration_d > 0 && action == Action::input) times.push_back(a.start_d + a.duration_d);
  }
  for (const auto& w : s.regimen.windows) times.push_back(w.start_d), times.push_back(w.end_d);
  std::sort(times.begin(), times.end());
  times.erase(std::unique(times.begin(), times.end(), [](double a, double b) { return b - a < same_time_d; }), times.end());
  const auto index = [&](double t) {
    return static_cast<std::size_t>(std::lower_bound(times.begin(), times.end(), t - same_time_d) - times.begin());
  };

  line.jumps.resize(times.size());
  line.jump_times.resize(times.size());
  line.rate_changes.resize(times.size());
  line.rates.resize(times.size() + 1);
  line.windows.resize(times.size() + 1);
  const auto entries = state_entries(s.cohorts.size());
  std::size_t running = 0;
  std::vector<std::vector<Module>> woken(times.size());
  // one pass per rank, so that at one time irradiation comes first, then the graft, then doses in file order (C2)
  for (const Action rank : {Action::survival, Action::graft, Action::impulse, Action::input}) {
    for (std::size_t i = 0; i < s.administrations.size(); ++i) {
      const Administration& a = s.administrations[i];
      const DoseEntry& dose = s.regimen.doses[a.dose];
      const DrugRoute& how = drug_route(dose);
      if (how.action != rank) continue;
      if (rank == Action::survival && !c.modules.has(Module::irradiation)) continue;
      if (rank == Action::graft && !c.modules.has(Module::graft)) continue;
      const std::size_t start = index(a.start_d);
      const auto act = [&](AffineJump<T> jump) {
        line.jumps[start].push_back(std::move(jump));
        line.jump_times[start].push_back(entering[i].start_d);
      };
      if (rank == Action::survival) {
        woken[start].push_back(Module::irradiation);
        act(irradiation_jump(c, entering[i].amount));
      } else if (rank == Action::graft) {
        woken[start].push_back(Module::graft);
        act(graft_jump(c, graft_dose(dose, p)));
      } else {
        const auto weights = entry_weights(how, c, a.cohort < 0 ? 0 : static_cast<std::size_t>(a.cohort));
        if (rank == Action::impulse || a.duration_d == 0) {
          for (const auto& w : weights) woken[start].push_back(entries[w.state].module);
          act(bolus(weights, entering[i].amount));
        } else {
          // half-open: segments after start, up to and including the one that ends at the end of the infusion
          const std::size_t end = index(a.start_d + a.duration_d);
          running += (end - start) * weights.size();
          if (running > most_running_infusions) throw InputError(dose.where, "too many infusions run at the same time", "expected a regimen for one patient");
          std::vector<InputRate<T>> on, off;
          for (const auto& w : weights) {
            const T rate = w.rate * entering[i].amount / entering[i].duration_d;
            on.push_back({w.state, rate});
            off.push_back({w.state, -rate});
          }
          for (std::size_t k = start + 1; k <= end; ++k) line.rates[k].insert(line.rates[k].end(), on.begin(), on.end());
          line.rate_changes[start].push_back({entering[i].start_d, std::move(on)});
          line.rate_changes[end].push_back({entering[i].start_d + entering[i].duration_d, std::move(off)});
        }
      }
    }
  }
  // what is switched off takes nothing up: a dose would lie in its states for ever
  const auto is_off = [&](std::size_t state) { return !c.modules.has(entries[state].module); };
  for (auto& jumps : line.jumps)
    for (auto& jump : jumps) std::erase_if(jump, [&](const auto& l) { return is_off(l.target); });
  for (auto& rates : line.rates) std::erase_if(rates, [&](const auto& r) { return is_off(r.state); });
  for (auto& changes : line.rate_changes)
    for (auto& change : changes) std::erase_if(change.rates, [&](const auto& r) { return is_off(r.state); });
  for (const auto& w : s.regimen.windows)
    for (std::size_t k = index(w.start_d) + 1; k <= index(w.end_d); ++k) {
      if (w.name == "steroid") line.windows[k].steroid = w.value;
      if (w.name == "treg_depletion") line.windows[k].treg_depletion = w.value;
      if (w.name == "il15_induction") line.windows[k].il15_induction = w.value;
    }
  ModuleSet awake = awake_from_the_start(c.modules);
  for (std::size_t k = 0; k <= times.size(); ++k) {
    if (k > 0)
      for (const Module m : woken[k - 1]) awake.set(m, c.modules.has(m));
    for (const auto& r : line.rates[k]) awake.set(entries[r.state].module, true);
    if (awake.has(Module::infused_nk))  // donor cells are counted, and are antigen
      for (const Module m : {Module::rejection, Module::exposure}) awake.set(m, c.modules.has(m));
    line.awake.push_back(awake);
  }
  return line;
}

/// y <- one jump, [n_states]; every line of it reads the values before it. `scratch` is overwritten.
template <class T>
void apply_jump(const AffineJump<T>& lines, T* y, std::size_t n, std::vector<T>& scratch) {
  scratch.assign(y, y + n);
  for (const auto& line : lines) {
    T value = line.add;
    for (const auto& [source, weight] : line.sources) value += weight * scratch[source];
    y[line.target] = value;
  }
}

}  // namespace nkpk
