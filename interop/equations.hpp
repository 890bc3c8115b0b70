#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "nkpk/core/symbol.hpp"
#include "nkpk/model/nk_model.hpp"
#include "nkpk/model/observables.hpp"

// The model as a list of named equations, found by running it on Symbols. Nothing here knows an equation.
//
// Names of variables begin with what they are:
//   p:host_nk.d0     a given number: parameter, what is known of a patient's body, a dose
//   c:host_nk.ktr    a constant that is computed once from given numbers
//   y:host_blood     a state
//   s:il15_fold      a signal
//   r:infused_nk.p_1  what a mechanism computes for several of its rates
//   w:steroid        a window
//   m:host           other leukocytes, an input
//   day              time

namespace nkpk {

struct Equation {
  std::string name;  ///< of the variable, with its prefix; of an observable: that in archives
  std::string unit, title;
  Symbol value;
  Module module = Module::count;  ///< of states
};

/// The numbers that the model is run with: variables, or expressions of them.
struct SymbolicInputs {
  Parameters<Symbol> p;
  Body<Symbol> body;
  Symbol chi;
  std::vector<Cohort<Symbol>> cohorts;
  ModuleSet modules;
  bool linear_quadratic = false;
  WindowsOf<Symbol> windows;
  LeukocytesOf<Symbol> leukocytes;
};

struct Equations {
  Constants<Symbol> constants;        ///< variables; a constant that equals a given number or another constant is that one
  std::vector<Equation> computed;     ///< the constants "c:...", each from given numbers and earlier ones; those of cohorts last
  std::vector<Symbol> y;              ///< [n_states]; 0 where the mechanism is switched off
  std::vector<Equation> states;       ///< of the mechanisms that are on: value = the initial one
  /// Signals by rank; those that a switched-off mechanism leaves neutral are not listed. Before the first rank stands what several of
  /// its signals share, the kill by each drug.
  std::vector<Equation> first, second;
  std::vector<Equation> own;          ///< what a mechanism computes from signals for several of its rates
  std::vector<Equation> rates;        ///< as states: value = dy/dt, without infusions
  std::vector<Equation> observables;  ///< NaN ones, which were not computed, are left out
};

Equations equations(const SymbolicInputs& in);

/// Every parameter as the variable "p:module.key".
Parameters<Symbol> named_parameters();
/// Every parameter of a product as "p:<name>.key".
ProductParams<Symbol> named_product(const std::string& name);

}  // namespace nkpk
