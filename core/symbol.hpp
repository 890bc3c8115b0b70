#pragma once
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

// A scalar that remembers how it was computed. A right-hand side evaluated on Symbols gives its own equations, to be
// differentiated, printed as C++, MathML or LaTeX, or evaluated:
//
//   s.p_host = c.pmaxH * u / (1.0 + u)      on doubles     0.0123
//                                           on Symbols     a tree:  /( *(pmaxH, u), +(1, u) )
//
// Sharing is kept: what the model computes once is one node, however often it is used. Only what leaves every value as it is
// gets simplified: numbers are folded, x + 0, 1 * x and the like vanish, and 0 * x is 0 (the model has no infinite terms).

namespace nkpk {

class Symbol {
 public:
  enum class Op { number, variable, add, subtract, multiply, divide, negate, exp, log, sqrt, pow, max0, if_positive };

  Symbol(double value = 0);  // NOLINT: a constant is a Symbol, as it is a Dual
  static Symbol variable(std::string name);

  Op op() const;
  double number() const;                      ///< of Op::number
  const std::string& name() const;            ///< of Op::variable
  const std::vector<Symbol>& arguments() const;
  bool is_number(double value) const;
  const void* identity() const { return node_.get(); }  ///< equal for one shared node

  Symbol& operator+=(const Symbol& b) { return *this = *this + b; }
  Symbol& operator-=(const Symbol& b) { return *this = *this - b; }
  Symbol& operator*=(const Symbol& b) { return *this = *this * b; }
  Symbol& operator/=(const Symbol& b) { return *this = *this / b; }

  friend Symbol operator+(const Symbol& a, const Symbol& b);
  friend Symbol operator-(const Symbol& a, const Symbol& b);
  friend Symbol operator*(const Symbol& a, const Symbol& b);
  friend Symbol operator/(const Symbol& a, const Symbol& b);
  friend Symbol operator-(const Symbol& a);
  friend Symbol exp(const Symbol& a);
  friend Symbol log(const Symbol& a);
  friend Symbol sqrt(const Symbol& a);
  friend Symbol pow(const Symbol& a, const Symbol& b);
  friend Symbol power(const Symbol& a, const Symbol& b) { return pow(a, b); }
  friend Symbol max0(const Symbol& a);
  friend Symbol if_positive(const Symbol& x, const Symbol& yes, const Symbol& no);

 private:
  struct Node;
  static Symbol make(Op op, std::vector<Symbol> arguments);
  std::shared_ptr<const Node> node_;
};

/// A derivative by one variable; remembers what it has differentiated, so that shared parts stay shared.
/// At a = 0 the slope of pow(a, b) is taken as Dual takes it.
class Derivative {
 public:
  explicit Derivative(std::string variable) : variable_(std::move(variable)) {}
  Symbol operator()(const Symbol& e);

 private:
  Symbol compute(const Symbol& e);
  std::string variable_;
  std::unordered_map<const void*, std::pair<Symbol, Symbol>> known_;  // keeps the key's node alive
};

/// The value of an expression, given those of its variables; what value() throws for an unknown name passes through.
/// The operations are those of a run on doubles, in the same order: the same bits.
class Evaluation {
 public:
  explicit Evaluation(std::function<double(const std::string&)> value) : value_(std::move(value)) {}
  double operator()(const Symbol& e);

 private:
  double compute(const Symbol& e);
  std::function<double(const std::string&)> value_;
  std::unordered_map<const void*, std::pair<Symbol, double>> known_;
};

}  // namespace nkpk
