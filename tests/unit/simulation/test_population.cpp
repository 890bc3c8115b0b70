#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "nkpk/simulation/population.hpp"
#include "support/refusal.hpp"
#include "support/scenarios.hpp"

using namespace nkpk;
using namespace nkpk::test;

namespace {

std::size_t index_of(const Population& population, const std::string& name) {
  const auto it = std::find_if(population.columns.begin(), population.columns.end(), [&](const Column& c) { return c.name == name; });
  REQUIRE(it != population.columns.end());
  return static_cast<std::size_t>(it - population.columns.begin());
}

std::vector<double> rows_of(const Population& population, std::size_t first, std::size_t n) {
  std::vector<double> rows(n * population.columns.size());
  population.fill(first, rows);
  return rows;
}

struct Moments {
  double mean = 0, sd = 0;
};
Moments moments(const std::vector<double>& x) {
  Moments m;
  for (const double v : x) m.mean += v / static_cast<double>(x.size());
  for (const double v : x) m.sd += (v - m.mean) * (v - m.mean) / static_cast<double>(x.size() - 1);
  m.sd = std::sqrt(m.sd);
  return m;
}

constexpr std::size_t n_drawn = 20000;

}  // namespace

TEST_CASE("deviates are standard normal, and independent between seeds, patients and streams") {
  std::vector<double> z;
  double of_seeds = 0, of_patients = 0, of_streams = 0;
  for (std::uint64_t i = 0; i < n_drawn; ++i) {
    z.push_back(deviate(1, i, 5));
    of_seeds += z.back() * deviate(2, i, 5) / n_drawn;
    of_patients += z.back() * deviate(1, i + 1, 5) / n_drawn;
    of_streams += z.back() * deviate(1, i, 6) / n_drawn;
  }
  // four standard errors, 1/sqrt(n) each, of the sd 1/sqrt(2 n)
  const double error = 4 / std::sqrt(n_drawn);
  const Moments m = moments(z);
  CHECK(std::abs(m.mean) < error);
  CHECK(std::abs(m.sd - 1) < error / std::sqrt(2));
  for (const double r : {of_seeds, of_patients, of_streams}) CHECK(std::abs(r) < error);
  const auto beyond = std::count_if(z.begin(), z.end(), [](double v) { return v > 1.959963984540054; });
  CHECK(std::abs(static_cast<double>(beyond) / n_drawn - 0.025) < 4 * std::sqrt(0.025 * 0.975 / n_drawn));
}

TEST_CASE("deviates stay what they are: archives name a seed and no numbers") {
  // Philox2x64-10 and the inverse normal distribution written anew in Python, with SciPy 1.17's ndtri
  CHECK(deviate(1, 0, 0) == doctest::Approx(1.4130399514231802).epsilon(1e-14));
  CHECK(deviate(20260101, 999999, 0x1234567890abcdef) == doctest::Approx(-0.35385975123993818).epsilon(1e-14));
}

TEST_CASE("a parameter is log-normal about its value with the spread of its file, a fraction by its odds") {
  const Scenario s = shipped("radboud-ucb");
  const Population population = drawn_population(s, n_drawn, 1);
  const auto rows = rows_of(population, 0, n_drawn);
  const std::size_t n = population.columns.size();
  const double error = 4 / std::sqrt(n_drawn);
  // none of these decides on whether a patient is drawn anew
  for (const std::string name : {"nk.R50", "host_nk.MTT", "t_cells.T0", "il2.CL", "rejection.krej", "infused_nk.fv", "il15.fc", "il2.F", "product.pmax"}) {
    CAPTURE(name);
    const ParameterRecord& r = name.starts_with("product.") ? s.products.front().table.at(name) : s.parameters.at(name);
    const auto scale = [&](double v) { return r.domain == Domain::fraction ? std::log(v / (1 - v)) : std::log(v); };
    std::vector<double> z;
    const double cv = r.cv_percent / 100, omega = std::sqrt(std::log(1 + cv * cv));
    for (std::size_t i = 0; i < n_drawn; ++i) z.push_back((scale(rows[i * n + index_of(population, name)]) - scale(r.value)) / omega);
    const Moments m = moments(z);
    CHECK(std::abs(m.mean) < error);
    CHECK(std::abs(m.sd - 1) < error / std::sqrt(2));
  }
}

