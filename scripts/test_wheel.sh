#!/usr/bin/env bash
# Does `pip install .` give a working module and program to someone who has only the wheel?
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
wheels=$root/build/wheel
venv=$root/build/wheel-venv
rm -rf "$wheels" "$venv"
mkdir -p "$wheels"

# Away from the source tree from here on: the wheel must not lean on it.
away=$(mktemp -d)
trap 'rm -rf "$away"' EXIT
cd "$away"

# As on a small machine: memory is what a build of templates with many jobs runs out of.
export CMAKE_BUILD_PARALLEL_LEVEL=${CMAKE_BUILD_PARALLEL_LEVEL:-2}
pip=("$venv/bin/python" -m pip --quiet --disable-pip-version-check --no-input)

"$root/.venv/bin/python" -m venv "$venv"
"${pip[@]}" wheel --no-deps --wheel-dir "$wheels" "$root"
"${pip[@]}" install --prefer-binary "$wheels"/nkpk-*.whl

# A left-over of a development build inside the wheel would be imported instead of the wheel's own.
extensions=$("$venv/bin/python" -m zipfile --list "$wheels"/nkpk-*.whl | grep -c '^nkpk/_core[^ ]*\.so ' || true)
if [[ $extensions != 1 ]]; then
  echo "wheel: $extensions extension modules in the wheel, expected 1" >&2
  exit 1
fi

version=$("$venv/bin/python" -c 'import nkpk; print(nkpk.__version__)')
where=$("$venv/bin/python" -c 'import nkpk; print(nkpk.__file__)')
echo "wheel: import nkpk: $version from $where"
[[ $where == "$venv"/* ]] || { echo "wheel: nkpk was imported from outside of the environment" >&2; exit 1; }
program_version=$("$venv/bin/nkpk" --version)
echo "wheel: nkpk --version: $program_version"
[[ $program_version == *"$version"* ]] || { echo "wheel: module and program differ in version" >&2; exit 1; }
# `list` needs params/, which the installed program finds by itself: those of the environment, as long as
# they are there. Walking on upward it would meet the source tree's, hence the comparison.
diff -r "$root/params" "$venv/share/nkpk/params"
"$venv/bin/nkpk" list
