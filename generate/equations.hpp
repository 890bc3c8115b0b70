#pragma once
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "nkpk/core/symbol.hpp"
#include "nkpk/model/nk_model.hpp"

// The model on symbols, with one cohort: its signals, rates and derivatives.

namespace nkpk::generate {

inline constexpr std::size_t n_core = at::infused_nk;
inline constexpr std::size_t n_states = at::cohort(1);
inline constexpr std::size_t n_kill = 5;
inline constexpr std::size_t n_all = n_states + n_kill;  ///< unknowns: states, then kill rates

inline bool is_kill(std::size_t i) { return i >= n_states; }
inline bool in_cohort(std::size_t i) { return i >= n_core && !is_kill(i); }

struct Signal {
  std::string name;  ///< of the local variable that holds it
  Symbol neutral;
  std::vector<std::pair<Module, Symbol>> parts;  ///< what each mechanism publishes; several add up
};

struct Equations {
  std::vector<Signal> first;                          ///< of the first rank
  std::vector<std::pair<std::string, Symbol>> second; ///< of the second, in terms of the first
  std::vector<Symbol> f;                              ///< rates, [n_states]
  std::vector<std::vector<Symbol>> E;                 ///< [n_all x n_all]: J, with kill rates as unknowns
  std::vector<Symbol> dfdt;                           ///< [n_states]
};

/// Runs the model and differentiates it.
Equations differentiate();

/// Names of the constants ("c.nk.kBT") and of the cohort's own ("k.pmax") that the equations read, in order of appearance.
struct ConstantNames {
  std::vector<std::string> core, cohort;
};
ConstantNames constants_of(const Equations& e);

}  // namespace nkpk::generate
