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

/// Matrices at the moments in the lanes of P.
template <class P>
struct MatricesAt {
  static constexpr std::size_t width = ScalarTraits<P>::width;
  SparseMatrix<P> jacobian, factors;
  std::vector<P> y, dfdt;
  std::vector<P> entries;  ///< of the plan
  std::vector<P> numbers;  ///< of the plan

  MatricesAt(const ForcingPlan& plan, std::size_t n_states) : y(n_states), dfdt(n_states), entries(plan.entries.size()) {
    for (const double x : plan.constants) numbers.emplace_back(x);
    numbers.resize(plan.constants.size() + plan.rows.size());
  }

  void pass_on(const ForcingPlan& plan) {
    P* const x = numbers.data();
    P* to = x + plan.constants.size();
    for (const ForcingPlan::Row& row : plan.rows) {
      P sum{};
      for (std::uint32_t i = row.first; i < row.last; ++i) sum += entries[plan.terms[i].entry] * x[plan.terms[i].from];
      *to++ = sum;
    }
  }
};

/// W: lanes of a register; several packs hold the moments within a step where it is narrow. The step's end is by itself.
template <std::size_t W>
struct Moments {
  static constexpr std::size_t within = TangentArithmetic::within, n_packs = within / W;
  using P = Pack<W>;
  Moments(const Constants<double>& constants, const ForcingPlan& forcing_plan)
      : c(constants), plan(forcing_plan), q(constants), q_forcing(constants), end(plan, c.n_states()) {
    packs.reserve(n_packs);
    for (std::size_t p = 0; p < n_packs; ++p) packs.emplace_back(plan, c.n_states());
  }

  const Constants<double>& c;
  const ForcingPlan& plan;
  ConstantsOf_linearize<double> q;
  ConstantsOf_forcing<double> q_forcing;
  std::vector<MatricesAt<P>> packs;
  MatricesAt<double> end;

  template <class T>
  void take(const ModuleSet& on, const Windows& w, const T& t, const T* y, MatricesAt<T>& m) {
    nkpk::linearize(c, q, on, w, t, y, m.jacobian, m.dfdt.data());
    forcing(c, q_forcing, on, w, t, y, plan.entries, m.entries.data());
    m.pass_on(plan);
  }
  void take_all(const ModuleSet& on, const Windows& w, std::span<const double, TangentArithmetic::moments> t, std::span<const double> y, std::span<const double> y_end) {
    for (std::size_t p = 0; p < n_packs; ++p) {
      P when;
      load<P>(t.subspan(p * W, W), {&when, 1});
      for (std::size_t i = 0; i < packs[p].y.size(); ++i) load<P>(y.subspan(i * within + p * W, W), {&packs[p].y[i], 1});
      take<P>(on, w, when, packs[p].y.data(), packs[p]);
    }
    take<double>(on, w, t[within], y_end.data(), end);
  }
  void factorize_all(const ModuleSet& on, double shift) {
    for (auto& m : packs) nkpk::factorize(on, c.n_cohorts(), shift, m.jacobian, m.factors);
    nkpk::factorize(on, c.n_cohorts(), shift, end.jacobian, end.factors);
  }
  template <class Numbers>
  void add(const Numbers& number, double* s) const {
    for (const auto& [place, i] : plan.rates) s[place] += number[i];
  }
  void force(std::size_t moment, double* s) const {
    if (moment == within) return add(end.numbers, s);
    add(lane_of<W>(packs[moment / W].numbers, moment % W), s);
  }
  void solve_one(std::size_t moment, const ModuleSet& on, Four* b) const {
    if (moment == within) return nkpk::solve(on, c.n_cohorts(), end.factors, b);
    nkpk::solve(on, c.n_cohorts(), MatrixLane<W>(packs[moment / W].factors, moment % W), b);
  }
  void rate_of_one(std::size_t moment, const Four* b, Four* out) const {
    std::fill_n(out, c.n_states(), Four{});
    const auto add_product = [&](std::size_t i, std::size_t j, double value) { out[i] += value * b[j]; };
    if (moment == within) return visit_entries(end.jacobian, c.n_cohorts(), add_product);
    visit_entries(MatrixLane<W>(packs[moment / W].jacobian, moment % W), c.n_cohorts(), add_product);
  }
};
#define NKPK_TANGENT_ARITHMETIC(Name, W, TARGET)                                                                                                    \
  class Name final : public TangentArithmetic {                                                                                                     \
   public:                                                                                                                                          \
    Name(const Constants<double>& c, const ForcingPlan& plan) : at_(c, plan) {}                                                                     \
    NKPK_FLATTEN TARGET void linearize(const ModuleSet& on, const Windows& w, std::span<const double, moments> t, std::span<const double> y,        \
                                       std::span<const double> y_end) override {                                                                    \
      at_.take_all(on, w, t, y, y_end);                                                                                                             \
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
NKPK_TANGENT_ARITHMETIC(Avx512, 4, NKPK_TARGET_AVX512)
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
