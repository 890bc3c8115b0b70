#pragma once
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "nkpk/core/dual.hpp"
#include "nkpk/simulation/lifted.hpp"
#include "nkpk/simulation/tangent_kernels.hpp"
#include "nkpk/solvers/tangents.hpp"

namespace nkpk {

/// Four directions in which a scenario can move, as dual numbers.
struct Directions {
  static constexpr std::size_t count = 4;
  using D = Dual<count>;
  Directions(Constants<D> constants, Timeline<D> line, std::vector<D> start) : c(std::move(constants)), timeline(std::move(line)), initial(std::move(start)) {}

  Constants<D> c;
  Timeline<D> timeline;
  std::vector<D> initial;  ///< [n_states]
};

/// The sensitivity equations of a scenario as the solver sees them, in one direction or more: what happens at events in dual
/// numbers, what happens between them as S' = J S + df/dc dc in doubles.
///
///   tangents   [ group ][ state ][ four directions ]
class LiftedTangents {
 public:
  LiftedTangents(const Constants<double>& c, const Timeline<double>& timeline, std::span<const std::unique_ptr<Directions>> directions, Isa isa = best_isa());
  LiftedTangents(const LiftedTangents&) = delete;
  LiftedTangents& operator=(const LiftedTangents&) = delete;

  /// All of the system but what takes its outputs.
  TangentSystem system();
  std::vector<double> initial() const;
  /// States with their tangents in the four directions of a group, put together where they are asked for.
  struct States {
    const double *y, *s;
    Directions::D operator[](std::size_t i) const {
      Directions::D x;
      x.value = y[i];
      std::memcpy(x.tangent.data(), s + i * Directions::count, sizeof x.tangent);  // of known size: no call
      return x;
    }
  };
  /// `y`: [n_states]; both must outlive what is returned.
  States states(std::size_t group, std::span<const double> y, std::span<const double> s) const { return {y.data(), &s[at(group, 0)]}; }

 private:
  using D = Directions::D;
  struct Group {
    Group(const Directions& d, Isa isa) : directions(d), lifted(d.c, d.timeline, isa), flat(d.initial.size() * Lifted<D>::width), states(d.initial.size()) {}
    const Directions& directions;
    Lifted<D> lifted;
    std::vector<double> flat;
    std::vector<D> states;
  };
  struct Linearize {
    LiftedTangents& l;
    void operator()(std::size_t segment, std::span<const double, TangentSystem::moments> t, std::span<const double> y, std::span<const double> y_end) const { l.linearize(segment, t, y, y_end); }
  };
  struct Factorize {
    LiftedTangents& l;
    void operator()(double shift) const { l.arithmetic_->factorize(l.on_[l.segment_], shift); }
  };
  struct Solve {
    LiftedTangents& l;
    void operator()(std::size_t moment, std::span<double> s, bool is_forced) const { l.solve(moment, s, is_forced); }
  };
  struct Rate {
    LiftedTangents& l;
    void operator()(std::size_t moment, std::span<const double> s, std::span<double> out) const { l.rate(moment, s, out); }
  };
  struct Jump {
    LiftedTangents& l;
    void operator()(std::size_t event, std::span<double> y, std::span<double> s) const { l.jump(event, y, s); }
  };

  std::size_t at(std::size_t group, std::size_t state) const { return (group * n_ + state) * Directions::count; }
  void trace_inputs();
  void trace_links();
  void trace_states();
  void linearize(std::size_t segment, std::span<const double, TangentSystem::moments> t, std::span<const double> y, std::span<const double> y_end);
  void force(std::size_t moment, std::span<double> s) const;
  void solve(std::size_t moment, std::span<double> s, bool is_forced);
  void rate(std::size_t moment, std::span<const double> s, std::span<double> out);
  void jump(std::size_t event, std::span<double> y, std::span<double> s);

  const Constants<double>& c_;
  const Timeline<double>& timeline_;
  std::size_t n_;
  std::vector<std::unique_ptr<Group>> groups_;
  ForcingPlan plan_;
  std::vector<std::vector<std::pair<std::size_t, double>>> inputs_;  ///< [segment]: (place, tangent of its infusion rate)
  std::unique_ptr<TangentArithmetic> arithmetic_;
  std::vector<std::pair<std::size_t, std::size_t>> live_;
  std::vector<ModuleSet> on_;  ///< in each segment, of what is awake: mechanisms that differ
  std::vector<double> atol_;
  std::size_t segment_ = 0;
  Linearize linearize_{*this};
  Factorize factorize_{*this};
  Solve solve_{*this};
  Rate rate_{*this};
  Jump jump_{*this};
};

}  // namespace nkpk
