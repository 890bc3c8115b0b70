#include "nkpk/simulation/kernels_of.hpp"

template const nkpk::Kernels<double>& nkpk::kernels<double>(Isa);
