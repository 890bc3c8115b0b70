#pragma once
// Private to solvers/: hot loops compiled for several instruction sets, chosen when the program is loaded.
//
// Every set computes the same bits: no sum is reordered (no -ffast-math) and no a * b + c is fused
// (-ffp-contract=off), so that only the number of components per instruction differs. Sets are named by feature: GCC takes
// arch=haswell and the like for one family of processors, which leaves every later one with the plain set.
#include <cstddef>  // defines __GLIBC__ where there is one: elsewhere the loader cannot choose

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define NKPK_CLONES __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define NKPK_CLONES
#endif
