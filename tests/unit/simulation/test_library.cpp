// The shipped data: every number has a unit, a source and a reason; every arm and every age can be built.
#include "support/refusal.hpp"
#include "nkpk/simulation/library.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <regex>
#include <set>
#include <string>

#include "nkpk/core/error.hpp"
#include "nkpk/simulation/scenario.hpp"
#include "support/scenarios.hpp"

using namespace nkpk;

namespace {

InputTexts texts;
std::vector<Stated> stated;
const std::vector<std::string> regimens{"peking-aml", "radboud-ucb", "rogachev-hsct", "sankoma", "sysu-ucb"};

/// A DOI, a PubMed or trial number, or a journal with year;volume:page.
bool cites(const std::string& source) {
  static const std::regex citation(R"(doi:10\.|PMID \d|PMC\d|NCT\d{8}|\d{4};\d+:\w?\d+)");
  return std::regex_search(source, citation);
}
bool assumes_with_reason(const std::string& source) { return std::regex_search(source, std::regex(R"(^ASSUMED: \S.{5,})")); }

void check_record(const ParameterRecord& r) {
  CAPTURE(r.name);
  CAPTURE(r.source);
  CHECK(std::isfinite(r.value));
  CHECK_NOTHROW(parse_unit(r.unit, ""));
  CHECK(parse_quantity(r.text, "").in(r.unit) == r.value);
  CHECK_FALSE(r.title.empty());
  if (r.status == "assumed")
    CHECK(assumes_with_reason(r.source));
  else
    CHECK(cites(r.source));
  if (std::isfinite(r.lower)) {
    CHECK(r.lower <= r.value);
    CHECK(r.value <= r.upper);
  }
  if (!std::isnan(r.cv_percent)) CHECK(r.cv_percent <= 200);
}

using test::refusal_of;

}  // namespace

TEST_CASE("every parameter of the model has a unit, a value within its bounds and a source that fits its status") {
  const ParameterTable table = test::library().parameters(texts);
  CHECK(table.records.size() > 150);
  for (const auto& r : table.records) check_record(r);
  CHECK_FALSE(table.linear_quadratic);
}

TEST_CASE("every product has a source for each of its values") {
  const auto names = test::library().names("products");
  CHECK(names.size() == 7);
  for (const auto& name : names) {
    CAPTURE(name);
    const Product product = test::library().product(name, texts);
    CHECK(product.name == name);
    CHECK(product.table.records.size() == 10);
    for (const auto& r : product.table.records) check_record(r);
  }
}

TEST_CASE("a product overrides what it takes from another one") {
  const double expanded = test::library().product("expanded", texts).table.at("product.pmax").value;
  const Product fresh = test::library().product("overnight-activated", texts);
  CHECK(fresh.table.at("product.pmax").value > expanded);
  CHECK(fresh.table.at("product.dmax").value == test::library().product("expanded", texts).table.at("product.dmax").value);
}

TEST_CASE("every limit of quantification has a source") {
  const auto lloqs = test::library().lloqs(texts, stated);
  CHECK(lloqs.size() == 5);
  for (const auto& [name, lloq] : lloqs) {
    CAPTURE(name);
    CHECK(lloq.value > 0);
    CHECK((cites(lloq.source) || assumes_with_reason(lloq.source)));
  }
}

TEST_CASE("every arm of every regimen is built: 45 combinations") {
  CHECK(test::library().names("regimens") == regimens);
  std::map<std::string, std::size_t> combinations;
  for (const auto& name : regimens) {
    std::set<std::string> labels;
    Request base;
    base.regimen = name;
    for (const Request& request : all_arms(test::library(), base)) {
      const Scenario s = make_scenario(test::library(), request);
      CAPTURE(name);
      CAPTURE(s.label);
      CHECK(s.regimen.name == name);
      CHECK_FALSE(s.cohorts.empty());
      CHECK(s.warnings.empty());
      labels.insert(s.label);
      for (const DoseEntry& dose : s.regimen.doses) {
        CAPTURE(dose.id);
        CHECK((cites(dose.source) || assumes_with_reason(dose.source)));
        CHECK_FALSE(dose.why.empty());
      }
      for (const Condition& c : s.regimen.conditions) CHECK(cites(c.source));
    }
    combinations[name] = labels.size();
  }
  CHECK(combinations["sankoma"] == 2);
  CHECK(combinations["sysu-ucb"] == 6);
  CHECK(combinations["rogachev-hsct"] == 24);
  CHECK(combinations["peking-aml"] == 4);
  CHECK(combinations["radboud-ucb"] == 9);
}

