// Writes linearization.hpp: the right-hand side, its Jacobian and a sparse LU of (shift I - J), as straight-line C++ for any
// scalar. Run by the build; nobody edits what it writes.
//
// The model is run once on Symbols, with one cohort. Its signals become variables, so that a rate is short, its derivative is
// found where it arises, and the chain rule carries it over:
//
//   dy_i/dt = f_i(y_own, s),  s = (s1, s2),  s1 = g(y),  s2 = h(s1)
//   J_ij = df_i/dy_j + sum_b F_ib dg_b/dy_j,   F_ib = df_i/ds1_b + sum_a df_i/ds2_a dh_a/ds1_b
//
// What depends on constants only is computed once per run and kept; equal expressions are one; a / b is a (1 / b) where b has
// several uses. So the compiled functions give the model's values up to rounding, with a third of its divisions.
//
// Drugs act on all cells through five kill rates. These stay unknowns of the linear system, k = sum_b dg_k/dy_b x_b: a few
// entries each for drugs and for cells, where eliminating them would fill every cell's row with every drug.
//
// Pivots are taken on the diagonal, in an order that keeps the factors sparse: what depends on nothing else first (drugs), the
// cohorts next, then the rest by Markowitz' rule, what nothing depends on last. With every pivot after the drugs and before the
// cohorts excluded, cohorts never fill in with each other, and one loop body serves any number of them.
#include <algorithm>
#include <cstdio>
#include <map>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "nkpk/core/symbol.hpp"
#include "nkpk/model/nk_model.hpp"

using namespace nkpk;

