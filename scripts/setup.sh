#!/usr/bin/env bash
# Everything that the build needs: Debian packages, then .venv. Does nothing, in well under a second,
# when nothing is missing. Exit code 2: something that only the user can do; the message says what.
#   PYTHON=/path/to/python3   another interpreter for .venv
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Debian's own, by full path: a pyenv or conda python that stands first on PATH may lack headers,
# and its libraries need not match those that the extension is linked against.
python=${PYTHON:-/usr/bin/python3}
log=build/setup.log
mkdir -p build

say() { printf '%s\n' "$*" >&2; }

# quietly WHAT COMMAND...: output goes to the log; on failure its tail is shown.
quietly() {
  local what=$1
  shift
  say "setup: $what"
  printf '== %s\n' "$what" >>"$log"
  if ! "$@" >>"$log" 2>&1 </dev/null; then
    say "setup: failed: $what. The end of $log:"
    tail -n 30 "$log" >&2
    exit 1
  fi
}

debian_packages() {
  if ! command -v dpkg-query >/dev/null; then
    say "setup: not a Debian system; what scripts/debian-packages.txt names is taken to be installed"
    return
  fi
  local wanted missing=() state name as_root=()
  mapfile -t wanted < <(sed 's/#.*//' scripts/debian-packages.txt | xargs -n1)
  # -W fails when one of the names is unknown, and still lists the others. A package can be known and
  # not installed (its configuration left over), hence the state.
  local installed=" "
  while read -r state name; do
    [[ $state == installed ]] && installed+="$name "
  done < <(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "${wanted[@]}" 2>/dev/null || true)
  for name in "${wanted[@]}"; do
    [[ $installed == *" $name "* ]] || missing+=("$name")
  done
  ((${#missing[@]})) || return 0

  if ((EUID != 0)); then
    # -n: never ask for a password; a build that waits at a prompt looks like a build that hangs.
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
      as_root=(sudo -n)
    else
      local prefix="" how="as root"
      if command -v sudo >/dev/null; then
        prefix="sudo " how="once"
      fi
      say "setup: Debian packages are missing, and installing them takes root. Please run $how, then try again:"
      say ""
      say "${prefix}apt-get update && ${prefix}apt-get install -y --no-install-recommends ${missing[*]}"
      say ""
      exit 2
    fi
  fi
  # env inside sudo: sudo drops the caller's environment.
  local apt=(${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive LC_ALL=C
    apt-get -q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
  quietly "reading the package index (apt-get update)" "${apt[@]}" update
  quietly "installing ${missing[*]}" "${apt[@]}" install --no-install-recommends "${missing[@]}"
}

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

debian_packages
python_environment
