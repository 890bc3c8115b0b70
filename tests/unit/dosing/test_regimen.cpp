#include <cmath>

#include "dosing_problem.hpp"

using namespace nkpk;
using namespace nkpk::test;

namespace {

std::vector<double> times_of(const std::string& when) { return regimen_of(drug("a", "amount = '1 mg'\n" + when)).doses.at(0).times_d; }
std::string times_refusal(const std::string& when) { return refusal(drug("a", "amount = '1 mg'\n" + when)); }
std::string window(const std::string& id, const char* from, const char* to, const char* value = "1") {
  return "[[window]]\nid = '" + id + "'\nswitch = 'steroid'\nstart = '" + from + "'\nend = '" + to + "'\nvalue = '" + value + "'\n";
}

}  // namespace

TEST_CASE("days may be a list, negative and fractional") { CHECK(times_of("days = [-5, 0, 1.5]") == std::vector<double>{-5, 0, 1.5}); }

TEST_CASE("start, every and count span regular times in any unit of time") {
  CHECK(times_of("start = '4 h'\nevery = '2 d'\ncount = 3") == std::vector<double>{4.0 / 24, 2 + 4.0 / 24, 4 + 4.0 / 24});
  CHECK(times_of("start = '-1 weeks'") == std::vector<double>{-7});
}

TEST_CASE("times of day repeat every day of the list") {
  CHECK(times_of("days = [0, 1]\ntimes_of_day = ['0 h', '12 h']") == std::vector<double>{0, 0.5, 1, 1.5});
  CHECK(holds(times_refusal("days = [0]\ntimes_of_day = ['24 h']"), "\"24 h\" is not within a day"));
  CHECK(holds(times_refusal("days = [0]\ntimes_of_day = []"), "is empty"));
  CHECK(holds(times_refusal("days = [0]\ntimes_of_day = [12]"), "\"12\" has no unit"));
}

TEST_CASE("times that are missing, doubled or endless are refused") {
  CHECK(holds(times_refusal(""), "no time is given"));
  CHECK(holds(times_refusal("days = []"), "is empty"));
  CHECK(holds(times_refusal("days = ['0 d']"), "holds a text"));
  CHECK(holds(times_refusal("days = [1e9]"), "out of range"));
  CHECK(holds(times_refusal("start = '0 d'\ncount = 2"), "every and count go together"));
  CHECK(holds(times_refusal("start = '0 d'\nevery = '0 d'\ncount = 2"), "\"0 d\" is not positive"));
  CHECK(holds(times_refusal("start = '0 d'\nevery = '1 d'\ncount = 2.5"), "is 2.5; expected a whole number"));
  CHECK(holds(times_refusal("start = '0 d'\nevery = '1 d'\ncount = -1"), "is -1; expected a whole number"));
  CHECK(holds(times_refusal("start = '0 d'\nevery = '1000 d'\ncount = 1000"), "out of range"));
  CHECK(holds(times_refusal("days = [1]\nstart = '0 d'"), "both days and start"));
}

TEST_CASE("a course without a fraction is split equally over all its administrations") {
  const std::string course = "[courses]\nk = '12 mg/kg'\n";
  const Regimen r = regimen_of(course + drug("a", "course = 'k'\ndays = [0, 1, 2]\ntimes_of_day = ['0 h', '12 h']"));
  CHECK(r.doses[0].share == doctest::Approx(1.0 / 6).epsilon(1e-15));
  CHECK(r.doses[0].amount_text == "1/6 of 12 mg/kg");
  const Regimen two = regimen_of(course + drug("a", "course = 'k'\nfraction = '2/3'\ndays = [0]") + drug("b", "course = 'k'\nfraction = '1/3'\ndays = [1]"));
  CHECK(two.doses[0].share + two.doses[1].share == doctest::Approx(1).epsilon(1e-15));
  CHECK(two.doses[0].amount_text == "2/3 of 12 mg/kg");
}

TEST_CASE("fractions outside 0 to 1 are refused") {
  for (const char* bad : {"'0'", "'-1/2'", "'3/2'", "'1/0'", "'0/0'", "2", "'1/2/3'", "'half'", "'1/2 mg'"}) {
    CAPTURE(bad);
    CHECK(holds(refusal("[courses]\nk = '1 mg'\n" + drug("a", std::string("course = 'k'\nfraction = ") + bad + "\ndays = [0]")), "fraction"));
  }
}

TEST_CASE("a dose needs exactly one amount, unless it takes none") {
  CHECK(holds(refusal(drug("a", "days = [0]")), "no amount is given"));
  CHECK(holds(refusal(drug("a", "amount = '1 mg'\nfraction = '1/2'\ndays = [0]")), "a fraction needs a course"));
  const std::string graft = "[[dose]]\nid = 'g'\ndrug = 'graft'\nroute = 'iv'\ndays = [0]\n";
  CHECK(regimen_of(graft).doses[0].amount == std::nullopt);
  CHECK(regimen_of(graft + "myeloablative = true\ncd34_dose = '4e6 cells/kg'\n").doses[0].cd34_dose->in("cells/kg") == 4e6);
  CHECK(holds(refusal(graft + "amount = '1 mg'\n"), "graft takes no amount"));
  CHECK(holds(refusal(graft + "fraction = '1/2'\n"), "graft takes no fraction"));
  CHECK(holds(refusal(graft + "cd34_dose = '-1 cells/kg'\n"), "is negative"));
  CHECK(holds(refusal(graft + "viability = '1'\n"), "graft takes no viability"));
  CHECK(holds(refusal(drug("a", "amount = '1 mg'\ndays = [0]\nmyeloablative = true")), "drug takes no myeloablative"));
}

