#include "convert.hpp"

#include <pybind11/stl.h>

#include <type_traits>

#include "nkpk/core/error.hpp"

namespace nkpk::bindings {
namespace {

template <class Number>
py::array owned_array(std::vector<Number>&& values, const std::vector<std::size_t>& shape) {
  auto* owner = new std::vector<Number>(std::move(values));
  const py::capsule release(owner, [](void* p) { delete static_cast<std::vector<Number>*>(p); });
  return py::array_t<Number>(shape, owner->data(), release);
}

py::array text_array(const std::vector<std::string>& values, const std::vector<std::size_t>& shape) {
  return py::module_::import("numpy").attr("array")(values, py::arg("dtype") = "object").attr("reshape")(shape);
}

py::object value_to_python(const AttributeValue& value) {
  return std::visit([](const auto& v) -> py::object { return py::cast(v); }, value);
}

AttributeValue value_from_python(const std::string& where, const py::handle& value) {
  if (py::isinstance<py::str>(value)) return value.cast<std::string>();
  if (py::isinstance<py::int_>(value)) return value.cast<std::int64_t>();
  if (py::isinstance<py::float_>(value)) return value.cast<double>();
  if (py::isinstance<py::list>(value)) {
    const auto list = py::reinterpret_borrow<py::list>(value);
    bool all_text = true, all_numbers = true, all_integers = true;
    for (const auto& item : list) {
      all_text = all_text && py::isinstance<py::str>(item);
      all_numbers = all_numbers && (py::isinstance<py::float_>(item) || py::isinstance<py::int_>(item));
      all_integers = all_integers && py::isinstance<py::int_>(item);
    }
    if (all_text) return list.cast<std::vector<std::string>>();
    if (all_integers) return list.cast<std::vector<std::int64_t>>();
    if (all_numbers) return list.cast<std::vector<double>>();
  }
  throw InputError(where, "cannot be stored as an attribute", "expected a text, a number, or a list of texts or of numbers");
}

template <class Number>
std::vector<Number> numbers(const py::handle& values) {
  const auto array = py::array_t<Number, py::array::c_style | py::array::forcecast>::ensure(values);
  if (!array) throw py::error_already_set();
  return {array.data(), array.data() + array.size()};
}

NamedArray array_from_python(const std::string& name, const py::tuple& entry) {
  NamedArray array;
  array.name = name;
  array.dims = entry[0].cast<std::vector<std::string>>();
  const auto values = py::reinterpret_borrow<py::array>(entry[1]);
  for (py::ssize_t i = 0; i < values.ndim(); ++i) array.shape.push_back(static_cast<std::size_t>(values.shape(i)));
  if (array.shape.size() != array.dims.size()) throw InputError(name, "has another number of dimensions than it names");
  const char kind = values.dtype().kind();
  if (kind == 'f') array.data = numbers<double>(values);
  else if (kind == 'i') array.data = numbers<std::int64_t>(values);
  else if (kind == 'O' || kind == 'U') array.data = values.attr("ravel")().attr("tolist")().cast<std::vector<std::string>>();
  else throw InputError(name, "holds values that are neither numbers nor texts");
  for (const auto& [key, value] : entry[2].cast<py::dict>()) {
    const auto attribute = key.cast<std::string>();
    if (attribute == "units") array.unit = value.cast<std::string>();
    else if (attribute == "long_name") array.long_name = value.cast<std::string>();
    else array.attributes[attribute] = value_from_python(name + ": " + attribute, value);
  }
  return array;
}

}  // namespace

py::dict to_python(Group group) {
  py::dict attrs, arrays, groups;
  for (const auto& [name, value] : group.attributes) attrs[py::str(name)] = value_to_python(value);
  for (NamedArray& a : group.arrays) {
    py::dict of_array;
    if (!a.unit.empty()) of_array["units"] = a.unit;
    if (!a.long_name.empty()) of_array["long_name"] = a.long_name;
    for (const auto& [name, value] : a.attributes) of_array[py::str(name)] = value_to_python(value);
    py::array values = std::visit(
        [&a](auto&& data) -> py::array {
          if constexpr (std::is_same_v<std::decay_t<decltype(data)>, std::vector<std::string>>) return text_array(data, a.shape);
          else return owned_array(std::move(data), a.shape);
        },
        std::move(a.data));
    arrays[py::str(a.name)] = py::make_tuple(py::tuple(py::cast(a.dims)), std::move(values), std::move(of_array));
  }
  for (auto& [name, child] : group.groups) groups[py::str(name)] = to_python(std::move(child));
  py::dict all;
  all["attrs"] = attrs, all["arrays"] = arrays, all["groups"] = groups;
  return all;
}

Group from_python(const py::dict& group) {
  Group result;
  for (const auto& [key, value] : group["attrs"].cast<py::dict>()) {
    const auto name = key.cast<std::string>();
    result.attributes[name] = value_from_python(name, value);
  }
  for (const auto& [key, value] : group["arrays"].cast<py::dict>())
    result.arrays.push_back(array_from_python(key.cast<std::string>(), value.cast<py::tuple>()));
  for (const auto& [key, value] : group["groups"].cast<py::dict>())
    result.groups.emplace_back(key.cast<std::string>(), from_python(value.cast<py::dict>()));
  return result;
}

}  // namespace nkpk::bindings
