#pragma once
#include <functional>
#include <string>
#include <unordered_map>

#include "nkpk/interop/structure.hpp"

namespace nkpk {

/// Expressions as LaTeX: fractions, and no brackets that precedence does not ask for. max0(x) is written [x]_+.
class LatexWriter {
 public:
  explicit LatexWriter(std::function<std::string(const std::string&)> variable) : variable_(std::move(variable)) {}

  /// From now on this expression is written as the variable, but where the variable itself is defined. The first name stays.
  void name(const Symbol& e, const std::string& variable) { named_.try_emplace(structure_.of(e), variable); }
  /// An expression; of the variable `of` where it defines one.
  std::string text(const Symbol& e, const std::string& of = "");

 private:
  enum Precedence { sum, product, factor };
  const std::string* name_of(const Symbol& e);
  std::string write(const Symbol& e, Precedence needed);
  std::string write_in_full(const Symbol& e, Precedence needed);
  std::string write_sum(const Symbol& e);
  std::string write_product(const Symbol& e);

  std::function<std::string(const std::string&)> variable_;
  Structure structure_;
  std::unordered_map<std::size_t, std::string> named_;
};

}  // namespace nkpk
