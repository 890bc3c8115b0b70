#include "convert.hpp"
#include "nkpk/archive/archive.hpp"
#include "nkpk/core/error.hpp"
#include "nkpk/version.hpp"

PYBIND11_MODULE(_core, m) {
  using namespace nkpk;
  namespace py = pybind11;
  m.doc() = "The compiled part of nkpk; people use the package nkpk.";
  m.attr("version") = version;
  m.attr("format_version") = archive::format_version;
  m.attr("hdf5_version") = archive::hdf5_version();

  auto& input_error = py::register_exception<InputError>(m, "InputError", PyExc_ValueError);
  input_error.attr("__module__") = "nkpk";
  input_error.doc() = "Something in the request, a file or a value is wrong; the text says where, what, and what was expected.";

  bindings::bind_scenario(m);
  bindings::bind_simulate(m);
  bindings::bind_ensemble(m);
  bindings::bind_archive(m);
}
