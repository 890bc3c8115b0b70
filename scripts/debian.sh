# shellcheck shell=bash
# Sourced by the scripts that install Debian packages. Output of what they run goes to build/setup.log.
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

# The packages that the build needs.
listed_packages() { sed 's/#.*//' scripts/debian-packages.txt | xargs -n1; }

# install_missing NAME...: those that are not installed. Exit code 2: it takes root, and the message says what to run.
install_missing() {
  if ! command -v dpkg-query >/dev/null; then
    say "setup: not a Debian system; these are taken to be installed: $*"
    return
  fi
  local missing=() state name as_root=()
  # -W fails when one of the names is unknown, and still lists the others. A package can be known and
  # not installed (its configuration left over), hence the state.
  local installed=" "
  while read -r state name; do
    [[ $state == installed ]] && installed+="$name "
  done < <(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null || true)
  for name in "$@"; do
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
