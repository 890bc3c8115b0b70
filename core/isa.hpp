#pragma once
#include <string_view>

// One build for every x86-64: hot functions are compiled for several instruction sets, and the processor decides at run time
// which of them runs. Fused multiply-add is never used (-ffp-contract=off), so that all of them give the same bits.

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define NKPK_HAS_ISA_VARIANTS 1
// Features, not "arch=haswell": GCC inlines nothing compiled for one processor family into a function for another, and every
// variant would be a jump to the plain code.
#define NKPK_TARGET_AVX2 __attribute__((target("avx2,bmi,bmi2")))
#define NKPK_TARGET_AVX512 __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx512cd,bmi,bmi2,prefer-vector-width=512")))
#else
#define NKPK_HAS_ISA_VARIANTS 0
#define NKPK_TARGET_AVX2
#define NKPK_TARGET_AVX512
#endif
/// Everything a function calls becomes part of it, and is compiled for its instruction set.
#define NKPK_FLATTEN __attribute__((flatten))

namespace nkpk {

enum class Isa { baseline, avx2, avx512 };

constexpr std::string_view to_string(Isa isa) { return isa == Isa::avx512 ? "avx512" : isa == Isa::avx2 ? "avx2" : "baseline"; }

/// The widest instruction set that this build has variants for and this processor runs.
inline Isa best_isa() {
#if NKPK_HAS_ISA_VARIANTS
  static const Isa best = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
                                  __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd")
                              ? Isa::avx512
                          : __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") ? Isa::avx2
                                                                                                                              : Isa::baseline;
  return best;
#else
  return Isa::baseline;
#endif
}

}  // namespace nkpk
