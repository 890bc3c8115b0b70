#pragma once
#include <string>
#include <string_view>
#include <vector>

// One build for every x86-64: hot functions are compiled for several instruction sets, and the one to use is chosen at run time.
// Every set computes the same bits: no sum is reordered (no -ffast-math) and no a * b + c is fused (-ffp-contract=off), so that
// only the number of components per instruction differs.

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

enum class Isa { baseline, avx2, avx512 };  // each runs wherever a later one does

constexpr std::string_view to_string(Isa isa) { return isa == Isa::avx512 ? "avx512" : isa == Isa::avx2 ? "avx2" : "baseline"; }

/// Names that isa_from() accepts.
std::vector<std::string> isa_names();

/// The instruction set of this name. Throws InputError, about `where`, with the known names.
Isa isa_from(const std::string& name, const std::string& where = "isa");

/// The widest instruction set that this build has variants for and this processor runs.
inline Isa best_isa() {
#if NKPK_HAS_ISA_VARIANTS
  static const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
  static const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
                             __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd");
  static const Isa best = avx512 ? Isa::avx512 : avx2 ? Isa::avx2 : Isa::baseline;
  return best;
#else
  return Isa::baseline;
#endif
}

/// Throws InputError where `wanted` is wider than `best`.
void expect_isa(const std::string& where, Isa wanted, Isa best = best_isa());

/// One function compiled for every instruction set, with all that it calls: `Variants<f>::of(isa)(arguments...)`.
template <auto f>
struct Variants;

template <class R, class... Args, R (*f)(Args...)>
struct Variants<f> {
  static constexpr auto of([[maybe_unused]] Isa isa) -> R (*)(Args...) {
#if NKPK_HAS_ISA_VARIANTS
    if (isa == Isa::avx512) return avx512;
    if (isa == Isa::avx2) return avx2;
#endif
    return baseline;
  }

  /// For one set alone: the others are not compiled.
  template <Isa isa>
  static constexpr auto of() -> R (*)(Args...) {
#if NKPK_HAS_ISA_VARIANTS
    if constexpr (isa == Isa::avx512) return avx512;
    if constexpr (isa == Isa::avx2) return avx2;
#endif
    if constexpr (isa == Isa::baseline || !NKPK_HAS_ISA_VARIANTS) return baseline;
  }

 private:
  NKPK_FLATTEN static R baseline(Args... args) { return f(args...); }
  NKPK_FLATTEN NKPK_TARGET_AVX2 static R avx2(Args... args) { return f(args...); }
  NKPK_FLATTEN NKPK_TARGET_AVX512 static R avx512(Args... args) { return f(args...); }
};

}  // namespace nkpk
