#include <pybind11/stl.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "convert.hpp"
#include "interrupt.hpp"
#include "nkpk/archive/archive.hpp"
#include "nkpk/simulation/dataset.hpp"

namespace nkpk::bindings {
namespace {

/// A solved scenario. Its groups are made when they are asked for: most callers want the curves alone.
class Run {
 public:
  Run(py::object scenario, Trajectory trajectory) : scenario_(std::move(scenario)), trajectory_(std::move(trajectory)) {
    trajectory_.options.should_stop = {};  // it referred to the call that solved it
  }

  py::dict group(const std::string& name) const {
    const auto names = group_names();
    if (std::find(names.begin(), names.end(), name) == names.end()) throw py::key_error(name);
    Interrupt interrupt;
    const auto should_stop = [&interrupt] { return interrupt.pending(); };
    Group made;
    {
      const py::gil_scoped_release unlocked;
      made = group_of(trajectory_, name, name == "report" ? metrics(should_stop) : std::vector<Metric>{});
    }
    interrupt.raise();
    return to_python(std::move(made));
  }

 private:
  // the report integrates, and Ctrl-C must reach it; several threads may ask, so each has a copy
  std::vector<Metric> metrics(Callback<bool()> should_stop) const {
    Trajectory t = trajectory_;
    t.options.should_stop = should_stop;
    return report(t);
  }

  py::object scenario_;  ///< keeps alive what the trajectory points to
  Trajectory trajectory_;
};

/// The run without its groups, and what makes them.
py::tuple simulate_run(const py::object& scenario, SolverOptions options) {
  Interrupt interrupt;
  const auto should_stop = [&interrupt] { return interrupt.pending(); };
  options.should_stop = should_stop;
  const auto& problem = scenario.cast<const Scenario&>();
  Trajectory trajectory;
  Group root;
  {
    const py::gil_scoped_release unlocked;
    trajectory = simulate(problem, options);
    root = run_group(trajectory);
  }
  interrupt.raise();
  return py::make_tuple(to_python(std::move(root)), std::make_unique<Run>(scenario, std::move(trajectory)));
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
      .def_property(
          "isa", [](const SolverOptions& o) { return std::string(to_string(o.isa)); },
          [](SolverOptions& o, const std::string& name) {
            o.isa = isa_from(name);
            expect_isa("isa", o.isa);
          })
      .def_readwrite("initial_step_d", &SolverOptions::initial_step_d)
      .def_readwrite("max_step_d", &SolverOptions::max_step_d)
      .def_readwrite("max_steps", &SolverOptions::max_steps);
  py::class_<Run>(m, "Run").def("group", &Run::group, py::arg("name"));
  m.def("group_names", &group_names);
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
  m.def(
      "end_of_run", [](const std::string& exit_state) { return py::dict(to_python(Group{{}, end_of_run(exit_state), {}})["attrs"]); }, py::arg("exit_state"));
}

}  // namespace nkpk::bindings
