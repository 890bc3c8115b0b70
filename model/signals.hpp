#pragma once

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
};

}  // namespace nkpk
