#pragma once
// Private to simulation/: what a kernels_*.cpp instantiates.
#include "nkpk/simulation/kernels.hpp"

namespace nkpk::detail {

template <class T>
void rhs(const Constants<T>& c, const CompiledConstants<T>& q, const ModuleSet& on, const Windows& w, const std::vector<InputRate<T>>& in, double t, const T* y,
         T* dy) {
  compiled_rates(c, q.rates, on, w, t, y, dy);
  for (const auto& rate : in) dy[rate.state] += rate.rate;
}

template <class T>
void jacobian(const Constants<T>& c, const CompiledConstants<T>& q, const ModuleSet& on, const Windows& w, double t, const T* y, SparseMatrix<T>& j, T* dfdt) {
  const std::size_t n = c.n_states();
  for (std::size_t i = 0; i < n; ++i) dfdt[i] = T(0);
  linearize(c, q.jacobian, on, w, t, y, j, dfdt);
}

template <class T>
void observe(const Constants<T>& c, const T* y, const Leukocytes& m, const std::ptrdiff_t* place, T* out) {
  visit_observables(c, y, m, [&](const char*, const char*, const char*, const char*, const T& value) {
    if (*place >= 0) out[*place] = value;
    ++place;
  });
}

#define NKPK_KERNELS(Name, TARGET)                                                                                                       \
  template <class T>                                                                                                                     \
  struct Name {                                                                                                                          \
    NKPK_FLATTEN TARGET static void rhs(const Constants<T>& c, const CompiledConstants<T>& q, const ModuleSet& on, const Windows& w, const std::vector<InputRate<T>>& in, \
                                        double t, const T* y, T* dy) {                                                                   \
      detail::rhs(c, q, on, w, in, t, y, dy);                                                                                               \
    }                                                                                                                                    \
    NKPK_FLATTEN TARGET static void linearize(const Constants<T>& c, const CompiledConstants<T>& q, const ModuleSet& on, const Windows& w, double t, const T* y, \
                                              SparseMatrix<T>& j, T* dfdt) {                                                             \
      detail::jacobian(c, q, on, w, t, y, j, dfdt);                                                                                         \
    }                                                                                                                                    \
    NKPK_FLATTEN TARGET static void factorize(const ModuleSet& on, std::size_t n, double shift, const SparseMatrix<T>& j,                 \
                                              SparseMatrix<T>& lu) {                                                                     \
      nkpk::factorize(on, n, shift, j, lu);                                                                                              \
    }                                                                                                                                    \
    NKPK_FLATTEN TARGET static void solve(const ModuleSet& on, std::size_t n, const SparseMatrix<T>& lu, T* b) {                          \
      nkpk::solve(on, n, lu, b);                                                                                                         \
    }                                                                                                                                    \
    NKPK_FLATTEN TARGET static void observe(const Constants<T>& c, const T* y, const Leukocytes& m, const std::ptrdiff_t* place, T* out) { \
      detail::observe(c, y, m, place, out);                                                                                              \
    }                                                                                                                                    \
    static constexpr Kernels<T> table{rhs, linearize, factorize, solve, observe};                                                        \
  };

NKPK_KERNELS(Baseline, )
#if NKPK_HAS_ISA_VARIANTS
NKPK_KERNELS(Avx2, NKPK_TARGET_AVX2)
NKPK_KERNELS(Avx512, NKPK_TARGET_AVX512)
#endif

}  // namespace nkpk::detail

namespace nkpk {

template <class T>
const Kernels<T>& kernels(Isa isa) {
#if NKPK_HAS_ISA_VARIANTS
  if (isa == Isa::avx512) return detail::Avx512<T>::table;
  if (isa == Isa::avx2) return detail::Avx2<T>::table;
#else
  static_cast<void>(isa);
#endif
  return detail::Baseline<T>::table;
}

}  // namespace nkpk
