#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "nkpk/archive/archive.hpp"
#include "nkpk/archive/seal.hpp"
#include "nkpk/core/error.hpp"
#include "support/files.hpp"
#include "support/refusal.hpp"

namespace fs = std::filesystem;
using nkpk::Attributes;
using namespace nkpk::test;
using nkpk::Group;
using nkpk::NamedArray;

namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
using Doubles = std::vector<double>;
using Integers = std::vector<std::int64_t>;
using Texts = std::vector<std::string>;

void put_bytes(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

/// With the digest of these bytes behind them, whatever they are.
void put_sealed(const fs::path& path, const std::string& bytes) {
  const auto seal = nkpk::archive::seal_of(bytes);
  put_bytes(path, bytes + std::string(seal.begin(), seal.end()));
}

Doubles ramp(std::size_t n, double step) {
  Doubles values;
  for (std::size_t i = 0; i < n; ++i) values.push_back(step * static_cast<double>(i));
  return values;
}

NamedArray coordinate(const std::string& name, const std::string& unit, nkpk::ArrayData values) {
  const std::size_t n = std::visit([](const auto& v) { return v.size(); }, values);
  return {name, unit, name + " axis", {name}, {n}, std::move(values)};
}

/// All that the format knows, in an order that is not alphabetical.
Group everything() {
  Doubles blood = ramp(500, 1.0 / 3.0);
  blood[7] = nan;
  blood[8] = std::numeric_limits<double>::infinity();
  blood[9] = -0.0;
  Group root;
  root.attributes = {{"title", std::string("zwölf Patienten, 10 µg/L, 細胞")},
                     {"empty", std::string()},
                     {"seed", std::int64_t{-9'007'199'254'740'993}},
                     {"tolerance", 1e-9},
                     {"bounds", Doubles{1.0, nan, 3.0}},
                     {"modules", Texts{"nk", "", "β"}},
                     {"no_numbers", Doubles{}},
                     {"no_texts", Texts{}},
                     {"one_text", Texts{"alone"}}};
  root.arrays = {
      {"weight", "kg", "body weight", {}, {}, Doubles{70.0}},
      {"time", "d", "time since the first infusion", {"time"}, {500}, ramp(500, 0.1)},
      {"blood",
       "cells",
       "",
       {"time"},
       {500},
       blood,
       {{"standard", 1.5}, {"note", std::string("µ")}}},
      {"cohort", "", "infusion", {"cohort"}, {3}, Texts{"first", "zweite Gabe: ½", ""}},
      {"by_cohort", "cells", "", {"time", "cohort"}, {500, 3}, ramp(1500, 0.7)},
      {"flag", "", "", {"time"}, {500}, Integers(500, std::numeric_limits<std::int64_t>::min())},
      {"status", "", "", {}, {}, Texts{"ok"}},
      {"n_steps", "1", "", {}, {}, Integers{12}},
  };
  Group events;
  events.arrays = {coordinate("event", "", Integers{}),
                   {"kind", "", "", {"event"}, {0}, Texts{}},
                   {"amount", "cells", "", {"event"}, {0}, Doubles{}},
                   {"state", "", "", {"event", "cohort"}, {0, 3}, Integers{}}};
  Group inner;
  inner.attributes = {{"depth", std::int64_t{2}}};
  inner.arrays = {{"time", "h", "another clock", {"time"}, {2}, Doubles{1, 2}},
                  {"il15", "pg/mL", "", {"time"}, {2}, Doubles{3, 4}}};
  Group trace;
  trace.arrays = {{"tissue", "cells", "", {"time"}, {500}, ramp(500, 2.0)}};
  trace.groups = {{"z_inner", inner}, {"a_inner", Group{}}};
  root.groups = {{"trace", trace}, {"events", events}};
  return root;
}

/// Equal, where NaN equals NaN.
template <class Variant>
bool same(const Variant& a, const Variant& b) {
  if (a.index() != b.index()) return false;
  return std::visit(
      [&]<class Value>(const Value& x) {
        const auto& y = std::get<Value>(b);
        if constexpr (std::is_same_v<Value, Doubles>) {
          return std::equal(x.begin(), x.end(), y.begin(), y.end(), [](double u, double v) {
            return u == v ? std::signbit(u) == std::signbit(v) : std::isnan(u) && std::isnan(v);
          });
        } else {
          return x == y;
        }
      },
      a);
}

void check_same(const Attributes& a, const Attributes& b) {
  CHECK(a.size() == b.size());
  for (const auto& [name, value] : a) {
    CAPTURE(name);
    REQUIRE(b.contains(name));
    CHECK(same(value, b.at(name)));
  }
}

void check_same(const Group& a, const Group& b) {
  check_same(a.attributes, b.attributes);
  REQUIRE(a.arrays.size() == b.arrays.size());
  for (std::size_t i = 0; i < a.arrays.size(); ++i) {
    const NamedArray &x = a.arrays[i], &y = b.arrays[i];
    CAPTURE(x.name);
    CHECK(x.name == y.name);
    CHECK(x.unit == y.unit);
    CHECK(x.long_name == y.long_name);
    CHECK(x.dims == y.dims);
    CHECK(x.shape == y.shape);
    CHECK(same(x.data, y.data));
    check_same(x.attributes, y.attributes);
  }
  REQUIRE(a.groups.size() == b.groups.size());
  for (std::size_t i = 0; i < a.groups.size(); ++i) {
    CHECK(a.groups[i].name == b.groups[i].name);
    check_same(a.groups[i].group, b.groups[i].group);
  }
}

Group small(double value = 1.0) {
  Group root;
  root.arrays = {{"x", "1", "", {}, {}, Doubles{value}}};
  return root;
}

}  // namespace

TEST_CASE("an archive gives back all that was written, in the same order") {
  const Folder folder;
  const Group root = everything();
  nkpk::archive::write(folder / "out.h5", root);
  CHECK(folder.n_entries() == 1);
  check_same(root, nkpk::archive::read(folder / "out.h5"));
}

TEST_CASE("an empty tree is an archive") {
  const Folder folder;
  nkpk::archive::write(folder / "out.h5", Group{});
  check_same(Group{}, nkpk::archive::read(folder / "out.h5"));
}

TEST_CASE("arrays larger than a chunk, and very long lists of texts, survive") {
  const Folder folder;
  Group root;
  root.arrays = {
      coordinate("patient", "", Integers(301)),
      coordinate("time", "d", ramp(700, 0.5)),
      coordinate("output", "", Texts{"a", "b", "c"}),
      {"y", "", "", {"patient", "time", "output"}, {301, 700, 3}, ramp(301 * 700 * 3, 0.1)}};
  root.attributes["words"] = Texts(20'000, "a word");  // more than the 64 KiB of old attributes
  root.attributes["config"] = std::string(300'000, 'x');
  nkpk::archive::write(folder / "out.h5", root);
  check_same(root, nkpk::archive::read(folder / "out.h5"));
}

TEST_CASE("thousands of arrays can share one axis") {
  const Folder folder;
  Group root;
  root.arrays = {coordinate("time", "d", ramp(2, 1.0))};
  for (int i = 0; i < 5000; ++i) {
    root.arrays.push_back({"y" + std::to_string(i), "", "", {"time"}, {2}, Doubles{1.0, 2.0}});
  }
  nkpk::archive::write(folder / "out.h5", root);
  CHECK(nkpk::archive::read(folder / "out.h5").arrays.size() == 5001);
}

TEST_CASE("the same tree gives the same bytes") {
  const Folder folder;
  nkpk::archive::write(folder / "a.h5", everything());
  ::sleep(1);  // HDF5 would store times in whole seconds
  nkpk::archive::write(folder / "b.h5", nkpk::archive::read(folder / "a.h5"));
  CHECK(bytes_of(folder / "a.h5") == bytes_of(folder / "b.h5"));
}

TEST_CASE("an existing file is replaced on request only") {
  const Folder folder;
  const fs::path path = folder / "out.h5";
  nkpk::archive::write(path, small());
  const std::string before = bytes_of(path);
  CHECK(refusal_of([&] { nkpk::archive::write(path, small(2.0)); }) ==
        path.string() + ": the file exists already; choose another name or allow overwriting");
  CHECK(bytes_of(path) == before);
  nkpk::archive::write(path, small(2.0), true);
  check_same(small(2.0), nkpk::archive::read(path));
  CHECK(folder.n_entries() == 1);
}

TEST_CASE("a part file left by a crash is overwritten, one in use is respected") {
  const Folder folder;
  const fs::path path = folder / "out.h5", part = folder / "out.h5.part";
  put_bytes(part, std::string(1'000'000, 'x'));
  SUBCASE("left by a crash") {
    nkpk::archive::write(path, small());
    check_same(small(), nkpk::archive::read(path));
    CHECK(folder.n_entries() == 1);
  }
  SUBCASE("in use") {
    const int other = ::open(part.c_str(), O_RDWR);
    REQUIRE(::flock(other, LOCK_EX) == 0);
    CHECK(refusal_of([&] { nkpk::archive::write(path, small()); }) ==
          path.string() + ": another program is writing this file");
    CHECK(fs::file_size(part) == 1'000'000);
    ::close(other);
  }
}

TEST_CASE("impossible targets are named, and nothing is left behind") {
  const Folder folder;
  put_bytes(folder / "file", "text");
  fs::create_directory(folder / "sub");
  fs::create_directory(folder / "taken.h5.part");
  fs::create_symlink(folder / "nowhere", folder / "dangling.h5");
  const auto n_entries = folder.n_entries();
  const auto problem = [&](const char* name) {
    const fs::path path = folder / name;
    const std::string text = refusal_of([&] { nkpk::archive::write(path, small(), true); });
    CHECK(text.starts_with(path.string() + ": "));
    return text.substr(std::min(text.size(), path.string().size() + 2));
  };
  CHECK(problem("missing/out.h5") ==
        "the folder " + (folder / "missing").string() + " does not exist");
  CHECK(problem("file/out.h5") == (folder / "file").string() + " is not a folder");
  CHECK(problem("sub") == "is a folder, not a file");
  CHECK(problem("sub/") == "is a folder, not a file");
  CHECK(problem("dangling.h5") == "exists and is not a regular file");
  CHECK(problem("taken.h5").starts_with("cannot be written: "));
  CHECK(problem(std::string(254, 'n').c_str()).starts_with("cannot be written: "));  // + ".part"
  CHECK(refusal_of([] { nkpk::archive::write("", small()); }) == "no file name given");
  CHECK(refusal_of([] { nkpk::archive::write("/dev/null", small(), true); }) ==
        "/dev/null: exists and is not a regular file");
  CHECK(folder.n_entries() == n_entries);
  CHECK(bytes_of(folder / "file") == "text");
  CHECK(fs::is_empty(folder / "sub"));
}

TEST_CASE("a folder without write permission is named") {
  if (::geteuid() == 0) {
    MESSAGE("skipped: permissions do not bind root");
    return;
  }
  const Folder folder;
  const fs::path path = folder / "out.h5";
  fs::permissions(folder.path, fs::perms::owner_read | fs::perms::owner_exec);
  const std::string problem = refusal_of([&] { nkpk::archive::write(path, small()); });
  fs::permissions(folder.path, fs::perms::owner_all);
  CHECK(problem == path.string() + ": cannot be written: Permission denied");
  CHECK(fs::is_empty(folder.path));
}

TEST_CASE("a full disk leaves the old archive and nothing else") {
  const Folder folder;
  const fs::path path = folder / "out.h5";
  nkpk::archive::write(path, small());
  const std::string before = bytes_of(path);
  std::string problem;
  {
    const FileSizeLimit limit(4096);
    problem = refusal_of([&] { nkpk::archive::write(path, everything(), true); });
  }
  CHECK(problem.starts_with(path.string() + ": cannot write "));
  CHECK(problem.ends_with(" bytes: File too large"));
  CHECK(bytes_of(path) == before);
  CHECK(folder.n_entries() == 1);
  nkpk::archive::write(path, everything(), true);  // and the next attempt is not disturbed
  check_same(everything(), nkpk::archive::read(path));
}

TEST_CASE("what is not an archive is refused with the reason") {
  const Folder folder;
  const fs::path path = folder / "out.h5";
  const auto problem = [&] {
    const std::string text = refusal_of([&] { nkpk::archive::read(path); });
    CHECK(text.starts_with(path.string() + ": "));
    return text.substr(std::min(text.size(), path.string().size() + 2));
  };
  SUBCASE("missing") { CHECK(problem() == "no such file"); }
  SUBCASE("a folder") {
    fs::create_directory(path);
    CHECK(problem() == "is a folder, not a file");
  }
  SUBCASE("text") {
    put_bytes(path, "time,blood\n0,1\n");
    CHECK(problem() == "not an nkpk archive (not an HDF5 file)");
  }
  SUBCASE("empty") {
    put_bytes(path, "");
    CHECK(problem() == "not an nkpk archive (not an HDF5 file)");
  }
  SUBCASE("truncated anywhere") {
    nkpk::archive::write(path, everything());
    const std::string whole = bytes_of(path);
    std::vector<std::size_t> lengths;
    for (std::size_t n = 8; n < whole.size(); n += 97) lengths.push_back(n);
    for (std::size_t n = whole.size() - 100; n < whole.size(); ++n) lengths.push_back(n);
    for (const std::size_t n : lengths) {
      put_bytes(path, whole.substr(0, n));
      CHECK(problem().starts_with("no digest at its end: cut short"));
    }
  }
  SUBCASE("lengthened") {
    nkpk::archive::write(path, everything());
    const std::string whole = bytes_of(path);
    put_bytes(path, whole + "x");
    CHECK(problem().starts_with("no digest at its end: "));
    put_bytes(path, whole + whole.substr(whole.size() - 64));  // the digest twice
    CHECK(problem().starts_with("damaged: "));
  }
  SUBCASE("damaged") {
    Doubles values = ramp(20'000, 1.0);
    for (double& value : values) value = std::sin(value);  // hardly compressible
    nkpk::archive::write(path, Group{{coordinate("time", "d", values)}, {}, {}});
    std::string bytes = bytes_of(path);
    bytes[bytes.size() / 2] ^= 1;  // within the numbers, nearly all of the file
    put_bytes(path, bytes);
    CHECK(problem().starts_with("damaged: its bytes are not those that were written"));
    // one that is sealed all the same is found by the checksum of its chunk
    put_sealed(path, bytes.substr(0, bytes.size() - nkpk::archive::seal_bytes));
    CHECK(problem().starts_with("incomplete or damaged archive (/time: "));
  }
}

TEST_CASE("other format versions and foreign HDF5 files are refused") {
  // an archive without arrays, but for the version: 99
  const std::string version_99 =
      "894844460d0a1a0a000000000008080004001000000000000000000000000000ffffffffffffffff4b010000"
      "00000000ffffffffffffffff0000000000000000600000000000000000000000000000000000000000000000"
      "00000000000000004f484452020ce002220000000000030000000000000000ffffffffffffffffffffffffff"
      "ffffffffffffffffffffff0a02000100000000151c0004000000030100ffffffffffffffffffffffffffffff"
      "ffffffffffffffffff0c4000000000010014000c0008006e6b706b5f666f726d61745f76657273696f6e0000"
      "0000001008000008000000000040000000000001000000000000006300000000000000004200000000000000"
      "0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
      "0000000000000000000000000000000000000036d0be11";
  // the same with an attribute called "version" only
  const std::string foreign =
      "894844460d0a1a0a000000000008080004001000000000000000000000000000ffffffffffffffff4b010000"
      "00000000ffffffffffffffff0000000000000000600000000000000000000000000000000000000000000000"
      "00000000000000004f484452020ce002220000000000030000000000000000ffffffffffffffffffffffffff"
      "ffffffffffffffffffffff0a02000100000000151c0004000000030100ffffffffffffffffffffffffffffff"
      "ffffffffffffffffff0c3000000000010008000c00080076657273696f6e0010080000080000000000400000"
      "0000000100000000000000010000000000000000520000000000000000000000000000000000000000000000"
      "0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
      "0000000000000000000000000000000000000047434ae9";
  const Folder folder;
  const fs::path path = folder / "out.h5";
  const auto problem = [&](const std::string& hex) {
    std::string bytes;
    for (std::size_t i = 0; i < hex.size(); i += 2) {
      bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
    }
    put_sealed(path, bytes);
    return refusal_of([&] { nkpk::archive::read(path); });
  };
  CHECK(problem(version_99) == path.string() + ": format version 99, this program reads 1");
  CHECK(problem(foreign) ==
        path.string() + ": not an nkpk archive (no attribute nkpk_format_version)");
}

TEST_CASE("a tree that breaks the contract is our own mistake") {
  const Folder folder;
  const auto attempt = [&](const Group& root) { nkpk::archive::write(folder / "out.h5", root); };
  const auto with = [](std::vector<NamedArray> arrays) { return Group{std::move(arrays), {}, {}}; };
  const NamedArray time = coordinate("time", "d", Doubles{0, 1});
  const NamedArray x{"x", "", "", {"time"}, {2}, Doubles{0, 1}};
  NamedArray wrong = x;
  CHECK_THROWS_WITH_AS(attempt(with({x})), "/x: no coordinate for dimension \"time\"",
                       std::logic_error);
  CHECK_THROWS_AS(attempt(with({time, x, x})), std::logic_error);
  wrong.shape = {3};
  CHECK_THROWS_AS(attempt(with({time, wrong})), std::logic_error);
  wrong.data = Doubles{0, 1, 2};
  CHECK_THROWS_AS(attempt(with({time, wrong})), std::logic_error);
  wrong.dims = {};
  CHECK_THROWS_AS(attempt(with({time, wrong})), std::logic_error);
  wrong = x;
  wrong.attributes = {{"units", std::string("d")}};
  CHECK_THROWS_AS(attempt(with({time, wrong})), std::logic_error);
  CHECK_THROWS_AS(attempt(Group{{}, {{"nkpk_format_version", std::int64_t{1}}}, {}}),
                  std::logic_error);
  wrong.attributes = {{"DIMENSION_LIST", 1.0}};
  CHECK_THROWS_AS(attempt(with({time, wrong})), std::logic_error);
  CHECK_THROWS_AS(attempt(with({{"a/b", "", "", {}, {}, Doubles{1}}})), std::logic_error);
  CHECK_THROWS_AS(attempt(with({{"", "", "", {}, {}, Doubles{1}}})), std::logic_error);
  CHECK_THROWS_AS(attempt(with({{"t", "", "", {}, {}, Texts{std::string("a\0b", 3)}}})),
                  std::logic_error);
  CHECK_THROWS_AS(attempt(with({{"t", "", "", {"t", "t"}, {1, 1}, Doubles{1}}})), std::logic_error);
  Group sibling_only;
  sibling_only.groups = {{"a", with({time})}, {"b", with({x})}};
  CHECK_THROWS_AS(attempt(sibling_only), std::logic_error);
  CHECK(fs::is_empty(folder.path));
}

TEST_CASE("the HDF5 version is three numbers") {
  int a = 0, b = 0, c = 0;
  CHECK(std::sscanf(nkpk::archive::hdf5_version().c_str(), "%d.%d.%d", &a, &b, &c) == 3);
}
