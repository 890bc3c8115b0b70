// Archives of earlier versions of nkpk open for ever: tests/archives/.
#include <doctest/doctest.h>

#include <fstream>
#include <map>
#include <sstream>

#include "nkpk/archive/archive.hpp"
#include "nkpk/archive/verify.hpp"

using nkpk::Attributes;
using nkpk::Group;
using nkpk::NamedArray;

namespace {

const std::filesystem::path folder = std::filesystem::path(NKPK_SOURCE_DIR) / "tests" / "archives";

const Group& group_at(const Group& root, const std::string& path) {
  const Group* group = &root;
  std::istringstream parts(path);
  for (std::string part; std::getline(parts, part, '/');) {
    if (part.empty()) continue;
    const Group* inner = nullptr;
    for (const auto& [name, child] : group->groups)
      if (name == part) inner = &child;
    REQUIRE_MESSAGE(inner != nullptr, path);
    group = inner;
  }
  return *group;
}

const NamedArray* array_at(const Group& root, const std::string& path) {
  const auto slash = path.rfind('/');
  for (const NamedArray& array : group_at(root, path.substr(0, slash)).arrays)
    if (array.name == path.substr(slash + 1)) return &array;
  return nullptr;
}

std::string attribute_at(const Group& root, const std::string& path, const std::string& name) {
  if (name == "units") return array_at(root, path)->unit;
  return std::get<std::string>(group_at(root, path).attributes.at(name));
}

bool holds(const NamedArray& array, std::size_t position, const std::string& value) {
  if (const auto* texts = std::get_if<std::vector<std::string>>(&array.data)) return texts->at(position) == value;
  if (const auto* integers = std::get_if<std::vector<std::int64_t>>(&array.data)) return integers->at(position) == std::stoll(value);
  const double found = std::get<std::vector<double>>(array.data).at(position), expected = std::stod(value);
  return found == expected || (found != found && expected != expected);
}

}  // namespace

TEST_CASE("archives of version 1 open, are sound, and hold the numbers that they were written with") {
  std::map<std::string, Group> archives;
  std::ifstream expected(folder / "expected.tsv");
  std::size_t n = 0;
  for (std::string line; std::getline(expected, line); ++n) {
    std::istringstream cells(line);
    std::string file, path, position, value;
    for (std::string* cell : {&file, &path, &position, &value}) std::getline(cells, *cell, '\t');
    if (!archives.contains(file)) archives[file] = nkpk::archive::read(folder / file);
    CAPTURE(line);
    const auto at = path.find('@');
    if (at != std::string::npos) {
      CHECK(attribute_at(archives[file], path.substr(0, at), path.substr(at + 1)) == value);
    } else {
      const NamedArray* array = array_at(archives[file], path);
      REQUIRE(array != nullptr);
      CHECK(holds(*array, std::stoull(position), value));
    }
  }
  CHECK(archives.size() == 2);
  CHECK(n > 1000);
  for (const auto& [file, root] : archives) {
    const auto verdict = nkpk::archive::verify(folder / file);
    CAPTURE(file);
    CHECK(verdict.problems == std::vector<std::string>{});
  }
}
