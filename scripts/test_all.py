"""Run every test, whatever fails on the way, and end with the counts.

    .venv/bin/python scripts/test_all.py [STAGE...]

Without a stage: all but aarch64, which wants a cross compiler.

A stage's output is passed on as it comes. Counts are read from the JUnit files that ctest and pytest
write, not from what they print. A build that breaks, a test program that crashes and a stage that finds
no tests at all count as failed: silence is never a pass.
"""

import json
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REPORTS = ROOT / "build" / "test-reports"
DOCTEST_SUMMARY = re.compile(
    r"\[doctest\] test cases:\s*\d+\s*\|\s*(\d+) passed\s*\|\s*(\d+) failed\s*\|\s*(\d+) skipped"
)


@dataclass
class Counts:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    failures: list[str] = field(default_factory=list)

    def fail(self, what: str) -> "Counts":
        self.failed += 1
        self.failures.append(what)
        return self

    def add(self, other: "Counts") -> None:
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.failures += other.failures

    def __str__(self) -> str:
        text = f"{self.passed} passed, {self.failed} failed"
        return text + (f", {self.skipped} skipped" if self.skipped else "")


def run(*command: str) -> int:
    print("$", " ".join(str(part) for part in command), flush=True)
    return subprocess.run([str(part) for part in command], cwd=ROOT, stdin=subprocess.DEVNULL).returncode


def fresh_report(name: str) -> Path:
    """A path for a report, with no report of an earlier run at it."""
    REPORTS.mkdir(parents=True, exist_ok=True)
    path = REPORTS / name
    path.unlink(missing_ok=True)
    return path


def filtered_tests(preset: str) -> set[str]:
    """Names of the tests that run one selected test case of a doctest program, not all of it."""
    listing = subprocess.run(
        ["ctest", "--preset", preset, "--show-only=json-v1"], cwd=ROOT, capture_output=True, text=True
    )
    # The preset announces itself before the JSON on some versions of ctest.
    tests = json.loads(listing.stdout[listing.stdout.find("{") :] or "{}").get("tests", [])
    flags = ("-tc=", "--test-case=", "--dt-test-case=", "-ts=", "--test-suite=")
    return {test["name"] for test in tests if any(a.startswith(flags) for a in test.get("command", []))}


def count_ctest(report: Path, filtered: set[str]) -> Counts:
    counts = Counts()
    for test in ElementTree.parse(report).getroot().iter("testcase"):
        name, status = test.get("name", ""), test.get("status", "")
        summaries = DOCTEST_SUMMARY.findall(test.findtext("system-out") or "")
        passed, failed, skipped = (sum(int(s[i]) for s in summaries) for i in range(3))
        if status in ("notrun", "disabled"):
            # ctest itself fails the run when a program is missing; a declared skip is only a skip.
            counts.skipped += 1
            continue
        counts.passed += passed
        # doctest calls every test case that a filter left out "skipped"
        counts.skipped += 0 if name in filtered else skipped
        if failed:
            counts.failed += failed
            counts.failures.append(name)
        elif status != "run":
            # a crash, a time-out, or a sanitizer's report (a leak) after doctest had called it passed
            counts.passed -= passed if name in filtered else 0
            counts.fail(name)
        elif not summaries:
            counts.passed += 1
        elif passed == 0 and (name in filtered or skipped == 0):
            counts.fail(f"{name}: ran no test case")
    return counts


def count_pytest(report: Path) -> Counts:
    counts = Counts()
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        outcomes = {child.tag for child in case}
        if outcomes & {"failure", "error"}:
            counts.fail("::".join(filter(None, (case.get("classname"), case.get("name")))))
        elif "skipped" in outcomes:
            counts.skipped += 1
        else:
            counts.passed += 1
    return counts


def ctest(preset: str) -> Counts:
    if run("bash", "scripts/build.sh", preset) != 0:
        return Counts().fail(f"build of preset {preset}")
    report = fresh_report(f"ctest-{preset}.xml")
    # Output sizes: ctest cuts the output in its reports, and the summary stands at the end of it.
    code = run(
        "ctest", "--preset", preset, "--no-tests=error", "--parallel", str(os.cpu_count() or 1),
        "--test-output-size-passed", "10000000", "--test-output-size-failed", "10000000",
        "--output-junit", report,
    )  # fmt: skip
    if not report.exists():
        return Counts().fail(f"ctest of preset {preset} (exit code {code})")
    counts = count_ctest(report, filtered_tests(preset))
    if code != 0 and counts.failed == 0:
        counts.fail(f"ctest of preset {preset} (exit code {code})")
    return counts


