#include <doctest/doctest.h>

#include <cmath>
#include <fstream>
#include <random>

#include "nkpk/archive/archive.hpp"
#include "nkpk/archive/seal.hpp"
#include "nkpk/archive/verify.hpp"
#include "nkpk/core/digest.hpp"
#include "nkpk/version.hpp"
#include "support/files.hpp"
#include "support/refusal.hpp"

namespace fs = std::filesystem;
using namespace nkpk::test;
using namespace nkpk::archive;
using nkpk::Group;
using nkpk::NamedArray;

namespace {

using Doubles = std::vector<double>;

/// Numbers, texts and attributes: some of everything that a flipped bit can meet.
Group tree() {
  Doubles times, values;
  for (int i = 0; i < 200; ++i) times.push_back(i), values.push_back(std::sin(i));
  Group inner;
  inner.attributes = {{"note", std::string("inside")}};
  inner.arrays = {{"state", "cells", "a state", {"time"}, {200}, values}};
  Group root;
  root.attributes = {{"title", std::string("damage")}, {"seed", std::int64_t{7}}};
  root.arrays = {{"time", "days", "time", {"time"}, {200}, times},
                 {"count", "cells/uL", "count", {"time"}, {200}, values},
                 {"name", "", "name", {}, {}, std::vector<std::string>{"sankoma"}}};
  root.groups = {{"states", inner}};
  return root;
}

void put_bytes(const fs::path& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

/// Refused before HDF5 was called, whose refusals read otherwise.
bool is_below_hdf5(const std::string& refusal) {
  for (const char* problem : {": damaged: ", ": no digest at its end: ", ": not an nkpk archive (not an HDF5 file)"})
    if (refusal.find(problem) != std::string::npos) return true;
  return false;
}

}  // namespace

TEST_CASE("the digest at the end is that of all bytes before it") {
  const Folder folder;
  write(folder / "x.h5", tree());
  const std::string bytes = bytes_of(folder / "x.h5"), head = bytes.substr(0, bytes.size() - 32);
  const Seal seal = check_seal(folder / "x.h5");
  CHECK(seal.digest == nkpk::sha256_hex(head));
  CHECK(seal.content == bytes.size() - 64);
  CHECK(!seal.is_anew);
  CHECK(head.substr(head.size() - 32, 16) == "nkpk sha-256 v1\n");
}

TEST_CASE("every flipped bit is refused, wherever it stands, before HDF5 sees it") {
  const Folder folder;
  const fs::path path = folder / "x.h5";
  write(path, tree());
  const std::string whole = bytes_of(path);
  std::vector<std::size_t> positions;
  for (std::size_t i = 0; i < 1024; ++i) positions.push_back(i), positions.push_back(whole.size() - 1 - i);
  std::mt19937 random(20240607);
  for (int i = 0; i < 2000; ++i) positions.push_back(random() % whole.size());
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  const auto put = [&](std::size_t at, char byte) { file.seekp(static_cast<std::streamoff>(at)).put(byte).flush(); };
  for (const std::size_t at : positions) {
    put(at, static_cast<char>(whole[at] ^ (1 << random() % 8)));
    const std::string problem = refusal_of([&] { read(path); });
    CAPTURE(at);
    CAPTURE(problem);
    CHECK(is_below_hdf5(problem));
    if (at % 16 == 0) {
      CHECK(refusal_of([&] { read_outline(path, 10); }) == problem);
      CHECK(!verify(path).ok());
    }
    put(at, whole[at]);
  }
  CHECK(read(path).arrays.size() == 3);  // as it was
}

TEST_CASE("an archive that is cut short is refused at any length, before HDF5 sees it") {
  const Folder folder;
  const fs::path path = folder / "x.h5";
  write(path, tree());
  const std::string whole = bytes_of(path);
  std::vector<std::size_t> lengths;  // from the longest on
  for (std::size_t i = 1; i <= 130; ++i) lengths.push_back(whole.size() - i);
  for (std::size_t n = whole.size() - 131; n > 41; n -= 41) lengths.push_back(n);
  for (const std::size_t n : lengths) {
    fs::resize_file(path, n);
    CAPTURE(n);
    CHECK(is_below_hdf5(refusal_of([&] { read(path); })));
    CHECK(is_below_hdf5(refusal_of([&] { check_seal(path); })));
  }
}

TEST_CASE("bytes that moved, and a way of sealing that is not known, are refused") {
  const Folder folder;
  const fs::path path = folder / "x.h5";
  write(path, tree());
  const std::string whole = bytes_of(path), content = whole.substr(0, whole.size() - seal_bytes);
  const auto sealed_by = [&](std::size_t length, char kind) {
    std::string text = content + "nkpk sha-256 v1\n";
    for (int i = 0; i < 8; ++i) text.push_back(static_cast<char>(length >> 8 * i & 0xff));
    text += kind + std::string(7, '\0');
    const std::string digits = nkpk::sha256_hex(text);
    for (std::size_t i = 0; i < 64; i += 2) text.push_back(static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16)));
    put_bytes(path, text);
  };
  sealed_by(content.size(), 0);
  CHECK(bytes_of(path) == whole);
  sealed_by(content.size() - 1, 0);
  CHECK(refusal_of([&] { read(path); }).find("damaged: the digest is for") != std::string::npos);
  sealed_by(content.size(), 2);
  CHECK(refusal_of([&] { read(path); }).find("sealed in a way that this program does not know (2)") != std::string::npos);
  sealed_by(content.size(), 1);
  CHECK(check_seal(path).is_anew);
}

