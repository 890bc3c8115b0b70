// Writes linearization.hpp: the Jacobian of the right-hand side and a sparse LU of (shift I - J), as straight-line C++ for any
// scalar. Run by the build; nobody edits what it writes.
//
// The right-hand side is run once on Symbols, with one cohort. Its signals become variables, so that the derivative of a rate
// is found where it arises and carried over by the chain rule:
//
//   dy_i/dt = f_i(y_own, s),  s = (s1, s2),  s1 = g(y),  s2 = h(s1)
//   J_ij = df_i/dy_j + sum_b F_ib dg_b/dy_j,   F_ib = df_i/ds1_b + sum_a df_i/ds2_a dh_a/ds1_b
//
// Pivots are taken on the diagonal, in an order that keeps the factors sparse: what depends on nothing else first (drugs), the
// cohorts next, then the rest by Markowitz' rule, what nothing depends on last. With every pivot after the drugs and before the
// cohorts excluded, cohorts never fill in with each other, and one loop body serves any number of them.
#include <algorithm>
#include <cstdio>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "nkpk/core/symbol.hpp"
#include "nkpk/model/nk_model.hpp"

using namespace nkpk;

namespace {

constexpr std::size_t n_core = at::infused_nk;
constexpr std::size_t n_all = at::cohort(1);

bool in_cohort(std::size_t i) { return i >= n_core; }

std::string number(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.17g", value);
  std::string s = text;
  return s.find_first_of(".en") == std::string::npos ? s + ".0" : s;
}

// --- the model on symbols

struct Equations {
  std::vector<std::vector<Symbol>> J;  ///< [n_all x n_all]
  std::vector<Symbol> dfdt;            ///< [n_all]
};

Symbol state(std::size_t i) {
  return Symbol::variable(in_cohort(i) ? "d[" + std::to_string(i - n_core) + "]" : "y[" + std::to_string(i) + "]");
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
  for (std::size_t i = 0; i < n_all; ++i) y.push_back(state(i));

  // first rank: expressions of the states, then variables
  struct Signal {
    std::string name;
    Symbol expression;
  };
  std::vector<Signal> first, second;
  const auto replace = [](std::vector<Signal>& all) {
    return [&all](std::string_view name, auto&&, auto&&, Symbol& value) {
      all.push_back({"s." + std::string(name), value});
      value = Symbol::variable(all.back().name);
    };
  };
  Signals<Symbol> s = first_rank_signals(c, c.modules, y.data());
  Signals<Symbol>::visit_first_rank(s, replace(first));
  CytokineSignal::derive(c.nk, w, s);
  Signals<Symbol>::visit_second_rank(s, replace(second));
  std::vector<Symbol> f(n_all);
  rates_from(c, c.modules, w, t, y.data(), s, f.data());

  Equations e;
  e.J.assign(n_all, std::vector<Symbol>(n_all));
  std::vector<std::vector<Symbol>> F(n_all);
  for (const Signal& b : first) {
    Derivative by_b(b.name);
    std::vector<Symbol> dh;
    for (const Signal& a : second) dh.push_back(by_b(a.expression));
    for (std::size_t i = 0; i < n_all; ++i) F[i].push_back(by_b(f[i]));
    for (std::size_t a = 0; a < second.size(); ++a) {
      if (dh[a].is_number(0)) continue;
      Derivative by_a(second[a].name);
      for (std::size_t i = 0; i < n_all; ++i) F[i].back() += by_a(f[i]) * dh[a];
    }
  }
  for (std::size_t j = 0; j < n_all; ++j) {
    Derivative by_y(state(j).name());
    for (std::size_t i = 0; i < n_all; ++i) e.J[i][j] = by_y(f[i]);
    for (std::size_t b = 0; b < first.size(); ++b) {
      const Symbol dg = by_y(first[b].expression);
      for (std::size_t i = 0; i < n_all; ++i) e.J[i][j] += F[i][b] * dg;
    }
  }
  Derivative by_t("t");
  for (std::size_t i = 0; i < n_all; ++i) e.dfdt.push_back(by_t(f[i]));
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
  std::string definitions(int block, bool cohort, const std::string& indent) const {
    std::string text;
    for (std::size_t id = 0; id < values_.size(); ++id) {
      const Value& v = values_[id];
      if (!v.inlined && !v.constant && v.cohort == cohort && home(v) == block) text += define(id, indent, "v");
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
    std::set<int> blocks;
    bool kept = false;
    std::string place;
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
  static int home(const Value& v) { return v.cohort ? -1 : v.blocks.size() == 1 ? *v.blocks.begin() : -1; }

  void use(std::size_t id, int block) {
    if (!values_[id].blocks.insert(block).second) return;
    for (const std::size_t argument : values_[id].arguments) use(argument, block);
  }

  std::size_t leaf(const std::string& text) {
    const auto [found, is_new] = by_key_.try_emplace(text, values_.size());
    const bool cohort = text.starts_with("k.") || text.starts_with("d[");
    const bool constant = text.starts_with("k.") || text.starts_with("c.") || text.starts_with("T(");
    if (is_new) values_.push_back({text, text, {}, true, cohort, constant, {}, {}, false, {}});
    return found->second;
  }
  std::size_t operation(std::vector<std::string> pieces, std::vector<std::size_t> arguments) {
    std::string key = pieces[0];
    bool cohort = false, constant = true;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
      key += "#" + std::to_string(arguments[i]) + pieces[i + 1];
      cohort = cohort || values_[arguments[i]].cohort;
      constant = constant && values_[arguments[i]].constant;
    }
    const auto [found, is_new] = by_key_.try_emplace(key, values_.size());
    if (is_new) values_.push_back({key, "", std::move(pieces), false, cohort, constant, std::move(arguments), {}, false, {}});
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
      case Op::pow: return operation({"pow(", ", ", ")"}, x);
      case Op::max0: return operation({"max0(", ")"}, x);
      case Op::if_positive: return operation({"if_positive(", ", ", ", ", ")"}, x);
      case Op::number:
      case Op::variable: break;
    }
    return 0;
  }

  std::vector<Symbol> kept_;  // node addresses are keys
  std::map<const void*, std::size_t> by_node_;
  std::map<std::string, std::size_t> by_key_;
  std::vector<Value> values_;
};

int module_of(std::size_t i) {
  static const auto entries = state_entries(1);
  return static_cast<int>(entries[i].module);
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

std::string guard(int module) { return "on.has(Module::" + std::string(module_names[static_cast<std::size_t>(module)]) + ")"; }

class Header {
 public:
  explicit Header(const Equations& e) : equations_(e), pattern_(n_all, std::vector<bool>(n_all)) {
    for (std::size_t i = 0; i < n_all; ++i)
      for (std::size_t j = 0; j < n_all; ++j) pattern_[i][j] = !e.J[i][j].is_number(0);
    plan_ = plan(pattern_);
    for (std::size_t p = 0; p < n_all; ++p) position_.push_back(0);
    for (std::size_t p = 0; p < n_all; ++p) position_[plan_.order[p]] = p;
    for (const std::size_t i : plan_.order)
      for (const std::size_t j : plan_.order)
        if (plan_.filled[i][j]) {
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
           "/// Entries of J, or of the factors of (shift I - J), with fill-in; those of cohorts apart.\n"
           "template <class T>\nstruct SparseMatrix {\n"
        << "  std::array<T, " << n_of_core_ << "> core{};\n"
        << "  std::array<std::array<T, " << n_of_cohort_ << ">, InfusedNk::max_cohorts> cohort{};\n};\n\n";
    out << linearize() << '\n' << factorize() << '\n' << solve() << '\n' << entries() << "\n}  // namespace nkpk\n";
    return out.str();
  }

 private:
  std::string entry(const char* matrix, std::size_t i, std::size_t j) const {
    const bool own = in_cohort(i) || in_cohort(j);
    return std::string(matrix) + (own ? "k[" : "[") + std::to_string(slot_.at({i, j})) + "]";
  }

  // An entry is written under its row's mechanism, or under its column's where that rests for long.
  static constexpr int column_block = 100;
  static int block_of(std::size_t i, std::size_t j) {
    const int row = module_of(i), column = module_of(j);
    return row != column && rests(column) ? column_block + column : row;
  }

  std::string linearize() const {
    Writer writer;
    struct Line {
      int block, row;
      bool cohort;
      std::string target;
      std::size_t value;
    };
    constexpr int loop = static_cast<int>(Module::infused_nk);
    std::vector<Line> lines;
    std::vector<std::size_t> wanted;
    for (std::size_t i = 0; i < n_all; ++i) {
      for (std::size_t j = 0; j < n_all; ++j) {
        if (!pattern_[i][j]) continue;
        const bool own = in_cohort(i) || in_cohort(j);
        // what the loop over cohorts assigns must be in scope there
        wanted.push_back(writer.add(equations_.J[i][j], own ? loop : block_of(i, j)));
        lines.push_back({own ? loop : block_of(i, j), module_of(i), own, entry("j", i, j), wanted.back()});
      }
      if (!equations_.dfdt[i].is_number(0)) {
        wanted.push_back(writer.add(equations_.dfdt[i], loop));
        lines.push_back({loop, loop, true, "dfdt_k[" + std::to_string(i - n_core) + "]", wanted.back()});
      }
    }
    writer.finish(wanted);
    const std::size_t n_q = writer.place_constants(false), n_qk = writer.place_constants(true);
    std::ostringstream out;
    out << "/// What the Jacobian needs of the constants alone.\n"
           "template <class T>\nstruct LinearizationConstants {\n"
        << "  std::array<T, " << n_q << "> core{};\n  std::array<std::array<T, " << n_qk << ">, InfusedNk::max_cohorts> cohort{};\n\n"
        << "  explicit LinearizationConstants(const Constants<T>& c) {\n    using std::exp, std::log, std::pow, std::sqrt;\n    auto& to = core;\n"
        << writer.constants(false, "    ")
        << "    for (std::size_t i = 0; i < c.n_cohorts(); ++i) fill(c, i);\n  }\n\n private:\n"
           "  void fill(const Constants<T>& c, std::size_t i) {\n"
           "    const auto& k = c.infused_nk.cohorts[i];\n    auto& to = cohort[i];\n"
        << writer.constants(false, "    ", true) << writer.constants(true, "    ") << "  }\n};\n\n";
    out << "/// J = df/dy and df/dt at (t, y), given the signals there. Rows of mechanisms that are off stay as they are: zero.\n"
           "/// df/dt is written for the cohorts only; nothing else depends on time.\n"
           "template <class T>\n"
           "void linearize(const Constants<T>& c, const LinearizationConstants<T>& constants, const ModuleSet& on, const Windows& w, double t,\n"
           "               const T* y, const Signals<T>& s, SparseMatrix<T>& jacobian, T* dfdt) {\n"
           "  using std::exp, std::log, std::pow, std::sqrt;\n"
           "  auto& j = jacobian.core;\n  const auto& q = constants.core;\n"
        << writer.definitions(-1, false, "  ");
    std::set<int> blocks;
    for (const Line& line : lines) blocks.insert(line.block);
    for (const int block : blocks) {
      if (block == loop) continue;
      const bool by_column = block >= column_block;
      std::string body = writer.definitions(block, false, "    ");
      for (const Line& line : lines)
        if (line.block == block)
          body += "    " + (by_column ? "if (" + guard(line.row) + ") " : std::string()) + line.target + " = " + writer.name(line.value) + ";\n";
      out << "  if (" << guard(by_column ? block - column_block : block) << ") {\n" << body << "  }\n";
    }
    out << "  if (!" << guard(loop) << ") return;\n"
        << writer.definitions(loop, false, "  ")
        << "  for (std::size_t i = 0; i < c.n_cohorts(); ++i) {\n"
           "    const auto& k = c.infused_nk.cohorts[i];\n    const auto& qk = constants.cohort[i];\n"
           "    const T* d = y + at::cohort(i);\n"
           "    auto& jk = jacobian.cohort[i];\n"
           "    T* dfdt_k = dfdt + at::cohort(i);\n"
        << writer.definitions(-1, true, "    ");
    for (const Line& line : lines)
      if (line.cohort) out << "    " << (line.row == loop ? "" : "if (" + guard(line.row) + ") ") << line.target << " = " << writer.name(line.value) << ";\n";
    out << "  }\n}\n";
    return out.str();
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
           "void factorize(const ModuleSet& on, std::size_t n_cohorts, double shift, const SparseMatrix<T>& jacobian, SparseMatrix<T>& lu) {\n"
           "  auto& a = lu.core;\n"
           "  for (std::size_t i = 0; i < a.size(); ++i) a[i] = -jacobian.core[i];\n";
    for (std::size_t i = 0; i < n_core; ++i) out << "  a[" << slot_.at({i, i}) << "] += shift;\n";
    out << "  for (std::size_t k = 0; k < n_cohorts; ++k) {\n    auto& ak = lu.cohort[k];\n"
           "    for (std::size_t i = 0; i < ak.size(); ++i) ak[i] = -jacobian.cohort[k][i];\n";
    for (std::size_t i = n_core; i < n_all; ++i) out << "    ak[" << slot_.at({i, i}) << "] += shift;\n";
    out << "  }\n";
    for (const auto& run : runs()) {
      Body body;
      for (const std::size_t p : run) {
        body.of(p, p) += entry("a", p, p) + " = 1.0 / " + entry("a", p, p) + ";\n";
        for (const std::size_t i : plan_.order) {
          if (!is_after(i, p) || !plan_.filled[i][p]) continue;
          body.of(i, p) += entry("a", i, p) + " *= " + entry("a", p, p) + ";\n";
          for (const std::size_t j : plan_.order)
            if (is_after(j, p) && plan_.filled[p][j]) body.of(i, p) += entry("a", i, j) + " -= " + entry("a", i, p) + " * " + entry("a", p, j) + ";\n";
        }
      }
      out << body.text(run.front(), "    auto& ak = lu.cohort[k];\n");
    }
    out << "}\n";
    return out.str();
  }

  std::string x(std::size_t i) const { return in_cohort(i) ? "d[" + std::to_string(i - n_core) + "]" : "b[" + std::to_string(i) + "]"; }

  std::string solve() const {
    std::ostringstream out;
    out << "/// b <- (shift I - J)^-1 b, [n_states], from the factors. Mechanisms that are off must have b = 0, and keep it.\n"
           "template <class T>\n"
           "void solve(const ModuleSet& on, std::size_t n_cohorts, const SparseMatrix<T>& lu, T* b) {\n"
           "  const auto& a = lu.core;\n";
    const std::string head = "    const auto& ak = lu.cohort[k];\n    T* d = b + at::cohort(k);\n";
    const auto all = runs();
    for (const auto& run : all) {
      Body body;
      for (const std::size_t p : run)
        for (const std::size_t i : plan_.order)
          if (is_after(i, p) && plan_.filled[i][p]) body.of(i, p) += x(i) + " -= " + entry("a", i, p) + " * " + x(p) + ";\n";
      out << body.text(run.front(), head);
    }
    for (auto run = all.rbegin(); run != all.rend(); ++run) {
      Body body;
      for (auto p = run->rbegin(); p != run->rend(); ++p) {
        std::string sum = x(*p);
        for (const std::size_t j : plan_.order)
          if (is_after(j, *p) && plan_.filled[*p][j]) sum += " - " + entry("a", *p, j) + " * " + x(j);
        body.of(*p, *p) += x(*p) + " = (" + sum + ") * " + entry("a", *p, *p) + ";\n";
      }
      out << body.text(run->front(), head);
    }
    out << "}\n";
    return out.str();
  }

  std::string entries() const {
    std::ostringstream out;
    out << "/// Visits every structural entry of J as v(row, column, value).\n"
           "template <class T, class V>\n"
           "void visit_entries(const SparseMatrix<T>& jacobian, std::size_t n_cohorts, V&& v) {\n  const auto& j = jacobian.core;\n";
    std::string own;
    for (std::size_t i = 0; i < n_all; ++i)
      for (std::size_t j = 0; j < n_all; ++j) {
        if (!pattern_[i][j]) continue;
        const auto index = [](std::size_t p) { return in_cohort(p) ? "at::cohort(k) + " + std::to_string(p - n_core) : std::to_string(p); };
        const std::string line = "v(std::size_t(" + index(i) + "), std::size_t(" + index(j) + "), " + entry("j", i, j) + ");\n";
        if (in_cohort(i) || in_cohort(j))
          own += "    " + line;
        else
          out << "  " << line;
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
