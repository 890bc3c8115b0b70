#pragma once
// Private to archive/: a Group as HDF5 that netCDF-4 readers open too.
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "nkpk/archive/hdf5_handles.hpp"
#include "nkpk/core/named_array.hpp"

namespace nkpk::archive {

/// The coordinates of a group, and of the groups around it.
struct Scope {
  struct Scale {
    hid_t id;
    std::size_t length;
  };
  const Scope* outer = nullptr;
  std::map<std::string, Scale> scales = {};

  const Scale* find(const std::string& name) const {
    const auto found = scales.find(name);
    if (found != scales.end()) return &found->second;
    return outer == nullptr ? nullptr : outer->find(name);
  }
};

/// How arrays along one dimension are laid out that are to become longer; null elsewhere.
struct Growth {
  std::string dimension;

  bool concerns(const NamedArray& array) const {
    return !array.dims.empty() && array.dims[0] == dimension;
  }
};

bool is_coordinate(const NamedArray& array);

/// Throws std::logic_error where dimensions, shape and elements of an array do not fit.
void check_shape(const NamedArray& array, const std::string& where);

/// As many rows as a block adds, or a power of two that fits: blocks then fill whole chunks.
std::vector<hsize_t> growing_chunk_shape(const std::vector<std::size_t>& shape);

/// All but those that are `ours`, which must not be among them.
void put_attributes(hid_t object, const Attributes& attributes, const std::set<std::string_view>& ours, const std::string& owner);

/// The arrays and groups in the group `id`.
void build_group(hid_t id, const Group& group, const Scope* outer, const Growth* growth, const std::string& path);

/// A file with the tree in it, where `access` says; nothing is cut short.
Handle build_file(const std::string& name, hid_t access, const Group& root, const Growth* growth);

}  // namespace nkpk::archive
