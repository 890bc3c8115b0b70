"""What the README shows runs as it stands there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
README = (REPO / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def shell_lines() -> list[str]:
    return [line.split("  #")[0].strip() for block in blocks("sh") for line in block.splitlines() if line.strip()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(REPO / "params/regimens/sankoma.toml", tmp_path / "my_regimen.toml")
    (tmp_path / "build").symlink_to(REPO / "build")
    return tmp_path


def environment() -> dict[str, str]:
    path = f"{REPO / 'build/release/cli'}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "MPLBACKEND": "Agg"}


def test_the_readme_has_examples():
    assert len(blocks("python")) == 1 and len(shell_lines()) == 10


def test_the_python_lines_run(folder: Path):
    done = subprocess.run([sys.executable, "-W", "error", "-c", blocks("python")[0]], cwd=folder, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (folder / "girl.h5").exists() and "donor_nk_cmax" in done.stdout


def test_the_shell_lines_run(folder: Path):
    assert shutil.which("ncdump"), "ncdump is missing: the set-up, scripts/setup.sh, installs it with netcdf-bin"
    for line in shell_lines():
        done = subprocess.run(["bash", "-c", line], cwd=folder, env=environment(), capture_output=True, text=True)
        assert done.returncode == 0, f"{line}\n{done.stderr}"
        assert done.stdout, line


def test_every_path_in_the_readme_exists():
    for path in re.findall(r"\]\(([^)#]+)\)", README) + re.findall(r"`((?:model|params|dosing|simulation|solvers|archive|interop|cli|bindings|python/nkpk|tests|examples)/[^`]*)`", README):
        assert (REPO / path).exists(), path