namespace {

constexpr std::size_t n_core = at::infused_nk;
constexpr std::size_t n_states = at::cohort(1);
constexpr std::size_t n_kill = 5;
constexpr std::size_t n_all = n_states + n_kill;  ///< unknowns: states, then kill rates

bool is_kill(std::size_t i) { return i >= n_states; }
bool in_cohort(std::size_t i) { return i >= n_core && !is_kill(i); }

std::string number(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.17g", value);
  std::string s = text;
  return s.find_first_of(".en") == std::string::npos ? s + ".0" : s;
}

// --- the model on symbols

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

Symbol state(std::size_t i) {
  return Symbol::variable(in_cohort(i) ? "d[" + std::to_string(i - n_core) + "]" : "y[" + std::to_string(i) + "]");
}

std::string local(std::string_view signal) {
  std::string name = "s_" + std::string(signal);
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
}

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

// --- order of elimination

using Pattern = std::vector<std::vector<bool>>;

std::vector<std::vector<bool>> reachable(const Pattern& a) {
  auto r = a;
  for (std::size_t k = 0; k < n_all; ++k)
    for (std::size_t i = 0; i < n_all; ++i)
      if (r[i][k])
        for (std::size_t j = 0; j < n_all; ++j)
          if (r[k][j]) r[i][j] = true;
  return r;
}

struct Elimination {
  std::vector<std::size_t> order;
  Pattern filled;  ///< entries of the factors
};

Elimination plan(const Pattern& a) {
  const auto depends = reachable(a);
  const auto together = [&](std::size_t i, std::size_t j) { return i == j || (depends[i][j] && depends[j][i]); };
  Elimination e{{}, a};
  std::set<std::size_t> left;
  for (std::size_t i = 0; i < n_all; ++i) {
    left.insert(i);
    e.filled[i][i] = true;
  }
  while (!left.empty()) {
    // ready: whatever it depends on is done, but for its own strongly connected block; within a block cohorts come first
    std::size_t best = n_all, best_cost = 0;
    for (const std::size_t i : left) {
      bool ready = true, cohorts_left = false;
      for (const std::size_t j : left) {
        if (depends[i][j] && !together(i, j)) ready = false;
        if (!in_cohort(i) && in_cohort(j) && together(i, j)) cohorts_left = true;
      }
      if (!ready || cohorts_left) continue;
      std::size_t row = 0, column = 0;
      for (const std::size_t j : left) {
        if (j == i) continue;
        row += e.filled[i][j];
        column += e.filled[j][i];
      }
      const std::size_t cost = row * column;
      if (best == n_all || cost < best_cost) best = i, best_cost = cost;
    }
    left.erase(best);
    e.order.push_back(best);
    for (const std::size_t i : left)
      if (e.filled[i][best])
        for (const std::size_t j : left)
          if (e.filled[best][j]) e.filled[i][j] = true;
  }
  return e;
}

// --- C++ text

/// Numbers expressions by value: equal texts are one variable.
class Writer {
 public:
  explicit Writer(std::set<std::string> second_rank) : second_rank_(std::move(second_rank)) {}
  /// Takes note of an expression that block `block` needs.
  std::size_t add(const Symbol& e, int block) {
    const auto seen = by_node_.find(e.identity());
    std::size_t id;
    if (seen != by_node_.end()) {
      id = seen->second;
    } else {
      kept_.push_back(e);
      id = intern(e, block);
      by_node_.emplace(e.identity(), id);
    }
    use(id, block);
    return id;
  }
  bool of_cohort(std::size_t id) const { return values_[id].cohort; }
  /// The definitions that belong to `block`, in order; block -1: what several blocks share.
  std::string definitions(int block, int stage, const std::string& indent) const {
    std::string text;
    for (std::size_t id = 0; id < values_.size(); ++id) {
      const Value& v = values_[id];
      if (!v.inlined && !v.constant && !v.cohort && v.stage == stage && home(v) == block) text += define(id, indent, "v");
    }
    return text;
  }
  /// Those of a block without regard to their stage.
  std::string definitions(int block, const std::string& indent) const {
    return definitions(block, 0, indent) + definitions(block, 1, indent) + definitions(block, 2, indent);
  }
  /// What the loop over cohorts of one block computes for itself.
  std::string cohort_definitions(int block, const std::string& indent) const {
    std::string text;
    for (std::size_t id = 0; id < values_.size(); ++id) {
      const Value& v = values_[id];
      if (!v.inlined && !v.constant && v.cohort && v.blocks.contains(block)) text += define(id, indent, "v");
    }
    return text;
  }
  /// The definitions of what depends on constants only, and where each is kept.
  std::string constants(bool cohort, const std::string& indent, bool only_define = false) const {
    std::string text;
    std::size_t n = 0;
    for (std::size_t id = 0; id < values_.size(); ++id) {
      const Value& v = values_[id];
      if (v.inlined || !v.constant || v.cohort != cohort) continue;
      text += define(id, indent, "v");
      if (v.kept && !only_define) text += indent + "to[" + std::to_string(n++) + "] = v" + std::to_string(id) + ";\n";
    }
    return text;
  }
  /// Names under which `definitions` find the constants that are kept in arrays q (core) and qk (cohort).
  std::size_t place_constants(bool cohort) {
    std::size_t n = 0;
    for (std::size_t id = 0; id < values_.size(); ++id) {
      Value& v = values_[id];
      if (!v.inlined && v.constant && v.kept && v.cohort == cohort) v.place = (cohort ? "qk[" : "q[") + std::to_string(n++) + "]";
    }
    return n;
  }
  /// As seen by definitions().
  std::string name(std::size_t id) const {
    const Value& v = values_[id];
    return v.inlined ? v.text : !v.place.empty() ? v.place : "v" + std::to_string(id);
  }
  /// Marks the constants that something else than a constant reads; call when all is added.
  void finish(const std::vector<std::size_t>& wanted) {
    for (Value& v : values_)
      if (!v.constant)
        for (const std::size_t argument : v.arguments) values_[argument].kept = true;
    for (const std::size_t id : wanted) values_[id].kept = true;
  }

 private:
  struct Value {
    std::string key;                   ///< the operation on value numbers
    std::string text;                  ///< of what is inlined
    std::vector<std::string> pieces;   ///< text between the arguments
    bool inlined, cohort, constant;
    std::vector<std::size_t> arguments;
    int stage = 0;                     ///< 1: reads signals of the first rank; 2: of the second
    std::set<int> blocks = {};
    bool kept = false;
    std::string place = {};
  };
  std::string define(std::size_t id, const std::string& indent, const std::string& prefix) const {
    const Value& v = values_[id];
    std::string text = indent + (v.constant ? "[[maybe_unused]] const T " : "const T ") + prefix + std::to_string(id) + " = " + v.pieces[0];
    for (std::size_t i = 0; i < v.arguments.size(); ++i) {
      const Value& a = values_[v.arguments[i]];
      // inside the constants' own function they are locals
      text += (v.constant && !a.inlined ? "v" + std::to_string(v.arguments[i]) : name(v.arguments[i])) + v.pieces[i + 1];
    }
    return text + ";\n";
  }
  static int home(const Value& v) { return v.blocks.size() == 1 ? *v.blocks.begin() : -1; }

