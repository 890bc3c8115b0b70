// The generated Jacobian and its sparse LU, against dual numbers and against dense algebra.
#include <Eigen/Dense>

#include "nkpk/core/dual.hpp"
#include "nkpk/generated/linearization.hpp"
#include "nkpk/simulation/lifted.hpp"
#include "support/scenarios.hpp"

using namespace nkpk;
using namespace nkpk::test;

namespace {

using D = Dual<1>;

struct Drawn {
  Scenario s;
  std::vector<double> y;
  Windows w;
  double t = 3.25;
};

/// Three infusions, a graft, irradiation; every state and window away from zero.
Drawn drawn(unsigned seed) {
  Request request;
  request.regimen = "rogachev-hsct";
  request.arms = {"tbi"};
  request.sets = {"dose.nk-1.days=[-12, -10]", "rejection.krejN=1e-4 1/d/(cells/uL)", "fludarabine.kill_saturation=0.3 L/mg",
                  "infused_nk.Isup=0.4", "host_nk.w2P=0.1"};
  Drawn d{make_scenario(library(), request), {}, {0.6, 0.2, 0.7}};
  REQUIRE(d.s.cohorts.size() == 3);
  Draws draws(seed);
  d.y = drawn_state(draws, d.s.p, d.s.constants);
  return d;
}

Eigen::MatrixXd by_duals(const Drawn& d, const ModuleSet& on) {
  const std::size_t n = d.y.size();
  // the scenario's constants, as duals without tangents
  Parameters<D> p;
  std::vector<double> values;
  Parameters<double>::visit(d.s.p, [&](std::string_view, const char*, const char*, Domain, const double& v) { values.push_back(v); });
  std::size_t next = 0;
  Parameters<D>::visit(p, [&](std::string_view, const char*, const char*, Domain, D& v) { v = D(values[next++]); });
  std::vector<Cohort<D>> lots;
  for (const auto& lot : d.s.lots) {
    std::vector<double> own;
    ProductParams<double>::visit(lot.product, [&](const char*, const char*, Domain, const double& v) { own.push_back(v); });
    Cohort<D> lifted{D(lot.start_d), {}};
    next = 0;
    ProductParams<D>::visit(lifted.product, [&](const char*, const char*, Domain, D& v) { v = D(own[next++]); });
    lots.push_back(lifted);
  }
  const Constants<D> c = prepare(p, Physiology::body(d.s.patient, p.physiology), chi_of(d.s.regimen.donor, p), lots);
  Eigen::MatrixXd J(n, n);
  std::vector<D> y(d.y.begin(), d.y.end()), dy(n);
  for (std::size_t j = 0; j < n; ++j) {
    y[j].tangent[0] = 1;
    right_hand_side(c, on, d.w, d.t, y.data(), dy.data());
    y[j].tangent[0] = 0;
    for (std::size_t i = 0; i < n; ++i) J(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j)) = dy[i].tangent[0];
  }
  return J;
}

struct Sparse {
  SparseMatrix<double> j, lu;
  std::vector<double> dfdt;
};

Sparse linearized(const Drawn& d, const ModuleSet& on, Isa isa = best_isa()) {
  Sparse m;
  m.dfdt.assign(d.y.size(), NAN);
  const CompiledConstants<double> q(d.s.constants);
  kernels<double>(isa).linearize(d.s.constants, q, on, d.w, d.t, d.y.data(), m.j, m.dfdt.data());
  return m;
}

Eigen::MatrixXd dense(const Sparse& m, const Drawn& d) {
  Eigen::MatrixXd J = Eigen::MatrixXd::Zero(static_cast<Eigen::Index>(d.y.size()), static_cast<Eigen::Index>(d.y.size()));
  visit_entries(m.j, d.s.cohorts.size(), [&](std::size_t i, std::size_t j, double v) { J(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j)) += v; });
  return J;
}

