#pragma once
#include "nkpk/core/named_array.hpp"

namespace nkpk {

/// The array or group of this name; null when there is none.
const NamedArray* find_array(const Group& group, const std::string& name);
const Group* find_group(const Group& group, const std::string& name);

/// Adds rows to a frame along the first dimension, array by array. Throws std::invalid_argument, perhaps after some arrays, where
/// the frame has no such array.
void append_rows(Group& whole, const Group& rows);
/// Attributes, arrays and groups as well. Attributes that are there are replaced.
void append_rest(Group& whole, Group rest);

}  // namespace nkpk
