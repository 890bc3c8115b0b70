#!/usr/bin/env bash
# scripts/build.sh PRESET [--target NAME]: configures when it must, then builds. Run scripts/setup.sh before it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
preset=$1
dir=build/$preset

# The extension is for the Python of .venv, not for the first one on PATH; pybind11 comes from there as well.
python=$PWD/.venv/bin/python
arguments=("-DPython_EXECUTABLE=$python" "-DPython3_EXECUTABLE=$python" "-Dpybind11_DIR=$("$python" -m pybind11 --cmakedir)")

# Ninja runs CMake again when a CMakeLists.txt changes. It cannot know of new presets, another compiler,
# another Python or a tree that was moved; those start from an empty cache.
key=$(printf '%s\n' "$PWD" "${arguments[@]}" "${CC-}" "${CXX-}" "${CFLAGS-}" "${CXXFLAGS-}" "${LDFLAGS-}" |
  cat - CMakePresets.json .venv/nkpk-base | sha256sum)
if [[ ! -f $dir/build.ninja || $(cat "$dir/nkpk-configured" 2>/dev/null) != "$key" ]]; then
  # no warning about these: the sanitizer preset builds no extension and has no use for them
  cmake --fresh --preset "$preset" --no-warn-unused-cli "${arguments[@]}"
  printf '%s\n' "$key" >"$dir/nkpk-configured"
fi
cmake --build --preset "$preset" "${@:2}"
