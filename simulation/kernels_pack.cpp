#include "nkpk/core/pack.hpp"
#include "nkpk/simulation/kernels_of.hpp"

// As many lanes as a register holds, for each instruction set its own: more are slower than as many patients one by one, for a
// vector that is wider than a register is cut and joined through memory.

namespace nkpk {

template <>
const Kernels<Pack<2>>& kernels<Pack<2>>(Isa) {
  return detail::kernels_for<Pack<2>, Isa::baseline>;
}
#if NKPK_HAS_ISA_VARIANTS
template <>
const Kernels<Pack<4>>& kernels<Pack<4>>(Isa) {
  return detail::kernels_for<Pack<4>, Isa::avx2>;
}
template <>
const Kernels<Pack<8>>& kernels<Pack<8>>(Isa) {
  return detail::kernels_for<Pack<8>, Isa::avx512>;
}
#endif

}  // namespace nkpk
