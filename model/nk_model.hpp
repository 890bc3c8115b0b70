#pragma once
#include <array>
#include <bitset>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "nkpk/model/abatacept.hpp"
#include "nkpk/model/busulfan.hpp"
#include "nkpk/model/cyclophosphamide.hpp"
#include "nkpk/model/cytokine_signal.hpp"
#include "nkpk/model/exposure.hpp"
#include "nkpk/model/fludarabine.hpp"
#include "nkpk/model/graft.hpp"
#include "nkpk/model/host_nk.hpp"
#include "nkpk/model/il15.hpp"
#include "nkpk/model/il2.hpp"
#include "nkpk/model/infused_nk.hpp"
#include "nkpk/model/irradiation.hpp"
#include "nkpk/model/physiology.hpp"
#include "nkpk/model/rejection.hpp"
#include "nkpk/model/t_cells.hpp"
#include "nkpk/model/thiotepa.hpp"
#include "nkpk/model/treg.hpp"
#include "nkpk/model/treosulfan.hpp"

// The whole model: every mechanism, its place in the state vector, publish-then-rates.

namespace nkpk {

/// What an ALC holds beyond the modelled lymphocytes.
struct BloodCount {
  template <class T>
  struct Params {
    T fB;
    template <class Self, class V>
    static void visit(Self& p, V&& v) {
      v("fB", "1", Domain::fraction, p.fB);
    }
  };
};

/// All parameters of params/model.toml, visited as v(module, key, unit, domain, value).
template <class T>
struct Parameters {
  typename Physiology::Params<T> physiology;
  typename CytokineSignal::Params<T> nk;
  typename HostNk::Params<T> host_nk;
  typename InfusedNk::Params<T> infused_nk;
  typename Graft::Params<T> graft;
  typename TCells::Params<T> t_cells;
  typename Treg::Params<T> treg;
  typename Rejection::Params<T> rejection;
  typename Abatacept::Params<T> abatacept;
  typename Il15::Params<T> il15;
  typename Il2::Params<T> il2;
  typename Fludarabine::Params<T> fludarabine;
  typename Cyclophosphamide::Params<T> cyclophosphamide;
  typename Thiotepa::Params<T> thiotepa;
  typename Treosulfan::Params<T> treosulfan;
  typename Busulfan::Params<T> busulfan;
  typename Irradiation::Params<T> irradiation;
  typename BloodCount::Params<T> blood_count;

  template <class Self, class V>
  static void visit(Self& p, V&& v) {
    const auto in = [&v](std::string_view module, auto& params) {
      params.visit(params, [&](const char* key, const char* unit, Domain domain, auto& value) { v(module, key, unit, domain, value); });
    };
    in("physiology", p.physiology);
    in("nk", p.nk);
    in("host_nk", p.host_nk);
    in("infused_nk", p.infused_nk);
    in("graft", p.graft);
    in("t_cells", p.t_cells);
    in("treg", p.treg);
    in("rejection", p.rejection);
    in("abatacept", p.abatacept);
    in("il15", p.il15);
    in("il2", p.il2);
    in("fludarabine", p.fludarabine);
    in("cyclophosphamide", p.cyclophosphamide);
    in("thiotepa", p.thiotepa);
    in("treosulfan", p.treosulfan);
    in("busulfan", p.busulfan);
    in("irradiation", p.irradiation);
    in("blood_count", p.blood_count);
  }
};

/// Mechanisms that can be switched off: a switched-off one neither publishes nor changes, its signals stay neutral.
enum class Module : std::size_t {
  il15, il2, host_nk, t_cells, treg, rejection, abatacept, graft, irradiation,
  fludarabine, cyclophosphamide, thiotepa, treosulfan, busulfan, exposure, infused_nk,
  il15_dynamics,  ///< off: IL-15 at quasi-steady state, see il15.hpp
  count
};
inline constexpr std::array<std::string_view, std::size_t(Module::count)> module_names{
    "il15", "il2", "host_nk", "t_cells", "treg", "rejection", "abatacept", "graft", "irradiation",
    "fludarabine", "cyclophosphamide", "thiotepa", "treosulfan", "busulfan", "exposure", "infused_nk", "il15_dynamics"};

/// Mechanisms at rest until something wakes them (a dose, a graft, infused cells): from zero, or an equilibrium of their own, they
/// neither change nor act.
constexpr bool rests(Module m) {
  switch (m) {
    case Module::il15:
    case Module::host_nk:
    case Module::t_cells:
    case Module::treg:
    case Module::il15_dynamics: return false;
    default: return true;
  }
}

class ModuleSet {
 public:
  ModuleSet() { bits_.set(); }
  bool has(Module m) const { return bits_[std::size_t(m)]; }
  void set(Module m, bool on) { bits_[std::size_t(m)] = on; }

