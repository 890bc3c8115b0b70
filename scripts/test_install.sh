#!/usr/bin/env bash
# Does an installed nkpk serve another C++ project, from wherever the installation was moved to?
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
prefix=$PWD/build/installed
rm -rf "$prefix" "$prefix-moved" build/consumer
bash scripts/build.sh release
cmake --install build/release --prefix "$prefix" >/dev/null
mv "$prefix" "$prefix-moved"
cmake -S tests/consumer -B build/consumer -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$prefix-moved" >/dev/null
cmake --build build/consumer
# the consumer lies outside of the installation, so it is told where the data are
NKPK_PARAMS="$prefix-moved/share/nkpk/params" build/consumer/consumer | tee build/consumer/output
grep -q donor_nk_cmax build/consumer/output
"$prefix-moved/bin/nkpk" list >/dev/null