  void use(std::size_t id, int block) {
    if (!values_[id].blocks.insert(block).second) return;
    for (const std::size_t argument : values_[id].arguments) use(argument, block);
  }

  std::size_t leaf(const std::string& text) {
    const int stage = second_rank_.contains(text) ? 2 : text.starts_with("s_") ? 1 : 0;
    const auto [found, is_new] = by_key_.try_emplace(text, values_.size());
    const bool cohort = text.starts_with("k.") || text.starts_with("d[");
    const bool constant = text.starts_with("k.") || text.starts_with("c.") || text.starts_with("T(");
    if (is_new) values_.push_back({text, text, {}, true, cohort, constant, {}, stage});
    return found->second;
  }
  std::size_t operation(std::vector<std::string> pieces, std::vector<std::size_t> arguments) {
    std::string key = pieces[0];
    bool cohort = false, constant = true;
    int stage = 0;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
      stage = std::max(stage, values_[arguments[i]].stage);
      key += "#" + std::to_string(arguments[i]) + pieces[i + 1];
      cohort = cohort || values_[arguments[i]].cohort;
      constant = constant && values_[arguments[i]].constant;
    }
    const auto [found, is_new] = by_key_.try_emplace(key, values_.size());
    if (is_new) values_.push_back({key, "", std::move(pieces), false, cohort, constant, std::move(arguments), stage});
    return found->second;
  }

  std::size_t intern(const Symbol& e, int block) {
    using Op = Symbol::Op;
    if (e.op() == Op::number) return leaf("T(" + number(e.number()) + ")");
    if (e.op() == Op::variable) return leaf(e.name());
    std::vector<std::size_t> x;
    for (const Symbol& argument : e.arguments()) x.push_back(add(argument, block));
    switch (e.op()) {
      case Op::add: return operation({"", " + ", ""}, x);
      case Op::subtract: return operation({"", " - ", ""}, x);
      case Op::multiply: return operation({"", " * ", ""}, x);
      case Op::divide: {
        // several derivatives divide by one denominator: one reciprocal
        const std::size_t inverse = operation({"1.0 / ", ""}, {x[1]});
        use(inverse, block);
        return e.arguments()[0].is_number(1) ? inverse : operation({"", " * ", ""}, {x[0], inverse});
      }
      case Op::negate: return operation({"-", ""}, x);
      case Op::exp: return operation({"exp(", ")"}, x);
      case Op::log: return operation({"log(", ")"}, x);
      case Op::sqrt: return operation({"sqrt(", ")"}, x);
      case Op::pow: return operation({"power(", ", ", ")"}, x);
      case Op::max0: return operation({"max0(", ")"}, x);
      case Op::if_positive: return operation({"if_positive(", ", ", ", ", ")"}, x);
      case Op::number:
      case Op::variable: break;
    }
    return 0;
  }

  std::set<std::string> second_rank_;
  std::vector<Symbol> kept_;  // node addresses are keys
  std::map<const void*, std::size_t> by_node_;
  std::map<std::string, std::size_t> by_key_;
  std::vector<Value> values_;
};

constexpr int no_module = -1;

int module_of(std::size_t i) {
  static const auto entries = state_entries(1);
  return is_kill(i) ? no_module : static_cast<int>(entries[i].module);
}

/// Mechanisms that rest for long stretches, and whose columns are then not needed.
bool rests(int module) {
  switch (static_cast<Module>(module)) {
    case Module::il15:
    case Module::host_nk:
    case Module::t_cells:
    case Module::treg:
    case Module::infused_nk: return false;
    default: return true;
  }
}

std::string guard(int module) {
  if (module == no_module) return "true";
  return "on.has(Module::" + std::string(module_names[static_cast<std::size_t>(module)]) + ")";
}

/// One generated function: lines that assign values, under guards and in the loop over cohorts.
class Function {
 public:
  static constexpr int loop = static_cast<int>(Module::infused_nk);
  static constexpr int column_block = 100, publish_block = 200, derive_block = 300, publish_loop = publish_block + loop;

