#!/usr/bin/env bash
# Everything that the build needs: Debian packages, then .venv. Does nothing, in well under a second,
# when nothing is missing. Exit code 2: something that only the user can do; the message says what.
#   PYTHON=/path/to/python3   another interpreter for .venv
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Debian's own, by full path: a pyenv or conda python that stands first on PATH may lack headers,
# and its libraries need not match those that the extension is linked against.
python=${PYTHON:-/usr/bin/python3}
. scripts/debian.sh

python_environment() {
  if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>>"$log"; then
    say "setup: $python is missing or older than Python 3.11; name another with PYTHON=/path/to/python3"
    exit 2
  fi
  # A .venv holds absolute paths and one interpreter; if either changed it is made anew. Both keys are
  # compared with what the last complete set-up wrote.
  local base packages
  base="$PWD $python $("$python" -c 'import sys; print(sys.version)' | tr -d '\n')"
  packages=$(cat scripts/python-packages.txt scripts/setup.sh | sha256sum)
  if [[ ! -x .venv/bin/python || $(cat .venv/nkpk-base 2>/dev/null) != "$base" ]]; then
    rm -rf .venv
    quietly "making .venv with $python" "$python" -m venv .venv
    printf '%s\n' "$base" >.venv/nkpk-base
  fi
  [[ $(cat .venv/nkpk-packages 2>/dev/null) != "$packages" ]] || return 0
  quietly "installing Python packages into .venv (a minute or two)" .venv/bin/python -m pip install \
    --disable-pip-version-check --no-input --prefer-binary -r scripts/python-packages.txt
  # `import nkpk` finds the source tree, into which the build puts the extension: no install, no stale copy.
  .venv/bin/python - <<'PY'
import pathlib, sysconfig
pathlib.Path(sysconfig.get_path("purelib"), "nkpk-source-tree.pth").write_text(f"{pathlib.Path('python').resolve()}\n")
PY
  printf '%s\n' "$packages" >.venv/nkpk-packages
}

mapfile -t packages < <(listed_packages)
install_missing "${packages[@]}"
python_environment
