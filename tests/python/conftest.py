"""Shared by the Python tests: the executable, the five regimens simulated once."""

import os
import subprocess
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import nkpk
import pytest

ROOT = Path(__file__).resolve().parents[2]
REGIMENS = [str(name) for name in nkpk.regimens()]


@pytest.fixture(scope="session")
def executable() -> Path:
    """build/release/cli/nkpk, or what NKPK_EXECUTABLE names."""
    path = Path(os.environ.get("NKPK_EXECUTABLE", ROOT / "build" / "release" / "cli" / "nkpk"))
    assert path.exists(), f"{path} is missing: build it with `make build`"
    return path


@pytest.fixture(scope="session")
def run_nkpk(executable: Path):
    """Runs the executable; returns what it printed. A non-zero exit code fails the test."""

    def run(*arguments: object) -> str:
        done = subprocess.run([str(executable), *map(str, arguments)], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="session")
def runs() -> dict[str, nkpk.Result]:
    """Default arm of every regimen. Tests only read it."""
    return {name: nkpk.simulate(name) for name in REGIMENS}


@pytest.fixture(scope="session")
def sankoma(runs: dict[str, nkpk.Result]) -> nkpk.Result:
    return runs["sankoma"]
