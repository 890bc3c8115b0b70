#include "nkpk/simulation/tangent_kernels.hpp"

#include <algorithm>
#include <array>

#include "nkpk/generated/forcing.hpp"
#include "nkpk/generated/linearization.hpp"

namespace nkpk {
namespace {

/// One lane of an array of packs.
template <std::size_t W>
struct LaneOf {
  const double* first;
  double operator[](std::size_t i) const { return first[i * W]; }
};
template <std::size_t W, class Array>
LaneOf<W> lane_of(const Array& packs, std::size_t lane) {
  return {reinterpret_cast<const double*>(packs.data()) + lane};
}
/// One lane of a SparseMatrix, as a matrix.
template <std::size_t W>
struct MatrixLane {
  struct Cohorts {
    const SparseMatrix<Pack<W>>& of;
    std::size_t lane;
    LaneOf<W> operator[](std::size_t k) const { return lane_of<W>(of.cohort[k], lane); }
  };
  MatrixLane(const SparseMatrix<Pack<W>>& of, std::size_t lane) : core(lane_of<W>(of.core, lane)), cohort{of, lane} {}
  LaneOf<W> core;
  Cohorts cohort;
};

/// W: lanes of a register; several packs hold the moments where it is narrow.
template <std::size_t W>
struct Moments {
  static constexpr std::size_t n_packs = TangentArithmetic::moments / W;
  using P = Pack<W>;
  Moments(const Constants<double>& constants, const ForcingPlan& forcing_plan)
      : c(constants), plan(forcing_plan), q(constants), q_forcing(constants), y(constants.n_states()), dfdt(y.size()), entries(plan.entries.size()) {
    for (auto& of_pack : numbers) {
      for (const double x : plan.constants) of_pack.emplace_back(x);
      of_pack.resize(plan.constants.size() + plan.rows.size());
    }
  }

  const Constants<double>& c;
  const ForcingPlan& plan;
  ConstantsOf_linearize<double> q;
  ConstantsOf_forcing<double> q_forcing;
  std::vector<P> y, dfdt;
  std::array<SparseMatrix<P>, n_packs> jacobian, factors;
  std::vector<P> entries;  ///< of the plan
  std::array<std::vector<P>, n_packs> numbers;  ///< of the plan

  void take(const ModuleSet& on, const Windows& w, std::span<const double, TangentArithmetic::moments> t, std::span<const double> all) {
    for (std::size_t p = 0; p < n_packs; ++p) {
      P when;
      load<P>(t.subspan(p * W, W), {&when, 1});
      for (std::size_t i = 0; i < y.size(); ++i) load<P>(all.subspan(i * TangentArithmetic::moments + p * W, W), {&y[i], 1});
      nkpk::linearize(c, q, on, w, when, y.data(), jacobian[p], dfdt.data());
      forcing(c, q_forcing, on, w, when, y.data(), plan.entries, entries.data());
      pass_on(p);
    }
  }
  void pass_on(std::size_t p) {
    P* const x = numbers[p].data();
    P* to = x + plan.constants.size();
    for (const ForcingPlan::Row& row : plan.rows) {
      P sum{};
      for (std::uint32_t i = row.first; i < row.last; ++i) sum += entries[plan.terms[i].entry] * x[plan.terms[i].from];
      *to++ = sum;
    }
  }
  void factorize_all(const ModuleSet& on, double shift) {
    for (std::size_t p = 0; p < n_packs; ++p) nkpk::factorize(on, c.n_cohorts(), shift, jacobian[p], factors[p]);
  }
  void force(std::size_t moment, double* s) const {
    const LaneOf<W> number = lane_of<W>(numbers[moment / W], moment % W);
    for (const auto& [place, i] : plan.rates) s[place] += number[i];
  }
  void solve_one(std::size_t moment, const ModuleSet& on, Four* b) const {
    nkpk::solve(on, c.n_cohorts(), MatrixLane<W>(factors[moment / W], moment % W), b);
  }
  void rate_of_one(std::size_t moment, const Four* b, Four* out) const {
    std::fill_n(out, c.n_states(), Four{});
    visit_entries(MatrixLane<W>(jacobian[moment / W], moment % W), c.n_cohorts(), [&](std::size_t i, std::size_t j, double value) { out[i] += value * b[j]; });
  }
};
#define NKPK_TANGENT_ARITHMETIC(Name, W, TARGET)                                                                                                    \
  class Name final : public TangentArithmetic {                                                                                                     \
   public:                                                                                                                                          \
    Name(const Constants<double>& c, const ForcingPlan& plan) : at_(c, plan) {}                                                                     \
    NKPK_FLATTEN TARGET void linearize(const ModuleSet& on, const Windows& w, std::span<const double, moments> t, std::span<const double> y) override { \
      at_.take(on, w, t, y);                                                                                                                        \
    }                                                                                                                                               \
    NKPK_FLATTEN TARGET void factorize(const ModuleSet& on, double shift) override { at_.factorize_all(on, shift); }                                \
    NKPK_FLATTEN TARGET void force(std::size_t moment, double* s) const override { at_.force(moment, s); }                                          \
    NKPK_FLATTEN TARGET void solve(std::size_t moment, const ModuleSet& on, Four* b) const override { at_.solve_one(moment, on, b); }               \
    NKPK_FLATTEN TARGET void rate(std::size_t moment, const Four* b, Four* out) const override { at_.rate_of_one(moment, b, out); }                 \
                                                                                                                                                    \
   private:                                                                                                                                         \
    Moments<W> at_;                                                                                                                                 \
  };

NKPK_TANGENT_ARITHMETIC(Baseline, 2, )
#if NKPK_HAS_ISA_VARIANTS
NKPK_TANGENT_ARITHMETIC(Avx2, 4, NKPK_TARGET_AVX2)
NKPK_TANGENT_ARITHMETIC(Avx512, 8, NKPK_TARGET_AVX512)
#endif

}  // namespace

std::unique_ptr<TangentArithmetic> make_tangent_arithmetic(const Constants<double>& c, const ForcingPlan& plan, Isa isa) {
#if NKPK_HAS_ISA_VARIANTS
  if (isa == Isa::avx512) return std::make_unique<Avx512>(c, plan);
  if (isa == Isa::avx2) return std::make_unique<Avx2>(c, plan);
#else
  static_cast<void>(isa);
#endif
  return std::make_unique<Baseline>(c, plan);
}

}  // namespace nkpk
