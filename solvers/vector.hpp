#pragma once
// Private to solvers/: the vectors that its loops run over.
#include <Eigen/Core>
#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <span>

namespace nkpk::detail {

/// Doubles in whole registers: what follows the components fills the last one, so that no loop has a remainder.
/// It is zero to begin with and stays so in every sum of such vectors.
class Vector {
 public:
  static constexpr std::size_t per_register = 8, alignment = 64;  // of the widest instruction set
  static constexpr std::size_t rounded_up(std::size_t size) { return (size + per_register - 1) / per_register * per_register; }

  explicit Vector(std::size_t size, double padding = 0) : size_(size), values_(new (std::align_val_t(alignment)) double[rounded_up(size)]) {
    std::fill_n(data(), size, 0.0);
    std::fill(data() + size, data() + rounded_up(size), padding);
  }

  std::size_t size() const { return size_; }
  double* data() { return values_.get(); }
  const double* data() const { return values_.get(); }
  double& operator[](std::size_t i) { return values_[i]; }
  double operator[](std::size_t i) const { return values_[i]; }

  std::span<double> view() { return {data(), size_}; }
  std::span<const double> view() const { return {data(), size_}; }
  std::span<const double> padded() const { return {data(), rounded_up(size_)}; }
  Eigen::Map<Eigen::ArrayXd> array() { return {data(), static_cast<Eigen::Index>(size_)}; }
  Eigen::Map<const Eigen::ArrayXd> array() const { return {data(), static_cast<Eigen::Index>(size_)}; }

  void swap(Vector& other) {
    std::swap(size_, other.size_);
    values_.swap(other.values_);
  }

 private:
  struct Free {
    void operator()(double* values) const { operator delete[](values, std::align_val_t(alignment)); }
  };
  std::size_t size_;
  std::unique_ptr<double[], Free> values_;
};

}  // namespace nkpk::detail
