#include "nkpk/core/pack.hpp"
#include "nkpk/simulation/kernels_of.hpp"

// As many lanes as a register holds: a vector that is wider is cut and joined through memory.
template const nkpk::Kernels<nkpk::Pack<2>>& nkpk::kernels<nkpk::Pack<2>>(Isa);
template const nkpk::Kernels<nkpk::Pack<4>>& nkpk::kernels<nkpk::Pack<4>>(Isa);
template const nkpk::Kernels<nkpk::Pack<8>>& nkpk::kernels<nkpk::Pack<8>>(Isa);
