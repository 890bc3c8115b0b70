#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include "convert.hpp"
#include "nkpk/archive/archive.hpp"
#include "nkpk/archive/diff.hpp"
#include "nkpk/archive/seal.hpp"
#include "nkpk/archive/verify.hpp"
#include "nkpk/archive/journal.hpp"
#include "nkpk/simulation/dataset.hpp"

namespace nkpk::bindings {
namespace {

using namespace py::literals;

void write_archive(const std::filesystem::path& path, const std::vector<std::pair<std::string, py::dict>>& runs, const py::dict& origin, bool overwrite) {
  std::vector<Group::Entry> groups;
  for (const auto& [label, run] : runs) groups.emplace_back(label, from_python(run));
  const Group root = archive_of(groups, from_python(origin));
  const py::gil_scoped_release unlocked;
  archive::write(path, root, overwrite);
}

std::vector<py::dict> differences(const std::filesystem::path& a, const std::filesystem::path& b, double rtol, double atol) {
  std::vector<archive::Difference> all;
  {
    const py::gil_scoped_release unlocked;
    all = archive::diff(a, b, {rtol, atol});
  }
  std::vector<py::dict> rows;
  for (const archive::Difference& d : all)
    rows.push_back(py::dict("kind"_a = to_string(d.kind), "where"_a = d.where, "a"_a = d.a, "b"_a = d.b, "line"_a = d.line, "n"_a = d.n,
                            "n_different"_a = d.n_different, "max_absolute"_a = d.max_absolute, "at_absolute"_a = d.at_absolute,
                            "max_relative"_a = d.max_relative, "at_relative"_a = d.at_relative, "provenance"_a = d.is_origin));
  return rows;
}

}  // namespace

void bind_archive(py::module_& m) {
  m.def("is_journal", &archive::is_journal, py::arg("path"));
  m.def(
      "read_archive",
      [](const std::filesystem::path& path) {
        Group root;
        {
          const py::gil_scoped_release unlocked;
          root = archive::read(path);
        }
        return to_python(std::move(root));
      },
      py::arg("path"));
  m.def("write_archive", &write_archive, py::arg("path"), py::arg("runs"), py::arg("provenance"), py::arg("overwrite"));
  m.def("check_digest", [](const std::filesystem::path& path) { archive::check_seal(path); }, py::arg("path"), py::call_guard<py::gil_scoped_release>());
  m.def("verify", [](const std::filesystem::path& path) { return archive::verify(path).problems; }, py::arg("path"), py::call_guard<py::gil_scoped_release>());
  m.def("diff", &differences, py::arg("a"), py::arg("b"), py::arg("rtol"), py::arg("atol"));
}

}  // namespace nkpk::bindings
