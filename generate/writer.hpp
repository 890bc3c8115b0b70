#pragma once
#include <cstddef>
#include <cstdio>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "nkpk/core/symbol.hpp"

// Expressions as C++ text.

namespace nkpk::generate {

inline std::string number(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.17g", value);
  std::string s = text;
  return s.find_first_of(".en") == std::string::npos ? s + ".0" : s;
}

/// Numbers expressions by value: equal texts are one variable.
class Writer {
 public:
  static constexpr int single = 1000;  ///< blocks from here on are entries computed by themselves

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
  /// What an entry that is computed by itself needs and does not find in the blocks it sees nor among what is `stored`.
  std::string own_definitions(std::size_t root, const std::set<int>& sees, const std::string& indent) const {
    std::set<std::size_t> needed;
    need(root, sees, stored_, needed);
    std::string text;
    for (const std::size_t id : needed) text += define(id, indent, "v");
    return text;
  }
  /// Reciprocals, exponentials and the like that several entries of a cohort need, and what it takes to have them: computed once, kept
  /// under place + "[n]", which is their name from now on.
  std::string store(const std::set<int>& sees, const std::string& place, const std::string& indent) {
    const auto is_shared = [&](const Value& v) { return v.cohort && std::distance(v.blocks.lower_bound(single), v.blocks.end()) > 1; };
    std::set<std::size_t> needed;
    for (std::size_t id = 0; id < values_.size(); ++id)
      if (const Value& v = values_[id]; !v.inlined && !v.constant && takes_long(v) && is_shared(v)) need(id, sees, {}, needed);
    std::map<std::size_t, std::string> places;
    for (const std::size_t id : needed)
      if (is_shared(values_[id])) places[id] = place + "[" + std::to_string(places.size()) + "]";
    std::string text;
    for (const std::size_t id : needed) {
      text += define(id, indent, "v");
      if (places.contains(id)) text += indent + places[id] + " = v" + std::to_string(id) + ";\n";
    }
    stored_ = std::move(places);
    return text;
  }
  std::size_t n_stored() const { return stored_.size(); }
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
    if (const auto found = stored_.find(id); found != stored_.end()) return found->second;
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
  static bool takes_long(const Value& v) { return v.pieces[0] == "1.0 / " || (v.pieces[0].ends_with("(") && v.pieces[0] != "max0("); }
  /// A value and what it takes, but for what is at hand.
  void need(std::size_t id, const std::set<int>& sees, const std::map<std::size_t, std::string>& stored, std::set<std::size_t>& needed) const {
    const Value& v = values_[id];
    if (v.inlined || v.constant || stored.contains(id) || (!v.cohort && sees.contains(home(v)))) return;
    if (!needed.insert(id).second) return;
    for (const std::size_t argument : v.arguments) need(argument, sees, stored, needed);
  }
  static int home(const Value& v) {
    const auto first_single = v.blocks.lower_bound(single);
    const auto n_shared = std::distance(v.blocks.begin(), first_single);
    return n_shared == 0 ? single : n_shared == 1 ? *v.blocks.begin() : -1;
  }

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
  std::map<std::size_t, std::string> stored_;  ///< places of what store() keeps
};

}  // namespace nkpk::generate
