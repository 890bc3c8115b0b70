#include <doctest/doctest.h>

#include <cmath>
#include <fstream>

#include "nkpk/archive/archive.hpp"
#include "nkpk/archive/csv.hpp"
#include "nkpk/archive/diff.hpp"
#include "support/files.hpp"
#include "support/refusal.hpp"

namespace fs = std::filesystem;
using namespace nkpk::test;
using namespace nkpk::archive;
using nkpk::Group;
using nkpk::NamedArray;

namespace {

using Doubles = std::vector<double>;
using Integers = std::vector<std::int64_t>;
using Texts = std::vector<std::string>;
using Kind = Difference::Kind;

Group tree() {
  Group root, inputs, origin, states;
  root.attributes = {{"title", std::string("x")}, {"rtol", 1e-6}, {"history", std::string("first")}};
  root.arrays = {{"time", "days", "time", {"time"}, {3}, Doubles{0, 0.5, 2}},
                 {"cohort", "", "infusion", {"cohort"}, {2}, Texts{"nk-1", "nk, \"2\""}},
                 {"count", "cells", "count", {"time", "cohort"}, {3, 2}, Doubles{1, 2, 3, std::nan(""), 5, 6}},
                 {"flag", "", "flag", {"time"}, {3}, Integers{0, 1, 0}, {{"flag_values", Integers{0, 1}}, {"flag_meanings", std::string("no yes")}}},
                 {"weight", "kg", "weight", {}, {}, Doubles{70}, {{"qualifier", std::string(">")}}}};
  states.arrays = {{"host", "cells", "host", {"time"}, {3}, Doubles{0.1, 1e300, -0.0}}};
  inputs.arrays = {{"input", "", "name", {"input"}, {2}, Texts{"a.toml", "b.toml"}},
                   {"input_text", "", "text", {"input"}, {2}, Texts{"x = 1\ny = 2\n", "z = 3\n"}}};
  origin.attributes = {{"created", std::string("2024")}};
  root.groups = {{"states", states}, {"inputs", inputs}, {"provenance", origin}};
  return root;
}

std::vector<Difference> differences(const Group& a, const Group& b, const Tolerance& tolerance = {}) {
  const Folder folder;
  write(folder / "a.h5", a);
  write(folder / "b.h5", b);
  return diff(folder / "a.h5", folder / "b.h5", tolerance);
}

std::string text_in(const fs::path& path) { return bytes_of(path); }

}  // namespace

TEST_CASE("an archive does not differ from itself, missing values included") { CHECK(differences(tree(), tree()).empty()); }

TEST_CASE("numbers that differ are counted, and the greatest differences found by coordinate") {
  Group b = tree();
  auto& count = std::get<Doubles>(b.arrays[2].data);
  count[1] = 2.2, count[5] = 6.3;
  const auto found = differences(tree(), b);
  REQUIRE(found.size() == 1);
  const Difference& d = found[0];
  CHECK(d.kind == Kind::values);
  CHECK(d.where == "/count");
  CHECK((d.n == 6 && d.n_different == 2));
  CHECK((d.a == "2" && d.b == "2.2"));
  CHECK(d.at == "time=0, cohort=nk, \"2\"");
  CHECK(d.max_absolute == doctest::Approx(0.3));
  CHECK(d.at_absolute == "time=2, cohort=nk, \"2\"");
  CHECK(d.max_relative == doctest::Approx(0.2 / 2.2));
  CHECK(d.at_relative == "time=0, cohort=nk, \"2\"");
  CHECK(differences(tree(), b, {0.1, 0}).empty());
  CHECK(differences(tree(), b, {0, 0.31}).empty());
  CHECK(differences(tree(), b, {0.06, 0}).size() == 1);
}

TEST_CASE("a value that is missing on one side is a difference at any tolerance") {
  Group b = tree();
  std::get<Doubles>(b.arrays[2].data)[3] = 4;
  const auto found = differences(tree(), b, {1e9, 1e9});
  REQUIRE(found.size() == 1);
  CHECK((found[0].a == "missing" && found[0].b == "4" && std::isnan(found[0].max_absolute)));
}

TEST_CASE("inputs come first, with the line that differs") {
  Group b = tree();
  b.arrays[0].unit = "d";
  b.groups[1].group.arrays[1].data = Texts{"x = 1\ny = 20\n", "z = 3"};
  b.attributes["rtol"] = 1e-8;
  const auto found = differences(tree(), b);
  REQUIRE(found.size() == 4);
  CHECK((found[0].kind == Kind::input && found[0].where == "a.toml" && found[0].line == 2));
  CHECK((found[0].a == "y = 2" && found[0].b == "y = 20"));
  CHECK((found[1].where == "b.toml" && found[1].line == 2 && found[1].a == "(ends with a line break)"));
  CHECK((found[2].where == "/@rtol" && found[2].a == "1e-06" && found[2].b == "1e-08"));
  CHECK((found[3].where == "/time@units" && found[3].a == "days"));
}

TEST_CASE("what stands on one side only, other shapes and the origin are told apart") {
  Group b = tree();
  b.arrays.pop_back();
  b.arrays[3].data = Texts{"0", "1", "0"};
  b.groups[2].group.attributes["created"] = std::string("2025");
  b.attributes["history"] = std::string("second");
  b.groups.emplace_back("more", Group{});
  b.groups[1].group.arrays[0].data = Texts{"a.toml", "c.toml"};
  const auto found = differences(tree(), b);
  std::vector<std::string> told;
  for (const auto& d : found) told.push_back(to_string(d.kind) + " " + d.where + (d.is_origin ? " (origin)" : ""));
  CHECK(told == std::vector<std::string>{"only in A input b.toml", "only in B input c.toml", "attribute /@history (origin)", "shape /flag", "only in A /weight",
                                         "attribute /provenance@created (origin)", "only in B /more"});
}