 private:
  std::bitset<std::size_t(Module::count)> bits_;
};

/// Where each mechanism's states begin. The infused cohorts come last because their number is data.
namespace at {
inline constexpr std::size_t il15 = 0;
inline constexpr std::size_t il2 = il15 + Il15::states.size();
inline constexpr std::size_t host_nk = il2 + Il2::states.size();
inline constexpr std::size_t t_cells = host_nk + HostNk::states.size();
inline constexpr std::size_t treg = t_cells + TCells::states.size();
inline constexpr std::size_t rejection = treg + Treg::states.size();
inline constexpr std::size_t abatacept = rejection + Rejection::states.size();
inline constexpr std::size_t graft = abatacept + Abatacept::states.size();
inline constexpr std::size_t irradiation = graft + Graft::states.size();
inline constexpr std::size_t fludarabine = irradiation + Irradiation::states.size();
inline constexpr std::size_t cyclophosphamide = fludarabine + Fludarabine::states.size();
inline constexpr std::size_t thiotepa = cyclophosphamide + Cyclophosphamide::states.size();
inline constexpr std::size_t treosulfan = thiotepa + Thiotepa::states.size();
inline constexpr std::size_t busulfan = treosulfan + Treosulfan::states.size();
inline constexpr std::size_t exposure = busulfan + Busulfan::states.size();
inline constexpr std::size_t infused_nk = exposure + Exposure::states.size();
inline constexpr std::size_t cohort(std::size_t k) { return infused_nk + InfusedNk::states_per_cohort * k; }
}  // namespace at

/// One state of a model with a given number of cohorts.
struct StateEntry {
  std::string name, unit, doc;
  double atol;
  Module module;
};

/// Names, units and absolute tolerances of all states, in the order of the state vector.
inline std::vector<StateEntry> state_entries(std::size_t n_cohorts) {
  std::vector<StateEntry> all;
  const auto add = [&all](Module module, const auto& states, const std::string& suffix = "") {
    for (const StateInfo& s : states) all.push_back({std::string(s.name) + suffix, std::string(s.unit), std::string(s.doc), s.atol, module});
  };
  add(Module::il15, Il15::states);
  add(Module::il2, Il2::states);
  add(Module::host_nk, HostNk::states);
  add(Module::t_cells, TCells::states);
  add(Module::treg, Treg::states);
  add(Module::rejection, Rejection::states);
  add(Module::abatacept, Abatacept::states);
  add(Module::graft, Graft::states);
  add(Module::irradiation, Irradiation::states);
  add(Module::fludarabine, Fludarabine::states);
  add(Module::cyclophosphamide, Cyclophosphamide::states);
  add(Module::thiotepa, Thiotepa::states);
  add(Module::treosulfan, Treosulfan::states);
  add(Module::busulfan, Busulfan::states);
  add(Module::exposure, Exposure::states);
  for (std::size_t k = 0; k < n_cohorts; ++k) add(Module::infused_nk, InfusedNk::states, "_" + std::to_string(k + 1));
  return all;
}

/// What the right-hand side reads: everything computed once from parameters, body and cohorts (C39). No file holds it.
template <class T>
struct Constants {
  ModuleSet modules;
  Body<T> body;
  T T0, fT_blood, fB, B15_pg_per_mL;
  typename Graft::Params<T> graft;
  typename TCells::Params<T> t_cells;
  typename Treg::Params<T> treg;
  CytokineSignal::Constants<T> nk;
  HostNk::Constants<T> host_nk;
  InfusedNk::Constants<T> infused_nk;
  Rejection::Constants<T> rejection;
  Abatacept::Constants<T> abatacept;
  Il15::Constants<T> il15;
  Il2::Constants<T> il2;
  Fludarabine::Constants<T> fludarabine;
  Cyclophosphamide::Constants<T> cyclophosphamide;
  Thiotepa::Constants<T> thiotepa;
  Treosulfan::Constants<T> treosulfan;
  Busulfan::Constants<T> busulfan;
  Irradiation::Constants<T> irradiation;