  Function(const Equations& e, std::string name) : equations_(e), name_(std::move(name)), writer_(second_rank(e)) {
    for (const Signal& signal : e.first)
      for (const auto& [m, value] : signal.parts) {
        if (signal.parts.size() > 1 && !signal.neutral.is_number(0)) throw std::logic_error(signal.name + ": only signals that start at 0 can add up");
        add(publish_block + static_cast<int>(m), no_module, signal.name, value, adds_up(signal) ? " += " : " = ");
      }
    for (const auto& [signal, value] : e.second) add(derive_block, no_module, "const T " + signal, value);
  }

  /// `row`: what must be on besides the block's own mechanism.
  void add(int block, int row, const std::string& target, const Symbol& value, const std::string& how = " = ") {
    wanted_.push_back(writer_.add(value, block));
    lines_.push_back({block, row, target, how, wanted_.back()});
  }

  /// The struct of constants, then the function with these arguments and first and last statements.
  std::string text(const std::string& doc, const std::string& arguments, const std::string& start, const std::string& cohort_start) {
    writer_.finish(wanted_);
    const std::size_t n_q = writer_.place_constants(false), n_qk = writer_.place_constants(true);
    std::ostringstream out;
    const std::string type = "ConstantsOf_" + name_;
    out << "/// What " << name_ << "() needs of the constants alone.\n"
           "template <class T>\nstruct " << type << " {\n"
        << "  std::array<T, " << n_q << "> core{};\n  std::array<std::array<T, " << n_qk << ">, InfusedNk::max_cohorts> cohort{};\n\n  explicit "
        << type << "(const Constants<T>& c) {\n    using std::exp, std::log, std::sqrt;\n    auto& to = core;\n"
        << writer_.constants(false, "    ")
        << "    for (std::size_t i = 0; i < c.n_cohorts(); ++i) fill(c, i);\n  }\n\n private:\n"
           "  void fill(const Constants<T>& c, std::size_t i) {\n"
           "    [[maybe_unused]] const auto& k = c.infused_nk.cohorts[i];\n    [[maybe_unused]] auto& to = cohort[i];\n"
        << writer_.constants(false, "    ", true) << writer_.constants(true, "    ") << "  }\n};\n\n";
    out << doc << "template <class T>\nvoid " << name_ << "(const Constants<T>& c, const " << type
        << "<T>& constants, const ModuleSet& on, const Windows& w, double t, const T* __restrict y, " << arguments << ") {\n"
           "  using std::exp, std::log, std::sqrt;\n  const auto& q = constants.core;\n" << start;
    for (const Signal& signal : equations_.first)
      out << "  [[maybe_unused]] T " << signal.name << "(" << number(signal.neutral.number()) << ");\n";
    const std::string head = "    [[maybe_unused]] const auto& k = c.infused_nk.cohorts[i];\n    [[maybe_unused]] const auto& qk = constants.cohort[i];\n"
                             "    const T* d = y + at::cohort(i);\n";
    out << writer_.definitions(-1, 0, "  ");
    for (const int block : blocks())
      if (block >= publish_block && block < derive_block) {
        const std::string condition = "  if (" + guard(block - publish_block) + ") ";
        const std::string own = writer_.definitions(block, "    ");
        if (block != publish_loop)
          out << condition << "{\n" << own << assignments(block) << "  }\n";
        else
          out << own << condition << "for (std::size_t i = 0; i < c.n_cohorts(); ++i) {\n" << head << writer_.cohort_definitions(block, "    ")
              << assignments(block) << "  }\n";
      }
    out << writer_.definitions(-1, 1, "  ") << writer_.definitions(derive_block, "  ") << assignments(derive_block) << writer_.definitions(-1, 2, "  ");
    for (const int block : blocks())
      if (block < publish_block && block != loop)
        out << "  if (" << guard(block >= column_block ? block - column_block : block) << ") {\n" << writer_.definitions(block, "    ") << assignments(block) << "  }\n";
    out << "  if (!" << guard(loop) << ") return;\n"
        << writer_.definitions(loop, "  ") << "  for (std::size_t i = 0; i < c.n_cohorts(); ++i) {\n"
        << head << cohort_start << writer_.cohort_definitions(loop, "    ") << assignments(loop) << "  }\n}\n\n";
    return out.str();
  }

