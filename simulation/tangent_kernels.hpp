#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "nkpk/core/isa.hpp"
#include "nkpk/core/pack.hpp"
#include "nkpk/model/nk_model.hpp"
#include "nkpk/solvers/tangents.hpp"

// The arithmetic of sensitivities: matrices of several moments side by side, one in each lane; behind one of them four directions
// side by side.

namespace nkpk {

/// As many as the dual numbers that make the jumps carry, and a register of AVX2 holds.
using Four = Pack<4>;

/// Groups of four whose forcing is found in one go through the links.
inline constexpr std::size_t most_fours = 3;

/// nodes[to] gets entry * nodes[from].
struct Link {
  std::uint32_t from, entry;  ///< entry: its index, those of cohorts after all others
};
/// The links of one node: links[first] to links[last - 1].
struct LinkRow {
  std::uint32_t node, first, last;
};

/// What drives up to most_fours groups of directions.
struct Forcing {
  std::span<const LinkRow> rows;
  std::span<const Link> links;
  std::span<const std::pair<std::size_t, std::size_t>> rates;   ///< (state, its node)
  std::span<const std::pair<std::size_t, std::size_t>> inputs;  ///< (state, index into `infused`) in this segment
  const Four* infused = nullptr;                                ///< tangents of infusion rates, [input x groups]
  Four* nodes = nullptr;                                        ///< [node x groups]; those of constants are given
};

/// Matrices J and entries of df/dc at the moments of a step, for one instruction set.
class TangentArithmetic {
 public:
  static constexpr std::size_t moments = TangentSystem::moments;
  virtual ~TangentArithmetic() = default;
  /// y: [n_states x moments]; entries of the mechanisms in `forced`
  virtual void linearize(const ModuleSet& on, const ModuleSet& forced, const Windows& w, std::span<const double, moments> t, std::span<const double> y) = 0;
  virtual void factorize(const ModuleSet& on, double shift) = 0;
  /// b <- (shift I - J)^-1 (b + forcing), or without it; [groups x n_states]
  virtual void solve(std::size_t moment, const ModuleSet& on, std::size_t groups, const Forcing* forcing, Four* b) const = 0;
  /// out <- J b + forcing, likewise
  virtual void rate(std::size_t moment, std::size_t groups, const Forcing& forcing, const Four* b, Four* out) const = 0;
};

/// The constants must outlive it.
std::unique_ptr<TangentArithmetic> make_tangent_arithmetic(const Constants<double>& c, Isa isa);

}  // namespace nkpk
