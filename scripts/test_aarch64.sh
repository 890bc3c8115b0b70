#!/usr/bin/env bash
# Does nkpk build, pass its tests and give the same numbers where there is no x86? Cross-compiled for 64-bit ARM, run by an
# emulator. Wants about 120 MB of packages and 0.7 GB of disk the first time. Run scripts/setup.sh before it.
# Exit code 2: something that only the user can do; the message says what.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/debian.sh
reports=$PWD/build/test-reports
sysroot=$PWD/build/aarch64-sysroot

# Two architectures of libhdf5-dev exclude each other, so the libraries are not installed but unpacked into a folder, by an apt
# that knows of no installed package: dpkg learns nothing of it, and it takes no root.
make_sysroot() {
  local libraries key
  mapfile -t libraries < <(listed_packages | grep -e '-dev$' | grep -v '^python')
  libraries+=(libc6-dev)
  key=$(printf '%s\n' "${libraries[@]}" | cat - "${BASH_SOURCE[0]}" | sha256sum)
  [[ $(cat "$sysroot/complete" 2>/dev/null) != "$key" ]] || return 0
  rm -rf "$sysroot"
  mkdir -p "$sysroot"/{state,cache,root}
  touch "$sysroot/no-packages"
  local apt=(env LC_ALL=C apt-get -q -y -o Acquire::Retries=3 -o Acquire::Languages=none -o APT::Sandbox::User=root
    -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State="$sysroot/state"
    -o Dir::State::status="$sysroot/no-packages" -o Dir::Cache="$sysroot/cache")
  quietly "reading the package index for arm64" "${apt[@]}" update
  quietly "downloading libraries for arm64" "${apt[@]}" install --no-install-recommends --download-only "${libraries[@]}"
  quietly "unpacking them into $sysroot" unpack
  printf '%s\n' "$key" >"$sysroot/complete"
}

unpack() {
  local package link
  for package in "$sysroot"/cache/archives/*.deb; do
    dpkg-deb -x "$package" "$sysroot/root" || return
  done
  # a link to /lib/... would lead out of the folder
  find "$sysroot/root" -type l -lname '/*' | while read -r link; do
    ln -srfT "$sysroot/root$(readlink "$link")" "$link" || return
  done || return
  rm -rf "$sysroot/state" "$sysroot/cache"
}

if [[ $(uname -m) == aarch64 ]]; then
  say "aarch64: this machine is one itself; make test runs every test on it"
  exit 2
fi
if ! command -v apt-get >/dev/null; then
  say "aarch64: the libraries come from Debian by apt-get, which is not there"
  exit 2
fi
install_missing g++-aarch64-linux-gnu qemu-user
make_sysroot
bash scripts/build.sh release --target nkpk_cli # its numbers are to be met
bash scripts/build.sh aarch64

mkdir -p "$reports"
status=0
# slow.txt: how the names of tests begin that take an emulator half a minute or more
ctest --preset aarch64 --no-tests=error --exclude-regex "^($(paste -sd '|' tests/aarch64/slow.txt))" \
  --parallel "$(nproc)" --test-output-size-passed 10000000 --test-output-size-failed 10000000 \
  --output-junit "$reports/ctest-aarch64.xml" || status=1
.venv/bin/python -m pytest tests/aarch64 -q --junitxml="$reports/pytest-aarch64.xml" || status=1
exit $status