 private:
  struct Line {
    int block, row;
    std::string target, how;
    std::size_t value;
  };
  static std::set<std::string> second_rank(const Equations& e) {
    std::set<std::string> names;
    for (const auto& signal : e.second) names.insert(signal.first);
    return names;
  }
  /// Of several mechanisms, or of several infusions.
  static bool adds_up(const Signal& signal) { return signal.parts.size() > 1 || signal.parts.front().first == Module::infused_nk; }
  std::set<int> blocks() const {
    std::set<int> all;
    for (const Line& line : lines_) all.insert(line.block);
    return all;
  }
  std::string assignments(int block) const {
    std::string text;
    for (const Line& line : lines_)
      if (line.block == block)
        text += (block == derive_block ? "  " : "    ") + (line.row == no_module ? std::string() : "if (" + guard(line.row) + ") ") + line.target + line.how +
                writer_.name(line.value) + ";\n";
    return text;
  }

  const Equations& equations_;
  std::string name_;
  Writer writer_;
  std::vector<std::size_t> wanted_;
  std::vector<Line> lines_;
};

class Header {
 public:
  explicit Header(const Equations& e) : equations_(e), pattern_(n_all, std::vector<bool>(n_all)) {
    for (std::size_t i = 0; i < n_all; ++i)
      for (std::size_t j = 0; j < n_all; ++j) pattern_[i][j] = !e.E[i][j].is_number(0);
    plan_ = plan(pattern_);
    position_.resize(n_all);
    for (std::size_t p = 0; p < n_all; ++p) position_[plan_.order[p]] = p;
    for (const std::size_t i : plan_.order)
      for (const std::size_t j : plan_.order)
        if (plan_.filled[i][j] && !(i == j && is_kill(i))) {
          auto& n = in_cohort(i) || in_cohort(j) ? n_of_cohort_ : n_of_core_;
          slot_[{i, j}] = n++;
        }
  }

  std::string text() const {
    std::ostringstream out;
    out << "#pragma once\n"
           "// Written by the build (generate/linearization.cpp) from model/*.hpp. Do not edit.\n"
           "#include <array>\n#include <cmath>\n#include <cstddef>\n#include <vector>\n\n#include \"nkpk/model/nk_model.hpp\"\n\n"
           "namespace nkpk {\n\n"
           "/// Entries of the Jacobian, or of the factors of (shift I - J) with fill-in; those of cohorts apart.\n"
           "template <class T>\nstruct SparseMatrix {\n"
        << "  std::array<T, " << n_of_core_ << "> core{};\n"
        << "  std::array<std::array<T, " << n_of_cohort_ << ">, InfusedNk::max_cohorts> cohort{};\n};\n\n";
    out << rates() << linearize() << factorize() << '\n' << solve() << '\n' << entries() << "\n}  // namespace nkpk\n";
    return out.str();
  }

 private:
  std::string entry(const char* matrix, std::size_t i, std::size_t j) const {
    const bool own = in_cohort(i) || in_cohort(j);
    return std::string(matrix) + (own ? "k[" : "[") + std::to_string(slot_.at({i, j})) + "]";
  }

  std::string rates() const {
    Function f(equations_, "compiled_rates");
    for (std::size_t i = 0; i < n_states; ++i)
      f.add(in_cohort(i) ? Function::loop : module_of(i), no_module, (in_cohort(i) ? "dd[" + std::to_string(i - n_core) : "dy[" + std::to_string(i)) + "]",
            equations_.f[i]);
    return f.text("/// dy/dt at (t, y), [n_states], as right_hand_side() up to rounding. Mechanisms that are off must be at rest.\n", "T* __restrict dy",
                  "  for (std::size_t i = 0; i < c.n_states(); ++i) dy[i] = T(0);\n", "    T* dd = dy + at::cohort(i);\n");
  }

  // An entry is written under its row's mechanism, or under its column's where that rests for long.
  void add_entry(Function& f, std::size_t i, std::size_t j) const {
    const int row = module_of(i), column = module_of(j);
    if (in_cohort(i) || in_cohort(j))
      f.add(Function::loop, row == Function::loop ? no_module : row, entry("j", i, j), equations_.E[i][j]);
    else if (row == no_module || (row != column && column != no_module && rests(column)))
      f.add(Function::column_block + column, row, entry("j", i, j), equations_.E[i][j]);
    else
      f.add(row, no_module, entry("j", i, j), equations_.E[i][j]);
  }