/// Entries of a row differ by orders of magnitude: each is compared with its own size. The slope of a saturation c/(c + C50) is
/// what is left of 1/(c + C50) - c/(c + C50)^2 and loses the digits of c/C50, here up to 2e4 of 2e-16.
void demand_equal(const Eigen::MatrixXd& found, const Eigen::MatrixXd& expected, const std::vector<StateEntry>& names) {
  for (Eigen::Index i = 0; i < found.rows(); ++i)
    for (Eigen::Index j = 0; j < found.cols(); ++j) {
      CAPTURE(names[static_cast<std::size_t>(i)].name);
      CAPTURE(names[static_cast<std::size_t>(j)].name);
      CHECK(std::isfinite(found(i, j)));
      CHECK(std::abs(found(i, j) - expected(i, j)) <= 1e-11 * std::abs(expected(i, j)));
    }
}

ModuleSet without(const ModuleSet& all, std::initializer_list<Module> off) {
  ModuleSet on = all;
  for (const Module m : off) on.set(m, false);
  return on;
}

}  // namespace

TEST_CASE("the compiled right-hand side is the model's, with everything on and with mechanisms at rest") {
  for (unsigned seed = 1; seed <= 5; ++seed) {
    for (const bool all : {true, false}) {
      Drawn d = drawn(seed);
      const auto names = state_entries(d.s.cohorts.size());
      const ModuleSet on = all ? d.s.constants.modules : without(d.s.constants.modules, {Module::graft, Module::il2, Module::busulfan, Module::rejection});
      // at rest is at zero
      for (std::size_t i = 0; i < names.size(); ++i)
        if (!on.has(names[i].module)) d.y[i] = 0;
      std::vector<double> expected(d.y.size()), found(d.y.size()), terms(d.y.size());
      right_hand_side(d.s.constants, on, d.w, d.t, d.y.data(), expected.data());
      kernels<double>(best_isa()).rhs(d.s.constants, CompiledConstants<double>(d.s.constants), on, d.w, {}, d.t, d.y.data(), found.data());
      // rates are differences: what rounding may do is measured by the terms, of which J y has the size
      const Eigen::Map<const Eigen::VectorXd> y(d.y.data(), static_cast<Eigen::Index>(d.y.size()));
      const Eigen::VectorXd size = by_duals(d, on).cwiseAbs() * y.cwiseAbs();
      for (std::size_t i = 0; i < names.size(); ++i) {
        CAPTURE(names[i].name);
        CHECK(std::abs(found[i] - expected[i]) <= 1e-13 * (size[static_cast<Eigen::Index>(i)] + std::abs(expected[i])));
      }
    }
  }
}

TEST_CASE("the generated Jacobian is that of dual numbers, entry by entry") {
  for (unsigned seed = 1; seed <= 5; ++seed) {
    const Drawn d = drawn(seed);
    const auto names = state_entries(d.s.cohorts.size());
    demand_equal(dense(linearized(d, d.s.constants.modules), d), by_duals(d, d.s.constants.modules), names);
  }
}

TEST_CASE("rows of a mechanism that rests are zero, and the others are those of a model without it") {
  const Drawn d = drawn(7);
  const auto names = state_entries(d.s.cohorts.size());
  for (const Module m : {Module::il2, Module::graft, Module::thiotepa, Module::irradiation, Module::fludarabine, Module::rejection, Module::host_nk}) {
    const ModuleSet on = without(d.s.constants.modules, {m});
    Eigen::MatrixXd found = dense(linearized(d, on), d), expected = by_duals(d, on);
    // columns of what rests are never read: its states do not change
    for (std::size_t j = 0; j < names.size(); ++j)
      if (names[j].module == m) found.col(static_cast<Eigen::Index>(j)) = expected.col(static_cast<Eigen::Index>(j));
    demand_equal(found, expected, names);
  }
}

