#include "nkpk/core/dual.hpp"
#include "nkpk/simulation/kernels_of.hpp"

template const nkpk::Kernels<nkpk::Dual<4>>& nkpk::kernels<nkpk::Dual<4>>(Isa);
