#include <pybind11/stl.h>

#include <optional>

#include "convert.hpp"
#include "nkpk/archive/archive.hpp"
#include "nkpk/simulation/dataset.hpp"

namespace nkpk::bindings {
namespace {

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

py::dict simulate_run(const Scenario& scenario, SolverOptions options) {
  Interrupt interrupt;
  const auto should_stop = [&interrupt] { return interrupt.pending(); };
  options.should_stop = should_stop;
  Group run;
  {
    const py::gil_scoped_release unlocked;
    const Trajectory trajectory = simulate(scenario, options);
    run = to_group(trajectory, report(trajectory));
  }
  interrupt.raise();
  return to_python(std::move(run));
}

py::dict sensitivity_run(const Scenario& scenario, const std::vector<std::string>& parameters, SolverOptions options) {
  Interrupt interrupt;
  const auto should_stop = [&interrupt] { return interrupt.pending(); };
  options.should_stop = should_stop;
  Group run;
  {
    const py::gil_scoped_release unlocked;
    run = to_group(simulate_sensitivities(scenario, parameters, options));
  }
  interrupt.raise();
  return to_python(std::move(run));
}

}  // namespace

void bind_simulate(py::module_& m) {
  py::class_<SolverOptions>(m, "SolverOptions")
      .def(py::init<>())
      .def_readwrite("method", &SolverOptions::method)
      .def_readwrite("rtol", &SolverOptions::rtol)
      .def_readwrite("atol_factor", &SolverOptions::atol_factor)
      .def_readwrite("initial_step_d", &SolverOptions::initial_step_d)
      .def_readwrite("max_step_d", &SolverOptions::max_step_d)
      .def_readwrite("max_steps", &SolverOptions::max_steps);
  m.def("solver_names", &solver_names);
  m.def("simulate", &simulate_run, py::arg("scenario"), py::arg("options"));
  m.def("sensitivity", &sensitivity_run, py::arg("scenario"), py::arg("parameters"), py::arg("options"));
  m.def(
      "provenance",
      [](const std::string& command, std::map<std::string, std::string> extra) {
        extra["hdf5"] = archive::hdf5_version();
        return to_python(provenance(command, extra));
      },
      py::arg("command"), py::arg("extra"));
}

}  // namespace nkpk::bindings
