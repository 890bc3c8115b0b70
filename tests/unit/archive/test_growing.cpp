#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <stdexcept>

#include "nkpk/archive/archive.hpp"
#include "nkpk/archive/growing.hpp"
#include "nkpk/core/error.hpp"
#include "support/files.hpp"
#include "support/refusal.hpp"

namespace fs = std::filesystem;
using namespace nkpk::test;
using nkpk::Group;
using nkpk::NamedArray;
using nkpk::archive::GrowingArchive;

namespace {

using Doubles = std::vector<double>;
using Integers = std::vector<std::int64_t>;
using Texts = std::vector<std::string>;

constexpr std::size_t n_times = 3;

/// Patients first to first + n as the format knows all types; those without any are the frame.
Group patients(std::size_t first, std::size_t n) {
  Integers patient;
  Doubles values, dose;
  Texts message;
  for (std::size_t i = first; i < first + n; ++i) {
    patient.push_back(static_cast<std::int64_t>(i));
    dose.push_back(i % 7 == 0 ? std::nan("") : std::sqrt(static_cast<double>(i)));
    message.push_back(i % 5 == 0 ? "Nr. " + std::to_string(i) : "");
    for (std::size_t t = 0; t < n_times; ++t) values.push_back(static_cast<double>(i * n_times + t));
  }
  Group inner;
  inner.arrays = {{"dose", "mg", "dose", {"patient"}, {n}, dose}, {"message", "", "", {"patient"}, {n}, message}};
  Group rows;
  rows.arrays = {{"patient", "", "patient", {"patient"}, {n}, patient}, {"count", "cells", "count", {"patient", "time"}, {n, n_times}, values}};
  rows.groups = {{"runs", inner}};
  return rows;
}

Group frame() {
  Group root = patients(0, 0);
  root.attributes = {{"title", std::string("patients")}};
  root.arrays.push_back({"time", "days", "time", {"time"}, {n_times}, Doubles{0, 1, 2}});
  return root;
}

Group rest() {
  Group mean;
  mean.arrays = {{"count", "cells", "mean", {"time"}, {n_times}, Doubles{1, 2, 3}}};
  return Group{{}, {{"status", std::string("ok")}, {"flags", Integers{0, 1, 2}}}, {{"mean", mean}}};
}

/// In pieces of these sizes.
void write(const fs::path& path, const std::vector<std::size_t>& sizes) {
  std::size_t n = 0;
  GrowingArchive out(path, frame(), "patient");
  for (const std::size_t size : sizes) {
    out.append(patients(n, size));
    n += size;
  }
  out.finish(rest());
}

const NamedArray& array(const Group& group, const std::string& name) {
  for (const auto& a : group.arrays)
    if (a.name == name) return a;
  throw std::out_of_range(name);
}
const Group& group(const Group& root, const std::string& name) {
  for (const auto& [key, value] : root.groups)
    if (key == name) return value;
  throw std::out_of_range(name);
}

bool same(const NamedArray& a, const NamedArray& b) {
  if (a.dims != b.dims || a.shape != b.shape || a.unit != b.unit || a.long_name != b.long_name || a.data.index() != b.data.index()) return false;
  if (const auto* x = std::get_if<Doubles>(&a.data)) {
    const auto& y = std::get<Doubles>(b.data);
    return std::equal(x->begin(), x->end(), y.begin(), [](double p, double q) { return p == q || (std::isnan(p) && std::isnan(q)); });
  }
  return a.data == b.data;
}

}  // namespace

TEST_CASE("an archive in pieces holds what one in one piece holds, in whatever pieces") {
  const Folder folder;
  const std::size_t n = 3000;
  const Group expected = patients(0, n);
  for (const auto& sizes : {std::vector<std::size_t>{n}, {1024, 1024, 952}, {1, 999, 0, 2000}}) {
    const fs::path path = folder / "out.h5";
    write(path, sizes);
    const Group found = nkpk::archive::read(path);
    for (const char* name : {"patient", "count"}) CHECK(same(array(found, name), array(expected, name)));
    for (const char* name : {"dose", "message"}) CHECK(same(array(group(found, "runs"), name), array(group(expected, "runs"), name)));
    CHECK(same(array(group(found, "mean"), "count"), array(group(rest(), "mean"), "count")));
    CHECK(std::get<std::string>(found.attributes.at("status")) == "ok");
    CHECK(std::get<std::string>(found.attributes.at("title")) == "patients");
    CHECK(std::get<Integers>(found.attributes.at("flags")) == Integers{0, 1, 2});
    fs::remove(path);
    CHECK(fs::is_empty(folder.path));
  }
}