  /// Visits every number as v(path, unit, value) by its C++ path, such as host_nk.kBT, in the order of the members. Not visited: the
  /// cohorts, whose number is data (visit_cohort), and infused_nk.nk, which is a copy of nk.
  template <class Self, class V>
  static void visit(Self& c, V&& v) {
    const auto in = [&v](const char* path, auto& part) { part.visit(part, Under(path, v)); };
    in("body", c.body);
    v("T0", "cells/uL", c.T0);
    v("fT_blood", "1", c.fT_blood);
    v("fB", "1", c.fB);
    v("B15_pg_per_mL", "pg/mL", c.B15_pg_per_mL);
    in("graft", c.graft);
    in("t_cells", c.t_cells);
    in("treg", c.treg);
    in("nk", c.nk);
    in("host_nk", c.host_nk);
    in("infused_nk", c.infused_nk);
    in("rejection", c.rejection);
    in("abatacept", c.abatacept);
    in("il15", c.il15);
    in("il2", c.il2);
    in("fludarabine", c.fludarabine);
    in("cyclophosphamide", c.cyclophosphamide);
    in("thiotepa", c.thiotepa);
    in("treosulfan", c.treosulfan);
    in("busulfan", c.busulfan);
    in("irradiation", c.irradiation);
  }
  /// Visits the numbers of cohort k as v("pmax", unit, value).
  template <class Self, class V>
  static void visit_cohort(Self& c, std::size_t k, V&& v) {
    auto& cohort = c.infused_nk.cohorts[k];
    cohort.visit(cohort, v);
  }

