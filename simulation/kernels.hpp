#pragma once
#include "nkpk/core/isa.hpp"
#include "nkpk/generated/linearization.hpp"
#include "nkpk/simulation/scenario.hpp"

namespace nkpk {

/// What is computed once for a run.
template <class T>
struct CompiledConstants {
  ConstantsOf_compiled_rates<T> rates;
  ConstantsOf_linearize<T> jacobian;
  explicit CompiledConstants(const Constants<T>& c) : rates(c), jacobian(c) {}
};

/// The model's arithmetic for one scalar and one instruction set.
template <class T>
struct Kernels {
  using Rates = std::vector<InputRate<T>>;
  /// dy/dt with the infusions that run
  void (*rhs)(const Constants<T>& c, const CompiledConstants<T>& q, const ModuleSet& on, const Windows& w, const Rates& in, double t, const T* y, T* dy);
  /// J and df/dt, [n_states]
  void (*linearize)(const Constants<T>& c, const CompiledConstants<T>& q, const ModuleSet& on, const Windows& w, double t, const T* y, SparseMatrix<T>& j, T* dfdt);
  void (*factorize)(const ModuleSet& on, std::size_t n_cohorts, double shift, const SparseMatrix<T>& j, SparseMatrix<T>& lu);
  void (*solve)(const ModuleSet& on, std::size_t n_cohorts, const SparseMatrix<T>& lu, T* b);
  /// Observable i goes to out[place[i]], nowhere where that is negative; [n_observables] in the order of visit_observables.
  void (*observe)(const Constants<T>& c, const T* y, const Leukocytes& m, const std::ptrdiff_t* place, T* out);
};

/// Instantiated for double, Dual<4> and Pack<2>, Pack<4>, Pack<8>; a pack is fast where a register holds it: 2 lanes for baseline, 4
/// for avx2, 8 for avx512.
template <class T>
const Kernels<T>& kernels(Isa isa);

}  // namespace nkpk
