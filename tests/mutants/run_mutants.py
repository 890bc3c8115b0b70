"""Shows that every mutant of mutants.toml turns a test red.

    .venv/bin/python tests/mutants/run_mutants.py [--only NAME]... [--sample N] [--list] [--fresh] [--work FOLDER]

Works on a copy of the source with a build folder of its own, applies one mutant at a time, rebuilds what changed and
runs the C++ tests up to the first failure. A mutant they miss goes to the equations written a second time
(tests/independent), on a few arms. Results are kept in the work folder, so that an interrupted run goes on; a full
run writes tests/mutants/table.md. Exit code 0: every mutant was killed. 1: one survived. 2: nothing could be shown.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SOURCES = [
    "core", "solvers", "model", "generate", "dosing", "archive", "simulation", "jobs", "interop", "cli", "cmake", "params", "docs", "tests", "examples",
    "benchmarks", "CMakeLists.txt",
]  # fmt: skip
ARMS = [("radboud-ucb", ["arm=high-il2"]), ("rogachev-hsct", ["conditioning=tbi"]), ("sankoma", []), ("sysu-ucb", []), ("peking-aml", [])]
TEST_SECONDS = 900


def run(*command, **options):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL, **options)


def read_mutants():
    mutants = tomllib.loads((HERE / "mutants.toml").read_text())["mutant"]
    assert len({m["name"] for m in mutants}) == len(mutants), "two mutants of one name"
    for m in mutants:
        assert m.keys() == {"name", "file", "old", "new", "breaks"}, m["name"]
        count = (ROOT / m["file"]).read_text().count(m["old"])
        if count != 1:
            sys.exit(f"{m['name']}: the old text stands {count} times in {m['file']}")
    return mutants


def key_of(mutant):
    return hashlib.sha256(json.dumps(mutant, sort_keys=True).encode()).hexdigest()


class Copy:
    """A copy of the source with its build folder. Files that did not change keep their times: only mutants are rebuilt."""

    def __init__(self, folder):
        self.source, self.build = folder / "source", folder / "build"
        wanted = set()
        for name in SOURCES:
            path = ROOT / name
            for file in [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
                wanted.add(file.relative_to(ROOT))
        for file in wanted:
            target = self.source / file
            if not target.exists() or target.read_bytes() != (ROOT / file).read_bytes():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / file, target)
        for old in [p for p in self.source.rglob("*") if p.is_file() and p.relative_to(self.source) not in wanted]:
            old.unlink()
        if not (self.build / "build.ninja").exists():
            # -O1: half of the time goes into compiling. No sanitizers: a mutant must be killed by a test.
            done = run(
                "cmake", "-S", self.source, "-B", self.build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=None",
                "-DCMAKE_CXX_FLAGS=-O1", "-DNKPK_PYTHON=OFF", "-DNKPK_WERROR=OFF",
            )  # fmt: skip
            if done.returncode:
                sys.exit(done.stdout + done.stderr)

    def make(self, target):
        done = run("cmake", "--build", self.build, "--target", target)
        return "" if done.returncode == 0 else done.stdout + done.stderr

    def apply(self, mutant):
        """Changes the copy; returns what undoes it. The source is not read again: it may be edited meanwhile."""
        file = self.source / mutant["file"]
        good = file.read_text()
        file.write_text(good.replace(mutant["old"], mutant["new"]))
        return lambda: file.write_text(good)


def failing_cpp_test(copy):
    """Name of the first failing C++ test, or None; "" with a reason where no test could be run."""
    try:
        done = run(copy.build / "tests" / "nkpk_tests", "--abort-after=1", "--no-colors", timeout=TEST_SECONDS)
    except subprocess.TimeoutExpired:
        return "the C++ tests do not end"
    if done.returncode == 0 and re.search(r"test cases:\s*[1-9]", done.stdout):
        return None
    names = re.findall(r"TEST CASE:\s+(.*)", done.stdout)
    return names[-1].strip() if names else f"the C++ tests crash ({done.returncode})"


def failing_arm(copy, folder):
    """The first arm on which the executable differs from the equations written a second time, or None."""
    import h5py
    import numpy as np

    sys.path.insert(0, str(ROOT / "tests" / "independent"))
    import nk_reference

    for regimen, arms in ARMS:
        out = folder / "check.h5"
        flags = [part for arm in arms for part in ("--arm", arm)]
        done = run(
            copy.build / "cli" / "nkpk", "simulate", regimen, *flags, "--rtol", "1e-10", "--atol-factor", "1e-5", "--output-step", "0.5",
            "-o", out, "--force", "--quiet", "--params", copy.source / "params", timeout=TEST_SECONDS,
        )  # fmt: skip
        if done.returncode:
            return f"{regimen}: {done.stderr.strip()}"
        with h5py.File(out) as archive:
            times = archive["time"][:]
            expected = nk_reference.solve(nk_reference.load(ROOT / "params", regimen, dict(arm.split("=") for arm in arms)), times, rtol=1e-10)
            for name, values in expected.items():
                if name not in archive:
                    continue
                ours = archive[name][:]
                if not np.array_equal(np.isnan(ours), np.isnan(values)):
                    return f"independent check, {regimen}: {name}"
                if np.nanmax(np.abs(ours - values) / (1e-6 * np.abs(values) + 1e-9), initial=0) > 1:
                    return f"independent check, {regimen}: {name}"
    return None


def judge(copy, folder):
    """(killer or None, error) of the source as it stands."""
    if problem := copy.make("nkpk_tests"):
        return None, "does not compile: " + problem[-2000:]
    if killer := failing_cpp_test(copy):
        return killer, ""
    if problem := copy.make("nkpk_cli"):
        return None, "does not compile: " + problem[-2000:]
    return failing_arm(copy, folder), ""


def write_table(mutants, results):
    lines = [
        "# Mutants",
        "",
        "Written by `run_mutants.py`: what `mutants.toml` breaks, one at a time, and the first test that noticed.",
        "",
        "| mutant | file | breaks | killed by | s |",
        "| --- | --- | --- | --- | ---: |",
    ]
    for m in mutants:
        r = results[key_of(m)]
        lines.append(f"| {m['name']} | `{m['file']}` | {m['breaks']} | {r['killer'] or '**survived**'} | {r['seconds']:.0f} |")
    killed = sum(bool(results[key_of(m)]["killer"]) for m in mutants)
    lines += ["", f"{killed} of {len(mutants)} killed. Seconds include the build, on {os.cpu_count()} cores."]
    (HERE / "table.md").write_text("\n".join(lines) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", action="append", metavar="NAME", help="this mutant; repeatable")
    parser.add_argument("--sample", type=int, metavar="N", help="N mutants spread over the list")
    parser.add_argument("--list", action="store_true", help="print the mutants and stop")
    parser.add_argument("--fresh", action="store_true", help="forget earlier results")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "nkpk-mutants", help="folder for the copy")
    arguments = parser.parse_args()
    everything = read_mutants()
    mutants = everything
    if arguments.only:
        mutants = [m for m in everything if m["name"] in arguments.only]
        if len(mutants) != len(set(arguments.only)):
            parser.error("no such mutant; see --list")
    if arguments.sample:
        mutants = mutants[:: max(1, len(mutants) // arguments.sample)][: arguments.sample]
    if arguments.list:
        for m in mutants:
            print(f"{m['name']:<36} {m['file']:<28} {m['breaks']}")
        return 0

    arguments.work.mkdir(parents=True, exist_ok=True)
    kept = arguments.work / "results.json"
    results = {} if arguments.fresh or not kept.exists() else json.loads(kept.read_text())
    copy = Copy(arguments.work)
    begin = time.monotonic()
    killer, error = judge(copy, arguments.work)
    if killer or error:
        print(f"without any mutant: {killer or error}", file=sys.stderr)
        return 2
    print(f"without any mutant all is green ({time.monotonic() - begin:.0f} s)", flush=True)
    unclear = []
    # quick ones first: a header of the model is part of nearly everything
    for m in sorted(mutants, key=lambda m: (not m["file"].endswith(".cpp"), m["file"])):
        if results.get(key_of(m), {}).get("killer"):
            continue
        begin = time.monotonic()
        undo = copy.apply(m)
        try:
            killer, error = judge(copy, arguments.work)
        finally:
            undo()
        if error:
            print(f"{m['name']}: {error}", file=sys.stderr, flush=True)
            unclear.append(m["name"])
            continue
        results[key_of(m)] = {"killer": killer, "seconds": time.monotonic() - begin}
        kept.write_text(json.dumps(results, indent=1))
        print(f"{m['name']:<36} {'killed by: ' + killer if killer else 'SURVIVED'}", flush=True)
    if all(key_of(m) in results for m in everything):
        write_table(everything, results)
    if unclear:
        print(f"nothing is shown for: {', '.join(unclear)}")
        return 2
    survivors = [m["name"] for m in mutants if not results[key_of(m)]["killer"]]
    print(f"{len(mutants) - len(survivors)} of {len(mutants)} killed" + (": survived " + ", ".join(survivors) if survivors else ""))
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
