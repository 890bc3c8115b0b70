"""The program built for 64-bit ARM, under an emulator, against the one built for this machine. Run by scripts/test_aarch64.sh.

The two have other <cmath> functions, so that numbers differ in their last bits and from there on by the errors of the steps:
ten relative tolerances are allowed. The program of this machine runs with `--isa baseline`, whose packs are as wide as NEON's.
"""

import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
NATIVE = [ROOT / "build/release/cli/nkpk"]
ARM = ["qemu-aarch64", "-L", ROOT / "build/aarch64-sysroot/root", ROOT / "build/aarch64/cli/nkpk"]
SIMULATE = ("simulate", "radboud-ucb", "--arm", "high-il2")
ENSEMBLE = ("ensemble", "radboud-ucb", "--arm", "high-il2", "-n", "16", "--seed", "1")
ALLOWED = 10 * 1e-6  # the default relative tolerance is 1e-6


def run(program: list, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*map(str, program), *map(str, arguments)], capture_output=True, text=True, timeout=600)


@pytest.fixture(scope="module", params=[SIMULATE, ENSEMBLE], ids=lambda arguments: arguments[0])
def archives(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """What one command writes on both machines."""
    folder = tmp_path_factory.mktemp("archives")
    for program, name, more in ((NATIVE, "native.h5", ("--isa", "baseline")), (ARM, "arm.h5", ())):
        done = run(program, *request.param, "-o", folder / name, *more)
        assert done.returncode == 0, done.stderr
    with h5py.File(folder / "arm.h5") as arm, h5py.File(folder / "native.h5") as native:
        yield arm, native


def arrays(file: h5py.File) -> dict[str, h5py.Dataset]:
    """Every array of numbers, by its path."""
    found = {}
    file.visititems(lambda path, item: found.update({path: item}) if isinstance(item, h5py.Dataset) and item.dtype.kind == "f" else None)
    return found


def allowed(path: str, file: h5py.File) -> float:
    # a quantile is known to a bin, and a number that moves in its last bits may fall into the next one
    return 2 * file.attrs["quantile_accuracy"] if path.startswith("quantiles/") else ALLOWED


def excess(value: np.ndarray, expected: np.ndarray, allowed: float) -> float:
    """The largest difference over the allowed one, which is relative above a thousandth of the largest size."""
    size = np.abs(expected)
    scale = np.maximum(size, 1e-3 * np.nanmax(size, initial=0))
    difference = np.abs(value - expected)
    return float(np.nanmax(difference / np.where(difference > 0, allowed * scale, 1), initial=0))


def test_arm_writes_the_same_arrays_with_the_same_numbers(archives) -> None:
    arm, native = archives
    found, expected = arrays(arm), arrays(native)
    assert found.keys() == expected.keys() and len(found) > 20
    for path, array in expected.items():
        value, numbers = found[path][...], array[...]
        np.testing.assert_array_equal(np.isnan(value), np.isnan(numbers), err_msg=path)
        differs = excess(value, numbers, allowed(path, native))
        assert differs <= 1, f"{path} differs by {differs:.3g} of what is allowed"


def test_arm_has_the_baseline_alone_and_says_so(archives) -> None:
    arm, _ = archives
    assert arm.attrs["isa"] == "baseline" and arm.attrs["status"] == "ok"


@pytest.mark.parametrize("command", [SIMULATE, ENSEMBLE], ids=lambda arguments: arguments[0])
def test_arm_refuses_an_instruction_set_of_x86(command: tuple[str, ...], tmp_path: Path) -> None:
    done = run(ARM, *command, "--isa", "avx2", "-o", tmp_path / "none.h5")
    assert done.returncode == 2 and done.stdout == "" and not (tmp_path / "none.h5").exists()
    assert done.stderr.startswith("nkpk: ") and done.stderr.count("\n") == 1
    assert "avx2 does not run here" in done.stderr and "expected baseline" in done.stderr
