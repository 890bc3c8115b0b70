// The model on dual numbers: the same values as on doubles, and tangents that are the derivatives by every parameter.
#include <fmt/format.h>

#include <map>
#include <set>

#include "nkpk/core/dual.hpp"
#include "nkpk/model/dose_effects.hpp"
#include "nkpk/model/observables.hpp"
#include "support/scenarios.hpp"
#include "support/terms.hpp"

using namespace nkpk;
using namespace nkpk::test;

namespace {

constexpr std::size_t passes_of = 8;
using D = Dual<passes_of>;

/// Every number that a tangent can be seeded in: the parameters of the model, then those of the product.
template <class T>
struct Inputs {
  Parameters<T> p;
  ProductParams<T> product;

  template <class Self, class V>
  static void visit(Self& self, V&& v) {
    std::size_t i = 0;
    self.p.visit(self.p, [&](auto module, auto key, auto, auto, auto& value) { v(i++, fmt::format("{}.{}", module, key), value); });
    self.product.visit(self.product, [&](auto key, auto, auto, auto& value) { v(i++, fmt::format("product.{}", key), value); });
  }
};

template <class T>
Inputs<T> inputs_as(const Inputs<double>& in) {
  return {parameters_as<T>(in.p), product_as<T>(in.product)};
}

/// Inputs with the i-th moved by h.
Inputs<double> moved(Inputs<double> in, std::size_t i, double h) {
  Inputs<double>::visit(in, [&](std::size_t j, auto&&, double& value) {
    if (i == j) value += h;
  });
  return in;
}

/// A patient, where he or she is, and what is done: all that is no parameter.
struct Situation {
  Scenario scenario;
  std::vector<double> y;
  Windows windows;
  double t;
  bool linear_quadratic;
};

template <class T>
struct Row {
  std::string name;
  T value;
};

template <class T>
T chi_of(const Parameters<T>& p, const std::string& donor) {
  const auto& r = p.rejection;
  return donor == "haploidentical" ? r.chi_haploidentical : donor == "matched" ? r.chi_matched : donor == "cord-blood" ? r.chi_cord_blood : r.chi_autologous;
}

/// Every number that the model gives: initial state, derivative, jumps, weights of doses, observables.
template <class T>
std::vector<Row<T>> everything(const Inputs<T>& in, const Situation& at_hand) {
  const Scenario& s = at_hand.scenario;
  std::vector<Cohort<T>> cohorts;
  for (const auto& cohort : s.constants.infused_nk.cohorts) cohorts.push_back({cohort.start_d, in.product});
  const Constants<T> c = prepare<T>(in.p, Physiology::body(s.patient, in.p.physiology), chi_of(in.p, s.regimen.donor), cohorts, {}, at_hand.linear_quadratic);
  const auto entries = state_entries(cohorts.size());
  std::vector<Row<T>> rows;
  const auto add = [&rows](const std::string& name, const T& value) { rows.push_back({name, value}); };

  const std::vector<T> y0 = initial_state(in.p, c), y = states_as<T>(at_hand.y);
  std::vector<T> dy(y.size());
  right_hand_side(c, at_hand.windows, at_hand.t, y.data(), dy.data());
  for (std::size_t i = 0; i < y.size(); ++i) {
    add("initial " + entries[i].name, y0[i]);
    add("derivative of " + entries[i].name, dy[i]);
  }
  const auto add_jump = [&](const std::string& what, const AffineJump<T>& jump) {
    for (const auto& line : jump) {
      const std::string name = fmt::format("{}: {}", what, entries[line.target].name);
      for (const auto& [source, weight] : line.sources) add(fmt::format("{} from {}", name, entries[source].name), weight);
      add(name + " added", line.add);
    }
  };
  const auto& g = in.p.graft;
  add_jump("irradiation", irradiation_jump(c, T(2)));
  add_jump("graft", graft_jump(c, GraftDose<T>{g.NK_dose, g.CD34_dose, g.CD3_dose, true}));
  for (const DrugRoute& route : drug_routes)
    for (const auto& weight : entry_weights(route, c, cohorts.size() - 1))
      add(fmt::format("{} {}: {}", route.drug, route.route, entries[weight.state].name), weight.rate);
  const Leukocytes others{1000, 10, 200, 5, 1};
  visit_observables(c, y.data(), others, [&](auto name, auto, auto, auto, const T& value) { add(std::string(name), value); });
  for (std::size_t k = 0; k < cohorts.size(); ++k) {
    add(fmt::format("count of cohort {}", k + 1), cohort_count(c, y.data(), k));
    add(fmt::format("body of cohort {}", k + 1), cohort_body<T>(y.data(), k));
  }
  return rows;
}

/// The transplant with irradiation in a patient of some age, three infusions, every parameter drawn between its bounds.
Situation drawn_situation(Draws& draws, const std::string& patient, const std::string& donor, bool linear_quadratic) {
  Request request;
  request.regimen = "rogachev-hsct";
  request.arms = {"tbi"};
  request.patient = patient;
  request.sets = drawn_parameters(draws);
  request.sets.push_back("dose.nk-1.days=[-12, -10]");
  request.sets.push_back("donor=" + donor);
  Scenario s = make_scenario(library(), request);
  REQUIRE(s.cohorts.size() == 3);
  REQUIRE(s.regimen.donor == donor);
  std::vector<double> y = drawn_state(draws, s.p, s.constants);
  for (const double value : y) REQUIRE(value > 0);
  const Windows windows{draws.uniform(0, 1), draws.uniform(0, 1), draws.uniform(0, 1)};
  return {std::move(s), std::move(y), windows, draws.uniform(5.5, 9), linear_quadratic};
}

/// Every age has its own blood volume, every donor a parameter: together they use all parameters.
std::vector<Situation> drawn_situations() {
  Draws draws(31);
  std::vector<Situation> all;
  all.push_back(drawn_situation(draws, "10y-boy", "haploidentical", false));
  all.push_back(drawn_situation(draws, "1mo-girl", "matched", true));
  all.push_back(drawn_situation(draws, "1y-boy", "cord-blood", false));
  all.push_back(drawn_situation(draws, "14y-girl", "autologous", true));
  all.push_back(drawn_situation(draws, "60y-man", "haploidentical", false));
  return all;
}

Inputs<double> inputs_of(const Situation& situation) {
  InputTexts texts;
  return {situation.scenario.p, to_product(library().product("expanded", texts).table)};
}

}  // namespace

