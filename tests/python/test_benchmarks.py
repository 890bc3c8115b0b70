"""The committed benchmarks still run; what they measure is never tested."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "benchmarks" / "peers")]
import contestant  # noqa: E402
import peers_page  # noqa: E402


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


def test_peers_run_without_their_environment() -> None:
    """nkpk and odeint; whatever is in the tables delivers its error."""
    script = ROOT / "benchmarks" / "peers.py"
    command = [sys.executable, script, "--small", "--without-peers", "--fresh"]
    tables = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout
    rows = re.findall(r"\| (sankoma|radboud-ucb) \| (nkpk|odeint)[^|]*\| 32 \|[^|]*\| (\S+) \|", tables)
    assert len(rows) == 2 * 2 * 4, tables
    assert max(float(error) for _, _, error in rows[:8]) <= 1e-4
    assert max(float(error) for _, _, error in rows[8:]) <= 1e-6


@pytest.mark.parametrize("regimen", ["sankoma", "radboud-ucb"])
def test_peers_solve_the_same_equations(regimen: str, run_nkpk, tmp_path: Path) -> None:
    """What numba compiles for them, run as plain Python, agrees with nkpk for a drawn patient: all parameters arrive."""
    program = ROOT / "build/release/benchmarks/nkpk_peers"
    subprocess.run([program, "prepare", ROOT / "params", regimen, "2", tmp_path], check=True)
    arm = ["--arm", "high-il2"] if regimen == "radboud-ucb" else []
    run_nkpk("export", regimen, *arm, "--sbml", "--quiet", "-o", tmp_path / "model.xml")
    problem = contestant.Problem(tmp_path)
    peer = contestant.SciPy(problem, compiled=lambda f: f)
    with np.errstate(invalid="ignore"):
        (found,) = peer.run("lsoda", 1e-7, 1e-3, [1])
    reference = np.fromfile(tmp_path / "reference.f64").reshape(2, *found.shape)
    floors = np.array(json.loads((tmp_path / "problem.json").read_text())["floors"])

    def differences(patient: int) -> np.ndarray:
        expected = reference[patient]
        return np.nanmax(np.abs(found - expected) / np.maximum(np.abs(expected), floors), axis=0, initial=0)

    assert np.isfinite(found).sum() == np.isfinite(reference[1]).sum() > 2000
    assert differences(1).max() < 2e-5
    assert differences(0).max() > 1e-2  # the other patient is someone else


def test_committed_comparison_is_at_equal_delivered_error() -> None:
    found = json.loads((ROOT / "benchmarks" / "peers.json").read_text())
    text = (ROOT / "benchmarks" / "peers.md").read_text()
    assert peers_page.page(found) == text
    assert set(found["regimens"]) == {"sankoma", "radboud-ucb"}
    for regimen in found["regimens"].values():
        assert regimen["confirmation"] < 1e-7
        assert len(regimen["rows"]) >= 12
        for row in regimen["rows"]:
            assert row["error"] < row["target"], row
            assert row["us_min"] <= row["us"] <= row["us_max"]
    for target in found["targets"]:
        assert target["is_reached"] == (min(target["found"].values()) >= target["wanted"])
    assert text.count("| missed |") == sum(not target["is_reached"] for target in found["targets"])
