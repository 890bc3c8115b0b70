"""Patients from the whole box of plausible parameters, 500 of each regimen; the study of 20,000 each is committed."""

import json
import re
import subprocess

import pytest
from conftest import REGIMENS, ROOT

PROGRAM = ROOT / "build/release/tests/nkpk_extremes"


def study(regimen: str, first: int, n: int, seed: int = 2, books: int = 10) -> dict:
    command = [PROGRAM, regimen, "-", *map(str, (first, n, seed, books))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("regimen", REGIMENS)
def test_every_run_of_the_box_ends_well_or_says_why(regimen: str) -> None:
    """All low, all high, one at a time, then corners and points in turn."""
    found = study(regimen, 0, 500)
    assert found["wrong"] == []
    assert found["solved"] + found["failed"] + found["refused"] == 500
    assert found["solved"] > 350 and found["refused"] > 20 and found["n_books"] > 30
    assert sum(found["steps"].values()) == found["solved"] + found["failed"]
    assert 0 < found["most_steps"][0] <= 5000


def test_a_patient_depends_on_seed_and_number_alone() -> None:
    whole, part = study("sankoma", 250, 40), [study("sankoma", first, 20) for first in (250, 270)]
    for key in ("solved", "refused", "failed"):
        assert whole[key] == sum(p[key] for p in part)
    assert whole["steps"] == {k: sum(p["steps"].get(k, 0) for p in part) for p in part for k in (*part[0]["steps"], *part[1]["steps"])}
    assert study("sankoma", 250, 40, seed=3)["steps"] != whole["steps"]


def test_the_committed_study_covers_every_regimen() -> None:
    text = (ROOT / "benchmarks" / "extremes.md").read_text()
    for regimen in REGIMENS:
        row = re.search(rf"\| {regimen} \| (\d+) \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \| (\d+) \| ([\d,]+) \| (\d+) \|", text)
        assert row, regimen
        arms, drawn, refused, ok, failed, books, wrong = (int(cell.replace(",", "")) for cell in row.groups())
        assert drawn >= 20000 and ok > 0.6 * drawn and ok + refused + failed == drawn and books >= 200 and failed == wrong == 0
