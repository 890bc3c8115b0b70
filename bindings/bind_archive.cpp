#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include "convert.hpp"
#include "nkpk/archive/archive.hpp"
#include "nkpk/simulation/dataset.hpp"

namespace nkpk::bindings {
namespace {

void write_archive(const std::filesystem::path& path, const std::vector<std::pair<std::string, py::dict>>& runs, const py::dict& origin, bool overwrite) {
  std::vector<Group::Entry> groups;
  for (const auto& [label, run] : runs) groups.emplace_back(label, from_python(run));
  const Group root = archive_of(groups, from_python(origin));
  const py::gil_scoped_release unlocked;
  archive::write(path, root, overwrite);
}

}  // namespace

void bind_archive(py::module_& m) {
  m.def("write_archive", &write_archive, py::arg("path"), py::arg("runs"), py::arg("provenance"), py::arg("overwrite"));
}

}  // namespace nkpk::bindings
