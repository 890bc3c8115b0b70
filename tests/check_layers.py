"""Every include and every CMake dependency must be an arrow of the picture in docs/design.md.

    python tests/check_layers.py [--self-test]

Prints each violation as file:line and ends with the numbers of includes and dependencies read.
The self-test runs on a small made-up tree first; without it a checker that reads nothing would pass.
"""

import re
import sys
import tempfile
from pathlib import Path

# folder: what it may use besides itself and the standard library
LAYERS = {
    "core": set(),
    "solvers": {"core"},
    "model": {"core"},
    "generate": {"core", "model"},
    "generated": {"model"},  # what generate/ writes into the build folder
    "dosing": {"core"},
    "archive": {"core"},
    "simulation": {"core", "model", "generated", "dosing", "solvers"},
    "interop": {"core", "model", "dosing", "simulation"},
    "jobs": {"core", "simulation", "archive"},
    "cli": {"core", "dosing", "solvers", "simulation", "interop", "archive", "jobs"},
    "bindings": {"core", "dosing", "solvers", "simulation", "interop", "archive", "jobs"},
}
# third-party headers: the one file or folder that may include them
ONLY_IN = {
    r"boost/numeric/odeint": "solvers/odeint_steppers.cpp",
    r"toml\+\+|toml\.hpp": "core/toml_file.cpp",
    r"hdf5|H5[A-Z]|highfive|netcdf": "archive/hdf5_handles.hpp",
    r"zlib": "archive/journal.cpp",
    r"CLI/": "cli/",
    r"nlohmann/": "cli/",
    r"pugixml": "interop/",
    r"Random123/": "simulation/population.cpp",
    r"openssl/": "core/digest.cpp",
    r"pybind11|Python\.h|numpy/": "bindings/",
}
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)')
LINK = re.compile(r"nkpk(?:_|::)(\w+)")


def check_include(folder, source, header, root):
    """What is wrong with this include, or None."""
    parts = header.split("/")
    if parts[0] == "nkpk":
        if len(parts) == 2:
            return None if parts[1] == "version.hpp" else f"{header} belongs to no folder"
        if parts[1] not in LAYERS:
            return f"{parts[1]}/ is not in the picture"
        if parts[1] != folder and parts[1] not in LAYERS[folder]:
            return f"{folder} may not use {parts[1]}"
        return None
    for pattern, place in ONLY_IN.items():
        if re.match(pattern, header) and not source.relative_to(root).as_posix().startswith(place):
            return f"<{header}> may be included in {place} only"
    if (source.parent / header).exists() and (source.parent / header).resolve().parent != source.parent.resolve():
        return f"{header} leads into another folder"
    return None


def check_cmake(folder, text):
    """(line, used folder) of every dependency that CMake gives this folder's targets."""
    code = re.sub(r"#[^\n]*", "", text)
    for call in re.finditer(r"(nkpk_add_library|target_link_libraries|add_dependencies)\s*\(([^)]*)\)", code):
        body, start = call[2], call.start(2)
        if call[1] == "nkpk_add_library":
            depends = re.search(r"\bDEPENDS\b(.*?)(?=\b(?:LINK|PRIVATE_LINK|SOURCES)\b|$)", body, re.S)
            names = [] if not depends else [(m.start() + depends.start(1), m[0]) for m in re.finditer(r"\w+", depends[1])]
        else:
            names = []
        names += [(m.start(), m[1]) for m in LINK.finditer(body)]
        for offset, name in names:
            if name in LAYERS and name != folder:
                yield text.count("\n", 0, start + offset) + 1, name


def check(root):
    """(violations, includes read, dependencies read) of a source tree."""
    violations, n_includes, n_depends = [], 0, 0
    for folder, allowed in LAYERS.items():
        for source in sorted((root / folder).rglob("*")):
            if source.suffix in {".hpp", ".cpp", ".h", ".cc", ".ipp", ".inl"}:
                for number, line in enumerate(source.read_text().splitlines(), 1):
                    if match := INCLUDE.match(line):
                        n_includes += 1
                        problem = check_include(folder, source, match[1] or match[2], root)
                        if problem:
                            violations.append(f"{source.relative_to(root)}:{number}: {problem}")
            elif source.name == "CMakeLists.txt":
                for number, used in check_cmake(folder, source.read_text()):
                    n_depends += 1
                    if used not in allowed:
                        violations.append(f"{source.relative_to(root)}:{number}: {folder} may not depend on {used}")
    return violations, n_includes, n_depends


def self_test():
    bad = {
        "core/a.hpp": '#pragma once\n#include "nkpk/model/b.hpp"\n',
        "core/c.cpp": "#include <toml++/toml.h>\n",
        "core/toml_file.cpp": "#include <toml++/toml.h>\n",
        "solvers/d.cpp": '#  include "nkpk/core/a.hpp"\n#include <boost/numeric/odeint.hpp>\n#include <nkpk/dosing/x.hpp>\n',
        "model/e.hpp": '#include "../core/a.hpp"\n',
        "archive/f.cpp": "#include <hdf5.h>\n",
        "archive/hdf5_handles.hpp": "#pragma once\n#include <hdf5.h>\n#include <hdf5_hl.h>\n",
        "simulation/g.cpp": '#include "nkpk/archive/f.hpp"\n',
        "cli/h.cpp": '#include "nkpk/model/e.hpp"\n#include "nkpk/core/a.hpp"\n// #include "nkpk/model/e.hpp"\n',
        "bindings/i.cpp": '#include <CLI/CLI.hpp>\n#include "nkpk/gui/x.hpp"\n',
        "dosing/CMakeLists.txt": "nkpk_add_library(dosing SOURCES a.cpp\n  DEPENDS core model LINK x)\n",
        "solvers/CMakeLists.txt": "# DEPENDS model\nnkpk_add_library(solvers SOURCES simulation.cpp DEPENDS core)\n",
        "cli/CMakeLists.txt": "add_executable(x)\ntarget_link_libraries(x PRIVATE nkpk_archive nkpk::model)\n",
    }
    expected = {
        "core/a.hpp:2", "core/c.cpp:1", "solvers/d.cpp:2", "solvers/d.cpp:3", "model/e.hpp:1", "archive/f.cpp:1",
        "simulation/g.cpp:1", "cli/h.cpp:1", "bindings/i.cpp:1", "bindings/i.cpp:2", "dosing/CMakeLists.txt:2", "cli/CMakeLists.txt:2",
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        for name, text in bad.items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        violations, n_includes, n_depends = check(Path(folder))
    found = {":".join(v.split(":")[:2]) for v in violations}
    if (found, n_includes, n_depends) == (expected, 15, 5):
        return 0
    print(f"self-test: found {sorted(found)}, {n_includes} includes, {n_depends} dependencies", file=sys.stderr)
    print(f"self-test: missed {sorted(expected - found)}, too many {sorted(found - expected)}", file=sys.stderr)
    return 1


def main():
    if self_test() != 0:
        return 1
    if "--self-test" in sys.argv[1:]:
        print("layers: the self-test passes")
        return 0
    violations, n_includes, n_depends = check(Path(__file__).resolve().parent.parent)
    for violation in violations:
        print(violation)
    print(f"layers: {n_includes} includes and {n_depends} dependencies read, {len(violations)} wrong")
    return 1 if violations or not n_includes or not n_depends else 0


if __name__ == "__main__":
    sys.exit(main())
