// One stepper for every linearly implicit method that is a RosenbrockTableau.
//
// Few states and cheap right-hand sides: what is spent here per stage counts. So nothing is allocated in a step, each
// linear combination is one loop over the states with its terms known when compiled, and stages lie side by side.
#include <Eigen/Core>
#include <algorithm>
#include <limits>
#include <utility>

#include "nkpk/solvers/clones.hpp"
#include "nkpk/solvers/error_norm.hpp"
#include "nkpk/solvers/rosenbrock_tableaux.hpp"
#include "nkpk/solvers/steppers.hpp"

namespace nkpk::detail {
namespace {

template <std::size_t N>
struct Terms {
  std::array<const double*, N> of{};
  std::array<double, N> weight{};
};

/// out = start + sum_j weight_j of_j, added in the order of j; out is apart from all others.
template <std::size_t N>
NKPK_CLONES void combine(std::size_t n, double* __restrict out, const double* start, Terms<N> terms) {
  for (std::size_t k = 0; k < n; ++k) {
    double sum = start[k];
    for (std::size_t j = 0; j < N; ++j) sum += terms.weight[j] * terms.of[j][k];
    out[k] = sum;
  }
}

/// out += sum_j weight_j of_j, likewise.
template <std::size_t N>
NKPK_CLONES void accumulate(std::size_t n, double* __restrict out, Terms<N> terms) {
  for (std::size_t k = 0; k < n; ++k) {
    double sum = out[k];
    for (std::size_t j = 0; j < N; ++j) sum += terms.weight[j] * terms.of[j][k];
    out[k] = sum;
  }
}

template <std::size_t N>
constexpr std::size_t count_non_zero(const std::array<double, N>& row) {
  return N - static_cast<std::size_t>(std::count(row.begin(), row.end(), 0.0));
}

template <const auto& tableau>
class Rosenbrock : public Stepper {
 public:
  explicit Rosenbrock(const PiecewiseSystem& system)
      : system_(system), n_(system.size), dfdt_(static_cast<Eigen::Index>(n_)), argument_(dfdt_.size()), u_(dfdt_.size(), n_stages - 1), k_(dfdt_.size(), n_dense) {}

  void try_step(Trial& s, double h) override {
    s.is_solvable = true;
    is_k_known_ = false;
    if (s.state_number != linearized_at_) {
      linearized_at_ = s.state_number;
      factorized_for_ = 0;
      system_.linear.linearize(s.segment, s.t, {s.y.data(), n_}, {dfdt_.data(), n_});
      ++s.linearizations;
      bad_derivative_ = first_non_finite({dfdt_.data(), n_});
    }
    if (bad_derivative_ >= 0) return blame(s, bad_derivative_);
    const double shift = 1 / (h * tableau.gamma);
    if (shift != factorized_for_) {
      ++s.factorizations;
      s.is_solvable = system_.linear.factorize(shift);
      factorized_for_ = s.is_solvable ? shift : 0;
      if (!s.is_solvable) return;
    }
    take_stages(s, h, std::make_index_sequence<n_stages>());
    if (!all_finite({s.error.data(), n_})) find_culprit(s, h);
  }

  bool interpolate(const Trial& s, double theta, std::span<double> out) override {
    if (!is_k_known_) form_k(s, std::make_index_sequence<n_dense>());
    is_k_known_ = true;
    const bool is_accepted = s.state_number != linearized_at_;
    const double *const before = (is_accepted ? s.y_new : s.y).data(), *const after = (is_accepted ? s.y : s.y_new).data();
    const double rest = 1 - theta;
    for (std::size_t i = 0; i < n_; ++i) {
      double bend = 0;
      for (std::size_t r = n_dense; r-- > 0;) bend = theta * bend + k(r)[i];
      out[i] = rest * before[i] + theta * (after[i] + rest * bend);
    }
    return true;
  }

 private:
  static constexpr std::size_t n_stages = tableau.n_stages, n_own = tableau.n_own, n_dense = tableau.n_dense;
  static_assert(n_own < n_stages);

  /// The last stage is the error, where it is needed.
  double* stage(Trial& s, std::size_t i) { return i + 1 == n_stages ? s.error.data() : u_.col(static_cast<Eigen::Index>(i)).data(); }
  const double* stage(const Trial& s, std::size_t i) const { return i + 1 == n_stages ? s.error.data() : u_.col(static_cast<Eigen::Index>(i)).data(); }
  double* k(std::size_t r) { return k_.col(static_cast<Eigen::Index>(r)).data(); }

