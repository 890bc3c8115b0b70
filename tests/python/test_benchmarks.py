"""The committed benchmarks still run; what they measure is never tested."""

import re
import subprocess
import sys

from conftest import ROOT


def test_work_against_precision_runs_for_every_regimen_and_method() -> None:
    script = ROOT / "benchmarks" / "work_precision.py"
    table = subprocess.run([sys.executable, script, "--quick"], capture_output=True, text=True, check=True, timeout=300).stdout
    for regimen in ("sankoma", "sysu-ucb", "rogachev-hsct", "peking-aml", "radboud-ucb"):
        assert re.search(rf"\| {regimen} \| 1e-03 \|( \d+ \|){{6}}", table), table


def test_work_against_precision_committed_for_every_regimen() -> None:
    table = (ROOT / "benchmarks" / "work_precision.md").read_text()
    worst = float(re.search(r"costs at most ([\d.]+) times the best fixed one", table).group(1))
    assert worst <= 1.30


def test_the_python_call_is_timed_for_every_regimen() -> None:
    script = ROOT / "benchmarks" / "python_call.py"
    table = subprocess.run([sys.executable, script, "--repeats", "1"], capture_output=True, text=True, check=True, timeout=300).stdout
    for row in ("whole call", "whole call but the integration", "times the whole call"):
        assert re.search(rf"^\| {row} (\| [\d.() ]+){{5}} \|$", table, re.M), table
