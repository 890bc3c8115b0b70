#include "nkpk/core/symbol.hpp"

#include <cmath>
#include <limits>
#include <utility>

#include "nkpk/core/scalar.hpp"

namespace nkpk {

struct Symbol::Node {
  Op op;
  double number = std::numeric_limits<double>::quiet_NaN();
  std::string name;
  std::vector<Symbol> arguments;
};

Symbol::Symbol(double value) : node_(std::make_shared<const Node>(Node{Op::number, value, {}, {}})) {}

Symbol Symbol::variable(std::string name) {
  Symbol s;
  s.node_ = std::make_shared<const Node>(Node{Op::variable, std::numeric_limits<double>::quiet_NaN(), std::move(name), {}});
  return s;
}

Symbol Symbol::make(Op op, std::vector<Symbol> arguments) {
  Symbol s;
  s.node_ = std::make_shared<const Node>(Node{op, std::numeric_limits<double>::quiet_NaN(), {}, std::move(arguments)});
  return s;
}

Symbol::Op Symbol::op() const { return node_->op; }
double Symbol::number() const { return node_->number; }
const std::string& Symbol::name() const { return node_->name; }
const std::vector<Symbol>& Symbol::arguments() const { return node_->arguments; }
bool Symbol::is_number(double value) const { return node_->op == Op::number && node_->number == value; }

namespace {
bool are_numbers(const Symbol& a, const Symbol& b) { return a.op() == Symbol::Op::number && b.op() == Symbol::Op::number; }
}  // namespace

Symbol operator+(const Symbol& a, const Symbol& b) {
  if (are_numbers(a, b)) return a.number() + b.number();
  if (a.is_number(0)) return b;
  if (b.is_number(0)) return a;
  return Symbol::make(Symbol::Op::add, {a, b});
}

Symbol operator-(const Symbol& a, const Symbol& b) {
  if (are_numbers(a, b)) return a.number() - b.number();
  if (a.is_number(0)) return -b;
  if (b.is_number(0)) return a;
  return Symbol::make(Symbol::Op::subtract, {a, b});
}

Symbol operator*(const Symbol& a, const Symbol& b) {
  if (are_numbers(a, b)) return a.number() * b.number();
  if (a.is_number(0) || b.is_number(0)) return 0;
  if (a.is_number(1)) return b;
  if (b.is_number(1)) return a;
  return Symbol::make(Symbol::Op::multiply, {a, b});
}

Symbol operator/(const Symbol& a, const Symbol& b) {
  if (are_numbers(a, b)) return a.number() / b.number();
  if (a.is_number(0) && b.op() != Symbol::Op::number) return 0;
  if (b.is_number(1)) return a;
  return Symbol::make(Symbol::Op::divide, {a, b});
}

Symbol operator-(const Symbol& a) {
  if (a.op() == Symbol::Op::number) return -a.number();
  if (a.op() == Symbol::Op::negate) return a.arguments()[0];
  return Symbol::make(Symbol::Op::negate, {a});
}

Symbol exp(const Symbol& a) { return a.op() == Symbol::Op::number ? Symbol(std::exp(a.number())) : Symbol::make(Symbol::Op::exp, {a}); }
Symbol log(const Symbol& a) { return a.op() == Symbol::Op::number ? Symbol(std::log(a.number())) : Symbol::make(Symbol::Op::log, {a}); }
Symbol sqrt(const Symbol& a) { return a.op() == Symbol::Op::number ? Symbol(std::sqrt(a.number())) : Symbol::make(Symbol::Op::sqrt, {a}); }

Symbol pow(const Symbol& a, const Symbol& b) {
  if (are_numbers(a, b)) return power(a.number(), b.number());
  if (b.is_number(1)) return a;
  return Symbol::make(Symbol::Op::pow, {a, b});
}

Symbol max0(const Symbol& a) { return a.op() == Symbol::Op::number ? Symbol(nkpk::max0(a.number())) : Symbol::make(Symbol::Op::max0, {a}); }

Symbol if_positive(const Symbol& x, const Symbol& yes, const Symbol& no) {
  if (x.op() == Symbol::Op::number) return x.number() > 0 ? yes : no;
  if (yes.identity() == no.identity() || (are_numbers(yes, no) && yes.number() == no.number())) return yes;
  return Symbol::make(Symbol::Op::if_positive, {x, yes, no});
}

Symbol Derivative::operator()(const Symbol& e) {
  const auto found = known_.find(e.identity());
  if (found != known_.end()) return found->second.second;
  const Symbol d = compute(e);
  known_.emplace(e.identity(), std::pair{e, d});
  return d;
}

Symbol Derivative::compute(const Symbol& e) {
  using Op = Symbol::Op;
  if (e.op() == Op::number) return 0;
  if (e.op() == Op::variable) return e.name() == variable_ ? 1 : 0;
  const auto& x = e.arguments();
  std::vector<Symbol> d;
  bool is_constant = true;
  for (const Symbol& argument : x) {
    d.push_back((*this)(argument));
    is_constant = is_constant && d.back().is_number(0);
  }
  if (is_constant) return 0;
  switch (e.op()) {
    case Op::add: return d[0] + d[1];
    case Op::subtract: return d[0] - d[1];
    case Op::multiply: return d[0] * x[1] + x[0] * d[1];
    // with the quotient itself, which the model has computed already
    case Op::divide: return (d[0] - e * d[1]) / x[1];
    case Op::negate: return -d[0];
    case Op::exp: return e * d[0];
    case Op::log: return d[0] / x[0];
    case Op::sqrt: return 0.5 / e * d[0];
    case Op::pow: {
      const Symbol at_zero = x[1].is_number(1) ? 1 : 0;
      const Symbol by_base = if_positive(x[0], x[1] * e / x[0], at_zero);
      const Symbol by_exponent = d[1].is_number(0) ? Symbol(0) : if_positive(x[0], e * log(x[0]), 0);
      return by_base * d[0] + by_exponent * d[1];
    }
    case Op::max0: return if_positive(x[0], d[0], 0);
    case Op::if_positive: return if_positive(x[0], d[1], d[2]);
    case Op::number:
    case Op::variable: break;
  }
  return 0;
}

double Evaluation::operator()(const Symbol& e) {
  const auto found = known_.find(e.identity());
  if (found != known_.end()) return found->second.second;
  const double value = compute(e);
  known_.emplace(e.identity(), std::pair{e, value});
  return value;
}

double Evaluation::compute(const Symbol& e) {
  using Op = Symbol::Op;
  if (e.op() == Op::number) return e.number();
  if (e.op() == Op::variable) return value_(e.name());
  std::vector<double> x;
  for (const Symbol& argument : e.arguments()) x.push_back((*this)(argument));
  switch (e.op()) {
    case Op::add: return x[0] + x[1];
    case Op::subtract: return x[0] - x[1];
    case Op::multiply: return x[0] * x[1];
    case Op::divide: return x[0] / x[1];
    case Op::negate: return -x[0];
    case Op::exp: return std::exp(x[0]);
    case Op::log: return std::log(x[0]);
    case Op::sqrt: return std::sqrt(x[0]);
    case Op::pow: return power(x[0], x[1]);
    case Op::max0: return max0(x[0]);
    case Op::if_positive: return if_positive(x[0], x[1], x[2]);
    case Op::number:
    case Op::variable: break;
  }
  return std::numeric_limits<double>::quiet_NaN();
}

}  // namespace nkpk
