"""Simulate every regimen with all its arms and levels, then draw the default arms in one figure.

    .venv/bin/python scripts/run_all.py --nkpk build/release/cli/nkpk --out results [--quiet]

Writes OUT/REGIMEN/ARM.h5, OUT/summary.csv and OUT/five_regimens.png with the numbers behind it as CSV. The executable
simulates, writes the archives and prints the table; the Python package reads the archives and draws.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Simulate all regimens and arms; draw the default arms.")
    parser.add_argument("--nkpk", type=Path, required=True, help="the executable")
    parser.add_argument("--out", type=Path, required=True, help="folder for archives, table and figure")
    parser.add_argument("--quiet", action="store_true", help="print errors only")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    say = (lambda text: None) if options.quiet else (lambda text: print(text, file=sys.stderr, flush=True))

    import matplotlib

    matplotlib.use("Agg")
    import nkpk
    import pandas as pd

    names = [str(name) for name in nkpk.regimens()]
    scenarios = {name: nkpk.all_arms(name) for name in names}
    runs = sum(len(all_arms) for all_arms in scenarios.values())
    say(f"simulating {runs} combinations of {len(names)} regimens and their arms and levels")
    begin = time.monotonic()
    command = [options.nkpk, "simulate", *names, "--all-arms", "--force", "--out", options.out]
    code = subprocess.run([str(part) for part in command] + ["--quiet"] * options.quiet).returncode
    if code != 0:
        print(f"run_all: the executable ended with exit code {code}", file=sys.stderr)
        return code
    say(f"simulated and written in {time.monotonic() - begin:.1f} s")

    archives = {s.name + "/" + s.arm: options.out / s.name / f"{s.arm}.h5" for each in scenarios.values() for s in each}
    results = nkpk.Results({name: nkpk.open_archive(path) for name, path in archives.items()})
    table = results.report
    units = table.attrs["units"]
    table.columns = [q if units[q] in ("", "1") else f"{q} [{units[q]}]" for q in table.columns]
    table.insert(0, "status", [run.status for run in results.values()])
    summary = options.out / "summary.csv"
    table.to_csv(summary, index_label="regimen/arm")

    figure_path = options.out / "five_regimens.png"
    defaults = [results[f"{name}/{nkpk.load(name).arm}"] for name in names]
    figure = nkpk.plot_regimens(defaults, data_csv=figure_path.with_suffix(".csv"))
    figure.savefig(figure_path)

    if not options.quiet:
        size = pd.Series([path.stat().st_size for path in archives.values()]).sum() / 1e6
        print(f"\n{len(archives)} archives   {options.out}/REGIMEN/ARM.h5   ({size:.0f} MB)")
        print(f"summary       {summary}")
        print(f"figure        {figure_path}   (its numbers: {figure_path.with_suffix('.csv')})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
