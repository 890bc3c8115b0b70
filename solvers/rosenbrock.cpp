// One stepper for every linearly implicit method that is a RosenbrockTableau.
//
// Few states and cheap right-hand sides: what is spent here per stage counts. So nothing is allocated in a step, each
// linear combination is one loop over whole registers with its terms known when compiled, stages lie side by side, and the
// whole step is compiled for each instruction set.
#include <algorithm>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "nkpk/solvers/error_norm.hpp"
#include "nkpk/solvers/rosenbrock_tableaux.hpp"
#include "nkpk/solvers/steppers.hpp"
#include "nkpk/solvers/stretches.hpp"

namespace nkpk::detail {
namespace {

/// out = start + sum_j weight_j of_j, added in the order of j; out may be start, and is apart from all others.
template <std::size_t N>
void combine(const Stretches& stretches, double* out, const double* start, const Terms<N>& terms) {
  stretches.visit([&](std::size_t skipped, std::size_t n) {
    // no component reads another
#pragma GCC ivdep
    for (std::size_t k = 0; k < n; ++k) {
      double sum = std::assume_aligned<Vector::alignment>(start + skipped)[k];
      for (std::size_t j = 0; j < N; ++j) sum += terms.weight[j] * std::assume_aligned<Vector::alignment>(terms.of[j] + skipped)[k];
      std::assume_aligned<Vector::alignment>(out + skipped)[k] = sum;
    }
  });
}

template <std::size_t N>
constexpr std::size_t count_non_zero(const std::array<double, N>& row) {
  return N - static_cast<std::size_t>(std::count(row.begin(), row.end(), 0.0));
}

template <const auto& tableau>
class Rosenbrock : public Stepper {
 public:
  Rosenbrock(const PiecewiseSystem& system, Isa isa)
      : system_(system),
        n_(system.size),
        stretches_(system.live, system.size),
        step_(Variants<step>::of(isa)),
        state_within_(Variants<state_within>::of(isa)),
        states_within_(Variants<states_within>::of(isa)),
        dfdt_(n_),
        argument_(n_),
        u_((n_stages - 1) * stride()),
        k_(n_dense * stride()) {}

  void try_step(Trial& s, double h) override {
    s.is_solvable = true;
    is_k_known_ = false;
    if (linearized_at_ == 0) {  // what never changes
      std::copy_n(s.y.data(), stride(), s.y_new.data());
      std::copy_n(s.y.data(), stride(), argument_.data());
    }
    if (s.state_number != linearized_at_) {
      linearized_at_ = s.state_number;
      factorized_for_ = 0;
      system_.linear.linearize(s.segment, s.t, s.y.view(), dfdt_.view());
      ++s.linearizations;
    }
    const double shift = 1 / (h * tableau.gamma);
    if (shift != factorized_for_) {
      ++s.factorizations;
      s.is_solvable = system_.linear.factorize(shift);
      factorized_for_ = s.is_solvable ? shift : 0;
      if (!s.is_solvable) return;
    }
    step_(*this, s, h);
  }

  /// Solutions of the linear system spread a NaN over all components: the right-hand side that made it is asked once more.
  void find_culprit(Trial& s, double h) override {
    if (const auto bad = first_non_finite(dfdt_.view()); bad >= 0) return blame(s, bad);
    for (std::size_t i = 0; i < n_stages; ++i) {
      const std::span<double> u{stage(s, i), n_};
      auto bad = first_non_finite(u);
      if (bad < 0) continue;
      if (i > 0) {
        argument_.array() = s.y.array();
        for (std::size_t j = 0; j < i; ++j) {
          const double weight = i < n_own ? tableau.a[i][j] : j + 1 < n_own ? tableau.a[n_own - 1][j] : 1;
          argument_.array() += weight * Eigen::Map<const Eigen::ArrayXd>(stage(s, j), static_cast<Eigen::Index>(n_));
        }
        system_.rhs(s.segment, s.t + tableau.c[i] * h, argument_.view(), u);
        ++s.rhs_calls;
        if (const auto first = first_non_finite(u); first >= 0) bad = first;
      }
      return blame(s, bad);
    }
  }

  bool interpolate(const Trial& s, double theta, std::span<double> out) override {
    state_within_(*this, s, theta, out.data());
    return true;
  }

  bool interpolate(const Trial& s, std::span<const double, TangentSystem::within> thetas, std::span<double> out) override {
    states_within_(*this, s, thetas.data(), out.data());
    return true;
  }

 private:
  static constexpr std::size_t n_stages = tableau.n_stages, n_own = tableau.n_own, n_dense = tableau.n_dense;
  static_assert(n_own < n_stages);

  std::size_t stride() const { return Vector::rounded_up(n_); }

  /// The last stage is the error, where it is needed.
  double* stage(Trial& s, std::size_t i) { return i + 1 == n_stages ? s.error.data() : u_.data() + i * stride(); }
  const double* stage(const Trial& s, std::size_t i) const { return i + 1 == n_stages ? s.error.data() : u_.data() + i * stride(); }
  double* k(std::size_t r) { return k_.data() + r * stride(); }

