#pragma once
#include <pybind11/pybind11.h>

#include <optional>

namespace nkpk::bindings {

namespace py = pybind11;

/// Ctrl-C, seen from a solver that runs without the GIL.
class Interrupt {
 public:
  bool pending() {
    if (error_) return true;
    const py::gil_scoped_acquire gil;
    if (PyErr_CheckSignals() != 0) error_.emplace();
    return error_.has_value();
  }
  void raise() const {
    if (error_) throw py::error_already_set(*error_);
  }

 private:
  std::optional<py::error_already_set> error_;
};

}  // namespace nkpk::bindings
