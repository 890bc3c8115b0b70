#pragma once
#include <fmt/format.h>

#include <string>
#include <vector>

#include "nkpk/model/dose_effects.hpp"
#include "nkpk/model/observables.hpp"
#include "nkpk/simulation/lift.hpp"
#include "support/scenarios.hpp"

// One body for all scalars: `everything` lists every number that the model gives, valued in any T. A law of a scalar is a
// statement about that list (laws/test_scalars.cpp, laws/test_packs.cpp); a scalar joins by naming its law.

namespace nkpk::test {

/// Every number that may be moved or differ between patients: parameters of the model, of the product, when the cohorts start, the state.
template <class T>
struct Inputs {
  Parameters<T> p;
  ProductParams<T> product;
  std::vector<T> starts_d, y;

  /// Visits them as v(index, name, value).
  template <class Self, class V>
  static void visit(Self& self, V&& v) {
    std::size_t i = 0;
    self.p.visit(self.p, [&](auto module, auto key, auto, auto, auto& value) { v(i++, fmt::format("{}.{}", module, key), value); });
    self.product.visit(self.product, [&](auto key, auto, auto, auto& value) { v(i++, fmt::format("product.{}", key), value); });
    for (std::size_t k = 0; k < self.starts_d.size(); ++k) v(i++, fmt::format("start of cohort {}", k + 1), self.starts_d[k]);
    const auto entries = state_entries(self.starts_d.size());
    for (std::size_t k = 0; k < self.y.size(); ++k) v(i++, entries[k].name, self.y[k]);
  }
};

/// The same numbers in another scalar: from(index, name, number).
template <class T>
Inputs<T> inputs_from(const Inputs<double>& in, auto&& from) {
  std::vector<double> numbers;
  Inputs<double>::visit(in, [&](std::size_t, auto&&, const double& number) { numbers.push_back(number); });
  Inputs<T> other;
  other.starts_d.resize(in.starts_d.size());
  other.y.resize(in.y.size());
  Inputs<T>::visit(other, [&](std::size_t i, const std::string& name, T& value) { value = from(i, name, numbers[i]); });
  return other;
}

template <class T>
Inputs<T> inputs_as(const Inputs<double>& in) {
  return inputs_from<T>(in, [](std::size_t, auto&&, double number) { return T(number); });
}

/// What patients side by side share: switches, time, windows, the number of cohorts.
struct Situation {
  Scenario scenario;
  Windows windows;
  double t;
  bool linear_quadratic;
};

/// A patient's body and the HLA multiplier of the donor. The patient is data, so that these differ between patients side by side.
template <class T>
struct Individual {
  Body<T> body;
  T chi;
};

template <class T>
Individual<T> individual(const Parameters<T>& p, const Scenario& s) {
  return {Physiology::body(s.patient, p.physiology), chi_of(s.regimen.donor, p)};
}

template <class T>
struct Row {
  std::string name;
  T value;
};

/// Every number that the model gives: constants, signals, initial state, derivative, jumps, weights of doses, observables.
template <class T>
std::vector<Row<T>> everything(const Inputs<T>& in, const Individual<T>& who, const Situation& at_hand) {
  std::vector<Cohort<T>> cohorts;
  for (const T& start_d : in.starts_d) cohorts.push_back({start_d, in.product});
  const Constants<T> c = prepare<T>(in.p, who.body, who.chi, cohorts, {}, at_hand.linear_quadratic);
  const auto entries = state_entries(cohorts.size());
  std::vector<Row<T>> rows;
  const auto add = [&rows](const std::string& name, const T& value) { rows.push_back({name, value}); };

  Constants<T>::visit(c, [&](const std::string_view path, auto, const T& value) { add(fmt::format("constant {}", path), value); });
  for (std::size_t k = 0; k < cohorts.size(); ++k)
    Constants<T>::visit_cohort(c, k, [&](const std::string_view name, auto, const T& value) { add(fmt::format("cohort {} {}", k + 1, name), value); });
  const std::vector<T> y0 = initial_state(in.p, c);
  const std::vector<T>& y = in.y;
  const Signals<T> said = signals(c, at_hand.windows, y.data());
  Signals<T>::visit(said, [&](const std::string_view name, auto, auto, const T& value) { add(fmt::format("signal {}", name), value); });
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
  add("viable NK cells of a dose", viable_nk(T(1e9), in.product));
  const Leukocytes others{1000, 10, 200, 5, 1};
  visit_observables(c, y.data(), others, [&](auto name, auto, auto, auto, const T& value) { add(std::string(name), value); });
  for (std::size_t k = 0; k < cohorts.size(); ++k) {
    add(fmt::format("count of cohort {}", k + 1), cohort_count(c, y.data(), k));
    add(fmt::format("body of cohort {}", k + 1), cohort_body<T>(y.data(), k));
  }
  return rows;
}

template <class T>
std::vector<Row<T>> everything(const Inputs<T>& in, const Situation& at_hand) {
  return everything(in, individual(in.p, at_hand.scenario), at_hand);
}

/// A situation and the numbers of one patient in it.
struct Drawn {
  Situation situation;
  Inputs<double> in;
};

/// The transplant with irradiation in a patient of some age, three infusions, every parameter and state drawn.
inline Drawn drawn(Draws& draws, const std::string& patient, const std::string& donor, bool linear_quadratic) {
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
  InputTexts texts;
  Inputs<double> in{s.p, to_product(library().product("expanded", texts).table), {}, drawn_state(draws, s.p, s.constants)};
  for (const auto& cohort : s.constants.infused_nk.cohorts) in.starts_d.push_back(cohort.start_d);
  for (const double value : in.y) REQUIRE(value > 0);
  const Windows windows{draws.uniform(0, 1), draws.uniform(0, 1), draws.uniform(0, 1)};
  return {{std::move(s), windows, draws.uniform(5.5, 9), linear_quadratic}, std::move(in)};
}

/// Every age has its own blood volume, every donor a parameter: together they use all parameters.
inline std::vector<Drawn> drawn_patients() {
  Draws draws(31);
  std::vector<Drawn> all;
  all.push_back(drawn(draws, "10y-boy", "haploidentical", false));
  all.push_back(drawn(draws, "1mo-girl", "matched", true));
  all.push_back(drawn(draws, "1y-boy", "cord-blood", false));
  all.push_back(drawn(draws, "14y-girl", "autologous", true));
  all.push_back(drawn(draws, "60y-man", "haploidentical", false));
  return all;
}

/// The law of any scalar: value_of(number) is what doubles give, within `tolerance` of it.
template <class T>
void check_values(const std::vector<Row<T>>& found, const std::vector<Row<double>>& expected, auto&& value_of, double tolerance) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    CAPTURE(expected[i].name);
    CHECK(found[i].name == expected[i].name);
    const double value = value_of(found[i].value);
    CHECK(std::isfinite(value));
    CHECK(off(value, expected[i].value) <= tolerance);
  }
}

}  // namespace nkpk::test
