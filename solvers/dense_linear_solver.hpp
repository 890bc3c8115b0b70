#pragma once
// Dense LU for small systems: (shift I - J) x = b with J = df/dy, from a Jacobian or by forward differences.
//
// Eliminates in the order of the components, without interchanges, as long as each pivot keeps half its digits: that does not
// depend on the units of the components, where partial pivoting, which compares numbers of different units, let rounding errors
// of a state of size 1e7 reach one of size 1e-7. Only where a pivot cancels are rows interchanged.
//
// Leaves out any structure: n^3 / 3 multiplications a factorisation. A system that knows its own pattern brings a
// LinearSolver of its own.
#include <Eigen/Core>
#include <Eigen/LU>
#include <cstddef>
#include <span>

#include "nkpk/solvers/integrate.hpp"

namespace nkpk {

class DenseLinearSolver {
 public:
  using Rhs = Callback<void(std::size_t segment, double t, std::span<const double> y, std::span<double> dydt)>;
  /// J = df/dy, row-major [size x size], and df/dt [size] at (segment, t, y). Both come in filled with zeros.
  using Jacobian = Callback<void(std::size_t segment, double t, std::span<const double> y, std::span<double> jacobian, std::span<double> dfdt)>;

  /// By forward differences of f. `scale` [size], may be empty: below it (for example the absolute tolerance) changes of a
  /// component mean nothing; infinite where there is no such size. What the callbacks and the span refer to must outlive this.
  DenseLinearSolver(std::size_t size, Rhs rhs, std::span<const double> scale = {});
  /// From the Jacobian.
  DenseLinearSolver(std::size_t size, Jacobian jacobian);
  DenseLinearSolver(const DenseLinearSolver&) = delete;
  DenseLinearSolver& operator=(const DenseLinearSolver&) = delete;

  /// For PiecewiseSystem::linear; refers to this object.
  LinearSolver linear() { return {linearize_, factorize_, solve_}; }

  /// Evaluations of f for differences so far.
  std::size_t rhs_calls() const { return rhs_calls_; }

 private:
  struct Linearize {
    DenseLinearSolver& self;
    void operator()(std::size_t segment, double t, std::span<const double> y, std::span<double> dfdt) const;
  };
  struct Factorize {
    DenseLinearSolver& self;
    bool operator()(double shift) const;
  };
  struct Solve {
    DenseLinearSolver& self;
    void operator()(std::span<double> b) const;
  };
  explicit DenseLinearSolver(std::size_t size);
  void difference_in_time(double t, std::span<double> dfdt);
  void difference_in_states(double shift);
  /// matrix_ <- its factors, without interchanges; false: a pivot cancels.
  bool eliminate();
  void evaluate(double t, const Eigen::VectorXd& y, Eigen::VectorXd& f);

  using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  Rhs rhs_;
  Jacobian given_;
  std::span<const double> scale_;
  Linearize linearize_{*this};
  Factorize factorize_{*this};
  Solve solve_{*this};
  std::size_t segment_ = 0;
  double t_ = 0, earliest_ = 0;
  bool has_begun_ = false, jacobian_is_known_ = false, is_interchanged_ = false;
  Eigen::VectorXd y_, f_, f_shifted_, x_, pivot_terms_;
  Matrix jacobian_, matrix_;
  Eigen::PartialPivLU<Eigen::MatrixXd> lu_;
  std::size_t rhs_calls_ = 0;
};

}  // namespace nkpk
