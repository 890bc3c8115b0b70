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
// several uses. So the compiled functions give the model's values up to rounding, with fewer divisions.
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
#include <vector>

#include "elimination.hpp"
#include "equations.hpp"
#include "writer.hpp"

using namespace nkpk;
using namespace nkpk::generate;

namespace {

constexpr int no_module = -1;

int module_of(std::size_t i) {
  static const auto entries = state_entries(1);
  return is_kill(i) ? no_module : static_cast<int>(entries[i].module);
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
                  rest_where_off(), "    T* dd = dy + at::cohort(i);\n");
  }

  static std::string rest_where_off() {
    std::map<int, std::string> zeros;
    for (std::size_t i = 0; i < n_core; ++i) zeros[module_of(i)] += " dy[" + std::to_string(i) + "] = T(0);";
    std::string text;
    for (const auto& [module, lines] : zeros) text += "  if (!" + guard(module) + ") {" + lines + " }\n";
    return text + "  if (!" + guard(Function::loop) + ")\n    for (std::size_t i = at::cohort(0); i < c.n_states(); ++i) dy[i] = T(0);\n";
  }

  // An entry is written under its row's mechanism, or under its column's where that rests for long.
  void add_entry(Function& f, std::size_t i, std::size_t j) const {
    const int row = module_of(i), column = module_of(j);
    if (in_cohort(i) || in_cohort(j))
      f.add(Function::loop, row == Function::loop ? no_module : row, entry("j", i, j), equations_.E[i][j]);
    else if (row == no_module || (row != column && column != no_module && rests(static_cast<Module>(column))))
      f.add(Function::column_block + column, row, entry("j", i, j), equations_.E[i][j]);
    else
      f.add(row, no_module, entry("j", i, j), equations_.E[i][j]);
  }

  std::string linearize() const {
    Function f(equations_, "linearize");
    for (std::size_t i = 0; i < n_all; ++i)
      for (std::size_t j = 0; j < n_all; ++j)
        if (pattern_[i][j]) add_entry(f, i, j);
    for (std::size_t i = n_core; i < n_states; ++i) f.add(Function::loop, no_module, "dfdt_k[" + std::to_string(i - n_core) + "]", equations_.dfdt[i]);
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
    out << "/// lu <- the factors of shift I - J: unit lower, reciprocals of the pivots, unit upper. Pivots are not exchanged.\n"
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
        for (const std::size_t j : plan_.order) {
          if (is_kill(p) || !is_after(j, p) || !plan_.filled[p][j]) continue;
          // statements of the core come first: its columns are scaled before a row of a cohort could still want them as they were
          if (!in_cohort(p) && in_cohort(j)) throw std::logic_error("a pivot before the cohorts depends on them");
          body.of(p, j) += entry("a", p, j) + " *= " + entry("a", p, p) + ";\n";
        }
        for (const std::size_t i : plan_.order) {
          if (!is_after(i, p) || !plan_.filled[i][p]) continue;
          for (const std::size_t j : plan_.order)
            if (is_after(j, p) && plan_.filled[p][j]) body.of(i, p) += entry("a", i, j) + " -= " + entry("a", i, p) + " * " + entry("a", p, j) + ";\n";
          if (!is_kill(p)) body.of(i, p) += entry("a", i, p) + " *= " + entry("a", p, p) + ";\n";
        }
      }
      out << body.text(run.front(), "    auto& ak = lu.cohort[k];\n");
    }
    out << "}\n";
    return out.str();
  }

  static std::string x(std::size_t i) { return (in_cohort(i) ? "d" : "x") + std::to_string(in_cohort(i) ? i - n_core : i); }

  /// What solve() does under one guard.
  struct Part {
    int module;
    Body body;
    std::set<std::size_t> touched, changed;  ///< unknowns of the core, by statements of the core
    std::set<std::size_t> shared;            ///< unknowns of the core, by statements of the cohorts
    void add(std::size_t changes, std::vector<std::size_t> reads, bool of_cohort, const std::string& line) {
      (of_cohort ? body.cohort : body.core) += "    " + line;
      reads.push_back(changes);
      (of_cohort ? shared : touched).insert(reads.begin(), reads.end());
      if (!of_cohort) changed.insert(changes);
    }
  };

  std::vector<Part> forward() const {
    std::vector<Part> parts;
    for (const auto& run : runs()) {
      Part part{module_of(run.front()), {}, {}, {}, {}};
      for (const std::size_t p : run)
        for (const std::size_t i : plan_.order)
          if (is_after(i, p) && plan_.filled[i][p]) part.add(i, {p}, in_cohort(i) || in_cohort(p), x(i) + " -= " + entry("a", i, p) + " * " + x(p) + ";\n");
      parts.push_back(std::move(part));
    }
    return parts;
  }

  // Each unknown waits for those that were found before it: the last of them comes last, so that the chain is one product and one
  // difference per link.
  std::vector<Part> backward() const {
    std::vector<Part> parts;
    const auto all = runs();
    for (auto run = all.rbegin(); run != all.rend(); ++run) {
      Part part{module_of(run->front()), {}, {}, {}, {}};
      for (auto p = run->rbegin(); p != run->rend(); ++p) {
        if (is_kill(*p)) continue;  // nothing asks for it
        std::string sum = x(*p) + " * " + entry("a", *p, *p);
        std::vector<std::size_t> reads;
        for (auto j = plan_.order.rbegin(); *j != *p; ++j)
          if (plan_.filled[*p][*j]) {
            sum += " - " + entry("a", *p, *j) + " * " + x(*j);
            reads.push_back(*j);
          }
        part.add(*p, std::move(reads), in_cohort(*p), x(*p) + " = " + sum + ";\n");
      }
      parts.push_back(std::move(part));
    }
    return parts;
  }

  /// Unknowns that only their own mechanism's statements touch: read and written there, at no cost where it is off.
  static std::set<std::size_t> private_unknowns(const std::vector<Part>& parts) {
    std::set<std::size_t> all;
    for (std::size_t i = 0; i < n_core; ++i)
      if (std::none_of(parts.begin(), parts.end(), [&](const Part& part) {
            return part.shared.contains(i) || (part.touched.contains(i) && part.module != module_of(i));
          }))
        all.insert(i);
    return all;
  }

  std::string solve() const {
    const std::vector<Part> down = forward(), up = backward();
    std::vector<Part> both = down;
    both.insert(both.end(), up.begin(), up.end());
    const std::set<std::size_t> own = private_unknowns(both);
    const auto move = [&](std::size_t i, bool back) {
      const std::string b = "b[" + std::to_string(i) + "]";
      return back ? b + " = " + x(i) + ";\n" : "T " + x(i) + " = " + b + ";\n";
    };
    std::ostringstream out;
    out << "/// b <- (shift I - J)^-1 b, [n_states], from the factors. Mechanisms that are off must have b = 0, and keep it.\n"
           "template <class T>\n"
           "void solve(const ModuleSet& on, std::size_t n_cohorts, const SparseMatrix<T>& __restrict lu, T* __restrict b) {\n"
           "  const auto& a = lu.core;\n";
    for (std::size_t i = 0; i < n_core; ++i)
      if (!own.contains(i)) out << "  " << move(i, false);
    for (std::size_t i = n_states; i < n_all; ++i) out << "  T " << x(i) << "(0.0);\n";
    std::string head = "    const auto& ak = lu.cohort[k];\n    T* d = b + at::cohort(k);\n", tail;
    for (std::size_t i = n_core; i < n_states; ++i) {
      head += "    T " + x(i) + " = d[" + std::to_string(i - n_core) + "];\n";
      tail += "    d[" + std::to_string(i - n_core) + "] = " + x(i) + ";\n";
    }
    // what changes cohorts alone is put off to their own loop
    std::string put_off;
    const auto write = [&](const Part& part, bool is_forward) {
      if (part.module == Function::loop) {
        out << "  for (std::size_t k = 0; k < n_cohorts; ++k) {\n" << head << (is_forward ? put_off : std::string()) << part.body.cohort << tail << "  }\n";
        return;
      }
      if (is_forward) put_off += part.body.cohort;
      if (part.body.core.empty()) return;
      out << "  if (" << guard(part.module) << ") {\n";
      for (const std::size_t i : part.touched)
        if (own.contains(i)) out << "    " << move(i, false);
      out << part.body.core;
      for (const std::size_t i : part.changed)
        if (own.contains(i)) out << "    " << move(i, true);
      out << "  }\n";
    };
    for (const Part& part : down) write(part, true);
    for (const Part& part : up) write(part, false);
    for (std::size_t i = 0; i < n_core; ++i)
      if (!own.contains(i)) out << "  " << move(i, true);
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
