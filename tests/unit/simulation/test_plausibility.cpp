// Numbers outside their plausible range are refused, or warned of where that is allowed; what is shipped is plausible.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <regex>
#include <set>

#include "nkpk/core/error.hpp"
#include "support/refusal.hpp"
#include "support/scenarios.hpp"

using namespace nkpk;
using test::refusal_of;

namespace {

const std::vector<std::string> regimens{"peking-aml", "radboud-ucb", "rogachev-hsct", "sankoma", "sysu-ucb"};

bool warns_of(const Scenario& s, const std::string& what) {
  return std::any_of(s.warnings.begin(), s.warnings.end(),
                     [&](const std::string& w) { return w.find(what + " = ") != std::string::npos && w.find("plausible range") != std::string::npos; });
}

std::string refused(const std::string& regimen, const std::string& change) {
  return refusal_of([&] { test::shipped(regimen, {}, {change}); });
}

/// "1e6 IU/m^2" a thousand times.
std::string a_thousand_times(const std::string& amount) {
  const auto blank = amount.find(' ');
  return fmt::format("{}{}", 1000 * std::stod(amount.substr(0, blank)), amount.substr(blank));
}

}  // namespace

TEST_CASE("every shipped regimen, arm, level and patient is plausible") {
  std::size_t n = 0;
  for (const std::string& regimen : regimens) {
    Request request;
    request.regimen = regimen;
    for (Request one : all_arms(test::library(), request))
      for (const char* patient : {"", "boy-10y", "boy-13y", "man-45y", "man-70y", "0d-girl", "1mo-boy", "3y-girl", "17y-boy", "90y-woman"}) {
        if (*patient) one.patient = patient;
        ++n;
        const Scenario s = make_scenario(test::library(), one);
        for (const std::string& warning : s.warnings) CHECK(warning.find("plausible range") == std::string::npos);
      }
  }
  CHECK(n == 45 * 10);
}

TEST_CASE("a thousandfold dose of any drug of the regimens is refused with its range, and goes on with a warning where that is allowed") {
  std::set<std::string> drugs;
  for (const std::string& regimen : regimens) {
    Request request;
    request.regimen = regimen;
    for (const Request& one : all_arms(test::library(), request)) {
      const Scenario s = make_scenario(test::library(), one);
      for (const DoseEntry& dose : s.regimen.doses) {
        // the levels of NK cells span factors of hundreds themselves
        if (!dose.amount || dose.drug == "nk_cells" || !drugs.insert(dose.drug + dose.id).second) continue;
        const std::string key = fmt::format("dose.{}.amount", dose.id);
        Request many = one;
        many.sets = {key + "=" + a_thousand_times(dose.amount->text)};
        CAPTURE(many.sets[0]);
        const std::string refusal = refusal_of([&] { make_scenario(test::library(), many); });
        CHECK(std::regex_search(
            refusal, std::regex(R"(is implausible; expected \S+ to \S+ (mg|g|IU|Gy)(/kg|/m\^2)? \(ASSUMED: .{10,}\); if it is meant: --allow-implausible)")));
        many.allow_implausible = true;
        CHECK(warns_of(make_scenario(test::library(), many), key));
      }
    }
  }
  CHECK(drugs.size() >= 12);
}

TEST_CASE("no dose is plausible, and so is a dose at the very end of the range, however it is written") {
  for (const char* amount : {"0 IU", "1e8 IU/m^2", "100 MIU/m^2", "1e4 IU/m^2"})
    CHECK_NOTHROW(test::shipped("sankoma", {}, {fmt::format("dose.il2.amount={}", amount)}));
  for (const char* amount : {"1.001e8 IU/m^2", "9.99e3 IU/m^2", "2e8 IU"})
    CHECK_THROWS_AS(test::shipped("sankoma", {}, {fmt::format("dose.il2.amount={}", amount)}), InputError);
}

