"""Patients from the whole box of plausible parameters: every run ends well, or says why not.

    python benchmarks/extremes.py [--patients 20000] [--others 100] [--jobs 2] [--regimens sankoma,...] [--fresh] [--small]

Runs the program nkpk_extremes of the release build (tests/extremes/extremes.cpp says what it draws and demands) on the default arm of
every regimen, and on fewer patients of every other arm. Chunks are added to build/extremes.jsonl as they end: a
run that is stopped goes on where it was, and chunks of another program, of other parameters or of a change are measured anew. Writes
extremes.md beside this file. --small writes nothing but the table, of a few patients of the default arms: it shows that all of it runs.
Ends with 1 where a demand was broken.
"""

import argparse
import hashlib
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
BUILD = ROOT / "build/release"
PROGRAM = BUILD / "tests/nkpk_extremes"
STORE = ROOT / "build/extremes.jsonl"
HEAD = """# The whole box of plausible parameters

Written by `benchmarks/extremes.py`. Every parameter with bounds, of the model and of the products, at all its lower and all its upper bounds, one at a time
at either, in corners drawn at random, and log-uniformly in between, under the default arm of each regimen and, on fewer patients, under every
other arm. Demanded of each run that ends ok: every state and observable finite, none negative beyond ten absolute tolerances (observables: 1e-6 of
their largest value), the change of each population the sum of its flows (1e-11), the books of cells closed (1e-8); the same alone and in a pack
within 1 % of a value (above a thousandth of the observable's largest). A run that does not end ok says when, where and why.

## What was found

**Renewing precursors below a thousandth of a cell (mended).** With `r_precursor` at its bound of 20 a regimen leaves 1e-60 host precursors and less,
and `lamP`, `kap` at theirs grow them by up to a factor of 60 a day. Their absolute tolerance of 1e-3 cells let an error stand that grew
with them: of 1,421 runs of sankoma (patients 250 to 2249) 4 stopped with step_too_small, 6 ended ok with down to -7e5 precursors (-9e8 in radboud-ucb),
and IL-15 of the same patient alone and in a pack differed up to fivefold. Their tolerance is now relative (`simulation/lifted.hpp`, a law in
`tests/laws/test_invariants.cpp`): none of these is left, runs at rtol 1e-6 agree with tight ones, and the shipped regimens take the same steps.

**Three patients in ten are refused before they run**: `dmin < d0 < dmax` and proliferation below death at baseline do not hold in every corner of
the box. That is no defect: such values have no baseline (C26).

**Shares of less than one cell have no digits (left as it is).** Where conditioning leaves fewer NK cells in the whole blood or tissue than the absolute
tolerance resolves, a thousandth of a cell, `chimerism_nk`, `chimerism_nk_infused` and `marrow_donor_share` are a ratio of two errors: in 16 runs of 16,153
of rogachev-hsct, on days before the graft, down to -140 %. Counts are right within their tolerances. These entries are left out of the checks of observables.

**Effectors at the end of eight infusions** differ by up to 0.3 % between a run alone and in a pack: exponential growth over 100 days widens 1e-6.

**Numbers below 1e-290** have too few digits to balance flows; they are left out of that check.
"""
REGIMENS = ["sankoma", "sysu-ucb", "rogachev-hsct", "peking-aml", "radboud-ucb"]
SEED, CHUNK, BOOKS = 1, 1000, 50


def arms(regimen):
    """Choices of every arm, "-" for the defaults first."""
    options = json.loads(subprocess.run([BUILD / "cli/nkpk", "list", "--json"], capture_output=True, text=True, check=True).stdout)
    groups = options["regimens"][regimen]["options"]
    all_choices = [[]]
    for group, option in groups.items():
        all_choices = [[*some, f"{group}={choice['name']}"] for some in all_choices for choice in option["choices"]]
    usual = [f"{group}={option['default']}" for group, option in groups.items()]
    return ["-"] + [",".join(choices) for choices in all_choices if choices != usual]


def chunks(args):
    """(regimen, choices, first, n) of everything that is to be run."""
    for regimen in args.regimens:
        for choices in ["-"] if args.small else arms(regimen):
            # other arms: beyond those at one bound, which come first
            begin, end = (0, args.patients) if choices == "-" else (250, 250 + args.others)
            for first in range(begin, end, CHUNK):
                yield regimen, choices, first, min(CHUNK, end - first)


