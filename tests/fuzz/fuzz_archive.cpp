// Archives. The first byte chooses: bytes that are no archive; damage done to an archive; a tree of arrays to be written and read.
#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <set>
#include <stdexcept>

#include "fuzz.hpp"
#include "nkpk/archive/archive.hpp"

using namespace nkpk;
namespace fs = std::filesystem;

namespace {

/// Equal to the bit, NaN with NaN.
struct Same {
  bool operator()(double a, double b) const { return std::memcmp(&a, &b, sizeof a) == 0 || (std::isnan(a) && std::isnan(b)); }
  bool operator()(const std::string& a, const std::string& b) const { return a == b; }
  bool operator()(std::int64_t a, std::int64_t b) const { return a == b; }
  template <class Element>
  bool operator()(const std::vector<Element>& a, const std::vector<Element>& b) const {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), *this);
  }
  template <class... Kinds>
  bool operator()(const std::variant<Kinds...>& a, const std::variant<Kinds...>& b) const {
    return a.index() == b.index() && std::visit([&](const auto& value) { return (*this)(value, std::get<std::decay_t<decltype(value)>>(b)); }, a);
  }
  bool operator()(const Attributes::value_type& a, const Attributes::value_type& b) const { return a.first == b.first && (*this)(a.second, b.second); }
  bool operator()(const Attributes& a, const Attributes& b) const { return std::equal(a.begin(), a.end(), b.begin(), b.end(), *this); }
  bool operator()(const NamedArray& a, const NamedArray& b) const {
    return a.name == b.name && a.unit == b.unit && a.long_name == b.long_name && a.dims == b.dims && a.shape == b.shape && (*this)(a.data, b.data) &&
           (*this)(a.attributes, b.attributes);
  }
  bool operator()(const Group::Entry& a, const Group::Entry& b) const { return a.name == b.name && (*this)(a.group, b.group); }
  bool operator()(const Group& a, const Group& b) const {
    return (*this)(a.arrays, b.arrays) && (*this)(a.attributes, b.attributes) && (*this)(a.groups, b.groups);
  }
};

const fs::path& file() {
  static const fuzz::Folder folder;
  static const fs::path path = folder.path() / "archive.h5";
  return path;
}

void put(const std::string& bytes) { std::ofstream(file(), std::ios::binary | std::ios::trunc) << bytes; }

/// A tree that a contract-keeping caller could write, but for what `is_broken` notes.
class Tree {
 public:
  explicit Tree(FuzzedDataProvider& from) : from_(from) {}
  bool is_broken = false;

  Group group(int depth, std::vector<std::pair<std::string, std::size_t>> scope) {
    Group g;
    g.attributes = attributes(false);
    std::set<std::string> names;
    const auto named = [&](const std::string& name) {
      is_broken |= name.empty() || name == "." || name.find('/') != std::string::npos || name.find('\0') != std::string::npos || !names.insert(name).second;
      return name;
    };
    const auto coordinates = from_.ConsumeIntegralInRange(0, 3);
    for (int i = 0; i < coordinates; ++i) {
      const std::string name = named(text());
      const std::size_t length = size();
      scope.insert(scope.begin(), {name, length});
      g.arrays.push_back(array(name, {name}, {length}));
    }
    const auto arrays = from_.ConsumeIntegralInRange(0, 4);
    for (int i = 0; i < arrays; ++i) {
      const std::string name = named(text());
      std::vector<std::string> dims;
      std::vector<std::size_t> shape;
      std::size_t elements = 1;
      for (auto rank = from_.ConsumeIntegralInRange(0, 3); rank > 0 && !scope.empty(); --rank) {
        const auto& [dim, length] = scope[from_.ConsumeIntegralInRange<std::size_t>(0, scope.size() - 1)];
        // the nearest coordinate of a name counts
        const auto nearest = std::find_if(scope.begin(), scope.end(), [&key = dim](const auto& s) { return s.first == key; });
        if (elements * nearest->second > most_elements) continue;
        elements *= nearest->second;
        dims.push_back(nearest->first);
        shape.push_back(nearest->second);
      }
      // one that bears the name of its only dimension would be the coordinate
      is_broken |= std::find(dims.begin(), dims.end(), name) != dims.end();
      g.arrays.push_back(array(name, dims, shape));
    }
    for (auto groups = depth < 6 ? from_.ConsumeIntegralInRange(0, 2) : 0; groups > 0; --groups) {
      const std::string name = named(text());
      g.groups.push_back({name, group(depth + 1, scope)});
    }
    return g;
  }

 private:
  static constexpr std::size_t most_elements = 20000;

  std::string text() {
    static const std::vector<std::string> hostile{"", ".", "..", "time", "a/b", "_FillValue", "CLASS", "NAME", "_NCProperties", "DIMENSION_LIST", "units", "long_name",
                                                  "nkpk_format_version", "nkpk_kind", std::string(300, 'n'), "\xff\xfe", "\xe2\x80\xae", " ", "a b", std::string("a\0b", 3)};
    return from_.ConsumeBool() ? hostile[from_.ConsumeIntegralInRange<std::size_t>(0, hostile.size() - 1)] : from_.ConsumeRandomLengthString(20);
  }
  std::string value() {
    const std::string t = text();
    is_broken |= t.find('\0') != std::string::npos;
    return t;
  }
  std::size_t size() {
    static constexpr std::size_t sizes[] = {0, 1, 2, 63, 64, 65, 1000, 1024, most_elements};
    return sizes[from_.ConsumeIntegralInRange<std::size_t>(0, std::size(sizes) - 1)];
  }
  double number() {
    std::uint64_t bits = from_.ConsumeIntegral<std::uint64_t>();
    double x = 0;
    std::memcpy(&x, &bits, sizeof x);
    return x;
  }

