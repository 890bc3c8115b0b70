#pragma once
#include <algorithm>
#include <cmath>
#include <vector>

#include "nkpk/model/nk_model.hpp"

namespace nkpk::test {

/// A number that remembers the largest of the terms it was added up from: where terms cancel, `largest` says what the
/// remainder is to be measured by. It has no comparison and no truth value, so that code which takes it cannot branch
/// on it.
class Terms {
 public:
  Terms() = default;
  Terms(double value) : value_(value), largest_(std::abs(value)) {}  // NOLINT: implicit on purpose, as from a literal

  double value() const { return value_; }
  double largest() const { return largest_; }

  friend Terms operator+(const Terms& a, const Terms& b) {
    return {a.value_ + b.value_, std::max(a.largest_, b.largest_)};
  }
  friend Terms operator-(const Terms& a, const Terms& b) {
    return {a.value_ - b.value_, std::max(a.largest_, b.largest_)};
  }
  friend Terms operator*(const Terms& a, const Terms& b) { return {a.value_ * b.value_, a.largest_ * b.largest_}; }
  friend Terms operator/(const Terms& a, const Terms& b) {
    return {a.value_ / b.value_, a.largest_ / std::abs(b.value_) * (b.largest_ / std::abs(b.value_))};
  }
  Terms operator-() const { return {-value_, largest_}; }
  Terms& operator+=(const Terms& b) { return *this = *this + b; }
  friend Terms exp(const Terms& a) { return std::exp(a.value_); }
  friend Terms pow(const Terms& a, const Terms& b) { return std::pow(a.value_, b.value_); }
  friend Terms power(const Terms& a, const Terms& b) { return pow(a, b); }
  friend Terms max0(const Terms& a) { return {max0_of(a.value_), a.largest_}; }
  friend Terms if_positive(const Terms& a, const Terms& yes, const Terms& no) { return a.value_ > 0 ? yes : no; }

 private:
  Terms(double value, double largest) : value_(value), largest_(std::max(std::abs(value), largest)) {}
  static double max0_of(double x) { return nkpk::max0(x); }
  double value_ = 0, largest_ = 0;
};

/// The same parameters in another number type.
template <class T>
Parameters<T> parameters_as(const Parameters<double>& p) {
  std::vector<double> values;
  Parameters<double>::visit(p, [&](auto, auto, auto, auto, const double& value) { values.push_back(value); });
  Parameters<T> other;
  std::size_t i = 0;
  Parameters<T>::visit(other, [&](auto, auto, auto, auto, T& value) { value = T(values[i++]); });
  return other;
}

template <class T>
ProductParams<T> product_as(const ProductParams<double>& p) {
  std::vector<double> values;
  ProductParams<double>::visit(p, [&](auto, auto, auto, const double& value) { values.push_back(value); });
  ProductParams<T> other;
  std::size_t i = 0;
  ProductParams<T>::visit(other, [&](auto, auto, auto, T& value) { value = T(values[i++]); });
  return other;
}

template <class T>
std::vector<T> states_as(const std::vector<double>& y) {
  return std::vector<T>(y.begin(), y.end());
}

}  // namespace nkpk::test
