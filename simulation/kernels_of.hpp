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
  // linearize() writes df/dt of cohorts where there are any; the count of the others is known when compiled
  for (std::size_t i = 0; i < at::cohort(0); ++i) dfdt[i] = T(0);
  for (std::size_t i = at::cohort(0); !on.has(Module::infused_nk) && i < c.n_states(); ++i) dfdt[i] = T(0);
  linearize(c, q.jacobian, on, w, t, y, j, dfdt);
}

template <class T>
void observe(const Constants<T>& c, const T* y, const Leukocytes& m, const std::ptrdiff_t* place, T* out) {
  visit_observables(c, y, m, [&](const char*, const char*, const char*, const char*, const T& value) {
    if (*place >= 0) out[*place] = value;
    ++place;
  });
}

template <class T, Isa isa>
constexpr Kernels<T> kernels_for{Variants<&rhs<T>>::of(isa), Variants<&jacobian<T>>::of(isa), Variants<&factorize<T>>::of(isa), Variants<&solve<T>>::of(isa),
                                     Variants<&observe<T>>::of(isa)};

}  // namespace nkpk::detail

namespace nkpk {

template <class T>
const Kernels<T>& kernels(Isa isa) {
  if (isa == Isa::avx512) return detail::kernels_for<T, Isa::avx512>;
  if (isa == Isa::avx2) return detail::kernels_for<T, Isa::avx2>;
  return detail::kernels_for<T, Isa::baseline>;
}

}  // namespace nkpk
