#pragma once
#include <algorithm>
#include <iterator>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "equations.hpp"
#include "writer.hpp"

// A generated function of the model: its signals, then values under the guards of their mechanisms.

namespace nkpk::generate {

inline constexpr int no_module = -1;
inline constexpr int always = 99;  ///< a block that runs whatever is on

inline int module_of(std::size_t i) {
  static const auto entries = state_entries(1);
  return is_kill(i) ? no_module : static_cast<int>(entries[i].module);
}

inline std::string guard(int module, const std::string& set = "on") {
  if (module == no_module || module == always) return "true";
  return set + ".has(Module::" + std::string(module_names[static_cast<std::size_t>(module)]) + ")";
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
    for (const auto& [signal, value] : e.second) add(derive_block, no_module, "[[maybe_unused]] const T " + signal, value);
  }

  /// `row`: what must be on besides the block's own mechanism.
  void add(int block, int row, const std::string& target, const Symbol& value, const std::string& how = " = ") {
    wanted_.push_back(writer_.add(value, block));
    lines_.push_back({block, row, target, how, wanted_.back()});
  }

  /// A value that is computed only where its number is asked for; numbers count up from 0.
  void add_single(bool of_cohort, int row, const std::string& target, const Symbol& value) {
    singles_.push_back(of_cohort);
    add(Writer::single + static_cast<int>(singles_.size()) - 1, row, target, value);
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
    out << doc << "template <class C, class T, class Time>\nvoid " << name_ << "(const Constants<C>& c, const " << type
        << "<C>& constants, const ModuleSet& on, const Windows& w, const Time& t, const T* __restrict y, " << arguments << ") {\n"
           "  using std::exp, std::log, std::sqrt;\n  const auto& q = constants.core;\n" << start;
    for (const Signal& signal : equations_.first)
      out << "  [[maybe_unused]] T " << signal.name << "(" << number(signal.neutral.number()) << ");\n";
    const std::string head = "    [[maybe_unused]] const auto& k = c.infused_nk.cohorts[i];\n    [[maybe_unused]] const auto& qk = constants.cohort[i];\n"
                             "    [[maybe_unused]] const T* d = y + at::cohort(i);\n";
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
    if (singles_.empty())
      out << "  if (!" << guard(loop) << ") return;\n"
          << writer_.definitions(loop, "  ") << "  for (std::size_t i = 0; i < c.n_cohorts(); ++i) {\n"
          << head << cohort_start << writer_.cohort_definitions(loop, "    ") << assignments(loop) << "  }\n";
    else
      out << singles(head, cohort_start);
    out << "}\n\n";
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
  std::size_t value_of(int block) const {
    return std::find_if(lines_.begin(), lines_.end(), [block](const Line& line) { return line.block == block; })->value;
  }
  std::string assignments(int block) const {
    std::string text;
    for (const Line& line : lines_)
      if (line.block == block)
        text += (block == derive_block ? "  " : "    ") + (line.row == no_module ? std::string() : "if (" + guard(line.row) + ") ") + line.target + line.how +
                writer_.name(line.value) + ";\n";
    return text;
  }

  std::string singles(const std::string& head, const std::string& cohort_start) {
    const std::set<int> sees{-1, publish_loop, derive_block};
    const auto first_of_cohort = std::distance(singles_.begin(), std::find(singles_.begin(), singles_.end(), true));
    const std::string stored = writer_.store(sees, "stored[i]", "    ");
    std::string text = "  std::array<std::array<T, " + std::to_string(writer_.n_stored()) + ">, InfusedNk::max_cohorts> stored;\n"
                       "  if (" + guard(loop) + " && std::any_of(wanted.begin(), wanted.end(), [](const auto& x) { return x.number >= " +
                       std::to_string(first_of_cohort) + "; }))\n    for (std::size_t i = 0; i < c.n_cohorts(); ++i) {\n" + head + cohort_start + stored + "    }\n";
    text += "  for (const auto& [number, i] : wanted) {\n  T& entry = *to++;\n  entry = T(0.0);\n  switch (number) {\n";
    for (std::size_t n = 0; n < singles_.size(); ++n) {
      const int block = Writer::single + static_cast<int>(n);
      text += "  case " + std::to_string(n) + ": {\n" + (singles_[n] ? head + cohort_start : std::string()) +
              writer_.own_definitions(value_of(block), sees, "    ") + assignments(block) + "    break;\n  }\n";
    }
    return text + "  }\n  }\n";
  }

  const Equations& equations_;
  std::string name_;
  std::vector<bool> singles_;  ///< of a cohort?
  Writer writer_;
  std::vector<std::size_t> wanted_;
  std::vector<Line> lines_;
};

}  // namespace nkpk::generate