TEST_CASE("the same pieces give the same bytes") {
  const Folder folder;
  write(folder / "a.h5", {1024, 1024, 100});
  write(folder / "b.h5", {1024, 1024, 100});
  CHECK(bytes_of(folder / "a.h5") == bytes_of(folder / "b.h5"));
}

TEST_CASE("an archive that stays shorter than it might is whole all the same") {
  const Folder folder;
  {
    GrowingArchive out(folder / "out.h5", frame(), "patient");
    out.append(patients(0, 10));
    out.finish(rest());
  }
  CHECK(array(nkpk::archive::read(folder / "out.h5"), "count").shape == std::vector<std::size_t>{10, n_times});
  GrowingArchive out(folder / "none.h5", frame(), "patient");
  out.finish(rest());
  CHECK(array(nkpk::archive::read(folder / "none.h5"), "count").shape == std::vector<std::size_t>{0, n_times});
}

TEST_CASE("an outline has the shapes of all and the values of what is small") {
  const Folder folder;
  write(folder / "out.h5", {10});
  const Group outline = nkpk::archive::read_outline(folder / "out.h5", 10);
  CHECK(same(array(outline, "patient"), array(patients(0, 10), "patient")));
  CHECK(array(outline, "count").shape == std::vector<std::size_t>{10, n_times});
  CHECK(std::get<Doubles>(array(outline, "count").data).empty());
  CHECK(std::get<std::string>(outline.attributes.at("status")) == "ok");
  std::ofstream(folder / "text.h5") << "day,value";
  for (const char* name : {"text.h5", "none.h5"}) {
    const fs::path path = folder / name;
    CHECK(refusal_of([&] { nkpk::archive::read_outline(path, 10); }) == refusal_of([&] { nkpk::archive::read(path); }));
    CHECK(refusal_of([&] { nkpk::archive::read(path); }) != "no refusal");
  }
}

TEST_CASE("until it is finished there is no archive, and what is given up leaves nothing") {
  const Folder folder;
  {
    GrowingArchive out(folder / "out.h5", frame(), "patient");
    out.append(patients(0, 10));
    CHECK(!fs::exists(folder / "out.h5"));
    CHECK(fs::exists(folder / "out.h5.part"));
    CHECK(refusal_of([&] { write(folder / "out.h5", {10}); }).find("another program is writing") != std::string::npos);
    CHECK(refusal_of([&] { nkpk::archive::write(folder / "out.h5", Group{}); }).find("another program is writing") != std::string::npos);
  }
  CHECK(fs::is_empty(folder.path));
  write(folder / "out.h5", {10});
  const std::string before = bytes_of(folder / "out.h5");
  CHECK(refusal_of([&] { write(folder / "out.h5", {10}); }).find("exists already") != std::string::npos);
  CHECK(bytes_of(folder / "out.h5") == before);
  CHECK(refusal_of([&] { write(folder / "no" / "out.h5", {10}); }).find("does not exist") != std::string::npos);
}

TEST_CASE("a disk that fills up on the way is an error, and nothing is left") {
  const Folder folder;
  for (const rlim_t room : {100, 1 << 20, 5 << 20, 6 << 20, 7 << 20}) {
    CAPTURE(room);
    std::string problem;
    {
      const FileSizeLimit limit(room);
      problem = refusal_of([&] { write(folder / "out.h5", std::vector<std::size_t>(200, 1024)); });
    }
    CHECK(problem.find("out.h5: cannot be written") != std::string::npos);
    CHECK(fs::is_empty(folder.path));
  }
  write(folder / "out.h5", {10});  // HDF5 still works
  CHECK(nkpk::archive::read(folder / "out.h5").arrays.size() == 3);
}

TEST_CASE("rows that do not fit are our own mistake") {
  const Folder folder;
  GrowingArchive out(folder / "out.h5", frame(), "patient");
  Group uneven = patients(0, 10);
  uneven.arrays[1] = patients(0, 9).arrays[1];
  CHECK_THROWS_AS(out.append(uneven), std::logic_error);
  Group other = patients(0, 10);
  other.arrays[1].dims[0] = "time";
  CHECK_THROWS_AS(out.append(other), std::logic_error);
}
