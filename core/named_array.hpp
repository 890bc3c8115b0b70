#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

namespace nkpk {

/// Values of an attribute or of an array; 0-dimensional arrays hold one element.
using AttributeValue = std::variant<std::string, double, std::int64_t, std::vector<double>, std::vector<std::int64_t>, std::vector<std::string>>;
using Attributes = std::map<std::string, AttributeValue>;
using ArrayData = std::variant<std::vector<double>, std::vector<std::int64_t>, std::vector<std::string>>;

/// An array with a name, a unit and named dimensions; row-major, size = product of shape.
/// A 1-D array whose only dimension bears its own name is the coordinate of that dimension.
struct NamedArray {
  std::string name;
  std::string unit;       ///< "" for text and for flags; "1" for a pure number
  std::string long_name;
  std::vector<std::string> dims;
  std::vector<std::size_t> shape;
  ArrayData data;
  Attributes attributes = {};  ///< beyond units and long_name
};

/// A tree of arrays. Every dimension used by an array needs a coordinate array in the same group or in one above it.
struct Group {
  struct Entry;
  std::vector<NamedArray> arrays;
  Attributes attributes;
  std::vector<Entry> groups;
};
struct Group::Entry {
  std::string name;
  Group group;
};

}  // namespace nkpk