  std::string linearize() const {
    Function f(equations_, "linearize");
    for (std::size_t i = 0; i < n_all; ++i)
      for (std::size_t j = 0; j < n_all; ++j)
        if (pattern_[i][j]) add_entry(f, i, j);
    for (std::size_t i = 0; i < n_states; ++i)
      if (!equations_.dfdt[i].is_number(0)) f.add(Function::loop, no_module, "dfdt_k[" + std::to_string(i - n_core) + "]", equations_.dfdt[i]);
    return f.text(
        "/// J = df/dy and df/dt at (t, y). Rows of mechanisms that are off stay as they are: zero.\n"
        "/// df/dt is written for the cohorts only; nothing else depends on time.\n",
        "SparseMatrix<T>& __restrict jacobian, T* __restrict dfdt", "  auto& j = jacobian.core;\n",
        "    auto& jk = jacobian.cohort[i];\n    T* dfdt_k = dfdt + at::cohort(i);\n");
  }

  /// Runs of pivots of one module, in order of elimination.
  std::vector<std::vector<std::size_t>> runs() const {
    std::vector<std::vector<std::size_t>> all;
    for (const std::size_t p : plan_.order) {
      if (all.empty() || module_of(all.back().back()) != module_of(p)) all.emplace_back();
      all.back().push_back(p);
    }
    return all;
  }
  bool is_after(std::size_t i, std::size_t p) const { return position_[i] > position_[p]; }

  /// Statements of one run of pivots: those of the core first, then those of each cohort.
  struct Body {
    std::string core, cohort;
    class Lines {
     public:
      explicit Lines(std::string& to) : to_(to) {}
      void operator+=(const std::string& line) { to_ += "    " + line; }

     private:
      std::string& to_;
    };
    Lines of(std::size_t i, std::size_t j) { return Lines(in_cohort(i) || in_cohort(j) ? cohort : core); }
    std::string text(std::size_t pivot, const std::string& head) const {
      std::string all;
      const std::string condition = "  if (" + guard(module_of(pivot)) + ") ";
      if (!core.empty()) all += condition + "{\n" + core + "  }\n";
      if (!cohort.empty()) all += (in_cohort(pivot) ? "  " : condition) + "for (std::size_t k = 0; k < n_cohorts; ++k) {\n" + head + cohort + "  }\n";
      return all;
    }
  };

  std::string factorize() const {
    std::ostringstream out;
    out << "/// lu <- the factors of shift I - J: unit lower, upper with reciprocals of the pivots. Pivots are not exchanged.\n"
           "template <class T>\n"
           "void factorize(const ModuleSet& on, std::size_t n_cohorts, double shift, const SparseMatrix<T>& __restrict jacobian,\n"
           "               SparseMatrix<T>& __restrict lu) {\n"
           "  auto& a = lu.core;\n"
           "  for (std::size_t i = 0; i < a.size(); ++i) a[i] = -jacobian.core[i];\n";
    for (std::size_t i = 0; i < n_core; ++i) out << "  a[" << slot_.at({i, i}) << "] += shift;\n";
    out << "  for (std::size_t k = 0; k < n_cohorts; ++k) {\n    auto& ak = lu.cohort[k];\n"
           "    for (std::size_t i = 0; i < ak.size(); ++i) ak[i] = -jacobian.cohort[k][i];\n";
    for (std::size_t i = n_core; i < n_states; ++i) out << "    ak[" << slot_.at({i, i}) << "] += shift;\n";
    out << "  }\n";
    for (const auto& run : runs()) {
      Body body;
      for (const std::size_t p : run) {
        if (!is_kill(p)) body.of(p, p) += entry("a", p, p) + " = 1.0 / " + entry("a", p, p) + ";\n";
        for (const std::size_t i : plan_.order) {
          if (!is_after(i, p) || !plan_.filled[i][p]) continue;
          if (!is_kill(p)) body.of(i, p) += entry("a", i, p) + " *= " + entry("a", p, p) + ";\n";
          for (const std::size_t j : plan_.order)
            if (is_after(j, p) && plan_.filled[p][j]) body.of(i, p) += entry("a", i, j) + " -= " + entry("a", i, p) + " * " + entry("a", p, j) + ";\n";
        }
      }
      out << body.text(run.front(), "    auto& ak = lu.cohort[k];\n");
    }
    out << "}\n";
    return out.str();
  }

  static std::string x(std::size_t i) { return (in_cohort(i) ? "d" : "x") + std::to_string(in_cohort(i) ? i - n_core : i); }