  ArrayData data(std::size_t n) {
    switch (from_.ConsumeIntegralInRange(0, 2)) {
      case 0: {
        std::vector<double> values(n, number());
        if (n > 1) values[n / 2] = number();
        return values;
      }
      case 1: return std::vector<std::int64_t>(n, from_.ConsumeIntegral<std::int64_t>());
      default: return n > 0 ? std::vector<std::string>(n, value()) : std::vector<std::string>{};
    }
  }

  NamedArray array(const std::string& name, const std::vector<std::string>& dims, const std::vector<std::size_t>& shape) {
    std::size_t n = 1;
    for (const std::size_t extent : shape) n *= extent;
    NamedArray a{name, value(), value(), dims, shape, data(n), attributes(true)};
    if (from_.ConsumeIntegralInRange(0, 50) == 0) a.shape.push_back(from_.ConsumeIntegral<std::size_t>()), is_broken = true;
    return a;
  }

  Attributes attributes(bool of_array) {
    Attributes all;
    for (auto n = from_.ConsumeIntegralInRange(0, 3); n > 0; --n) {
      const std::string name = text();
      const bool is_reserved = name.empty() || name == "CLASS" || name == "NAME" || name == "DIMENSION_LIST" || name == "REFERENCE_LIST" || name == "DIMENSION_LABELS" ||
                               name == "_FillValue" || name.starts_with("_Netcdf4") || name.starts_with("_NC") || name.starts_with("_nc3");
      const bool is_taken = of_array ? name == "units" || name == "long_name" : name == "nkpk_format_version";
      // text behind a NUL would be lost without a word
      if (is_reserved || is_taken || name.find('\0') != std::string::npos) continue;
      const std::size_t length = from_.ConsumeIntegralInRange<std::size_t>(0, 3);
      switch (from_.ConsumeIntegralInRange(0, 5)) {
        case 0: all[name] = value(); break;
        case 1: all[name] = number(); break;
        case 2: all[name] = from_.ConsumeIntegral<std::int64_t>(); break;
        case 3: all[name] = std::vector<double>(length, number()); break;
        case 4: all[name] = std::vector<std::int64_t>(length == 1 ? 2 : length, from_.ConsumeIntegral<std::int64_t>()); break;
        default: all[name] = length > 0 ? std::vector<std::string>(length, value()) : std::vector<std::string>{};
      }
    }
    return all;
  }

  FuzzedDataProvider& from_;
};

// What is written is read back; a tree that breaks the contract is the caller's own mistake, and nothing is written.
void write_and_read(FuzzedDataProvider& from) {
  Tree tree(from);
  const Group root = tree.group(0, {});
  fs::remove(file());
  bool is_written = false;
  try {
    is_written = fuzz::accepts(0, [&] { archive::write(file(), root); });
  } catch (const std::logic_error&) {
    if (!tree.is_broken) throw;
  }
  if (is_written != fs::exists(file())) fuzz::finding("a file that should not be, or none");
  if (!is_written) return;
  Group back;
  if (!fuzz::accepts(0, [&] { back = archive::read(file()); })) fuzz::finding("an archive of our own was refused");
  if (!Same()(root, back)) fuzz::finding("an archive gave back something else");
}

// Every byte of an archive stands under its seal: damage is found, or there is none.
void damage(FuzzedDataProvider& from) {
  static const Group sound{{{"time", "d", "", {"time"}, {100}, std::vector<double>(100, 0.25)}, {"nk", "cells/uL", "", {"time"}, {100}, std::vector<double>(100, 7)}},
                           {{"title", std::string("sound")}},
                           {}};
  static const std::string bytes = [] {
    archive::write(file(), sound, true);
    std::ifstream stream(file(), std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(stream), {});
  }();
  std::string damaged = bytes;
  if (from.ConsumeBool()) damaged.resize(from.ConsumeIntegralInRange<std::size_t>(0, damaged.size()));
  if (from.ConsumeBool()) damaged += from.ConsumeRandomLengthString();
  for (int edits = 0; edits < 8 && from.remaining_bytes() > 0 && !damaged.empty(); ++edits)
    damaged[from.ConsumeIntegralInRange<std::size_t>(0, damaged.size() - 1)] ^= from.ConsumeIntegral<char>();
  put(damaged);
  Group back;
  const bool is_read = fuzz::accepts(damaged.size(), [&] { back = archive::read(file()); });
  if (is_read != (damaged == bytes)) fuzz::finding(is_read ? "damage was not seen" : "an archive of our own was refused");
  if (is_read && !Same()(sound, back)) fuzz::finding("an archive gave back something else");
}

// Bytes of someone else: no archive, whatever they begin with.
void foreign(FuzzedDataProvider& from) {
  const std::string bytes = from.ConsumeRemainingBytesAsString();
  put(bytes);
  if (fuzz::accepts(bytes.size(), [&] { archive::read(file()); })) fuzz::finding("bytes that nobody sealed were read");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider from(data, size);
  switch (from.ConsumeIntegralInRange(0, 3)) {
    case 0: foreign(from); break;
    case 1: damage(from); break;
    default: write_and_read(from);
  }
  return 0;
}