def state_of_the_program():
    """Changes with the program and the parameters."""
    digest = hashlib.sha256(PROGRAM.read_bytes() + f"{SEED} {BOOKS}".encode())
    for path in sorted((ROOT / "params").rglob("*.toml")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def measured(args):
    key = state_of_the_program()
    known = {}
    if STORE.exists() and not args.fresh and not args.small:
        for line in STORE.read_text().splitlines():
            row = json.loads(line)
            if row["program"] == key:
                known[tuple(row["chunk"])] = row
    wanted = list(chunks(args))

    def run(chunk):
        if chunk in known:
            return known[chunk]
        regimen, choices, first, n = chunk
        done = subprocess.run([PROGRAM, regimen, choices, str(first), str(n), str(SEED), str(BOOKS)], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{PROGRAM.name} {' '.join(map(str, chunk))}: {done.stderr.strip()}")
        row = {"program": key, "chunk": chunk, **json.loads(done.stdout)}
        if not args.small:
            with STORE.open("a") as file:
                file.write(json.dumps(row) + "\n")
        return row

    rows = []
    with ThreadPoolExecutor(args.jobs) as pool:
        for row in pool.map(run, wanted):
            rows.append(row)
            if sys.stderr.isatty():
                print(f"\r{len(rows)} of {len(wanted)} chunks", end="", file=sys.stderr)
    return rows


def quantile(steps, q):
    """Of a histogram, the upper end of its bin."""
    left = q * sum(steps.values())
    for bin_start, count in sorted(steps.items()):
        left -= count
        if left <= 0:
            return bin_start + 10
    return 0


def table(rows):
    lines = [
        "| regimen | arms | drawn | refused | ok | failed | books closed | wrong | steps: median | 99 % | most | slowest [s] |",
        "|" + "---|" * 12,
    ]
    for regimen in dict.fromkeys(r["regimen"] for r in rows):
        mine = [r for r in rows if r["regimen"] == regimen]
        total = {key: sum(r[key] for r in mine) for key in ("n", "refused", "solved", "failed", "n_books", "n_wrong")}
        steps = {}
        for r in mine:
            for start, count in r["steps"].items():
                steps[int(start)] = steps.get(int(start), 0) + count
        most = max(r["most_steps"][0] for r in mine)
        lines.append(
            f"| {regimen} | {len({r['arm'] for r in mine})} | {total['n']:,} | {total['refused']:,} | {total['solved']:,} | {total['failed']} "
            f"| {total['n_books']:,} | {total['n_wrong']} | {quantile(steps, 0.5)} | {quantile(steps, 0.99)} | {most:.0f} "
            f"| {max(r['slowest_s'][0] for r in mine):.2g} |"
        )
    return "\n".join(lines)


def worst_table(rows):
    names = {
        "negative_state": "deepest negative state, in absolute tolerances",
        "negative_observable": "deepest negative observable, over its largest value",
        "flows": "change of a population that is no flow, over all flows",
        "books": "cells in less cells out and present, over cells in",
        "packs": "a run in a pack against the same alone",
        "delivered": "a run against one at rtol 1e-10 and absolute tolerances 1e-10 as large",
    }
    lines = ["| the worst | | of |", "|---|---|---|"]
    for key, title in names.items():
        row = max(rows, key=lambda r: r[key][0])
        value, what = row[key]
        lines.append(f"| {title} | {value:.1e} | {row['regimen']} {row['arm']}: {what} |")
    return "\n".join(lines)


def refusals(rows):
    counts = {}
    for r in rows:
        for reason, count in r["refusals"].items():
            counts[reason] = counts.get(reason, 0) + count
    drawn = sum(r["n"] for r in rows)
    return "\n".join(f"- {count / drawn:.1%}: {reason}" for reason, count in sorted(counts.items(), key=lambda pair: -pair[1]))


def page(rows):
    failures = [f"- {r['regimen']} {r['arm']}: {text}" for r in rows for text in r["failures"]]
    wrong = [f"- {r['regimen']} {r['arm']}: {text}" for r in rows for text in r["wrong"]]
    return f"""{HEAD}
## The runs

{rows[0]["parameters"]} parameters with bounds, seed {SEED}; a patient follows from the seed and his number alone. Every {BOOKS}th has his books closed
and is run again at far smaller tolerances. Steps are accepted and refused ones of one patient alone; the budget is 20,000. The
slowest, in seconds, on a machine that was busy with other work.

{table(rows)}

{worst_table(rows)}

Refused before a run, because the parameters make no patient together:

{refusals(rows)}

Runs that failed and say so:

{chr(10).join(failures[:20]) or "- none"}

What broke a demand:

{chr(10).join(wrong[:20]) or "- nothing"}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=20000, help="of the default arm; some three in ten are refused")
    parser.add_argument("--others", type=int, default=100, help="of every other arm")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--regimens", type=lambda text: text.split(","), default=REGIMENS)
    parser.add_argument("--fresh", action="store_true", help="measure chunks that are there as well")
    parser.add_argument("--small", action="store_true", help="default arms alone; writes nothing")
    args = parser.parse_args()
    rows = measured(args)
    if args.small:
        print(table(rows))
    else:
        (HERE / "extremes.md").write_text(page(rows))
    for r in rows:
        for text in r["wrong"]:
            print(f"{r['regimen']} {r['arm']}: {text}", file=sys.stderr)
    return 1 if any(r["n_wrong"] for r in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