def cpp() -> Counts:
    return ctest("release")


def sanitize() -> Counts:
    counts = ctest("dev")
    counts.add(ctest("tsan"))
    return counts


def fuzz() -> Counts:
    """Every target is one test, and so are the planted faults together."""
    if run("bash", "scripts/build.sh", "fuzz") != 0:
        return Counts().fail("build of preset fuzz")
    report = ROOT / "build" / "fuzz" / "results.json"
    report.unlink(missing_ok=True)
    code = run(sys.executable, "scripts/fuzz.py", "--seconds", os.environ.get("FUZZ_SECONDS", "120"))
    if not report.exists():
        return Counts().fail(f"scripts/fuzz.py (exit code {code})")
    done, counts = json.loads(report.read_text()), Counts()
    for name, problems in [("planted faults", done["missed"])] + [(target["target"], target["findings"]) for target in done["results"]]:
        if problems:
            counts.fail(f"{name}: {problems[0]}")
        else:
            counts.passed += 1
    if code != 0 and counts.failed == 0:
        counts.fail(f"scripts/fuzz.py (exit code {code})")
    return counts


def python() -> Counts:
    if run("bash", "scripts/build.sh", "release") != 0:
        return Counts().fail("build of preset release, for the Python tests")
    report = fresh_report("pytest.xml")
    code = run(sys.executable, "-m", "pytest", "tests/python", "-q", f"--junitxml={report}")
    counts = count_pytest(report) if report.exists() else Counts()
    if code != 0 and counts.failed == 0:
        counts.fail(f"pytest (exit code {code})")
    return counts


def aarch64() -> Counts:
    units, numbers = fresh_report("ctest-aarch64.xml"), fresh_report("pytest-aarch64.xml")
    code = run("bash", "scripts/test_aarch64.sh")
    counts = Counts()
    for report, count in ((units, lambda path: count_ctest(path, filtered_tests("aarch64"))), (numbers, count_pytest)):
        counts.add(count(report) if report.exists() else Counts().fail(f"{report.stem} was not run (exit code {code})"))
    if code != 0 and counts.failed == 0:
        counts.fail(f"scripts/test_aarch64.sh (exit code {code})")
    return counts


def check(what: str, *command: str) -> Counts:
    """A check that is one step: it passes or it fails."""
    return Counts(passed=1) if run(*command) == 0 else Counts().fail(what)


def layers() -> Counts:
    return check("layering", sys.executable, "tests/check_layers.py")


def wheel() -> Counts:
    return check("wheel", "bash", "scripts/test_wheel.sh")


def install() -> Counts:
    return check("install and use from another project", "bash", "scripts/test_install.sh")


STAGES = {
    "cpp": ("C++ tests", cpp),
    "python": ("Python tests", python),
    "layers": ("layering", layers),
    "install": ("installed library", install),
    "sanitize": ("C++ tests under sanitizers", sanitize),
    "fuzz": ("fuzzed readers", fuzz),
    "wheel": ("wheel", wheel),
    "aarch64": ("64-bit ARM, emulated", aarch64),
}
# A second compiler and an emulator are more than a user's machine should be asked for.
ONLY_BY_NAME = {"aarch64"}


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in STAGES]
    if unknown:
        print(f"no stage {unknown[0]!r}; there are: {', '.join(STAGES)}", file=sys.stderr)
        return 2
    total = Counts()
    lines = []
    for name in names or [name for name in STAGES if name not in ONLY_BY_NAME]:
        title, stage = STAGES[name]
        print(f"\n=== {title}", flush=True)
        begin = time.monotonic()
        try:
            counts = stage()
        except Exception as error:  # a fault in this script or an unreadable report: the other stages still run
            counts = Counts().fail(f"{title}: {type(error).__name__}: {error}")
        lines.append(f"{title:<28} {time.monotonic() - begin:7.1f} s   {counts}")
        print(f"=== {lines[-1]}", flush=True)
        total.add(counts)
    print("\n" + "\n".join(lines))
    for failure in total.failures:
        print(f"FAILED {failure}")
    print(total, flush=True)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
