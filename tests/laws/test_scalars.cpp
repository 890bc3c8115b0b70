// The model in every scalar: the values that it has on doubles, and tangents that are the derivatives by every input.
#include <map>
#include <set>

#include "nkpk/core/dual.hpp"
#include "nkpk/core/symbol.hpp"
#include "support/everything.hpp"
#include "support/terms.hpp"

using namespace nkpk;
using namespace nkpk::test;

namespace {

constexpr std::size_t per_pass = 8;
using D = Dual<per_pass>;

/// Every input a variable of its name, and what gives an expression's value at their numbers.
struct OnSymbols {
  explicit OnSymbols(const Inputs<double>& in)
      : inputs(inputs_from<Symbol>(in, [this](std::size_t, const std::string& name, double number) {
          numbers[name] = number;
          return Symbol::variable(name);
        })) {}
  OnSymbols(const OnSymbols&) = delete;
  OnSymbols& operator=(const OnSymbols&) = delete;

  std::map<std::string, double> numbers;
  Inputs<Symbol> inputs;
  Evaluation value{[this](const std::string& name) { return numbers.at(name); }};
};

/// Inputs with the i-th moved by h.
Inputs<double> moved(Inputs<double> in, std::size_t i, double h) {
  Inputs<double>::visit(in, [&](std::size_t j, auto&&, double& value) {
    if (i == j) value += h;
  });
  return in;
}

}  // namespace

// --- every scalar: its values are those of doubles. A new scalar adds its case here (packs of different patients: test_packs.cpp).

TEST_CASE("on dual numbers the model gives the values that it gives on doubles") {
  for (const auto& [situation, in] : drawn_patients()) {
    CAPTURE(situation.scenario.patient.name);
    const auto seeded = inputs_from<D>(in, [](std::size_t i, auto&&, double number) {
      D value(number);
      value.tangent[i % per_pass] = 1;
      return value;
    });
    check_values(everything(seeded, situation), everything(in, situation), [](const D& x) { return x.value; }, 1e-15);
  }
}

TEST_CASE("the expressions of the model have the values that it gives on doubles") {
  for (const auto& [situation, in] : drawn_patients()) {
    CAPTURE(situation.scenario.patient.name);
    OnSymbols symbols(in);
    check_values(everything(symbols.inputs, situation), everything(in, situation), [&](const Symbol& e) { return symbols.value(e); }, 0);
  }
}

// Both follow the chain rule, in another order: they differ by rounding, of the largest term that the row was added up from.
TEST_CASE("symbolic derivatives are the tangents of dual numbers") {
  for (const auto& [situation, in] : drawn_patients()) {
    CAPTURE(situation.scenario.patient.name);
    OnSymbols symbols(in);
    const auto expressions = everything(symbols.inputs, situation);
    const auto terms = everything(inputs_as<Terms>(in), situation);
    std::vector<std::string> names;
    std::vector<double> values;
    Inputs<double>::visit(in, [&](std::size_t, const std::string& name, const double& value) {
      names.push_back(name);
      values.push_back(value);
    });
    for (std::size_t i = 0; i < names.size(); i += 7) {  // a sample, of every mechanism
      CAPTURE(names[i]);
      const auto duals = everything(inputs_from<D>(in, [&](std::size_t j, auto&&, double number) {
                                      D value(number);
                                      value.tangent[0] = i == j ? 1 : 0;
                                      return value;
                                    }), situation);
      Derivative by(names[i]);
      const double scale = values[i] == 0 ? 1 : std::abs(values[i]);
      for (std::size_t row = 0; row < duals.size(); ++row) {
        CAPTURE(duals[row].name);
        const double tangent = scale * duals[row].value.tangent[0], symbolic = scale * symbols.value(by(expressions[row].value));
        CHECK(std::abs(symbolic - tangent) <= 1e-12 * (std::abs(tangent) + terms[row].value.largest()));
      }
    }
  }
}

// A step of h = step |p| puts a central difference off by a rounding of about epsilon/step = 4e-11 of the largest term that
// the row was added up from, and by step^2/6 = 6e-12 times a third derivative in ln p, which for the steepest powers and
// exponentials is below a hundred times the row: 1e-9 of that largest term covers both. 1e-6 of the derivative itself is for
// rows that are one term.
TEST_CASE("tangents are the derivatives by every parameter, start of a cohort and state") {
  const double step = 6e-6;
  std::map<std::string, std::set<std::string>> moves;  // the rows that an input moves by far more than is allowed
  for (const auto& [situation, in] : drawn_patients()) {
    CAPTURE(situation.scenario.patient.name);
    const auto terms = everything(inputs_as<Terms>(in), situation);
    std::vector<std::string> names;
    std::vector<double> values;
    Inputs<double>::visit(in, [&](std::size_t, const std::string& name, const double& value) {
      names.push_back(name);
      values.push_back(value);
    });
    for (std::size_t first = 0; first < names.size(); first += per_pass) {
      Inputs<D> seeded = inputs_as<D>(in);
      Inputs<D>::visit(seeded, [&](std::size_t i, auto&&, D& value) {
        if (i >= first && i < first + per_pass) value.tangent[i - first] = 1;
      });
      const auto duals = everything(seeded, situation);
      for (std::size_t i = first; i < std::min(first + per_pass, names.size()); ++i) {
        CAPTURE(names[i]);
        moves[names[i]];
        const double scale = values[i] == 0 ? 1 : std::abs(values[i]), h = step * scale;
        const auto above = everything(moved(in, i, h), situation), below = everything(moved(in, i, -h), situation);
        for (std::size_t row = 0; row < duals.size(); ++row) {
          CAPTURE(duals[row].name);
          const double by_ln_p = scale * duals[row].value.tangent[i - first];
          const double difference = (above[row].value - below[row].value) / (2 * step);
          CHECK(std::abs(by_ln_p - difference) <= 1e-6 * std::abs(difference) + 1e-9 * terms[row].value.largest());
          if (std::abs(by_ln_p) > 1e-6 * terms[row].value.largest()) moves[names[i]].insert(duals[row].name);
        }
      }
    }
  }
  // what acts elsewhere: the smallest NK count replaces a smaller one of the patient, T cells of a lot warn of their dose
  const std::set<std::string> elsewhere{"host_nk.NK0_min", "product.f_T"};
  for (const auto& [name, rows] : moves) {
    CAPTURE(name);
    CHECK(rows.empty() == elsewhere.contains(name));
  }
  for (const char* name : {"host_nk.NK0", "nk.phi", "host_nk.d0", "host_nk.pmax", "host_nk.E15", "host_nk.MTT", "host_nk.n_P"}) {
    CAPTURE(name);
    CHECK(moves.at(name).contains("initial host_P1"));
  }
  for (const char* name : {"start of cohort 1", "start of cohort 2", "start of cohort 3"}) {
    CAPTURE(name);
    CHECK(moves.at(name).contains(fmt::format("derivative of infused_blood_{}", name[16])));
  }
}