  std::string solve() const {
    std::ostringstream out;
    out << "/// b <- (shift I - J)^-1 b, [n_states], from the factors. Mechanisms that are off must have b = 0, and keep it.\n"
           "template <class T>\n"
           "void solve(const ModuleSet& on, std::size_t n_cohorts, const SparseMatrix<T>& __restrict lu, T* __restrict b) {\n"
           "  const auto& a = lu.core;\n";
    for (std::size_t i = 0; i < n_core; ++i) out << "  T " << x(i) << " = b[" << i << "];\n";
    for (std::size_t i = n_states; i < n_all; ++i) out << "  T " << x(i) << "(0.0);\n";
    std::string head = "    const auto& ak = lu.cohort[k];\n    T* d = b + at::cohort(k);\n", tail;
    for (std::size_t i = n_core; i < n_states; ++i) {
      head += "    T " + x(i) + " = d[" + std::to_string(i - n_core) + "];\n";
      tail += "    d[" + std::to_string(i - n_core) + "] = " + x(i) + ";\n";
    }
    // what changes cohorts alone is put off to their own loop
    const auto all = runs();
    std::string put_off;
    const auto write = [&](const std::vector<std::size_t>& run, const Body& body, bool forward) {
      if (!in_cohort(run.front())) {
        out << Body{body.core, ""}.text(run.front(), "");
        if (forward) put_off += body.cohort;
      } else {
        out << "  for (std::size_t k = 0; k < n_cohorts; ++k) {\n" << head << (forward ? put_off : std::string()) << body.cohort << tail << "  }\n";
      }
    };
    for (const auto& run : all) {
      Body body;
      for (const std::size_t p : run)
        for (const std::size_t i : plan_.order)
          if (is_after(i, p) && plan_.filled[i][p]) body.of(i, p) += x(i) + " -= " + entry("a", i, p) + " * " + x(p) + ";\n";
      write(run, body, true);
    }
    for (auto run = all.rbegin(); run != all.rend(); ++run) {
      Body body;
      for (auto p = run->rbegin(); p != run->rend(); ++p) {
        std::string sum = x(*p);
        for (const std::size_t j : plan_.order)
          if (is_after(j, *p) && plan_.filled[*p][j]) sum += " - " + entry("a", *p, j) + " * " + x(j);
        if (is_kill(*p)) continue;  // nothing asks for it
        body.of(*p, *p) += x(*p) + " = (" + sum + ") * " + entry("a", *p, *p) + ";\n";
      }
      write(*run, body, false);
    }
    for (std::size_t i = 0; i < n_core; ++i) out << "  b[" << i << "] = " << x(i) << ";\n";
    out << "}\n";
    return out.str();
  }

  std::string entries() const {
    std::ostringstream out;
    out << "/// Visits J as v(row, column, value); several values of one entry add up.\n"
           "template <class T, class V>\n"
           "void visit_entries(const SparseMatrix<T>& jacobian, std::size_t n_cohorts, V&& v) {\n  const auto& j = jacobian.core;\n";
    std::string own;
    const auto write = [&](std::size_t i, std::size_t j, const std::string& value) {
      const auto index = [](std::size_t p) { return in_cohort(p) ? "at::cohort(k) + " + std::to_string(p - n_core) : std::to_string(p); };
      const std::string line = "v(std::size_t(" + index(i) + "), std::size_t(" + index(j) + "), " + value + ");\n";
      if (in_cohort(i) || in_cohort(j))
        own += "    " + line;
      else
        out << "  " << line;
    };
    for (std::size_t i = 0; i < n_states; ++i)
      for (std::size_t j = 0; j < n_states; ++j) {
        if (pattern_[i][j]) write(i, j, entry("j", i, j));
        for (std::size_t kill = n_states; kill < n_all; ++kill)
          if (pattern_[i][kill] && pattern_[kill][j]) write(i, j, entry("j", i, kill) + " * " + entry("j", kill, j));
      }
    out << "  for (std::size_t k = 0; k < n_cohorts; ++k) {\n    const auto& jk = jacobian.cohort[k];\n" << own << "  }\n}\n";
    return out.str();
  }

  const Equations& equations_;
  Pattern pattern_;
  Elimination plan_;
  std::vector<std::size_t> position_;
  std::map<std::pair<std::size_t, std::size_t>, std::size_t> slot_;
  std::size_t n_of_core_ = 0, n_of_cohort_ = 0;
};

}  // namespace

int main() {
  const Equations equations = differentiate();
  std::fputs(Header(equations).text().c_str(), stdout);
  return std::ferror(stdout) || std::fclose(stdout) ? 1 : 0;
}