  template <std::size_t... R>
  void form_k(const Trial& s, std::index_sequence<R...>) {
    k_.setZero();
    (form_one_k<R>(s), ...);
  }

  template <std::size_t R>
  void form_one_k(const Trial& s) {
    Terms<count_non_zero(tableau.H[R])> terms;
    collect(s, tableau.H[R], 1, terms);
    accumulate(n_, k(R), terms);
  }

  template <std::size_t... I>
  void take_stages(Trial& s, double h, std::index_sequence<I...>) {
    (take_stage<I>(s, h), ...);
    combine<1>(n_, s.y_new.data(), argument_.data(), {{s.error.data()}, {1.0}});
  }

  template <std::size_t I>
  void take_stage(Trial& s, double h) {
    double* const u = stage(s, I);
    if constexpr (I == 0) {
      combine<1>(n_, u, s.slope.data(), {{dfdt_.data()}, {h * tableau.d[0]}});
    } else {
      form_argument<I>(s);
      system_.rhs(s.segment, s.t + tableau.c[I] * h, {argument_.data(), n_}, {u, n_});
      ++s.rhs_calls;
      constexpr std::size_t n_linear = count_non_zero(tableau.C[I]), n_terms = n_linear + (tableau.d[I] != 0);
      Terms<n_terms> terms;
      collect(s, tableau.C[I], 1 / h, terms);
      if constexpr (n_terms > n_linear) {
        terms.of[n_linear] = dfdt_.data();
        terms.weight[n_linear] = h * tableau.d[I];
      }
      accumulate(n_, u, terms);
    }
    system_.linear.solve({u, n_});
  }

  template <std::size_t I>
  void form_argument(Trial& s) {
    if constexpr (I < n_own) {
      Terms<count_non_zero(tableau.a[I])> terms;
      collect(s, tableau.a[I], 1, terms);
      combine(n_, argument_.data(), s.y.data(), terms);
    } else {
      accumulate<1>(n_, argument_.data(), {{stage(s, I - 1)}, {1.0}});
    }
  }

  template <std::size_t M, std::size_t N>
  void collect(const Trial& s, const std::array<double, M>& row, double factor, Terms<N>& terms) {
    std::size_t next = 0;
    for (std::size_t j = 0; j < M; ++j) {
      if (row[j] == 0) continue;
      terms.of[next] = stage(s, j);
      terms.weight[next++] = row[j] * factor;
    }
  }

  /// Solutions of the linear system spread a NaN over all components: the right-hand side that made it is asked once more.
  void find_culprit(Trial& s, double h) {
    for (std::size_t i = 0; i < n_stages; ++i) {
      const std::span<double> u{stage(s, i), n_};
      auto bad = first_non_finite(u);
      if (bad < 0) continue;
      if (i > 0) {
        argument_ = s.y;
        for (std::size_t j = 0; j < i; ++j) {
          const double weight = i < n_own ? tableau.a[i][j] : j + 1 < n_own ? tableau.a[n_own - 1][j] : 1;
          argument_ += weight * Eigen::Map<const Eigen::ArrayXd>(stage(s, j), argument_.size());
        }
        system_.rhs(s.segment, s.t + tableau.c[i] * h, {argument_.data(), n_}, u);
        ++s.rhs_calls;
        if (const auto first = first_non_finite(u); first >= 0) bad = first;
      }
      return blame(s, bad);
    }
  }

  /// Of a step that is not finite: the component that is at fault alone.
  void blame(Trial& s, std::ptrdiff_t component) {
    s.y_new = s.y;
    s.error.setZero();
    s.error[component] = std::numeric_limits<double>::quiet_NaN();
  }

  const PiecewiseSystem& system_;
  std::size_t n_;
  Eigen::ArrayXd dfdt_, argument_;
  Eigen::ArrayXXd u_;              ///< all stages but the last, one a column
  Eigen::ArrayXXd k_;              ///< of the dense output, one a column
  bool is_k_known_ = false;        ///< for the step just tried
  std::size_t linearized_at_ = 0;  ///< Trial::state_number, which is never 0
  double factorized_for_ = 0;      ///< shift; 0: for none
  std::ptrdiff_t bad_derivative_ = -1;
};

}  // namespace

std::unique_ptr<Stepper> make_rodas4(const PiecewiseSystem& system) { return std::make_unique<Rosenbrock<rodas4>>(system); }
std::unique_ptr<Stepper> make_rodas5p(const PiecewiseSystem& system) { return std::make_unique<Rosenbrock<rodas5p>>(system); }

}  // namespace nkpk::detail
