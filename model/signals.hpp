#pragma once
#include <string>

// Every coupling between the mechanisms. A module publishes signals from its own states, then adds rates to its own
// states from its own states and all signals; it never sees another module's states. Neutral values stand for "this
// mechanism is switched off": 0 for rates and sums, 1 for folds and factors.

namespace nkpk {

/// Loss rates by drugs, 1/d. Every drug adds its share; every population reads its own (C9, C12).
template <class T>
struct Kill {
  T t{0};          ///< T cells of host and graft, effectors
  T nk{0};         ///< mature host and graft NK
  T donor{0};      ///< infused NK
  T treg{0};
  T precursor{0};  ///< marrow precursors of host and graft
  template <class Self, class V>
  static void visit(Self& k, V&& v) {
    v("t", "1/d", "kill of T cells of host and graft, and of effectors", k.t);
    v("nk", "1/d", "kill of mature host and graft NK", k.nk);
    v("donor", "1/d", "kill of infused NK", k.donor);
    v("treg", "1/d", "kill of Treg", k.treg);
    v("precursor", "1/d", "kill of marrow precursors of host and graft", k.precursor);
  }
};

/// What is held constant between two events: windows of treatment, 0 outside them.
struct Windows {
  double steroid = 0;           ///< 1 inside: the IL-2 signal is multiplied by fs2 (C18)
  double treg_depletion = 0;    ///< 1/d added to the loss of Treg (C43)
  double il15_induction = 0;    ///< added share of IL-15 production
};

template <class T>
struct Signals {
  // first rank: from states, parameters and time only          published by
  T il2_IU_per_L{0};       // I                                  il2
  T il15_fold{1};          // x15                                il15
  T t_total{0};            // T + T_G, cells/uL                  t_cells
  T t_host{0};             // T, cells/uL                        t_cells
  T treg{0};               // R, cells/uL                        treg
  T nk_sink{0};            // N_tot, cells; a sum                host_nk, graft, infused_nk
  T p1_total{0};           // P1 + G1, cells; a sum              host_nk, graft
  T host_blood_nk{0};      // H_B, cells                         host_nk
  T donor_blood_nk{0};     // sum of D_B, cells                  infused_nk
  T doomed_infused_nk{0};  // X_D, cells                         irradiation
  T effectors{0};          // A, cells/uL                        rejection
  T priming_block{0};      // aba(t)                             abatacept
  Kill<T> kill;            // 1/d; sums                          the five drugs

  // second rank: from first-rank signals only                   published by cytokine_signal
  T il2_effective{0};      // I under a steroid window, IU/L
  T il2_local{0};          // I_loc, IU/L
  T margination{1};        // m
  T p_host{0}, d_host{0};  // proliferation and death of mature host and graft NK, 1/d
  T precursor_drive{1};    // g

  /// Visits every member as v(name, unit, description, value), in order; `kill.t` and its like by their path.
  template <class Self, class V>
  static void visit(Self& s, V&& v) {
    visit_first_rank(s, v);
    visit_second_rank(s, v);
  }
  template <class Self, class V>
  static void visit_first_rank(Self& s, V&& v) {
    v("il2_IU_per_L", "IU/L", "plasma IL-2", s.il2_IU_per_L);
    v("il15_fold", "1", "plasma IL-15 over the patient's own baseline", s.il15_fold);
    v("t_total", "cells/uL", "T cells of host and graft", s.t_total);
    v("t_host", "cells/uL", "host T cells", s.t_host);
    v("treg", "cells/uL", "regulatory T cells", s.treg);
    v("nk_sink", "cells", "NK cells that take up IL-15", s.nk_sink);
    v("p1_total", "cells", "renewing marrow precursors of host and graft", s.p1_total);
    v("host_blood_nk", "cells", "host NK in blood", s.host_blood_nk);
    v("donor_blood_nk", "cells", "infused NK in blood", s.donor_blood_nk);
    v("doomed_infused_nk", "cells", "lethally irradiated infused NK still in blood", s.doomed_infused_nk);
    v("effectors", "cells/uL", "host anti-donor effectors", s.effectors);
    v("priming_block", "1", "share of priming that abatacept blocks", s.priming_block);
    Kill<T>::visit(s.kill, [&v](const char* key, const char* unit, const char* doc, auto& value) { v(std::string("kill.") + key, unit, doc, value); });
  }
  template <class Self, class V>
  static void visit_second_rank(Self& s, V&& v) {
    v("il2_effective", "IU/L", "plasma IL-2 under a steroid window", s.il2_effective);
    v("il2_local", "IU/L", "IL-2 where the cells are", s.il2_local);
    v("margination", "1", "factor on the move of NK from blood to tissue", s.margination);
    v("p_host", "1/d", "proliferation of mature host and graft NK", s.p_host);
    v("d_host", "1/d", "death of mature host and graft NK", s.d_host);
    v("precursor_drive", "1", "drive of the marrow", s.precursor_drive);
  }
};

}  // namespace nkpk