TEST_CASE("a file can be sealed anew, and says so") {
  const Folder folder;
  const fs::path path = folder / "x.h5";
  write(path, tree());
  const std::string whole = bytes_of(path);
  put_bytes(path, whole.substr(0, whole.size() - seal_bytes));
  CHECK(!has_seal(path));
  CHECK(refusal_of([&] { read(path); }).find("nkpk verify --seal") != std::string::npos);
  read_through_unsealed(path);
  seal_file(path, path, true);
  CHECK(has_seal(path));
  CHECK(check_seal(path).is_anew);
  CHECK(read(path).arrays.size() == 3);
}

TEST_CASE("verify names the rules that an archive breaks") {
  const Folder folder;
  const fs::path path = folder / "x.h5";
  Group origin;
  for (const char* name : {"program", "command_line", "created", "finished", "exit_state"}) origin.attributes[name] = std::string("x");
  const auto sound = [&] {
    Group root = tree();
    root.attributes["nkpk_kind"] = std::string("simulation");
    root.attributes["Conventions"] = std::string("CF-1.10");
    root.attributes["status"] = std::string("ok");
    root.groups.emplace_back("provenance", origin);
    return root;
  };
  const auto problems = [&](const Group& root) {
    write(path, root, true);
    return verify(path).problems;
  };
  CHECK(problems(sound()).empty());
  Group root = sound();
  SUBCASE("a value that is missing where all was computed") {
    std::get<Doubles>(root.arrays[1].data)[7] = std::nan("");
    CHECK(problems(root) == std::vector<std::string>{"/count: 1 values are missing where all was computed, the first at time 7"});
    root.attributes["status"] = std::string("max_steps");
    CHECK(problems(root).empty());
  }
  SUBCASE("what is switched off, and a ratio without value, may be missing") {
    root.arrays[1].data = Doubles(200, std::nan(""));
    CHECK(problems(root).empty());
    root.arrays.push_back({"share", "1", "share", {"time"}, {200}, Doubles(200, 0.5)});
    std::get<Doubles>(root.arrays.back().data)[3] = std::nan("");
    CHECK(problems(root).empty());
  }
  SUBCASE("a missing coordinate") {
    std::get<Doubles>(root.arrays[0].data)[7] = std::nan("");
    CHECK(problems(root).front() == "/time: a coordinate has no missing values");
  }
  SUBCASE("a unit that cannot be read") {
    root.groups[0].group.arrays[0].unit = "furlongs";
    CHECK(problems(root) == std::vector<std::string>{"/states/state: unit \"furlongs\" cannot be read"});
  }
  SUBCASE("flags") {
    root.arrays.push_back(
        {"flag", "", "flag", {}, {}, std::vector<std::int64_t>{3}, {{"flag_values", std::vector<std::int64_t>{0, 1}}, {"flag_meanings", std::string("no")}}});
    CHECK(problems(root) == std::vector<std::string>{"/flag: 2 flag_values, 1 flag_meanings", "/flag: 3 is none of its flag_values"});
  }
  SUBCASE("no provenance") {
    root.groups.pop_back();
    CHECK(problems(root) == std::vector<std::string>{"/provenance: is missing"});
  }
  SUBCASE("an input that is not the one of its digest") {
    Group inputs;
    const std::string text = "x = 1\n";
    const auto add = [&](const char* name, const std::string& value) {
      inputs.arrays.push_back({name, "", name, {"input"}, {1}, std::vector<std::string>{value}});
    };
    add("input", "model.toml"), add("input_text", text), add("input_sha256", nkpk::sha256_hex(text));
    root.groups.emplace_back("inputs", inputs);
    CHECK(problems(root).empty());
    root.groups.back().group.arrays[1].data = std::vector<std::string>{"x = 2\n"};
    CHECK(problems(root) == std::vector<std::string>{"/inputs/input_sha256: entry 0 is not that of input_text"});
  }
  SUBCASE("a patient who was solved and has no value") {
    root.attributes["nkpk_kind"] = std::string("ensemble");
    Group runs, parameters;
    runs.arrays = {{"outcome", "", "outcome", {"patient"}, {2}, std::vector<std::int64_t>{0, 1}}};
    parameters.arrays = {{"parameter", "", "parameter", {"parameter"}, {1}, std::vector<std::string>{"host_nk.d0"}},
                         {"value", "", "value", {"patient", "parameter"}, {2, 1}, Doubles{0.1, std::nan("")}}};
    root.arrays.push_back({"patient", "", "patient", {"patient"}, {2}, std::vector<std::int64_t>{0, 1}});
    root.arrays.push_back({"alc", "cells/uL", "alc", {"patient", "time"}, {2, 200}, Doubles(400, 1.0)});
    std::get<Doubles>(root.arrays.back().data)[300] = std::nan("");
    root.groups.emplace_back("runs", runs);
    root.groups.emplace_back("parameters", parameters);
    CHECK(problems(root).empty());  // the second failed
    std::get<std::vector<std::int64_t>>(root.groups[2].group.arrays[0].data)[1] = 0;
    CHECK(problems(root) == std::vector<std::string>{"/parameters/value: 1 values are missing where all was computed, the first at patient 1, parameter 0",
                                                     "/alc: 1 values are missing where all was computed, the first at patient 1, time 100"});
  }
}
