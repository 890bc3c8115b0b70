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
  explicit Moments(const Constants<double>& constants) : c(constants), q(constants), q_forcing(constants), y(constants.n_states()), dfdt(y.size()) {}

  const Constants<double>& c;
  ConstantsOf_linearize<double> q;
  ConstantsOf_forcing<double> q_forcing;
  std::vector<Pack<W>> y, dfdt;
  std::array<SparseMatrix<Pack<W>>, n_packs> jacobian, factors;
  std::array<ForcingEntries<Pack<W>>, n_packs> entries;

  void take(const ModuleSet& on, const ModuleSet& forced, const Windows& w, std::span<const double, TangentArithmetic::moments> t, std::span<const double> all) {
    for (std::size_t p = 0; p < n_packs; ++p) {
      Pack<W> when;
      load<Pack<W>>(t.subspan(p * W, W), {&when, 1});
      for (std::size_t i = 0; i < y.size(); ++i) load<Pack<W>>(all.subspan(i * TangentArithmetic::moments + p * W, W), {&y[i], 1});
      nkpk::linearize(c, q, on, w, when, y.data(), jacobian[p], dfdt.data());
      forcing(c, q_forcing, on, w, when, y.data(), forced, entries[p]);
    }
  }
  void factorize_all(const ModuleSet& on, double shift) {
    for (std::size_t p = 0; p < n_packs; ++p) nkpk::factorize(on, c.n_cohorts(), shift, jacobian[p], factors[p]);
  }
  template <std::size_t G>
  void add(std::size_t moment, const Forcing& f, Four* to) const {
    // entries of the core, then of the cohorts, lie side by side
    const LaneOf<W> entry = lane_of<W>(entries[moment / W].core, moment % W);
    for (const LinkRow& row : f.rows) {
      Four sum[G]{};
      for (std::uint32_t i = row.first; i < row.last; ++i) {
        const double e = entry[f.links[i].entry];
        const Four* const from = f.nodes + f.links[i].from * G;
        for (std::size_t g = 0; g < G; ++g) sum[g] += e * from[g];
      }
      for (std::size_t g = 0; g < G; ++g) f.nodes[row.node * G + g] = sum[g];
    }
    const std::size_t n = c.n_states();
    for (const auto& [state, node] : f.rates)
      for (std::size_t g = 0; g < G; ++g) to[g * n + state] += f.nodes[node * G + g];
    for (const auto& [state, i] : f.inputs)
      for (std::size_t g = 0; g < G; ++g) to[g * n + state] += f.infused[i * G + g];
  }
  void add_forcing(std::size_t moment, std::size_t groups, const Forcing& f, Four* to) const {
    if (groups == 1) return add<1>(moment, f, to);
    if (groups == 2) return add<2>(moment, f, to);
    add<3>(moment, f, to);
  }
  void solve_groups(std::size_t moment, const ModuleSet& on, std::size_t groups, const Forcing* f, Four* b) const {
    if (f) add_forcing(moment, groups, *f, b);
    const MatrixLane<W> lu(factors[moment / W], moment % W);
    for (std::size_t g = 0; g < groups; ++g) nkpk::solve(on, c.n_cohorts(), lu, b + g * c.n_states());
  }
  void rate_groups(std::size_t moment, std::size_t groups, const Forcing& f, const Four* b, Four* out) const {
    const std::size_t n = c.n_states();
    std::fill_n(out, groups * n, Four{});
    visit_entries(MatrixLane<W>(jacobian[moment / W], moment % W), c.n_cohorts(), [&](std::size_t i, std::size_t j, double value) {
      for (std::size_t g = 0; g < groups; ++g) out[g * n + i] += value * b[g * n + j];
    });
    add_forcing(moment, groups, f, out);
  }
};
static_assert(most_fours == 3);
static_assert(sizeof(ForcingEntries<double>) ==
              (forcing_nodes::n_core_entries + forcing_nodes::n_cohort_entries * InfusedNk::max_cohorts) * sizeof(double));

#define NKPK_TANGENT_ARITHMETIC(Name, W, TARGET)                                                                                                      \
  class Name final : public TangentArithmetic {                                                                                                       \
   public:                                                                                                                                            \
    explicit Name(const Constants<double>& c) : at_(c) {}                                                                                             \
    NKPK_FLATTEN TARGET void linearize(const ModuleSet& on, const ModuleSet& forced, const Windows& w, std::span<const double, moments> t,            \
                                       std::span<const double> y) override {                                                                          \
      at_.take(on, forced, w, t, y);                                                                                                                  \
    }                                                                                                                                                 \
    NKPK_FLATTEN TARGET void factorize(const ModuleSet& on, double shift) override { at_.factorize_all(on, shift); }                                  \
    NKPK_FLATTEN TARGET void solve(std::size_t moment, const ModuleSet& on, std::size_t groups, const Forcing* f, Four* b) const override {           \
      at_.solve_groups(moment, on, groups, f, b);                                                                                                     \
    }                                                                                                                                                 \
    NKPK_FLATTEN TARGET void rate(std::size_t moment, std::size_t groups, const Forcing& f, const Four* b, Four* out) const override {                \
      at_.rate_groups(moment, groups, f, b, out);                                                                                                     \
    }                                                                                                                                                 \
                                                                                                                                                      \
   private:                                                                                                                                           \
    Moments<W> at_;                                                                                                                                   \
  };

NKPK_TANGENT_ARITHMETIC(Baseline, 2, )
#if NKPK_HAS_ISA_VARIANTS
NKPK_TANGENT_ARITHMETIC(Avx2, 4, NKPK_TARGET_AVX2)
NKPK_TANGENT_ARITHMETIC(Avx512, 8, NKPK_TARGET_AVX512)
#endif

}  // namespace

std::unique_ptr<TangentArithmetic> make_tangent_arithmetic(const Constants<double>& c, Isa isa) {
#if NKPK_HAS_ISA_VARIANTS
  if (isa == Isa::avx512) return std::make_unique<Avx512>(c);
  if (isa == Isa::avx2) return std::make_unique<Avx2>(c);
#else
  static_cast<void>(isa);
#endif
  return std::make_unique<Baseline>(c);
}

}  // namespace nkpk