  static void state_within(Rosenbrock& self, const Trial& s, double theta, double* out) { self.states_within_all<1>(s, &theta, out); }
  static void states_within(Rosenbrock& self, const Trial& s, const double* thetas, double* out) {
    self.states_within_all<TangentSystem::within>(s, thetas, out);
  }

  template <std::size_t M>
  void states_within_all(const Trial& s, const double* thetas, double* out) {
    if (!is_k_known_) form_k(s, std::make_index_sequence<n_dense>());
    is_k_known_ = true;
    const bool is_accepted = s.state_number != linearized_at_;
    const double *const before = (is_accepted ? s.y_new : s.y).data(), *const after = (is_accepted ? s.y : s.y_new).data();
    for (std::size_t i = 0; i < n_; ++i)
      for (std::size_t m = 0; m < M; ++m) {
        const double theta = thetas[m], rest = 1 - theta;
        double bend = 0;
        for (std::size_t r = n_dense; r-- > 0;) bend = theta * bend + k(r)[i];
        out[i * M + m] = rest * before[i] + theta * (after[i] + rest * bend);
      }
  }

  template <std::size_t... R>
  void form_k(const Trial& s, std::index_sequence<R...>) {
    std::fill_n(k_.data(), k_.size(), 0.0);
    (form_one_k<R>(s), ...);
  }

  template <std::size_t R>
  void form_one_k(const Trial& s) {
    Terms<count_non_zero(tableau.H[R])> terms;
    collect(s, tableau.H[R], 1, terms);
    combine(stretches_, k(R), k(R), terms);
  }

  static void step(Rosenbrock& self, Trial& s, double h) { self.take_stages(s, h, std::make_index_sequence<n_stages>()); }

  template <std::size_t... I>
  void take_stages(Trial& s, double h, std::index_sequence<I...>) {
    (take_stage<I>(s, h), ...);
    combine<1>(stretches_, s.y_new.data(), argument_.data(), {{s.error.data()}, {1.0}});
  }

  template <std::size_t I>
  void take_stage(Trial& s, double h) {
    double* const u = stage(s, I);
    if constexpr (I == 0) {
      combine<1>(stretches_, u, s.slope.data(), {{dfdt_.data()}, {h * tableau.d[0]}});
    } else {
      form_argument<I>(s);
      system_.rhs(s.segment, s.t + tableau.c[I] * h, argument_.view(), {u, n_});
      ++s.rhs_calls;
      constexpr std::size_t n_linear = count_non_zero(tableau.C[I]), n_terms = n_linear + (tableau.d[I] != 0);
      Terms<n_terms> terms;
      collect(s, tableau.C[I], 1 / h, terms);
      if constexpr (n_terms > n_linear) {
        terms.of[n_linear] = dfdt_.data();
        terms.weight[n_linear] = h * tableau.d[I];
      }
      combine(stretches_, u, u, terms);
    }
    system_.linear.solve({u, n_});
  }

  template <std::size_t I>
  void form_argument(Trial& s) {
    if constexpr (I < n_own) {
      Terms<count_non_zero(tableau.a[I])> terms;
      collect(s, tableau.a[I], 1, terms);
      combine(stretches_, argument_.data(), s.y.data(), terms);
    } else {
      combine<1>(stretches_, argument_.data(), argument_.data(), {{stage(s, I - 1)}, {1.0}});
    }
  }

  template <std::size_t M, std::size_t N>
  void collect(const Trial& s, const std::array<double, M>& row, double factor, Terms<N>& terms) const {
    std::size_t next = 0;
    for (std::size_t j = 0; j < M; ++j) {
      if (row[j] == 0) continue;
      terms.of[next] = stage(s, j);
      terms.weight[next++] = row[j] * factor;
    }
  }

  /// Of a step that is not finite: the component that is at fault alone.
  void blame(Trial& s, std::ptrdiff_t component) {
    s.y_new.array() = s.y.array();
    s.error.array().setZero();
    s.error[static_cast<std::size_t>(component)] = std::numeric_limits<double>::quiet_NaN();
  }

  const PiecewiseSystem& system_;
  std::size_t n_;
  Stretches stretches_;
  void (*step_)(Rosenbrock&, Trial&, double);
  void (*state_within_)(Rosenbrock&, const Trial&, double, double*);
  void (*states_within_)(Rosenbrock&, const Trial&, const double*, double*);
  Vector dfdt_, argument_;
  Vector u_;                       ///< all stages but the last, side by side
  Vector k_;                       ///< of the dense output, likewise
  bool is_k_known_ = false;        ///< for the step just tried
  std::size_t linearized_at_ = 0;  ///< Trial::state_number, which is never 0
  double factorized_for_ = 0;      ///< shift; 0: for none
};

}  // namespace

std::unique_ptr<Stepper> make_rodas4(const PiecewiseSystem& system, Isa isa) { return std::make_unique<Rosenbrock<rodas4>>(system, isa); }
std::unique_ptr<Stepper> make_rodas5p(const PiecewiseSystem& system, Isa isa) { return std::make_unique<Rosenbrock<rodas5p>>(system, isa); }

}  // namespace nkpk::detail