TEST_CASE("a parameter is held against its bounds, without bounds against a tenth and ten times the file's value") {
  CHECK_NOTHROW(test::shipped("sankoma", {}, {"host_nk.d0=0.11 1/d"}));
  CHECK(refused("sankoma", "host_nk.d0=0.12 1/d").find("expected 0.03 to 0.11 1/d (Zhang 2007, PMC2265941)") != std::string::npos);
  CHECK_NOTHROW(test::shipped("sankoma", {}, {"rejection.A_max=500 cells/uL"}));
  CHECK(refused("sankoma", "rejection.A_max=501 cells/uL").find("expected 5 to 500 cells/uL (ASSUMED: ") != std::string::npos);
  CHECK(refused("sankoma", "t_cells.fT_blood=0.3").find("expected 0.002 to 0.2 (") != std::string::npos);
  CHECK(refused("sankoma", "irradiation.fX=0.04").find("expected 0.05 to 1 (") != std::string::npos);  // a share is none above 1
  CHECK(warns_of(test::shipped("sankoma", {}, {"host_nk.d0=0.12 1/d"}, true), "host_nk.d0"));
}

TEST_CASE("a patient's own count is held against the range of counts, not against the bounds of a population") {
  const Scenario s = test::shipped("sankoma", {}, {"patient.t_count=60 cells/uL"});
  CHECK(s.parameters.at("t_cells.T0").lower == 0.1);
  CHECK(refused("sankoma", "t_cells.T0=60 cells/uL").find("expected 300 to 2500 cells/uL") != std::string::npos);
}

TEST_CASE("what cannot be is refused whatever is allowed") {
  for (const char* change :
       {"dose.il2.amount=-1 IU", "patient.weight=-70 kg", "patient.height=0 cm", "patient.age=-1 y", "patient.t_count=0 cells/uL", "host_nk.d0=0 1/d",
        "dose.nk-1.viability=1.01", "dose.nk-1.f_NK=-0.1", "product.viability=95", "dose.nk-1.duration=0 min", "horizon=-100 d", "dose.il2.amount=1e309 IU"}) {
    CAPTURE(change);
    CHECK_THROWS_AS(test::shipped("sankoma", {}, {change}, true), InputError);
  }
}

TEST_CASE("every range has a source, and the table of ranges is complete and holds no other") {
  InputTexts texts;
  const PlausibleRanges ranges = test::library().ranges(texts);
  CHECK(texts.contains("ranges.toml"));
  for (const auto& [name, range] : ranges) {
    CAPTURE(name);
    CHECK(range.lower < range.upper);
    CHECK(std::regex_search(range.source, std::regex(R"(^ASSUMED: \S.{5,}|doi:10\.|PMID \d|PMC\d|NCT\d{8})")));
  }
  const test::Folder folder;
  namespace fs = std::filesystem;
  fs::copy(NKPK_SOURCE_DIR "/params", folder.path / "params", fs::copy_options::recursive);
  const Library own(folder.path / "params");
  const std::string shipped = texts.at("ranges.toml");
  const auto refusal_with = [&](const std::string& from, const std::string& to) {
    std::string text = shipped;
    REQUIRE(text.find(from) != std::string::npos);
    text.replace(text.find(from), from.size(), to);
    std::ofstream(folder.path / "params" / "ranges.toml") << text;
    return refusal_of([&] { own.ranges(texts); });
  };
  CHECK(refusal_with("[patient.weight]", "[patient.wieght]").find("unknown range \"patient.wieght\"; did you mean \"patient.weight\"?") != std::string::npos);
  CHECK(refusal_with("[patient.weight]\nbounds = [0.5, 300]\n", "[patient.weight]\n").find("patient.weight") != std::string::npos);
  CHECK(refusal_with("bounds = [0.5, 300]", "bounds = [300, 0.5]").find("is not [lower, upper]") != std::string::npos);
  CHECK(refusal_with("unit = \"kg\"", "unit = \"kgs\"").find("unknown unit") != std::string::npos);
}
