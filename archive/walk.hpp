#pragma once
// Private to archive/: ways through a tree that is too large to be held at once.
#include <algorithm>
#include <functional>
#include <string>

#include "nkpk/archive/reader.hpp"
#include "nkpk/core/named_array.hpp"

namespace nkpk::archive {

inline constexpr std::size_t piece_elements = std::size_t{1} << 20;

/// The coordinates that a group sees: its own, then those of the groups around it.
struct Coordinates {
  const Coordinates* outer;
  const Group& group;
  std::string path;  ///< of the group

  const NamedArray* find(const std::string& dimension) const {
    for (const NamedArray& array : group.arrays)
      if (array.name == dimension && array.dims == std::vector{dimension}) return &array;
    return outer == nullptr ? nullptr : outer->find(dimension);
  }

  /// Where find() finds it.
  std::string path_of(const std::string& dimension) const {
    for (const NamedArray& array : group.arrays)
      if (array.name == dimension) return path + "/" + dimension;
    return outer == nullptr ? "" : outer->path_of(dimension);
  }
};

using VisitGroup = std::function<void(const std::string& path, const Group&, const Coordinates&)>;

/// Every group, the root first; its path is "".
inline void walk(const Group& group, const VisitGroup& visit, const std::string& path = "", const Coordinates* outer = nullptr) {
  const Coordinates here{outer, group, path};
  visit(path, group, here);
  for (const auto& [name, inner] : group.groups) walk(inner, visit, path + "/" + name, &here);
}

inline std::size_t n_elements(const NamedArray& array) {
  std::size_t n = 1;
  for (const std::size_t extent : array.shape) n *= extent;
  return n;
}

/// take(number of the first element, values) over all values of an array, which an outline may have left out.
inline void for_each_piece(const Reader& reader, const NamedArray& array, const std::string& path,
                           const std::function<void(std::size_t, const ArrayData&)>& take) {
  const std::size_t n = n_elements(array), held = std::visit([](const auto&values) { return values.size(); }, array.data);
  if (n == held) return take(0, array.data);
  const std::size_t inner = n / array.shape[0], rows = std::max<std::size_t>(1, piece_elements / inner);
  for (std::size_t first = 0; first < array.shape[0]; first += rows) take(first * inner, reader.rows(path, first, std::min(rows, array.shape[0] - first)));
}

inline const NamedArray* find_array(const Group& group, const std::string& name) {
  const auto found = std::ranges::find(group.arrays, name, &NamedArray::name);
  return found == group.arrays.end() ? nullptr : &*found;
}

inline const Group* find_group(const Group& group, const std::string& name) {
  const auto found = std::ranges::find(group.groups, name, &Group::Entry::name);
  return found == group.groups.end() ? nullptr : &found->group;
}

inline std::string text_attribute(const Attributes& attributes, const std::string& name) {
  const auto found = attributes.find(name);
  const auto* text = found == attributes.end() ? nullptr : std::get_if<std::string>(&found->second);
  return text == nullptr ? "" : *text;
}

}  // namespace nkpk::archive