TEST_CASE("tolerances that cannot be are refused") {
  for (const Tolerance& t : {Tolerance{-1, 0}, Tolerance{0, -1}, Tolerance{std::nan(""), 0}, Tolerance{0, INFINITY}})
    CHECK(refusal_of([&] { differences(tree(), tree(), t); }).find("expected 0 or more") != std::string::npos);
}

TEST_CASE("arrays larger than a piece are compared and exported whole") {
  const std::size_t n = 1'500, m = 1'000;  // 1.5 million
  Group a;
  Integers patient(n);
  for (std::size_t i = 0; i < n; ++i) patient[i] = static_cast<std::int64_t>(i);
  a.arrays = {{"patient", "", "patient", {"patient"}, {n}, patient},
              {"time", "days", "time", {"time"}, {m}, Doubles(m)},
              {"y", "cells", "y", {"patient", "time"}, {n, m}, Doubles(n * m)}};
  for (std::size_t i = 0; i < m; ++i) std::get<Doubles>(a.arrays[1].data)[i] = 0.5 * static_cast<double>(i);
  for (std::size_t i = 0; i < n * m; ++i) std::get<Doubles>(a.arrays[2].data)[i] = static_cast<double>(i);
  Group b = a;
  std::get<Doubles>(b.arrays[2].data)[1'400'007] += 1;
  const auto found = differences(a, b);
  REQUIRE(found.size() == 1);
  CHECK((found[0].n_different == 1 && found[0].at == "patient=1400, time=3.5"));
  const Folder folder;
  write(folder / "a.h5", a);
  std::string text;
  export_array(folder / "a.h5", "y", [&](std::string_view piece) { text += piece; });
  CHECK(std::count(text.begin(), text.end(), '\n') == n * m + 1);
  CHECK(text.starts_with("patient,time,y\n0,0,0\n0,0.5,1\n"));
  CHECK(text.ends_with("\n1499,499.5,1499999\n"));
}

TEST_CASE("an archive becomes tables: one for the arrays of a group that share their dimensions") {
  const Folder folder;
  write(folder / "a.h5", tree());
  const auto files = export_csv(folder / "a.h5", folder / "csv", false);
  CHECK(text_in(folder / "csv" / "by_time_cohort.csv") ==
        "time,cohort,count\n0,nk-1,1\n0,\"nk, \"\"2\"\"\",2\n0.5,nk-1,3\n0.5,\"nk, \"\"2\"\"\",\n2,nk-1,5\n2,\"nk, \"\"2\"\"\",6\n");
  CHECK(text_in(folder / "csv" / "by_time.csv") == "time,flag\n0,no\n0.5,yes\n2,no\n");
  CHECK(text_in(folder / "csv" / "states.csv") == "time,host\n0,0.1\n0.5,1e+300\n2,-0\n");
  CHECK(text_in(folder / "csv" / "values.csv") == "name,value,unit,meaning,qualifier\nweight,70,kg,weight,>\n");
  CHECK(text_in(folder / "csv" / "inputs.csv") == "input,input_text\na.toml,\"x = 1\ny = 2\n\"\nb.toml,\"z = 3\n\"\n");
  CHECK(text_in(folder / "csv" / "columns.csv").find("by_time_cohort.csv,count,cells,count\n") != std::string::npos);
  CHECK(text_in(folder / "csv" / "attributes.csv").find("/provenance,created,2024\n") != std::string::npos);
  CHECK(files.size() == 7);
  std::string host;
  export_array(folder / "a.h5", "states/host", [&](std::string_view piece) { host += piece; });
  CHECK(host == text_in(folder / "csv" / "states.csv"));
}

TEST_CASE("a folder of tables appears whole or not at all, and replaces none but an earlier one") {
  const Folder folder;
  write(folder / "a.h5", tree());
  export_csv(folder / "a.h5", folder / "csv", false);
  const auto problem = [&](const char* name, bool overwrite) { return refusal_of([&] { export_csv(folder / "a.h5", folder / name, overwrite); }); };
  CHECK(problem("csv", false).find("exists already") != std::string::npos);
  std::ofstream(folder / "csv" / "mine.csv") << "x";
  CHECK(problem("csv", true) == "no refusal");
  CHECK(!fs::exists(folder / "csv" / "mine.csv"));
  fs::create_directory(folder / "precious");
  std::ofstream(folder / "precious" / "data") << "x";
  CHECK(problem("precious", true).find("is no earlier export") != std::string::npos);
  CHECK(problem("a.h5", true).find("is no earlier export") != std::string::npos);
  CHECK(problem("other/", false) == "no refusal");
  CHECK(fs::exists(folder / "other" / "columns.csv"));
  CHECK(problem("..", true).find("no folder name given") != std::string::npos);
  CHECK(problem("no/where", false).find("does not exist") != std::string::npos);
  CHECK(fs::exists(folder / "precious" / "data"));
  const auto n = folder.n_entries();
  {
    const FileSizeLimit limit(100);
    CHECK(problem("full", false).find("cannot be written") != std::string::npos);
  }
  CHECK(folder.n_entries() == n);
  std::string nothing;
  CHECK(refusal_of([&] { export_array(folder / "a.h5", "cuont", [](std::string_view) {}); }).find("did you mean \"count\"?") != std::string::npos);
}
