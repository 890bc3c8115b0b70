#include "nkpk/core/group_rows.hpp"

#include <algorithm>
#include <stdexcept>

namespace nkpk {
namespace {

bool fits(const NamedArray& whole, const NamedArray& rows) {
  return !whole.shape.empty() && whole.dims == rows.dims && whole.data.index() == rows.data.index() && whole.shape.size() == rows.shape.size() &&
         std::equal(whole.shape.begin() + 1, whole.shape.end(), rows.shape.begin() + 1);
}

template <class G>  // const or not
auto* array_in(G& group, const std::string& name) {
  const auto it = std::ranges::find(group.arrays, name, &NamedArray::name);
  return it == group.arrays.end() ? nullptr : &*it;
}

template <class G>
auto* group_in(G& group, const std::string& name) {
  const auto it = std::ranges::find_if(group.groups, [&](const auto& g) { return g.name == name; });
  return it == group.groups.end() ? nullptr : &it->group;
}

}  // namespace

const NamedArray* find_array(const Group& group, const std::string& name) { return array_in(group, name); }
const Group* find_group(const Group& group, const std::string& name) { return group_in(group, name); }

void append_rows(Group& whole, const Group& rows) {
  for (const NamedArray& more : rows.arrays) {
    NamedArray* array = array_in(whole, more.name);
    if (!array || !fits(*array, more)) throw std::invalid_argument("no array takes the rows of " + more.name);
    array->shape[0] += more.shape[0];
    std::visit(
        [&]<class Values>(Values& values) {
          const auto& added = std::get<Values>(more.data);
          values.insert(values.end(), added.begin(), added.end());
        },
        array->data);
  }
  for (const auto& [name, inner] : rows.groups) {
    Group* group = group_in(whole, name);
    if (!group) throw std::invalid_argument("no group takes the rows of " + name);
    append_rows(*group, inner);
  }
}

void append_rest(Group& whole, Group rest) {
  for (auto& [name, value] : rest.attributes) whole.attributes[name] = std::move(value);
  for (auto& array : rest.arrays) whole.arrays.push_back(std::move(array));
  for (auto& [name, inner] : rest.groups) {
    if (Group* there = group_in(whole, name))
      append_rest(*there, std::move(inner));
    else
      whole.groups.emplace_back(name, std::move(inner));
  }
}

}  // namespace nkpk