TEST_CASE("what a lot of cells holds is a share") {
  const std::string cells = "[[dose]]\nid = 'c'\ndrug = 'cells'\nroute = 'iv'\namount = '1e7 cells/kg'\ndays = [0]\nduration = '30 min'\n";
  const DoseEntry dose = regimen_of(cells + "viability = '80 %'\nf_T = '0'\n").doses[0];
  CHECK(dose.viability->in("1") == 0.8);
  CHECK(dose.duration_d == doctest::Approx(0.5 / 24).epsilon(1e-15));
  for (const char* bad : {"viability = '80'", "f_NK = '-0.1'", "f_T = '1.1'"}) CHECK(holds(refusal(cells + bad + "\n"), "is not a share; expected 0 to 1"));
  CHECK(holds(refusal(cells + "f_T = '0.1 mg'\n"), "expected a pure number"));
}

TEST_CASE("one drug by one route twice at one time is a clash") {
  CHECK(holds(times_refusal("days = [1, 1]"), "given twice on day 1; the day stands twice"));
  const std::string a = drug("a", "amount = '1 mg'\ndays = [0, 2]");
  CHECK(holds(refusal(a + drug("b", "amount = '1 mg'\ndays = [2]")), "given twice on day 2; also in dose \"a\""));
  CHECK_NOTHROW(regimen_of(a + "[[dose]]\nid = 'b'\ndrug = 'drug'\nroute = 'iv'\namount = '1 mg'\ndays = [2]\nduration = '1 h'\n"));
  CHECK(holds(refusal(a + drug("a", "amount = '1 mg'\ndays = [5]")), "dose id \"a\" stands twice"));
}

TEST_CASE("windows are half-open: one may begin where another ends, but not before") {
  CHECK_NOTHROW(regimen_of(window("a", "0 d", "2 d") + window("b", "2 d", "3 d")));
  CHECK(refusal(window("a", "0 d", "2 d") + window("b", "1.9 d", "3 d")) == "f:12: window.b: overlaps window \"a\" of the same switch");
  CHECK(holds(refusal(window("a", "2 d", "2 d")), "is not after the start"));
  CHECK(holds(refusal(window("a", "0 d", "2 d", "1.5")), "expected 0 to 1"));
  CHECK(holds(refusal(window("a", "0 d", "2 d") + window("a", "3 d", "4 d")), "window id \"a\" stands twice"));
}

TEST_CASE("more administrations than a life holds are refused before they are compared") {
  std::string text;
  for (int i = 0; i < 11; ++i) text += drug("a" + std::to_string(i), "amount = '1 mg'\nstart = '" + std::to_string(i) + " d'\nevery = '0.01 d'\ncount = 1000");
  CHECK(holds(refusal(text), "more than 10000 administrations"));
}

TEST_CASE("counts are log-linear between points and constant outside") {
  const TomlFile file = parse_toml("format = 1\nbaseline = '4000 cells/uL'\nhost = [[0, 'baseline'], [10, 40]]\ngraft = [[5, 1], [6, 100]]\n", "f");
  Node root = file.root;
  root.erase("format");
  const LeukocyteTables tables = parse_leukocytes(root, NAN);
  CHECK(tables.host.at(-3) == 4000);
  CHECK(tables.host.at(5) == doctest::Approx(400).epsilon(1e-14));
  CHECK(tables.host.at(99) == 40);
  CHECK(tables.graft.at(4.99) == 0);
  CHECK(tables.graft.at(5.5) == doctest::Approx(10).epsilon(1e-14));
  CHECK(tables.monocytes_host.empty());
  CHECK(parse_leukocytes(root, 1000).host.at(0) == doctest::Approx(1000).epsilon(1e-14));
}

TEST_CASE("a table of counts that makes no sense is refused") {
  const auto refused = [](const std::string& text) {
    Node root = parse_toml("format = 1\n" + text, "f").root;
    root.erase("format");
    return refusal_of([&] { parse_leukocytes(root, NAN); });
  };
  CHECK(holds(refused("host = [[0, 'baseline']]\n"), "there is no baseline"));
  CHECK(holds(refused("host = [[0, 10], [0, 20]]\n"), "day 0 follows day 0"));
  CHECK(holds(refused("host = [[0, 0]]\n"), "0 is not positive"));
  CHECK(holds(refused("host = [[0, [1]]]\n"), "is a list; expected a number"));
  CHECK(holds(refused("host = [[0]]\n"), "a point is not [day, cells/uL]"));
  CHECK(holds(refused("host = [0, 10]\n"), "is a number; expected a list"));
  CHECK(holds(refused("host = [[0, 'some']]\n"), "\"some\" is not a count"));
  CHECK(holds(refused("hosts = [[0, 10]]\n"), "did you mean \"host\"?"));
}

TEST_CASE("a limit below zero is refused") { CHECK(holds(refusal("[limits]\nproduct_t_cells = '-1 cells/kg'\n"), "is negative")); }

TEST_CASE("a misspelt key is named before what is missing because of it") {
  CHECK(holds(refusal(drug("a", "amuont = '1 mg'\ndays = [0]")), "unknown key \"amuont\"; did you mean \"amount\"?"));
  CHECK(holds(refusal("[[doses]]\nid = 'a'\n"), "unknown key \"doses\"; did you mean \"dose\"?"));
  CHECK(holds(refusal("patient_patches = {}\n"), "unknown key \"patient_patches\""));
}
