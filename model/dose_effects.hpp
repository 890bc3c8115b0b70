#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "nkpk/core/affine_jump.hpp"
#include "nkpk/model/nk_model.hpp"

// What a dose does to the states. Dosing knows names and amounts only; here a name becomes states and weights.

namespace nkpk {

/// How a drug given by a route acts.
enum class Action {
  input,      ///< an amount enters states: at a constant rate over the duration, or at once without one
  impulse,    ///< an amount enters states at once, at the start, whatever the duration
  survival,   ///< irradiation: a fraction in Gy
  graft,      ///< cells at once
  record      ///< stands in the calendar, does nothing
};

struct DrugRoute {
  std::string_view drug, route;
  Action action;
  std::string_view unit;  ///< of the amount the model takes
  bool needs_duration;    ///< a duration must be given
  std::string_view what;  ///< for the calendar
};

inline constexpr DrugRoute drug_routes[] = {
    {"nk_cells", "iv", Action::input, "cells", true, "NK cells"},
    {"cyclophosphamide", "iv", Action::input, "mg", true, "cyclophosphamide"},
    {"fludarabine", "iv", Action::input, "mg", true, "fludarabine"},
    {"thiotepa", "iv", Action::input, "mg", true, "thiotepa"},
    {"treosulfan", "iv", Action::input, "mg", true, "treosulfan"},
    {"busulfan", "po", Action::impulse, "mg", false, "busulfan"},
    {"busulfan", "iv", Action::input, "mg", true, "busulfan"},
    {"il2", "sc", Action::impulse, "IU", false, "IL-2"},
    {"il2", "iv", Action::input, "IU", false, "IL-2"},
    {"il15", "sc", Action::impulse, "pg", false, "IL-15"},
    {"il15", "iv", Action::input, "pg", false, "IL-15"},
    {"abatacept", "iv", Action::impulse, "mg", false, "abatacept"},
    {"tbi", "external", Action::survival, "Gy", false, "total body irradiation"},
    {"graft", "iv", Action::graft, "", false, "stem-cell graft"},
    {"tocilizumab", "iv", Action::record, "mg", false, "tocilizumab"},
    {"local_radiotherapy", "local", Action::record, "Gy", false, "local radiotherapy"},
};

/// The states that one unit of an amount enters. `cohort` is read for NK cells only; their amount is viable NK cells.
template <class T>
std::vector<InputRate<T>> entry_weights(const DrugRoute& d, const Constants<T>& c, std::size_t cohort) {
  const bool sc = d.route == "sc";
  if (d.drug == "nk_cells")
    return {{at::cohort(cohort) + InfusedNk::lung, c.infused_nk.fv * c.infused_nk.fL},
            {at::cohort(cohort) + InfusedNk::blood, c.infused_nk.fv * (1.0 - c.infused_nk.fL)}};
  if (d.drug == "cyclophosphamide") return {{at::cyclophosphamide + Cyclophosphamide::central, T(1)}};
  if (d.drug == "fludarabine") return {{at::fludarabine + Fludarabine::central, c.fludarabine.mass_ratio}};
  if (d.drug == "thiotepa") return {{at::thiotepa + Thiotepa::parent, T(1)}};
  if (d.drug == "treosulfan") return {{at::treosulfan + Treosulfan::central, T(1)}};
  if (d.drug == "busulfan")
    return d.route == "po" ? std::vector<InputRate<T>>{{at::busulfan + Busulfan::depot, c.busulfan.F}}
                           : std::vector<InputRate<T>>{{at::busulfan + Busulfan::central, T(1)}};
  if (d.drug == "il2")
    return sc ? std::vector<InputRate<T>>{{at::il2 + Il2::depot, c.il2.F}} : std::vector<InputRate<T>>{{at::il2 + Il2::central, T(1)}};
  if (d.drug == "il15")
    return sc ? std::vector<InputRate<T>>{{at::il15 + Il15::depot, c.il15.F}}
              : std::vector<InputRate<T>>{{at::il15 + Il15::fold, c.il15.fold_per_pg}};
  if (d.drug == "abatacept") return {{at::abatacept, T(1)}};
  return {};
}

/// Survival of every population and the doomed pools, all from the values before the fraction (C14, C15).
template <class T>
AffineJump<T> irradiation_jump(const Constants<T>& c, const T& fraction_Gy) {
  const auto& p = c.irradiation.p;
  const auto S = [&](const T& D0) { return Irradiation::survival(c.irradiation, D0, fraction_Gy); };
  const T S_t = S(p.D0_T), S_treg = S(p.D0_treg), S_nk = S(p.D0_NK), S_donor = S(p.D0_donor), S_p = S(p.D0_precursor);
  AffineJump<T> jump;
  const auto scale = [&jump](std::size_t i, const T& weight) { jump.push_back({i, {{i, weight}}, T(0)}); };
  JumpLine<T> x_h{at::irradiation + Irradiation::X_H, {{at::irradiation + Irradiation::X_H, T(1)}}, T(0)};
  JumpLine<T> x_d{at::irradiation + Irradiation::X_D, {{at::irradiation + Irradiation::X_D, T(1)}}, T(0)};
  JumpLine<T> x_t{at::irradiation + Irradiation::X_T, {{at::irradiation + Irradiation::X_T, T(1)}}, T(0)};
  for (const std::size_t base : {at::host_nk, at::graft}) {
    for (const std::size_t i : {HostNk::blood, HostNk::tissue}) scale(base + i, S_nk);
    for (const std::size_t i : {HostNk::P1, HostNk::P2, HostNk::P3}) scale(base + i, S_p);
    x_h.sources.push_back({base + HostNk::blood, p.fX * (1.0 - S_nk)});
  }
  for (const std::size_t i : {at::t_cells + TCells::host, at::t_cells + TCells::graft, at::rejection}) {
    scale(i, S_t);
    x_t.sources.push_back({i, p.fX * (1.0 - S_t)});
  }
  scale(at::treg, S_treg);
  x_t.sources.push_back({at::treg, p.fX * (1.0 - S_treg)});
  for (std::size_t k = 0; k < c.n_cohorts(); ++k) {
    for (std::size_t i = 0; i < InfusedNk::states_per_cohort; ++i) scale(at::cohort(k) + i, S_donor);
    x_d.sources.push_back({at::cohort(k) + InfusedNk::blood, p.fX * (1.0 - S_donor)});
  }
  jump.push_back(x_h);
  jump.push_back(x_d);
  jump.push_back(x_t);
  return jump;
}

/// Composition of a graft, per kg of the recipient.
template <class T>
struct GraftDose {
  T NK_per_kg, CD34_per_kg, CD3_per_kg;
  bool myeloablative = false;
};

template <class T>
AffineJump<T> graft_jump(const Constants<T>& c, const GraftDose<T>& g) {
  AffineJump<T> jump;
  const auto add = [&jump](std::size_t i, const T& amount) { jump.push_back({i, {{i, T(1)}}, amount}); };
  add(at::graft + Graft::blood, g.NK_per_kg * c.body.weight_kg);
  add(at::graft + Graft::G1, c.graft.f34 * g.CD34_per_kg / c.graft.CD34_ref * c.host_nk.P_ss);
  add(at::t_cells + TCells::graft, g.CD3_per_kg * c.body.weight_kg * c.fT_blood / c.body.blood_uL);
  if (g.myeloablative)
    for (const std::size_t i : {HostNk::P1, HostNk::P2, HostNk::P3})
      jump.push_back({at::host_nk + i, {{at::host_nk + i, c.graft.eps_host}}, T(0)});
  return jump;
}

}  // namespace nkpk
