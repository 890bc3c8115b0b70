#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "nkpk/core/isa.hpp"
#include "nkpk/core/pack.hpp"
#include "nkpk/generated/forcing.hpp"
#include "nkpk/model/nk_model.hpp"
#include "nkpk/solvers/tangents.hpp"

// The arithmetic of sensitivities: matrices of several moments side by side, one in each lane; behind one of them four directions
// side by side.

namespace nkpk {

/// As many as the dual numbers that make the jumps carry, and a register of AVX2 holds.
using Four = Pack<4>;

/// What drives the tangents, df/dc dc, direction by direction: numbers that pass on from constants to rates. Few of all that the
/// model has, as a direction moves few constants. Numbers: first those of constants, then one for each row.
struct ForcingPlan {
  struct Term {
    std::uint32_t entry, from;  ///< which of `entries`, times a number
  };
  struct Row {
    std::uint32_t first, last;  ///< a sum of terms
  };
  std::vector<ForcingEntry> entries;  ///< of df/dc
  std::vector<double> constants;
  std::vector<Row> rows;
  std::vector<Term> terms;
  std::vector<std::pair<std::size_t, std::size_t>> rates;  ///< (place among all tangents, number)
};

/// Matrices J and df/dc dc at the moments of a step, for one instruction set.
class TangentArithmetic {
 public:
  static constexpr std::size_t within = TangentSystem::within, moments = TangentSystem::moments;
  virtual ~TangentArithmetic() = default;
  /// y: [n_states x within]; y_end: [n_states]
  virtual void linearize(const ModuleSet& on, const Windows& w, std::span<const double, moments> t, std::span<const double> y, std::span<const double> y_end) = 0;
  virtual void factorize(const ModuleSet& on, double shift) = 0;
  /// s <- s + df/dc dc, all tangents
  virtual void force(std::size_t moment, double* s) const = 0;
  /// b <- (shift I - J)^-1 b, [n_states]
  virtual void solve(std::size_t moment, const ModuleSet& on, Four* b) const = 0;
  /// out <- J b
  virtual void rate(std::size_t moment, const Four* b, Four* out) const = 0;
};

/// The constants and the plan must outlive it.
std::unique_ptr<TangentArithmetic> make_tangent_arithmetic(const Constants<double>& c, const ForcingPlan& plan, Isa isa);

}  // namespace nkpk
