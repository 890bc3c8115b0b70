"""The same defaults and exactly the same numbers as the executable."""

from pathlib import Path

import nkpk
import numpy as np
import pytest
from conftest import REGIMENS


def assert_same_bits(ours: nkpk.Result, theirs: nkpk.Result) -> None:
    for mine, other in ((ours._tree, theirs._tree), *((ours._tree.groups[g], theirs._tree.groups[g]) for g in ours._tree.groups)):
        assert set(mine.arrays) == set(other.arrays)
        for name, array in mine.arrays.items():
            expected = other.arrays[name]
            assert array.dims == expected.dims, name
            assert array.attrs == expected.attrs, name
            if array.values.dtype.kind == "f":
                assert array.values.tobytes() == expected.values.tobytes(), name
            else:
                np.testing.assert_array_equal(array.values, expected.values, err_msg=name)
    assert ours.attrs == theirs.attrs


@pytest.fixture(scope="module")
def archives(run_nkpk, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archives")
    run_nkpk("simulate", *REGIMENS, "--out", folder, "--quiet")
    return folder


@pytest.mark.parametrize("name", REGIMENS)
def test_the_default_arm_has_the_same_bits(name: str, runs: dict[str, nkpk.Result], archives: Path) -> None:
    assert_same_bits(runs[name], nkpk.open_archive(archives / name / f"{runs[name].arm}.h5"))


def test_choices_patient_and_changes_mean_the_same(run_nkpk, tmp_path: Path) -> None:
    run_nkpk(
        "simulate", "radboud-ucb", "--arm", "high-il2", "--level", "3e9", "--patient", "3y-girl", "--set", "rejection.krej=0.05 1/d/(cells/uL)",
        "--set", "dose.nk.duration=1 h", "--without", "treg", "--days", "20", "--output-step", "0.25", "--solver", "fehlberg78", "--rtol", "1e-9",
        "--out", tmp_path / "one.h5", "--quiet",
    )  # fmt: skip
    scenario = nkpk.load("radboud-ucb", arm="high-il2", level="3e9", patient="3y-girl", without="treg")
    scenario = scenario.set({"rejection.krej": "0.05 1/d/(cells/uL)", "dose.nk.duration": "1 h"})
    ours = scenario.simulate(days=20, output_step=0.25, solver="fehlberg78", rtol=1e-9)
    assert_same_bits(ours, nkpk.open_archive(tmp_path / "one.h5"))


def test_the_defaults_of_the_solver_are_those_of_the_executable() -> None:
    import inspect

    ours = inspect.signature(nkpk.Scenario.simulate).parameters
    theirs = nkpk._core.SolverOptions()
    assert ours["solver"].default == theirs.method
    for name in ("rtol", "atol_factor", "max_steps"):
        assert ours[name].default == getattr(theirs, name)


def test_the_calendar_is_the_one_that_show_prints(run_nkpk) -> None:
    assert nkpk.load("sankoma", patient="45y-woman").show() == run_nkpk("show", "sankoma", "--patient", "45y-woman")


def test_the_lists_are_those_of_the_executable(run_nkpk) -> None:
    import json

    listed = json.loads(run_nkpk("list", "--json"))
    assert [str(r) for r in nkpk.regimens()] == list(listed["regimens"])
    for regimen in nkpk.regimens():
        entry = listed["regimens"][regimen]
        assert regimen.title == entry["title"]
        assert regimen.defaults == {group: option["default"] for group, option in entry["options"].items()}
    assert nkpk.patients() == listed["patients"]
    assert nkpk.products() == listed["products"]
    assert nkpk.solvers() == listed["solvers"]


def test_the_versions_agree(run_nkpk) -> None:
    assert nkpk.__version__ in run_nkpk("--version")
