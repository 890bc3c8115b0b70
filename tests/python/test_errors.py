"""The user's mistakes and numerical failures."""

import pickle
from pathlib import Path

import nkpk
import numpy as np
import pytest

BAD = [
    ({"regimen": "sankomma"}, 'unknown regimen "sankomma".*did you mean "sankoma"'),
    ({"regimen": "sankoma", "arm": "first"}, '"first"'),
    ({"regimen": "radboud-ucb", "level": "4e9"}, '"4e9"'),
    ({"regimen": "sankoma", "patient": "old-man"}, "old-man"),
    ({"regimen": "sankoma", "without": "rejecton"}, 'mechanism "rejecton".*"rejection"'),
    ({"regimen": "sankoma", "changes": {"host_nk.d1": "0.1 1/d"}}, r"host_nk\.d1.*host_nk\.d0"),
    ({"regimen": "sankoma", "changes": {"host_nk.d0": "0.1"}}, r"host_nk\.d0"),
    ({"regimen": "sankoma", "changes": {"host_nk.d0": "0.1 mg"}}, r"host_nk\.d0.*mg"),
    ({"regimen": "sankoma", "changes": {"host_nk.d0": "-0.1 1/d"}}, r"out of range"),
    ({"regimen": "sankoma", "changes": {"dose.nk-1.amount": "1 mg/kg"}}, "is not an amount of nk_cells"),
    ({"regimen": "sankoma", "changes": {"dose.nk-9.amount": "1e9 cells"}}, "nk-9"),
    ({"regimen": "sankoma", "changes": {"patient.weight": "50"}}, "weight"),
    ({"regimen": "sankoma", "changes": {"host_nk.d0": object()}}, "cannot be a value"),
    ({"regimen": "sankoma", "days": -100}, "horizon"),
    ({"regimen": "sankoma", "days": float("nan")}, "horizon"),
    ({"regimen": "sankoma", "output_step": 0}, "output_step"),
    ({"regimen": "sankoma", "params": "/nowhere"}, "nowhere"),
]


@pytest.mark.parametrize(("arguments", "text"), BAD, ids=[text for _, text in BAD])
def test_a_mistake_is_an_input_error_with_its_place(arguments: dict, text: str) -> None:
    with pytest.raises(nkpk.InputError, match=text):
        nkpk.load(**arguments)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"solver": "dopri"}, 'dopri.*"dopri5"'), ({"rtol": 0.0}, "rtol"), ({"rtol": 2.0}, "rtol"),
        ({"max_steps": 0}, "max_steps"), ({"isa": "avx"}, 'avx.*"avx2"'), ({"atol_factor": -1.0}, "atol_factor"),
    ],
)  # fmt: skip
def test_unusable_options_of_the_solver_are_an_input_error(options: dict, text: str) -> None:
    with pytest.raises(nkpk.InputError, match=text):
        nkpk.simulate("sankoma", **options)
    with pytest.raises(nkpk.InputError, match=text):
        nkpk.load("sankoma").sensitivity("host_nk.d0", **options)


def test_input_error_is_a_value_error_and_can_be_pickled() -> None:
    with pytest.raises(ValueError, match="sankomma") as caught:
        nkpk.load("sankomma")
    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is nkpk.InputError and str(again) == str(caught.value)
    assert nkpk.InputError.__module__ == "nkpk"


def test_set_without_a_value_is_a_mistake() -> None:
    scenario = nkpk.load("sankoma")
    with pytest.raises(nkpk.InputError, match="no value"):
        scenario.set("host_nk.d0")
    with pytest.raises(nkpk.InputError, match="either a dict"):
        scenario.set({"host_nk.d0": "0.1 1/d"}, 3)


def test_all_arms_takes_no_arm() -> None:
    with pytest.raises(nkpk.InputError, match="every arm"):
        nkpk.all_arms("sankoma", arm="first-only")


def test_a_numerical_failure_carries_status_time_state_and_the_run_so_far() -> None:
    with pytest.raises(nkpk.SolveError, match="max_steps at day") as caught:
        nkpk.simulate("sankoma", max_steps=300)
    error = caught.value
    assert isinstance(error, RuntimeError)
    assert error.status == "max_steps"
    start, end = error.result.data["time"].values[[0, -1]]
    assert start < error.t_reached < end
    assert error.state in error.result.states
    assert error.state in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert (again.status, again.t_reached, str(again)) == (error.status, error.t_reached, str(error))


def test_check_false_returns_the_run_with_nan_beyond_the_failure(sankoma: nkpk.Result, tmp_path: Path) -> None:
    run = nkpk.simulate("sankoma", max_steps=300, check=False)
    assert (run.ok, run.status) == (False, "max_steps")
    assert "max_steps" in run.message
    reached = run.data["time"].values <= run.t_reached
    assert 0 < reached.sum() < reached.size
    for group in (run.data, run.states):
        for name, array in group.data_vars.items():
            if array.dims != ("time",) or name.startswith("chimerism") or name == "marrow_donor_share":
                continue
            assert np.isnan(array.values[~reached]).all(), name
            assert not np.isnan(array.values[reached]).any(), name
    np.testing.assert_array_equal(run.data["alc"].values[reached], sankoma.data["alc"].values[reached])
    assert "max_steps" in repr(run) and "<b>" in run._repr_html_()
    run.save(tmp_path / "failed.h5")
    assert nkpk.open_archive(tmp_path / "failed.h5").status == "max_steps"
    assert run.plot() is not None
