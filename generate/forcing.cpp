// Writes forcing.hpp: how the rates change with the constants at a given state, df/dc, as straight-line C++. It is what drives
// sensitivities, S' = J S + (df/dc) dc/dp. Run by the build; nobody edits what it writes.
//
// A constant reaches a rate on several ways, through signals of both ranks:
//
//   constant ---> signal of the first rank ---> signal of the second ---> rate         ds1 = dg/dc dc
//      \_____________\______________________________\_________________^                ds2 = dh/dc dc + dh/ds1 ds1
//                                                                                      df  = df/dc dc + df/ds1 ds1 + df/ds2 ds2
//
// Each arrow is a link between two nodes and has one entry. The entries are few, where df/dc itself would have one for every
// drug constant and every cell; and of the links, those that start at a constant that moves are a small part.
#include <cstdio>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "equations.hpp"
#include "function.hpp"

using namespace nkpk;
using namespace nkpk::generate;

namespace {

// Nodes in the order of evaluation: constants, signals, states; those of each cohort after all others.
struct Node {
  bool of_cohort;
  std::size_t index;
};

class Header {
 public:
  explicit Header(const Equations& e) : equations_(e), names_(constants_of(e)), function_(e, "forcing") {
    for (std::size_t i = 0; i < names_.core.size(); ++i) node_[names_.core[i]] = {false, i};
    for (std::size_t i = 0; i < names_.cohort.size(); ++i) node_[names_.cohort[i]] = {true, i};
    std::size_t next = names_.core.size();
    for (const Signal& signal : e.first) node_[signal.name] = {false, next++};
    for (const auto& signal : e.second) node_[signal.first] = {false, next++};
    first_state_ = next;
    for (const Signal& signal : e.first)
      for (const auto& [module, value] : signal.parts) link_all(node_.at(signal.name), value, static_cast<int>(module), {});
    std::vector<std::string> signals;
    for (const Signal& signal : e.first) signals.push_back(signal.name);
    for (const auto& [name, value] : e.second) link_all(node_.at(name), value, always, signals);
    for (const auto& signal : e.second) signals.push_back(signal.first);
    for (std::size_t i = 0; i < n_states; ++i)
      link_all(in_cohort(i) ? Node{true, names_.cohort.size() + i - n_core} : Node{false, first_state_ + i}, e.f[i],
               in_cohort(i) ? Function::loop : module_of(i), signals);
  }

  std::string text() {
    const std::size_t n_shared = first_state_ + n_core, n_own = names_.cohort.size() + n_states - n_core;
    std::ostringstream out;
    out << "#pragma once\n"
           "// Written by the build (generate/forcing.cpp) from model/*.hpp. Do not edit.\n"
           "#include <algorithm>\n#include <array>\n#include <cmath>\n#include <cstddef>\n#include <span>\n#include <vector>\n\n#include \"nkpk/model/nk_model.hpp\"\n\n"
           "namespace nkpk {\n\n"
           "/// Nodes between which changes pass on: constants, signals, rates. Those of cohort k are own(k, ...).\n"
           "namespace forcing_nodes {\n"
        << "inline constexpr std::size_t n_shared = " << n_shared << ", n_own = " << n_own << ", n_core_entries = " << n_core_ << ";\n"
           "inline constexpr std::size_t own(std::size_t cohort, std::size_t i) { return n_shared + n_own * cohort + i; }\n"
           "inline constexpr std::size_t count(std::size_t n_cohorts) { return own(n_cohorts, 0); }\n"
           "/// Of the rate of a state.\n"
        << "inline constexpr std::size_t rate(std::size_t state) {\n  if (state < at::infused_nk) return " << first_state_
        << " + state;\n"
           "  const std::size_t i = state - at::infused_nk;\n"
        << "  return own(i / InfusedNk::states_per_cohort, " << names_.cohort.size() << " + i % InfusedNk::states_per_cohort);\n}\n"
        << "}  // namespace forcing_nodes\n\n";
    out << "/// An entry to compute: those of the core, then those of cohorts.\n"
           "struct ForcingEntry {\n  std::size_t number, cohort;\n};\n\n";
    for (const Entry& entry : of_core_) function_.add_single(false, entry.module, "entry", entry.value);
    for (const Entry& entry : of_cohorts_) function_.add_single(true, entry.module, "entry", entry.value);
    out << function_.text("/// The entries at (t, y) that are wanted, one behind the other; of mechanisms that are off they are 0.\n",
                          "std::span<const ForcingEntry> wanted, T* __restrict to", "", "");
    out << "/// Visits the constants as v(node, value).\n"
           "template <class T, class V>\nvoid visit_forcing_constants(const Constants<T>& c, V&& v) {\n";
    for (std::size_t i = 0; i < names_.core.size(); ++i) out << "  v(std::size_t(" << i << "), " << names_.core[i] << ");\n";
    out << "  for (std::size_t i = 0; i < c.n_cohorts(); ++i) {\n    const auto& k = c.infused_nk.cohorts[i];\n";
    for (std::size_t i = 0; i < names_.cohort.size(); ++i) out << "    v(forcing_nodes::own(i, " << i << "), " << names_.cohort[i] << ");\n";
    out << "  }\n}\n\n"
           "/// Visits the links as v(to, from, entry), so that what a link starts from is complete; entry: as e(k, i) gives it for cohort k,\n"
           "/// e(i) for none.\n"
           "template <class E, class V>\nvoid visit_forcing_links(std::size_t n_cohorts, E&& e, V&& v) {\n"
        << links_ << "}\n\n}  // namespace nkpk\n";
    return out.str();
  }

 private:
  static std::string name(const Node& n) {
    return n.of_cohort ? "forcing_nodes::own(k, " + std::to_string(n.index) + ")" : "std::size_t(" + std::to_string(n.index) + ")";
  }
  void link_all(const Node& to, const Symbol& value, int block, const std::vector<std::string>& signals) {
    std::vector<std::string> from = names_.core;
    from.insert(from.end(), names_.cohort.begin(), names_.cohort.end());
    from.insert(from.end(), signals.begin(), signals.end());
    for (const std::string& variable : from) {
      const Symbol slope = Derivative(variable)(value);
      if (slope.is_number(0)) continue;
      const Node& start = node_.at(variable);
      const bool own = block == Function::loop;
      const std::string index = std::to_string(own ? n_cohort_++ : n_core_++);
      (own ? of_cohorts_ : of_core_).push_back({block == always ? no_module : block, slope});
      const std::string line = "v(" + name(to) + ", " + name(start) + ", e(" + (own ? "k, " : "") + index + "));\n";
      links_ += own ? "  for (std::size_t k = 0; k < n_cohorts; ++k) " + line : "  " + line;
    }
  }

  const Equations& equations_;
  ConstantNames names_;
  struct Entry {
    int module;
    Symbol value;
  };
  std::vector<Entry> of_core_, of_cohorts_;
  Function function_;
  std::map<std::string, Node> node_;
  std::size_t first_state_ = 0, n_core_ = 0, n_cohort_ = 0;
  std::string links_;
};

}  // namespace

int main() {
  const Equations equations = differentiate();
  std::fputs(Header(equations).text().c_str(), stdout);
  return std::ferror(stdout) || std::fclose(stdout) ? 1 : 0;
}
