// Explicit Runge-Kutta steps from Boost.Odeint; the only file that includes it.
//
// Of odeint only the tableaux and one plain step are used. Its controllers accept a step whose error is NaN,
// and its FSAL steppers keep a slope that is stale after a jump; with slopes passed in and out they keep
// none.
#include <boost/numeric/odeint/algebra/vector_space_algebra.hpp>
#include <boost/numeric/odeint/external/eigen/eigen_resize.hpp>
#include <boost/numeric/odeint/stepper/runge_kutta_dopri5.hpp>
#include <boost/numeric/odeint/stepper/runge_kutta_fehlberg78.hpp>

#include "nkpk/solvers/steppers.hpp"

namespace nkpk::detail {
namespace {

namespace odeint = boost::numeric::odeint;

// Whole arrays per operation: Eigen turns each stage's sum into one vectorised loop, which odeint's iterator
// loops over std::vector are not (too many possible aliases for the compiler).
using State = Eigen::ArrayXd;
using Dopri5 = odeint::runge_kutta_dopri5<State, double, State, double, odeint::vector_space_algebra>;
using Fehlberg78 = odeint::runge_kutta_fehlberg78<State, double, State, double, odeint::vector_space_algebra>;

/// A PiecewiseSystem's right-hand side in odeint's form, within one segment.
struct Rhs {
  const PiecewiseSystem& system;
  Trial& trial;
  template <class Y, class Dydt>
  void operator()(const Y& y, Dydt& dydt, double t) const {
    const auto n = static_cast<std::size_t>(y.size());
    system.rhs(trial.segment, t, {y.data(), n}, {dydt.data(), n});
    ++trial.rhs_calls;
  }
};

// Dormand and Prince 1980, doi:10.1016/0771-050X(80)90013-3: order 5 with an estimate of order 4, 6 new
// stages.
class Dopri5Stepper : public Stepper {
 public:
  explicit Dopri5Stepper(const PiecewiseSystem& system) : system_(system) {}
  void try_step(Trial& s, double h) override {
    auto y_new = s.y_new.array(), slope_new = s.slope_new.array(), error = s.error.array();
    odeint_.do_step(Rhs{system_, s}, s.y.array(), s.slope.array(), s.t, y_new, slope_new, h, error);
  }

 private:
  const PiecewiseSystem& system_;
  Dopri5 odeint_;
};

// Fehlberg 1968, NASA TR R-287: odeint advances with the weights of order 8; the estimate is of order 7, 12
// new stages. The estimate is 41/840 h (k1 + k11 - k12 - k13) and vanishes for a component whose slope
// depends on time alone: there only max_step_d bounds the step.
class Fehlberg78Stepper : public Stepper {
 public:
  explicit Fehlberg78Stepper(const PiecewiseSystem& system) : system_(system) {}
  void try_step(Trial& s, double h) override {
    auto y_new = s.y_new.array(), error = s.error.array();
    odeint_.do_step(Rhs{system_, s}, s.y.array(), s.slope.array(), s.t, y_new, h, error);
  }

 private:
  const PiecewiseSystem& system_;
  Fehlberg78 odeint_;
};

}  // namespace

std::unique_ptr<Stepper> make_dopri5(const PiecewiseSystem& system, Isa) { return std::make_unique<Dopri5Stepper>(system); }
std::unique_ptr<Stepper> make_fehlberg78(const PiecewiseSystem& system, Isa) { return std::make_unique<Fehlberg78Stepper>(system); }

}  // namespace nkpk::detail