TEST_CASE("every regimen can be built for boys and girls, men and women from birth to 90 years") {
  std::size_t n = 0;
  for (const auto& name : regimens)
    for (const char* who : {"boy", "girl"}) {
      double weight = 0;
      for (const double age : {0.0, 1.0 / 12, 0.25, 0.5, 1.0, 1.99, 2.0, 5.9, 6.0, 12.0, 14.9, 15.0, 17.9, 18.0, 39.0, 60.0, 75.0, 90.0}) {
        Request request;
        request.regimen = name;
        request.patient = std::to_string(age) + "y-" + who;
        CAPTURE(*request.patient);
        const Scenario s = make_scenario(test::library(), request);
        CHECK(s.patient.age_y == doctest::Approx(age).epsilon(1e-6));
        if (age <= 60) CHECK(s.patient.weight_kg > weight);
        weight = s.patient.weight_kg;
        const Body<double>& b = s.constants.body;
        for (const double value : {b.bsa_m2, b.blood_uL, b.eGFR_L_per_d, b.size_CL, b.size_V}) CHECK((std::isfinite(value) && value > 0));
        ++n;
      }
    }
  CHECK(n == 180);
}

TEST_CASE("an age may be given in years, months, weeks or days") {
  for (const auto& [text, years] : std::vector<std::pair<std::string, double>>{{"3y-girl", 3}, {"6mo-boy", 0.5}, {"45y-woman", 45}, {"70y-man", 70}, {"2 weeks-girl", 14 / 365.25}, {"0d-boy", 0}}) {
    CAPTURE(text);
    Node none, parameters;
    CHECK(test::library().patient(text, none, parameters, texts, stated).age_y == doctest::Approx(years).epsilon(1e-12));
  }
}

TEST_CASE("ages that are none are refused") {
  const auto refused = [](const std::string& name) {
    return refusal_of([&] {
      Node none, parameters;
      test::library().patient(name, none, parameters, texts, stated);
    });
  };
  CHECK(refused("91y-man").find("expected 0 to 90 y") != std::string::npos);
  CHECK(refused("3-girl").find("expected a value in y") != std::string::npos);
  CHECK(refused("3kg-girl").find("expected a value in y") != std::string::npos);
  CHECK(refused("-3y-girl").find("unknown patient") != std::string::npos);
  CHECK(refused("3y-cat").find("unknown patient") != std::string::npos);
  CHECK(refused("nany-girl").find("unknown patient") != std::string::npos);
  CHECK(refused("").find("unknown patient") != std::string::npos);
}

TEST_CASE("what is set by hand is marked as such") {
  const Scenario s = test::shipped("sankoma", {}, {"host_nk.d0=0.05 1/d"});
  CHECK(s.parameters.at("host_nk.d0").value == 0.05);
  CHECK(s.parameters.at("host_nk.d0").source == "ASSUMED: set by the user");
}

TEST_CASE("a value outside its domain is an error, implausible or not") {
  CHECK(refusal_of([] { test::shipped("sankoma", {}, {"host_nk.d0=0 1/d"}); }).find("expected more than 0") != std::string::npos);
  CHECK(refusal_of([] { test::shipped("sankoma", {}, {"nk.fs2=1.1"}); }).find("expected 0 to 1") != std::string::npos);
  CHECK(refusal_of([] { test::shipped("sankoma", {}, {"il15.kel=-1 1/d"}); }).find("is out of range") != std::string::npos);
}

TEST_CASE("a value has the dimension of its parameter, whatever its unit") {
  CHECK(test::shipped("sankoma", {}, {"host_nk.d0=0.0025 1/h"}).parameters.at("host_nk.d0").value == doctest::Approx(0.06).epsilon(1e-14));
  CHECK(refusal_of([] { test::shipped("sankoma", {}, {"host_nk.d0=0.06 d"}); }).find("has the wrong dimension") != std::string::npos);
}

TEST_CASE("an archive holds the exact text of every file that was read") {
  const Scenario s = test::shipped("rogachev-hsct");
  for (const char* name : {"regimens/rogachev-hsct.toml", "model.toml", "observables.toml", "products/mbil21-nk.toml", "products/expanded.toml"}) {
    CAPTURE(name);
    REQUIRE(s.inputs.contains(name));
    std::ifstream stream(std::filesystem::path(NKPK_SOURCE_DIR) / "params" / name, std::ios::binary);
    const std::string content((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
    CHECK(s.inputs.at(name) == content);
  }
}

TEST_CASE("a table of ages that is no table is refused") {
  const test::Folder folder;
  namespace fs = std::filesystem;
  fs::copy(NKPK_SOURCE_DIR "/params", folder.path / "params", fs::copy_options::recursive);
  const Library own(folder.path / "params");
  for (const char* rows : {"male = []", "male = [[0, 3, 50]]", "male = [[0, 3, 50], [0, 4, 60]]", "male = [[0, 3], [1, 4]]", "male = [1, 2]"}) {
    CAPTURE(rows);
    std::ofstream(folder.path / "params" / "patients" / "by_age.toml") << "format = 1\nsource = 'x'\n" << rows << "\n";
    Node none, parameters;
    CHECK_THROWS_AS(own.patient("3y-boy", none, parameters, texts, stated), InputError);
  }
}