  std::size_t n_cohorts() const { return infused_nk.cohorts.size(); }
  std::size_t n_states() const { return at::cohort(n_cohorts()); }
};

/// `chi` is the HLA multiplier of this donor. Parameters must have passed check_parameters.
template <class T>
Constants<T> prepare(const Parameters<T>& p, const Body<T>& body, const T& chi, const std::vector<Cohort<T>>& cohorts,
                     const ModuleSet& modules = {}, bool linear_quadratic = false) {
  Constants<T> c;
  c.modules = modules;
  c.body = body;
  c.T0 = p.t_cells.T0, c.fT_blood = p.t_cells.fT_blood, c.fB = p.blood_count.fB;
  c.B15_pg_per_mL = p.il15.B15 * 1e-3;
  c.graft = p.graft, c.t_cells = p.t_cells, c.treg = p.treg;
  c.nk = CytokineSignal::prepare<T>(p);
  c.host_nk = HostNk::prepare<T>(p, c.nk, body);
  c.infused_nk = InfusedNk::prepare<T>(p, c.nk, body, chi, cohorts);
  c.rejection = Rejection::prepare<T>(p.rejection, body);
  c.abatacept = Abatacept::prepare<T>(p.abatacept, body);
  c.il15 = Il15::prepare<T>(p, c.host_nk, body);
  if (!modules.has(Module::il15_dynamics)) c.il15.kel = c.il15.kel * Il15::quasi_steady_speed;
  c.il2 = Il2::prepare<T>(p.il2, body);
  c.fludarabine = Fludarabine::prepare<T>(p.fludarabine, body);
  c.cyclophosphamide = Cyclophosphamide::prepare<T>(p.cyclophosphamide, body);
  c.thiotepa = Thiotepa::prepare<T>(p.thiotepa, body);
  c.treosulfan = Treosulfan::prepare<T>(p.treosulfan, body);
  c.busulfan = Busulfan::prepare<T>(p.busulfan, body);
  c.irradiation = {p.irradiation, linear_quadratic};
  return c;
}

/// The untreated patient: an exact equilibrium in every state (C26). A switched-off mechanism has no cells.
template <class T>
std::vector<T> initial_state(const Parameters<T>& p, const Constants<T>& c) {
  std::vector<T> y(c.n_states(), T(0));
  Il15::initial(y.data() + at::il15);
  if (c.modules.has(Module::host_nk)) HostNk::initial(p, c.host_nk, y.data() + at::host_nk);
  if (c.modules.has(Module::t_cells)) TCells::initial(p.t_cells, y.data() + at::t_cells);
  if (c.modules.has(Module::treg)) Treg::initial(p.treg, y.data() + at::treg);
  Cyclophosphamide::initial(y.data() + at::cyclophosphamide);
  return y;
}

/// What the mechanisms that are on publish from their own states; signals of the second rank are left neutral.
template <class T>
Signals<T> first_rank_signals(const Constants<T>& c, const ModuleSet& on, const T* y) {
  Signals<T> s;
  if (on.has(Module::il15)) Il15::publish(y + at::il15, s);
  if (on.has(Module::il2)) Il2::publish(y + at::il2, c.il2, s);
  if (on.has(Module::host_nk)) HostNk::publish(y + at::host_nk, c.host_nk, s);
  if (on.has(Module::t_cells)) TCells::publish(y + at::t_cells, s);
  if (on.has(Module::treg)) Treg::publish(y + at::treg, s);
  if (on.has(Module::rejection)) Rejection::publish(y + at::rejection, s);
  if (on.has(Module::abatacept)) Abatacept::publish(y + at::abatacept, c.abatacept, s);
  if (on.has(Module::graft)) Graft::publish(y + at::graft, c.host_nk, s);
  if (on.has(Module::irradiation)) Irradiation::publish(y + at::irradiation, s);
  if (on.has(Module::fludarabine)) Fludarabine::publish(y + at::fludarabine, c.fludarabine, s);
  if (on.has(Module::cyclophosphamide)) Cyclophosphamide::publish(y + at::cyclophosphamide, c.cyclophosphamide, s);
  if (on.has(Module::thiotepa)) Thiotepa::publish(y + at::thiotepa, c.thiotepa, s);
  if (on.has(Module::treosulfan)) Treosulfan::publish(y + at::treosulfan, c.treosulfan, s);
  if (on.has(Module::busulfan)) Busulfan::publish(y + at::busulfan, c.busulfan, s);
  if (on.has(Module::infused_nk)) InfusedNk::publish(y + at::infused_nk, c.infused_nk, s);
  return s;
}

/// Everything the mechanisms tell each other at y.
template <class T, class W>
Signals<T> signals(const Constants<T>& c, const ModuleSet& on, const WindowsOf<W>& windows, const T* y) {
  Signals<T> s = first_rank_signals(c, on, y);
  CytokineSignal::derive(c.nk, windows, s);
  return s;
}
template <class T>
Signals<T> signals(const Constants<T>& c, const Windows& windows, const T* y) {
  return signals(c, c.modules, windows, y);
}

/// dy/dt at (t, y) from given signals, [n_states]. `Time` is double, or a symbol.
template <class T, class W, class Time>
void rates_from(const Constants<T>& c, const ModuleSet& on, const WindowsOf<W>& windows, const Time& t, const T* y, const Signals<T>& s, T* dy) {
  const std::size_t n = c.n_states();
  for (std::size_t i = 0; i < n; ++i) dy[i] = T(0);
  if (on.has(Module::il15)) Il15::add_rates(y + at::il15, c.il15, windows, s, dy + at::il15);
  if (on.has(Module::il2)) Il2::add_rates(y + at::il2, c.il2, s, dy + at::il2);
  if (on.has(Module::host_nk)) HostNk::add_rates(y + at::host_nk, c.host_nk, s, dy + at::host_nk);
  if (on.has(Module::t_cells)) TCells::add_rates(y + at::t_cells, c.t_cells, s, dy + at::t_cells);
  if (on.has(Module::treg)) Treg::add_rates(y + at::treg, c.treg, c.T0, windows, s, dy + at::treg);
  if (on.has(Module::rejection)) Rejection::add_rates(y + at::rejection, c.rejection, s, dy + at::rejection);
  if (on.has(Module::abatacept)) Abatacept::add_rates(y + at::abatacept, c.abatacept, dy + at::abatacept);
  if (on.has(Module::graft)) Graft::add_rates(y + at::graft, c.host_nk, s, dy + at::graft);
  if (on.has(Module::irradiation)) Irradiation::add_rates(y + at::irradiation, c.irradiation, dy + at::irradiation);
  if (on.has(Module::fludarabine)) Fludarabine::add_rates(y + at::fludarabine, c.fludarabine, dy + at::fludarabine);
  if (on.has(Module::cyclophosphamide))
    Cyclophosphamide::add_rates(y + at::cyclophosphamide, c.cyclophosphamide, dy + at::cyclophosphamide);
  if (on.has(Module::thiotepa)) Thiotepa::add_rates(y + at::thiotepa, c.thiotepa, dy + at::thiotepa);
  if (on.has(Module::treosulfan)) Treosulfan::add_rates(y + at::treosulfan, c.treosulfan, dy + at::treosulfan);
  if (on.has(Module::busulfan)) Busulfan::add_rates(y + at::busulfan, c.busulfan, dy + at::busulfan);
  if (on.has(Module::exposure)) Exposure::add_rates(c.body.blood_uL, s, dy + at::exposure);
  if (on.has(Module::infused_nk)) InfusedNk::add_rates(t, y + at::infused_nk, c.infused_nk, s, dy + at::infused_nk);
}

/// dy/dt at (t, y), [n_states], of the mechanisms that are on; infusions are added by the caller.
template <class T, class W>
void right_hand_side(const Constants<T>& c, const ModuleSet& on, const WindowsOf<W>& windows, double t, const T* y, T* dy) {
  rates_from(c, on, windows, t, y, signals(c, on, windows, y), dy);
}
template <class T>
void right_hand_side(const Constants<T>& c, const Windows& windows, double t, const T* y, T* dy) {
  right_hand_side(c, c.modules, windows, t, y, dy);
}

}  // namespace nkpk
