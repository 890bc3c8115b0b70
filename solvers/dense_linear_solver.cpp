#include "nkpk/solvers/dense_linear_solver.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace nkpk {
namespace {

// A forward difference over d is off by d f''/2 and by eps f / d: the square root balances the two.
const double relative_increment = std::sqrt(std::numeric_limits<double>::epsilon());

// A pivot that is less than this part of the terms it is the sum of has lost half its digits.
const double smallest_pivot = relative_increment;

std::span<const double> view(const Eigen::VectorXd& v) { return {v.data(), static_cast<std::size_t>(v.size())}; }
std::span<double> view(Eigen::VectorXd& v) { return {v.data(), static_cast<std::size_t>(v.size())}; }

}  // namespace

DenseLinearSolver::DenseLinearSolver(std::size_t size) {
  const auto n = static_cast<Eigen::Index>(size);
  for (auto* vector : {&y_, &f_, &f_shifted_, &x_, &pivot_terms_}) vector->setZero(n);
  jacobian_.setZero(n, n);
  matrix_.setZero(n, n);
}

DenseLinearSolver::DenseLinearSolver(std::size_t size, Rhs rhs, std::span<const double> scale) : DenseLinearSolver(size) {
  rhs_ = rhs;
  scale_ = scale;
}

DenseLinearSolver::DenseLinearSolver(std::size_t size, Jacobian jacobian) : DenseLinearSolver(size) { given_ = jacobian; }

void DenseLinearSolver::Linearize::operator()(std::size_t segment, double t, std::span<const double> y, std::span<double> dfdt) const {
  if (!self.has_begun_ || segment != self.segment_ || t < self.earliest_) self.earliest_ = t;
  self.has_begun_ = true;
  self.segment_ = segment;
  self.t_ = t;
  self.jacobian_is_known_ = static_cast<bool>(self.given_);
  if (self.given_) {
    self.jacobian_.setZero();
    std::fill(dfdt.begin(), dfdt.end(), 0.0);
    self.given_(segment, t, y, {self.jacobian_.data(), static_cast<std::size_t>(self.jacobian_.size())}, dfdt);
  } else {
    std::copy(y.begin(), y.end(), self.y_.begin());
    self.evaluate(t, self.y_, self.f_);
    self.difference_in_time(t, dfdt);
  }
}

/// Backwards, as the segment may end right after t, except where the segment begins.
void DenseLinearSolver::difference_in_time(double t, std::span<double> dfdt) {
  const double wanted = relative_increment * std::max(1.0, std::abs(t));
  const double shifted = t - wanted >= earliest_ ? t - wanted : t + wanted;
  evaluate(shifted, y_, f_shifted_);
  for (std::size_t i = 0; i < dfdt.size(); ++i) {
    const auto k = static_cast<Eigen::Index>(i);
    dfdt[i] = (f_shifted_[k] - f_[k]) / (shifted - t);
  }
}

/// Each state moves by a small part of the largest of its value, its scale and its change within 1 / shift, about a step;
/// away from zero, so that no state changes its sign.
void DenseLinearSolver::difference_in_states(double shift) {
  for (Eigen::Index j = 0; j < y_.size(); ++j) {
    const double value = y_[j], scale = scale_.empty() ? 0 : scale_[static_cast<std::size_t>(j)];
    double size = std::max(std::abs(value), std::abs(f_[j]) / shift);
    if (std::isfinite(scale)) size = std::max(size, scale);
    if (!(size > 0)) size = 1;
    y_[j] = value + std::copysign(relative_increment * size, value);
    const double increment = y_[j] - value;  // what was added, after rounding
    evaluate(t_, y_, f_shifted_);
    y_[j] = value;
    jacobian_.col(j) = (f_shifted_ - f_) / increment;
  }
}

void DenseLinearSolver::evaluate(double t, const Eigen::VectorXd& y, Eigen::VectorXd& f) {
  rhs_(segment_, t, view(y), view(f));
  ++rhs_calls_;
}

bool DenseLinearSolver::Factorize::operator()(double shift) const {
  if (!self.jacobian_is_known_) self.difference_in_states(shift);
  // differences that are not finite are worth another try over shorter increments
  self.jacobian_is_known_ = self.given_ || self.jacobian_.allFinite();
  self.matrix_ = -self.jacobian_;
  self.matrix_.diagonal().array() += shift;
  if (!self.matrix_.allFinite()) return false;
  self.pivot_terms_ = self.jacobian_.diagonal().cwiseAbs().array() + std::abs(shift);
  self.is_interchanged_ = !self.eliminate();
  if (!self.is_interchanged_) return true;
  self.matrix_ = -self.jacobian_;
  self.matrix_.diagonal().array() += shift;
  self.lu_.compute(self.matrix_);
  const auto pivots = self.lu_.matrixLU().diagonal().array();
  return pivots.allFinite() && (pivots != 0).all();
}

bool DenseLinearSolver::eliminate() {
  const Eigen::Index n = matrix_.rows();
  for (Eigen::Index k = 0; k < n; ++k) {
    const double pivot = matrix_(k, k);
    if (!(std::abs(pivot) > smallest_pivot * pivot_terms_[k]) || !std::isfinite(pivot)) return false;
    const Eigen::Index rest = n - k - 1;
    for (Eigen::Index i = k + 1; i < n; ++i) {
      if (matrix_(i, k) == 0) continue;
      const double factor = matrix_(i, k) /= pivot;
      pivot_terms_[i] += std::abs(factor * matrix_(k, i));
      matrix_.row(i).tail(rest) -= factor * matrix_.row(k).tail(rest);
    }
  }
  return true;
}

void DenseLinearSolver::Solve::operator()(std::span<double> b) const {
  Eigen::Map<Eigen::VectorXd> x(b.data(), static_cast<Eigen::Index>(b.size()));
  if (!self.is_interchanged_) {
    self.matrix_.triangularView<Eigen::UnitLower>().solveInPlace(x);
    self.matrix_.triangularView<Eigen::Upper>().solveInPlace(x);
    return;
  }
  const auto& rows = self.lu_.permutationP().indices();
  for (Eigen::Index i = 0; i < rows.size(); ++i) self.x_[rows[i]] = x[i];
  self.lu_.matrixLU().triangularView<Eigen::UnitLower>().solveInPlace(self.x_);
  self.lu_.matrixLU().triangularView<Eigen::Upper>().solveInPlace(self.x_);
  x = self.x_;
}

}  // namespace nkpk