TEST_CASE("only infused cells know the time, and their df/dt is its derivative") {
  const Drawn d = drawn(3);
  const Sparse m = linearized(d, d.s.constants.modules);
  const double h = 1e-4;
  std::vector<double> after(d.y.size()), before(d.y.size());
  right_hand_side(d.s.constants, d.w, d.t + h, d.y.data(), after.data());
  right_hand_side(d.s.constants, d.w, d.t - h, d.y.data(), before.data());
  bool any = false;
  for (std::size_t i = 0; i < d.y.size(); ++i) {
    const double expected = (after[i] - before[i]) / (2 * h);
    const double rounding = 1e-11 * (std::abs(after[i]) + std::abs(before[i])) / h;
    CAPTURE(i);
    CHECK(std::abs(m.dfdt[i] - expected) <= 1e-6 * std::abs(expected) + rounding);
    if (i < at::infused_nk) CHECK(m.dfdt[i] == 0);
    any = any || m.dfdt[i] != 0;
  }
  CHECK(any);
}

TEST_CASE("the sparse LU solves what dense algebra solves, for every shift") {
  for (unsigned seed = 1; seed <= 5; ++seed) {
    const Drawn d = drawn(seed);
    const auto n = static_cast<Eigen::Index>(d.y.size());
    for (const bool all : {true, false}) {
      const ModuleSet on = all ? d.s.constants.modules : without(d.s.constants.modules, {Module::graft, Module::busulfan, Module::il2});
      Sparse m = linearized(d, on);
      const auto names = state_entries(d.s.cohorts.size());
      Draws draws(seed + 100);
      for (const double shift : {1e6, 1e3, 10.0, 0.5}) {
        Eigen::MatrixXd W = -dense(m, d);
        W.diagonal().array() += shift;
        Eigen::VectorXd b(n);
        for (Eigen::Index i = 0; i < n; ++i) b[i] = on.has(names[static_cast<std::size_t>(i)].module) ? draws.uniform(-1, 1) * d.y[static_cast<std::size_t>(i)] : 0;
        kernels<double>(best_isa()).factorize(on, d.s.cohorts.size(), shift, m.j, m.lu);
        std::vector<double> x(b.begin(), b.end());
        kernels<double>(best_isa()).solve(on, d.s.cohorts.size(), m.lu, x.data());
        const Eigen::Map<const Eigen::VectorXd> found(x.data(), n);
        CAPTURE(shift);
        // backward error, row by row: as small as that of a stable elimination
        const Eigen::VectorXd residual = (b - W * found).cwiseAbs();
        const Eigen::VectorXd allowed = 1e-12 * (W.cwiseAbs() * found.cwiseAbs() + b.cwiseAbs());
        for (Eigen::Index i = 0; i < n; ++i) {
          CAPTURE(names[static_cast<std::size_t>(i)].name);
          CHECK(residual[i] <= allowed[i]);
        }
      }
    }
  }
}

TEST_CASE("every instruction set gives the same bits") {
  const Drawn d = drawn(9);
  const auto bits = [&](Isa isa) {
    Sparse m = linearized(d, d.s.constants.modules, isa);
    std::vector<double> all(d.y.size());
    kernels<double>(isa).rhs(d.s.constants, CompiledConstants<double>(d.s.constants), d.s.constants.modules, d.w, {}, d.t, d.y.data(), all.data());
    std::vector<double> x = all;
    kernels<double>(isa).factorize(d.s.constants.modules, 3, 12.5, m.j, m.lu);
    kernels<double>(isa).solve(d.s.constants.modules, 3, m.lu, x.data());
    all.insert(all.end(), x.begin(), x.end());
    all.insert(all.end(), m.j.core.begin(), m.j.core.end());
    return all;
  };
  for (int isa = 0; isa <= static_cast<int>(best_isa()); ++isa) CHECK(bits(static_cast<Isa>(isa)) == bits(Isa::baseline));
}
