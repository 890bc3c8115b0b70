#include "nkpk/interop/equations.hpp"

#include <fmt/format.h>

#include <cmath>
#include <unordered_map>

namespace nkpk {
namespace {

bool holds_nan(const Symbol& e) {
  if (e.op() == Symbol::Op::number) return std::isnan(e.number());
  if (e.op() == Symbol::Op::variable) return false;
  for (const Symbol& argument : e.arguments())
    if (holds_nan(argument)) return true;
  return false;
}

/// Replaces what is computed by a variable, once for each node.
class Naming {
 public:
  explicit Naming(std::vector<Equation>& to) : to_(to) {}
  void operator()(const std::string& name, std::string_view unit, Symbol& value) {
    if (value.op() == Symbol::Op::number || value.op() == Symbol::Op::variable) return;
    const auto [found, is_new] = known_.try_emplace(value.identity(), Symbol::variable(name));
    if (is_new) to_.push_back({name, std::string(unit), "", value});
    value = found->second;
  }

 private:
  std::vector<Equation>& to_;
  std::unordered_map<const void*, Symbol> known_;  // the nodes live on in to_
};

/// What each drug adds to the kill of T cells; the kill of all other cells is a multiple of it, of the same node.
std::vector<std::pair<std::string_view, Symbol>> kill_by_drug(const Constants<Symbol>& c, const Symbol* y, Symbol sum) {
  std::vector<std::pair<std::string_view, Symbol>> all;
  for (std::size_t m = 0; m < module_names.size(); ++m) {
    ModuleSet alone;
    for (std::size_t i = 0; i < module_names.size(); ++i) alone.set(static_cast<Module>(i), i == m && c.modules.has(static_cast<Module>(m)));
    if (first_rank_signals(c, alone, y).kill.t.op() != Symbol::Op::number) all.emplace_back(module_names[m], Symbol());
  }
  for (std::size_t i = all.size(); i-- > 0;) {
    all[i].second = i == 0 ? sum : sum.arguments()[1];
    if (i > 0) sum = Symbol(sum.arguments()[0]);
  }
  return all;
}

}  // namespace

Parameters<Symbol> named_parameters() {
  Parameters<Symbol> p;
  Parameters<Symbol>::visit(p, [](std::string_view module, std::string_view key, auto, auto, Symbol& value) {
    value = Symbol::variable(fmt::format("p:{}.{}", module, key));
  });
  return p;
}

ProductParams<Symbol> named_product(const std::string& name) {
  ProductParams<Symbol> p;
  ProductParams<Symbol>::visit(p, [&name](std::string_view key, auto, auto, Symbol& value) { value = Symbol::variable(fmt::format("p:{}.{}", name, key)); });
  return p;
}

Equations equations(const SymbolicInputs& in) {
  Equations e;
  Constants<Symbol>& c = e.constants;
  c = prepare<Symbol>(in.p, in.body, in.chi, in.cohorts, in.modules, in.linear_quadratic);
  Naming name(e.computed);
  Constants<Symbol>::visit(c, [&](std::string_view path, const char* unit, Symbol& value) { name(fmt::format("c:{}", path), unit, value); });
  c.infused_nk.nk = c.nk;
  for (std::size_t k = 0; k < c.n_cohorts(); ++k)
    Constants<Symbol>::visit_cohort(c, k, [&](std::string_view key, const char* unit, Symbol& value) { name(fmt::format("c:cohort_{}.{}", k + 1, key), unit, value); });

  const auto entries = state_entries(c.n_cohorts());
  const auto initial = initial_state(in.p, c);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const bool on = c.modules.has(entries[i].module);
    e.y.push_back(on ? Symbol::variable("y:" + entries[i].name) : Symbol(0));
    if (on) e.states.push_back({"y:" + entries[i].name, entries[i].unit, entries[i].doc, initial[i], entries[i].module});
  }

  const auto take = [](std::vector<Equation>& to) {
    return [&to](std::string_view key, const char* unit, const char* title, Symbol& value) {
      if (value.op() == Symbol::Op::number) return;
      to.push_back({fmt::format("s:{}", key), unit, title, value});
      value = Symbol::variable(to.back().name);
    };
  };
  Signals<Symbol> s = first_rank_signals(c, c.modules, e.y.data());
  for (auto& [module, kill] : kill_by_drug(c, e.y.data(), s.kill.t))
    e.first.push_back({fmt::format("s:kill_by.{}", module), "1/d", fmt::format("kill of T cells of host and graft by {}", module), kill});
  Signals<Symbol>::visit_first_rank(s, take(e.first));
  CytokineSignal::derive(c.nk, in.windows, s);
  Signals<Symbol>::visit_second_rank(s, take(e.second));

  const Symbol day = Symbol::variable("day");
  const auto own = [&e](const std::string& key, const char* unit, const std::string& title, Module module, const Symbol& value) {
    if (value.op() != Symbol::Op::number) e.own.push_back({"r:" + key, unit, title, value, module});
  };
  if (c.modules.has(Module::treg))
    own("treg.gain", "cells/uL/d", "gain of Treg by help of T cells and by IL-2", Module::treg, Treg::gain(e.y.data() + at::treg, c.treg, c.T0, s));
  if (c.modules.has(Module::rejection))
    own("rejection.drive", "1", "share of the priming that the donor cells at hand give", Module::rejection, Rejection::drive(c.rejection, s));
  if (c.modules.has(Module::infused_nk) && c.n_cohorts() > 0) {
    own("infused_nk.rho", "1/d", "loss of infused NK to the host's immune system", Module::infused_nk, InfusedNk::rejection_rate(c.infused_nk, s));
    for (std::size_t k = 0; k < c.n_cohorts(); ++k) {
      const auto turnover = InfusedNk::turnover(day, c.infused_nk.cohorts[k], c.infused_nk, s);
      own(fmt::format("infused_nk.p_{}", k + 1), "1/d", fmt::format("proliferation of infused NK, infusion {}", k + 1), Module::infused_nk, turnover.p);
      own(fmt::format("infused_nk.d_{}", k + 1), "1/d", fmt::format("death of infused NK, infusion {}", k + 1), Module::infused_nk, turnover.d);
    }
  }

  std::vector<Symbol> rates(e.y.size());
  rates_from(c, c.modules, in.windows, day, e.y.data(), s, rates.data());
  for (std::size_t i = 0; i < entries.size(); ++i)
    if (c.modules.has(entries[i].module)) e.rates.push_back({"y:" + entries[i].name, entries[i].unit, entries[i].doc, rates[i], entries[i].module});

  const auto observe = [&e](const std::string& key, const char* unit, const std::string& title, const Symbol& value) {
    if (!holds_nan(value)) e.observables.push_back({key, unit, title, value});
  };
  visit_observables(c, e.y.data(), in.leukocytes, [&](const char* key, const char* unit, auto, const char* title, const Symbol& value) { observe(key, unit, title, value); });
  for (std::size_t k = 0; k < c.n_cohorts(); ++k) {
    observe(fmt::format("donor_nk_cohort_count_{}", k + 1), "cells/uL", fmt::format("infused NK cells in blood, infusion {}", k + 1), cohort_count(c, e.y.data(), k));
    observe(fmt::format("infused_cells_body_{}", k + 1), "cells", fmt::format("infused NK cells in lung, blood and tissue, infusion {}", k + 1), cohort_body(e.y.data(), k));
  }
  return e;
}

}  // namespace nkpk
