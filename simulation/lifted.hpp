#pragma once
#include <span>
#include <vector>

#include "nkpk/simulation/kernels.hpp"
#include "nkpk/simulation/lift.hpp"
#include "nkpk/solvers/integrate.hpp"

namespace nkpk {

/// Absolute tolerance of a state's value. Renewing precursors grow in proportion to themselves: after a deep kill an error of a
/// fraction of a cell grows into a marrow within weeks, one below zero without end (benchmarks/extremes.md). So theirs is relative
/// however few they are. Tangents, which may pass through zero, keep the usual one.
inline double value_tolerance(std::size_t state, const StateEntry& entry) {
  constexpr double none = 1e-120;  // below what plausible kills leave
  return state == at::host_nk + HostNk::P1 || state == at::graft + Graft::G1 ? none : entry.atol;
}

/// A scenario in one scalar as the solver sees it: flat doubles between event times. What the solver gets refers to this object.
template <FlatScalar T>
class Lifted {
 public:
  static constexpr std::size_t width = ScalarTraits<T>::width;  ///< doubles per state

  Lifted(const Constants<T>& c, const Timeline<T>& timeline, Isa isa = best_isa())
      : c_(c), timeline_(timeline), kernels_(kernels<T>(isa)), q_(c), n_(c.n_states()), y_(n_), dy_(n_), scratch_(n_) {
    std::size_t place = 0;
    for (const StateEntry& entry : state_entries(c.n_cohorts())) {
      atol_.insert(atol_.end(), width, has_tangents<T> ? entry.atol : value_tolerance(place / width, entry));
      const std::size_t first = place;
      place += width;
      if (!timeline.awake.back().has(entry.module)) continue;  // what has woken stays awake
      if (live_.empty() || first > live_.back().second + shortest_gap) live_.emplace_back(first, first);
      live_.back().second = place;
    }
    if (live_.size() == 1 && live_[0].first + place <= live_[0].second + shortest_gap) live_.clear();  // all, as good as
  }
  Lifted(const Lifted&) = delete;
  Lifted& operator=(const Lifted&) = delete;

  /// Absolute tolerances, [n_states * width].
  std::vector<double>& atol() { return atol_; }
  std::size_t n_states() const { return n_; }

  PiecewiseSystem system() {
    PiecewiseSystem s;
    s.size = n_ * width;
    s.event_times = timeline_.times;
    s.atol = atol_;
    s.live = live_;
    s.rhs = rhs_;
    s.jump = jump_;
    s.linear.linearize = linearize_;
    s.linear.factorize = factorize_;
    s.linear.solve = solve_;
    return s;
  }

  /// As system(), within one segment and without its events.
  PiecewiseSystem piece(std::size_t segment) {
    first_segment_ = segment;
    PiecewiseSystem s = system();
    s.event_times = {};
    return s;
  }

  std::vector<double> flat(const std::vector<T>& values) const {
    std::vector<double> all(n_ * width);
    store<T>(values, all);
    return all;
  }
  /// States from the solver's doubles; valid until the next call.
  const T* states(std::span<const double> flat) {
    if (const T* there = in_place<T>(flat)) return there;
    load<T>(flat, y_);
    return y_.data();
  }

 private:
  struct Rhs {
    Lifted& l;
    void operator()(std::size_t segment, double t, std::span<const double> y, std::span<double> dy) const {
      const auto& line = l.timeline_;
      segment += l.first_segment_;
      T* const there = in_place<T>(dy);
      l.kernels_.rhs(l.c_, l.q_, line.awake[segment], line.windows[segment], line.rates[segment], t, l.states(y), there ? there : l.dy_.data());
      if (!there) store<T>(l.dy_, dy);
    }
  };
  struct Jump {
    Lifted& l;
    void operator()(std::size_t event, std::span<double> y) const {
      load<T>(y, l.y_);
      const auto& line = l.timeline_;
      for (std::size_t i = 0; i < line.jumps[event].size(); ++i) {
        l.shift(event, line.jump_times[event][i], 1);
        apply_jump(line.jumps[event][i], l.y_.data(), l.n_, l.scratch_);
        l.shift(event, line.jump_times[event][i], -1);
      }
      // an infusion that begins later by dt has put in less by its rate times dt; one that ends later, more
      if constexpr (has_tangents<T>)
        for (const auto& change : line.rate_changes[event])
          for (const auto& in : change.rates) l.y_[in.state] -= in.rate * only_tangents(change.when);
      store<T>(l.y_, y);
    }
  };
  struct Linearize {
    Lifted& l;
    void operator()(std::size_t segment, double t, std::span<const double> y, std::span<double> dfdt) const {
      segment += l.first_segment_;
      l.on_ = &l.timeline_.awake[segment];
      T* const there = in_place<T>(dfdt);
      l.kernels_.linearize(l.c_, l.q_, *l.on_, l.timeline_.windows[segment], t, l.states(y), l.jacobian_, there ? there : l.dy_.data());
      if (!there) store<T>(l.dy_, dfdt);
    }
  };
  struct Factorize {
    Lifted& l;
    bool operator()(double shift) const {
      // a pivot that vanishes leaves infinities, which the step's error norm refuses
      l.kernels_.factorize(*l.on_, l.c_.n_cohorts(), shift, l.jacobian_, l.factors_);
      return true;
    }
  };
  struct Solve {
    Lifted& l;
    void operator()(std::span<double> b) const {
      T* const there = in_place<T>(b);
      if (!there) load<T>(b, l.y_);
      l.kernels_.solve(*l.on_, l.c_.n_cohorts(), l.factors_, there ? there : l.y_.data());
      if (!there) store<T>(l.y_, b);
    }
  };

  static constexpr std::size_t shortest_gap = 32;  ///< doubles that cost less than another stretch of them

  /// The jump formula: where an event at time tau moves by dtau, the state before it is followed for dtau longer and the state
  /// after it for dtau less, y <- y +- f(tau, y) dtau. Galan, Feehery and Barton 1999, doi:10.1016/S0168-9274(98)00125-1.
  void shift(std::size_t event, const T& when, double sign) {
    if constexpr (has_tangents<T>) {
      const T by = sign * only_tangents(when);
      if (!moves(by)) return;
      kernels_.rhs(c_, q_, timeline_.awake[event + 1], timeline_.windows[event], timeline_.rates[event], timeline_.times[event], y_.data(), dy_.data());
      for (std::size_t i = 0; i < n_; ++i) y_[i] += dy_[i] * by;
    }
  }

  const Constants<T>& c_;
  const Timeline<T>& timeline_;
  const Kernels<T>& kernels_;
  CompiledConstants<T> q_;
  std::size_t n_;
  std::vector<T> y_, dy_, scratch_;
  std::vector<double> atol_;
  std::vector<std::pair<std::size_t, std::size_t>> live_;
  SparseMatrix<T> jacobian_, factors_;
  const ModuleSet* on_ = nullptr;
  std::size_t first_segment_ = 0;
  Rhs rhs_{*this};
  Jump jump_{*this};
  Linearize linearize_{*this};
  Factorize factorize_{*this};
  Solve solve_{*this};
};

}  // namespace nkpk