TEST_CASE("drawn patients have values that make sense together, and what has no spread is no column") {
  const Scenario s = shipped("sankoma");
  const Population population = drawn_population(s, 3000, 4);
  auto rows = rows_of(population, 0, 3000);
  const std::size_t n = population.columns.size();
  Admission admission(s, population.columns);
  for (std::size_t i = 0; i < 3000; ++i) {
    const auto row = std::span(rows).subspan(i * n, n);
    CHECK(!admission.refusal(row));
    CHECK(admission.parameters().host_nk.NK0 >= admission.parameters().host_nk.NK0_min);
  }
  for (const Column& column : population.columns) CHECK(column.name != "nk.kBT");
}

TEST_CASE("a patient's draw depends on the seed, his number and the parameters' names alone") {
  Scenario s = shipped("radboud-ucb");
  const Population population = drawn_population(s, 100, 9);
  const std::size_t n = population.columns.size();
  const auto all = rows_of(population, 0, 100), few = rows_of(population, 17, 3);
  CHECK(std::equal(few.begin(), few.end(), all.begin() + 17 * static_cast<std::ptrdiff_t>(n)));
  // one that loses its spread leaves the others as they were
  s.parameters.find("nk.R50")->cv_percent = NAN;
  const Population without = drawn_population(s, 100, 9);
  REQUIRE(without.columns.size() == n - 1);
  const auto rest = rows_of(without, 0, 100);
  for (const std::string name : {"nk.phi", "host_nk.d0", "il15.B15", "product.pmax"})
    for (std::size_t i = 0; i < 100; ++i) CHECK(rest[i * (n - 1) + index_of(without, name)] == all[i * n + index_of(population, name)]);
}

TEST_CASE("a column sets its parameter wherever it stands, but not where the dose says otherwise") {
  const Scenario s = shipped("sankoma", {}, {"dose.nk-1.viability=0.5"});
  REQUIRE(s.lots.size() == 2);
  const std::vector<std::string> names{"host_nk.d0", "product.viability", "product.pmax"};
  const auto columns = columns_of(s, names);
  CHECK(columns[0].unit == "1/d");
  Individual<double> who(s, columns);
  for (std::size_t j = 0; j < columns.size(); ++j)
    for (double* place : who.places(j)) *place = 0.25;
  CHECK(who.p.host_nk.d0 == 0.25);
  CHECK(who.p.host_nk.dmax == s.p.host_nk.dmax);
  CHECK(who.lots[0].product.viability == 0.5);
  CHECK(who.lots[1].product.viability == 0.25);
  CHECK(who.lots[0].product.pmax == 0.25);
  CHECK(who.lots[1].product.pmax == 0.25);
}

TEST_CASE("a population of the caller's own is taken as it is, and names are checked") {
  const Scenario s = shipped("radboud-ucb");
  const std::vector<std::string> names{"host_nk.d0", "nk.phi"};
  const Population own = population_of(s, names, {0.05, 0.1, 0.06, 0.2, 0.07, 0.3});
  CHECK(own.n_patients == 3);
  CHECK(rows_of(own, 1, 2) == std::vector<double>{0.06, 0.2, 0.07, 0.3});
  const std::vector<std::string> wrong{"host_nk.d00"};
  CHECK(refusal_of([&] { population_of(s, wrong, {1}); }).find("host_nk.d0") != std::string::npos);
  CHECK(refusal_of([&] { population_of(s, names, {1, 2, 3}); }).find("multiple of the 2 names") != std::string::npos);
}

TEST_CASE("a parameter is named once, and a smallest count above the count is no patient") {
  const Scenario s = scenario_from("");
  const std::vector<std::string> twice{"host_nk.d0", "host_nk.d0"};
  CHECK_THROWS_WITH_AS(population_of(s, twice, {0.05, 0.06}), doctest::Contains("named twice"), InputError);
  const std::vector<std::string> smallest{"host_nk.NK0_min"};
  const Population population = population_of(s, smallest, {2 * s.p.host_nk.NK0});
  std::vector<double> row = rows_of(population, 0, 1);
  const auto refusal = Admission(s, population.columns).refusal(row);
  REQUIRE(refusal);
  CHECK(refusal->hint == "name host_nk.NK0 as well");
}