TEST_CASE("on dual numbers the model gives the values that it gives on doubles") {
  for (const Situation& situation : drawn_situations()) {
    CAPTURE(situation.scenario.patient.name);
    const Inputs<double> in = inputs_of(situation);
    Inputs<D> seeded = inputs_as<D>(in);
    Inputs<D>::visit(seeded, [](std::size_t i, auto&&, D& value) { value.tangent[i % passes_of] = 1; });
    const auto expected = everything(in, situation);
    const auto found = everything(seeded, situation);
    REQUIRE(found.size() == expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      CAPTURE(expected[i].name);
      CHECK(found[i].name == expected[i].name);
      CHECK(std::isfinite(found[i].value.value));
      CHECK(off(found[i].value.value, expected[i].value) <= 1e-15);
    }
  }
}

// A step of h = step |p| puts a central difference off by a rounding of about epsilon/step = 4e-11 of the largest term that
// the row was added up from, and by step^2/6 = 6e-12 times a third derivative in ln p, which for the steepest powers and
// exponentials is below a hundred times the row: 1e-9 of that largest term covers both. 1e-6 of the derivative itself is for
// rows that are one term.
TEST_CASE("tangents are the derivatives by every parameter of the model and of the product") {
  const double step = 6e-6;
  std::map<std::string, std::set<std::string>> moves;  // the rows that a parameter moves by far more than is allowed
  for (const Situation& situation : drawn_situations()) {
    CAPTURE(situation.scenario.patient.name);
    const Inputs<double> in = inputs_of(situation);
    const auto terms = everything(inputs_as<Terms>(in), situation);
    std::vector<std::string> names;
    std::vector<double> values;
    Inputs<double>::visit(in, [&](std::size_t, const std::string& name, const double& value) {
      names.push_back(name);
      values.push_back(value);
    });
    for (std::size_t first = 0; first < names.size(); first += passes_of) {
      Inputs<D> seeded = inputs_as<D>(in);
      Inputs<D>::visit(seeded, [&](std::size_t i, auto&&, D& value) {
        if (i >= first && i < first + passes_of) value.tangent[i - first] = 1;
      });
      const auto duals = everything(seeded, situation);
      for (std::size_t i = first; i < std::min(first + passes_of, names.size()); ++i) {
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
  // what acts elsewhere: the composition of a lot scales its dose, the smallest NK count replaces a smaller one of the patient
  const std::set<std::string> elsewhere{"host_nk.NK0_min", "product.f_NK", "product.f_T", "product.viability"};
  for (const auto& [name, rows] : moves) {
    CAPTURE(name);
    CHECK(rows.empty() == elsewhere.contains(name));
  }
  for (const char* name : {"host_nk.NK0", "nk.phi", "host_nk.d0", "host_nk.pmax", "host_nk.E15", "host_nk.MTT", "host_nk.n_P"}) {
    CAPTURE(name);
    CHECK(moves.at(name).contains("initial host_P1"));
  }
}
