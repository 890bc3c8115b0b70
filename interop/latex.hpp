#pragma once
#include <functional>
#include <string>
#include <unordered_map>

#include "nkpk/core/symbol.hpp"

namespace nkpk {

/// Expressions as LaTeX: fractions, and no brackets that precedence does not ask for. max0(x) is written [x]_+.
class LatexWriter {
 public:
  explicit LatexWriter(std::function<std::string(const std::string&)> variable) : variable_(std::move(variable)) {}

  /// From now on this expression, where it is part of another, is written as the variable. It must outlive the writer.
  void name(const Symbol& e, const std::string& variable) { named_.try_emplace(e.identity(), variable); }
  std::string text(const Symbol& e) const { return write(e, sum, true); }

 private:
  enum Precedence { sum, product, factor };
  std::string write(const Symbol& e, Precedence needed, bool is_top = false) const;
  std::string write_sum(const Symbol& e) const;
  std::string write_product(const Symbol& e) const;

  std::function<std::string(const std::string&)> variable_;
  std::unordered_map<const void*, std::string> named_;
};

}  // namespace nkpk
