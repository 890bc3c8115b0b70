#pragma once
#include <limits>
#include <string_view>

#include "nkpk/model/nk_model.hpp"

// What can be measured, as functions of the states (C24, C36, C44). An observable changes no state.
//
// "donor" is infused NK; "all donor" adds graft-derived NK, which share their genotype; NK in all adds the host's.
// ALC = (NK + T + T_G + R + A + X_T)/(1 - fB), with X_H and X_D inside NK.
// Chimerism in whole blood = 100 (infused + graft NK + T_G + M_graft)/(NK + T + T_G + R + A + X_T + M_host + M_graft), where M,
// the other leukocytes, is an input: at the nadir of the white count 5 donor NK/uL read as 5 %, at 5e9/L as 0.1 %.
// In PBMC the monocytes stand for M. A share of nothing is NaN; so is what needs an input that was not given.

namespace nkpk {

/// Leukocytes other than lymphocytes at one time, cells/uL; an input, not a state (C38).
template <class M>
struct LeukocytesOf {
  M host{0}, graft{0};
  M monocytes_host{std::numeric_limits<double>::quiet_NaN()};
  M monocytes_graft{std::numeric_limits<double>::quiet_NaN()};
  M blasts{0};  ///< in the denominators only (C43)
};
using Leukocytes = LeukocytesOf<double>;

/// Visits every observable as v(name, unit, lloq key, description, value). lloq keys are those of params/observables.toml.
/// y[i] gives state i as a T.
template <class T, class Y, class M, class V>
void visit_observables(const Constants<T>& c, const Y& y, const LeukocytesOf<M>& m, V&& v) {
  const T V_B = c.body.blood_uL;
  T infused_blood(0), infused_tissue(0);
  for (std::size_t k = 0; k < c.n_cohorts(); ++k) {
    infused_blood += y[at::cohort(k) + InfusedNk::blood];
    infused_tissue += y[at::cohort(k) + InfusedNk::tissue];
  }
  const T donor = (infused_blood + y[at::irradiation + Irradiation::X_D]) / V_B;
  const T graft = y[at::graft + Graft::blood] / V_B;
  const T host = (y[at::host_nk + HostNk::blood] + y[at::irradiation + Irradiation::X_H]) / V_B;
  const T all_donor = donor + graft;
  const T nk = host + all_donor;
  const T t_host = y[at::t_cells + TCells::host], t_graft = y[at::t_cells + TCells::graft];
  const T treg = y[at::treg], effectors = y[at::rejection];
  const T lymphocytes = nk + t_host + t_graft + treg + effectors + y[at::irradiation + Irradiation::X_T];
  const T alc = lymphocytes / (1.0 - c.fB);
  const T whole_blood = lymphocytes + m.host + m.graft + m.blasts;
  const T pbmc = lymphocytes + m.monocytes_host + m.monocytes_graft + m.blasts;
  const T marrow_donor = infused_tissue + y[at::graft + Graft::tissue];
  // a mechanism that is switched off counts as nothing in sums, but its own number was not computed
  const auto of = [&c](Module module, const T& value) { return c.modules.has(module) ? value : T(std::numeric_limits<double>::quiet_NaN()); };
  // 0/0 is NaN on purpose: a share of nothing is not a number
  const auto percent = [](const T& part, const T& whole) { return 100.0 * part / whole; };

  v("nk_count", "cells/uL", "cells", "NK cells in blood: host, graft and infused", nk);
  v("host_nk_count", "cells/uL", "cells", "host NK cells in blood", of(Module::host_nk, host));
  v("graft_nk_count", "cells/uL", "cells", "graft-derived NK cells in blood", of(Module::graft, graft));
  v("donor_nk_count", "cells/uL", "cells", "infused NK cells in blood", of(Module::infused_nk, donor));
  v("all_donor_nk_count", "cells/uL", "cells", "infused and graft-derived NK cells in blood", all_donor);
  v("alc", "cells/uL", "cells", "absolute lymphocyte count", alc);
  v("t_count", "cells/uL", "cells", "conventional T cells of host and graft", of(Module::t_cells, t_host + t_graft));
  v("host_t_count", "cells/uL", "cells", "host conventional T cells", of(Module::t_cells, t_host));
  v("graft_t_count", "cells/uL", "cells", "graft-derived T cells", of(Module::t_cells, t_graft));
  v("treg_count", "cells/uL", "cells", "regulatory T cells", of(Module::treg, treg));
  v("effector_count", "cells/uL", "cells", "host anti-donor effectors", of(Module::rejection, effectors));
  v("wbc_count", "cells/uL", "cells", "white cell count: ALC and the given other leukocytes", alc + m.host + m.graft + m.blasts);
  v("chimerism_nk", "%", "chimerism", "donor share of sorted NK cells, infused and graft-derived", percent(all_donor, nk));
  v("chimerism_nk_infused", "%", "chimerism", "infused share of sorted NK cells", percent(donor, nk));
  v("chimerism_wb", "%", "chimerism", "donor share of whole blood", percent(all_donor + t_graft + m.graft, whole_blood));
  v("chimerism_wb_infused", "%", "chimerism", "infused share of whole blood", percent(donor, whole_blood));
  v("chimerism_pbmc", "%", "chimerism", "donor share of PBMC; needs monocytes as input", percent(all_donor + t_graft + m.monocytes_graft, pbmc));
  v("chimerism_pbmc_infused", "%", "chimerism", "infused share of PBMC; needs monocytes as input", percent(donor, pbmc));
  v("marrow_donor_share", "%", "chimerism", "donor share of NK cells in tissue, a weak proxy of marrow chimerism",
    percent(marrow_donor, marrow_donor + y[at::host_nk + HostNk::tissue]));
  v("il15", "pg/mL", "il15", "plasma IL-15", of(Module::il15, c.B15_pg_per_mL * y[at::il15 + Il15::fold]));
  v("il15_fold", "1", "", "plasma IL-15 over the patient's own baseline", of(Module::il15, y[at::il15 + Il15::fold]));
  v("il2", "IU/mL", "il2", "plasma IL-2", of(Module::il2, y[at::il2 + Il2::central] / c.il2.V1 * 1e-3));
  v("fludarabine_conc", "mg/L", "concentration", "plasma F-ara-A",
    of(Module::fludarabine, y[at::fludarabine + Fludarabine::central] / c.fludarabine.V1));
  v("cyclophosphamide_conc", "mg/L", "concentration", "plasma cyclophosphamide",
    of(Module::cyclophosphamide, y[at::cyclophosphamide + Cyclophosphamide::central] / c.cyclophosphamide.V_L));
  v("thiotepa_conc", "mg/L", "concentration", "plasma thiotepa", of(Module::thiotepa, y[at::thiotepa + Thiotepa::parent] / c.thiotepa.V_L));
  v("tepa_conc", "mg/L", "concentration", "plasma TEPA in thiotepa equivalents",
    of(Module::thiotepa, y[at::thiotepa + Thiotepa::tepa] / c.thiotepa.V_TEPA_L));
  v("treosulfan_conc", "mg/L", "concentration", "plasma treosulfan", of(Module::treosulfan, y[at::treosulfan + Treosulfan::central] / c.treosulfan.V1));
  v("busulfan_conc", "mg/L", "concentration", "plasma busulfan", of(Module::busulfan, y[at::busulfan + Busulfan::central] / c.busulfan.V_L));
  v("abatacept_conc", "mg/L", "concentration", "plasma abatacept", of(Module::abatacept, y[at::abatacept] / c.abatacept.V_L));
  v("donor_nk_auc", "d*cells/uL", "", "area under the infused NK count since the start", of(Module::exposure, y[at::exposure]));
}

/// Infused NK cells of cohort k in blood, cells/uL, without doomed ones.
template <class T>
T cohort_count(const Constants<T>& c, const T* y, std::size_t k) {
  return y[at::cohort(k) + InfusedNk::blood] / c.body.blood_uL;
}

/// Infused NK cells of cohort k in lung, blood and tissue.
template <class T>
T cohort_body(const T* y, std::size_t k) {
  const T* d = y + at::cohort(k);
  return d[InfusedNk::lung] + d[InfusedNk::blood] + d[InfusedNk::tissue];
}

}  // namespace nkpk
