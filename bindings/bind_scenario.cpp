#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include <limits>

#include "convert.hpp"
#include "nkpk/interop/sbml.hpp"
#include "nkpk/simulation/calendar.hpp"
#include "nkpk/simulation/dataset.hpp"

namespace nkpk::bindings {
namespace {

py::dict regimen_info(const Library& library, const std::string& name) {
  const TomlFile file = library.regimen(name);
  py::dict options;
  for (const OptionGroup& group : option_groups(file)) {
    py::dict choices;
    for (const auto& choice : group.choices) choices[py::str(choice.name)] = choice.title;
    options[py::str(group.name)] = py::make_tuple(group.default_choice, choices);
  }
  const auto text = [&file](const char* key) {
    const Node* node = file.root.find(key);
    return node ? node->text : std::string();
  };
  py::dict info;
  info["title"] = text("title"), info["registration"] = text("registration"), info["population"] = text("population");
  info["options"] = options;
  return info;
}

/// Label and choices ("group=choice") of every combination.
std::vector<std::pair<std::string, std::vector<std::string>>> combinations(const Library& library, const std::string& name) {
  std::vector<std::pair<std::string, std::vector<std::string>>> all;
  for (const Choices& choices : all_choices(option_groups(library.regimen(name)))) {
    all.emplace_back(label_of(choices), std::vector<std::string>{});
    for (const auto& [group, choice] : choices) all.back().second.push_back(group + "=" + choice);
  }
  return all;
}

}  // namespace

void bind_scenario(py::module_& m) {
  py::class_<Library>(m, "Library")
      .def(py::init<const std::filesystem::path&>(), py::arg("folder") = std::filesystem::path())
      .def_property_readonly("folder", [](const Library& l) { return l.folder().string(); })
      .def("names", &Library::names, py::arg("kind"))
      .def("regimen", &regimen_info, py::arg("name"))
      .def("combinations", &combinations, py::arg("name"));

  py::class_<Scenario>(m, "Scenario")
      .def(py::init([](const Library& library, const std::string& regimen, const std::vector<std::string>& arms, const std::optional<std::string>& level,
                       const std::optional<std::string>& patient, const std::vector<std::string>& sets, std::optional<double> days,
                       std::optional<double> output_step, const std::vector<std::string>& without, bool allow_implausible) {
             return make_scenario(library, {regimen, arms, level, patient, sets, days, output_step, without, allow_implausible});
           }),
           py::arg("library"), py::arg("regimen"), py::kw_only(), py::arg("arms"), py::arg("level"), py::arg("patient"), py::arg("sets"), py::arg("days"),
           py::arg("output_step"), py::arg("without"), py::arg("allow_implausible"), py::call_guard<py::gil_scoped_release>())
      .def_property_readonly("label", [](const Scenario& s) { return s.label; })
      .def_property_readonly("title", [](const Scenario& s) { return s.regimen.title; })
      .def_property_readonly("registration", [](const Scenario& s) { return s.regimen.registration; })
      .def_property_readonly("regimen", [](const Scenario& s) { return s.regimen.name; })
      .def_property_readonly("patient_title", [](const Scenario& s) { return s.patient.title; })
      .def_property_readonly("warnings", [](const Scenario& s) { return s.warnings; })
      .def_property_readonly("days", [](const Scenario& s) { return std::pair(s.t_start_d, s.t_end_d); })
      .def("calendar_text", &calendar_text)
      .def("to_sbml", &to_sbml, py::call_guard<py::gil_scoped_release>())
      .def("describe", [](const Scenario& s) { return to_python(describe(s)); });
}

}  // namespace nkpk::bindings
