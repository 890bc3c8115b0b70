"""Fuzz every reader for a share of the time each, and say what was found.

    .venv/bin/python scripts/fuzz.py [--seconds N] [--report FILE.md]

Build the targets before: bash scripts/build.sh fuzz. An input that breaks a reader stays in build/fuzz/findings.
Exit code 1: a finding, a target that did not run, or a planted fault that was not found.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FUZZ = ROOT / "build" / "fuzz"
BINARIES = FUZZ / "tests" / "fuzz"
FINDINGS = FUZZ / "findings"
sys.path.insert(0, str(ROOT / "tests" / "fuzz"))

# docs/design.md promises these; the sanitizers' own memory counts too
LIMITS = ["-rss_limit_mb=1024", "-malloc_limit_mb=256", "-timeout=120", "-detect_leaks=1"]
FAULTS = ["overflow", "undefined", "leak", "allocation", "hang", "exception"]


def start(target, *arguments):
    environment = os.environ | {"ASAN_OPTIONS": "quarantine_size_mb=16:detect_leaks=1", "UBSAN_OPTIONS": "print_stacktrace=1"}
    command = [BINARIES / target, *LIMITS, f"-artifact_prefix={FINDINGS}/{target}-", *arguments]
    # as text: what a reader says of hostile bytes need not be UTF-8
    return subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")


def reason(output):
    """The first line that says what went wrong."""
    found = re.search(r"^.*(?:FINDING:|runtime error:|ERROR: |terminate called|Assertion).*$", output, re.M)
    return found[0].strip()[:300] if found else "ended without a word"


def planted_faults():
    """Faults that were put there, and were not found."""
    missed = []
    for word in [*FAULTS, "nothing"]:
        path = FUZZ / "planted" / word
        path.parent.mkdir(exist_ok=True)
        path.write_text(word)
        if (start("planted_faults", path).returncode != 0) != (word in FAULTS):
            missed.append(word)
    for path in FINDINGS.glob("planted_faults-*"):
        path.unlink()
    return missed


def fuzz(target, seconds):
    """What one target did: findings, executions, edges of code, the most memory."""
    result = {"target": target, "seconds": 0, "runs": 0, "edges": 0, "of": 0, "peak_mb": 0, "findings": []}
    for path in sorted((FUZZ / "hostile" / target).glob("*")):
        run = start(target, path)
        result["runs"] += 1
        result["peak_mb"] = max([result["peak_mb"], *(int(mb) for mb in re.findall(r"rss: (\d+)Mb", run.stderr))])
        if run.returncode != 0:
            result["findings"].append(f"{path.relative_to(FUZZ)}: {reason(run.stderr)}")
    corpus = FUZZ / "corpus" / target
    corpus.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    run = start(target, f"-max_total_time={seconds}", "-print_final_stats=1", f"-dict={ROOT}/tests/fuzz/toml.dict", corpus)
    result["seconds"] = round(time.monotonic() - begin)
    if run.returncode != 0:
        result["findings"].append(reason(run.stderr))
    last = lambda pattern: int(([0] + re.findall(pattern, run.stderr))[-1])  # noqa: E731
    result["runs"] += last(r"stat::number_of_executed_units: (\d+)")
    result["edges"], result["of"] = last(r" cov: (\d+)"), last(r"inline 8-bit counters\): (\d+)") or last(r"\((\d+) inline 8-bit counters\)")
    result["peak_mb"] = max(result["peak_mb"], last(r"stat::peak_rss_mb:\s+(\d+)"))
    if result["runs"] == 0:
        result["findings"].append("did not run")
    (FUZZ / f"{target}.log").write_text(run.stderr)
    return result


def table(results):
    rows = ["| target | seconds | executions | edges reached | most memory, MB | findings |", "| --- | --- | --- | --- | --- | --- |"]
    for r in results:
        rows.append(f"| `{r['target']}` | {r['seconds']} | {r['runs']:,} | {r['edges']:,} of {r['of']:,} | {r['peak_mb']} | {len(r['findings'])} |")
    return "\n".join(rows) + "\n"


def put_table(path, results):
    """Replaces the table of a report; the words around it stay."""
    text = path.read_text() if path.exists() else "# Fuzzing of the readers\n\n<!-- run -->\n<!-- end -->\n"
    before, rest = text.split("<!-- run -->\n", 1)
    after = rest.split("<!-- end -->", 1)[1]
    head = f"{time.strftime('%Y-%m-%d')}, one process at a time, {sum(r['seconds'] for r in results):,} s in all:\n\n"
    path.write_text(f"{before}<!-- run -->\n{head}{table(results)}<!-- end -->{after}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--report", type=Path)
    arguments = parser.parse_args()
    import seeds

    for made in ("hostile", "planted", "findings"):
        shutil.rmtree(FUZZ / made, ignore_errors=True)
    FINDINGS.mkdir(parents=True)
    seeds.make(FUZZ)
    targets = sorted(path.stem for path in (ROOT / "tests" / "fuzz").glob("fuzz_*.cpp"))
    missed = planted_faults()
    print(f"planted faults: {len(FAULTS) - len(missed)} of {len(FAULTS)} found" + "".join(f"; not as it should be: {word}" for word in missed), flush=True)
    results = []
    for target in targets:
        results.append(fuzz(target, max(1, arguments.seconds // len(targets))))
        r = results[-1]
        print(f"{target:<16} {r['runs']:>9,} runs in {r['seconds']:>4} s, {r['edges']:>6,} edges, {r['peak_mb']:>4} MB, {len(r['findings'])} findings", flush=True)
        for finding in r["findings"]:
            print(f"  {finding}", flush=True)
        if arguments.report:
            put_table(arguments.report, results)
    (FUZZ / "results.json").write_text(json.dumps({"missed": missed, "results": results}, indent=1))
    return 1 if missed or not results or any(r["findings"] for r in results) else 0


if __name__ == "__main__":
    sys.exit(main())
