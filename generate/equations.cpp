#include "equations.hpp"

#include <algorithm>
#include <set>
#include <stdexcept>
#include <string_view>

namespace nkpk::generate {
namespace {

Symbol state(std::size_t i) {
  return Symbol::variable(in_cohort(i) ? "d[" + std::to_string(i - n_core) + "]" : "y[" + std::to_string(i) + "]");
}

std::string local(std::string_view signal) {
  std::string name = "s_" + std::string(signal);
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
}

}  // namespace

Equations differentiate() {
  Constants<Symbol> c;
  const auto named = [](const std::string& prefix) {
    return [prefix](std::string_view name, auto&&, Symbol& value) { value = Symbol::variable(prefix + std::string(name)); };
  };
  Constants<Symbol>::visit(c, named("c."));
  c.infused_nk.nk = c.nk;
  c.infused_nk.cohorts.resize(1);
  InfusedNk::CohortConstants<Symbol>::visit(c.infused_nk.cohorts[0], named("k."));
  WindowsOf<Symbol> w;
  w.steroid = Symbol::variable("w.steroid");
  w.treg_depletion = Symbol::variable("w.treg_depletion");
  w.il15_induction = Symbol::variable("w.il15_induction");
  const Symbol t = Symbol::variable("t");
  std::vector<Symbol> y;
  for (std::size_t i = 0; i < n_states; ++i) y.push_back(state(i));

  Equations e;
  Signals<Symbol> s;
  Signals<Symbol>::visit_first_rank(s, [&](std::string_view key, auto&&, auto&&, const Symbol& neutral) { e.first.push_back({local(key), neutral, {}}); });
  for (std::size_t m = 0; m < std::size_t(Module::count); ++m) {
    ModuleSet only;
    for (std::size_t other = 0; other < std::size_t(Module::count); ++other) only.set(Module(other), other == m);
    const Signals<Symbol> said = first_rank_signals(c, only, y.data());
    std::size_t b = 0;
    Signals<Symbol>::visit_first_rank(said, [&](auto&&, auto&&, auto&&, const Symbol& value) {
      Signal& signal = e.first[b++];
      if (value.identity() != signal.neutral.identity() && !value.is_number(signal.neutral.number())) signal.parts.emplace_back(Module(m), value);
    });
  }
  Signals<Symbol>::visit_first_rank(s, [](std::string_view name, auto&&, auto&&, Symbol& value) { value = Symbol::variable(local(name)); });
  CytokineSignal::derive(c.nk, w, s);
  Signals<Symbol>::visit_second_rank(s, [&](std::string_view name, auto&&, auto&&, Symbol& value) {
    e.second.emplace_back(local(name), value);
    value = Symbol::variable(local(name));
  });
  e.f.resize(n_states);
  rates_from(c, c.modules, w, t, y.data(), s, e.f.data());

  e.E.assign(n_all, std::vector<Symbol>(n_all));
  const auto kill = [&](std::size_t b) { return e.first[b].name.starts_with("s_kill_"); };
  std::vector<std::vector<Symbol>> F(n_states);
  for (const Signal& b : e.first) {
    Derivative by_b(b.name);
    std::vector<Symbol> dh;
    for (const auto& a : e.second) dh.push_back(by_b(a.second));
    for (std::size_t i = 0; i < n_states; ++i) F[i].push_back(by_b(e.f[i]));
    for (std::size_t a = 0; a < e.second.size(); ++a) {
      if (dh[a].is_number(0)) continue;
      Derivative by_a(e.second[a].first);
      for (std::size_t i = 0; i < n_states; ++i) F[i].back() += by_a(e.f[i]) * dh[a];
    }
  }
  for (std::size_t j = 0; j < n_states; ++j) {
    Derivative by_y(state(j).name());
    for (std::size_t i = 0; i < n_states; ++i) e.E[i][j] = by_y(e.f[i]);
    std::size_t k = n_states;
    for (std::size_t b = 0; b < e.first.size(); ++b) {
      Symbol dg = 0;
      for (const auto& part : e.first[b].parts) dg += by_y(part.second);
      if (kill(b))
        e.E[k++][j] = dg;
      else
        for (std::size_t i = 0; i < n_states; ++i) e.E[i][j] += F[i][b] * dg;
    }
    if (k != n_all) throw std::logic_error("the number of kill rates has changed");
  }
  std::size_t k = n_states;
  for (std::size_t b = 0; b < e.first.size(); ++b)
    if (kill(b)) {
      for (std::size_t i = 0; i < n_states; ++i) e.E[i][k] = F[i][b];
      ++k;
    }
  Derivative by_t("t");
  for (std::size_t i = 0; i < n_states; ++i) e.dfdt.push_back(by_t(e.f[i]));
  return e;
}

ConstantNames constants_of(const Equations& e) {
  ConstantNames names;
  std::set<const void*> seen;
  std::set<std::string> known;
  const auto visit = [&](const auto& self, const Symbol& s) -> void {
    if (!seen.insert(s.identity()).second) return;
    if (s.op() == Symbol::Op::variable && known.insert(s.name()).second) {
      if (s.name().starts_with("c.")) names.core.push_back(s.name());
      if (s.name().starts_with("k.")) names.cohort.push_back(s.name());
    }
    if (s.op() != Symbol::Op::variable && s.op() != Symbol::Op::number)
      for (const Symbol& argument : s.arguments()) self(self, argument);
  };
  for (const Signal& signal : e.first)
    for (const auto& part : signal.parts) visit(visit, part.second);
  for (const auto& signal : e.second) visit(visit, signal.second);
  for (const Symbol& f : e.f) visit(visit, f);
  return names;
}

}  // namespace nkpk::generate
