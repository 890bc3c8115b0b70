#pragma once
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include "nkpk/core/named_array.hpp"

// Named arrays as Python sees them. A group is a dict of three:
//   attrs   {name: str | float | int | list[float] | list[str]}
//   arrays  {name: (dims, numpy array, attrs)}, attrs with "units" and "long_name"
//   groups  {name: group}

namespace nkpk::bindings {

namespace py = pybind11;

/// Numbers are moved into NumPy without a copy; texts become arrays of str.
py::dict to_python(Group group);

/// The way back, with a copy. Throws InputError for a value of a type that archives do not know.
Group from_python(const py::dict& group);

void bind_scenario(py::module_& m);
void bind_simulate(py::module_& m);
void bind_ensemble(py::module_& m);
void bind_archive(py::module_& m);

}  // namespace nkpk::bindings
