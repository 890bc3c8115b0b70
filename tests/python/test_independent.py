"""The equations written a second time, from the specification alone, against nkpk: every arm and level of every regimen.

tests/independent/nk_reference.py shares nothing with the C++ but the TOML files. Both run at a relative tolerance of 1e-10;
an observable may differ by 1e-6 of its value, or of a thousandth of what can be measured.
"""

import sys
from pathlib import Path

import nkpk
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "independent"))
import nk_reference  # noqa: E402

COMBINATIONS = [(str(name), choices) for name in nkpk.regimens() for choices in (s.choices for s in nkpk.all_arms(name))]
RTOL, AGREEMENT = 1e-10, 1e-6
# The default absolute tolerance of a drug, for example 1e-3 IU of IL-2, is above what the comparison allows at concentrations
# far below the limit of quantification (2e-10 IU/mL, about 1e-6 IU in the body). The reference has tight ones too.
ATOL_FACTOR = 1e-5


def floor(run: nkpk.Result, name: str) -> float:
    """A thousandth of the limit of quantification, in the unit of the observable."""
    if name == "il15_fold":  # a number near 1, without a limit of its own
        return 1e-3
    cells = run.data["donor_nk_count"].attrs["lloq"]
    if name == "donor_nk_auc":  # that count over one day
        return 1e-3 * cells
    if name == "infused_cells_body":  # that count in all the blood
        return 1e-3 * cells * run.patient.at["blood_volume", "value"] * 1e6
    return 1e-3 * run.data[name].attrs["lloq"]


@pytest.mark.parametrize(("regimen", "choices"), COMBINATIONS, ids=lambda v: v if isinstance(v, str) else ",".join(v) or "-")
def test_agrees_with_the_equations_written_a_second_time(regimen: str, choices: tuple[str, ...]) -> None:
    run = nkpk.load(regimen, arm=choices, output_step=0.5).simulate(rtol=RTOL, atol_factor=ATOL_FACTOR)
    times = run.data["time"].values
    reference = nk_reference.solve(
        nk_reference.load(ROOT / "params", regimen, dict(choice.split("=") for choice in choices)), times, rtol=RTOL
    )
    ours = {name for name, a in run.data.data_vars.items() if a.dims[0] == "time"}
    assert set(reference) == ours
    for name, expected in reference.items():
        value = run.data[name].values
        np.testing.assert_array_equal(np.isnan(value), np.isnan(expected), err_msg=name)
        allowed = AGREEMENT * np.maximum(np.abs(expected), floor(run, name))
        excess = np.nanmax(np.abs(value - expected) / allowed, initial=0)
        assert excess <= 1, f"{name} differs by {excess:.3g} of what is allowed"


def test_all_combinations_are_there() -> None:
    """2 + 6 + 24 + 4 + 9, as the option groups span them."""
    count = {name: sum(regimen == name for regimen, _ in COMBINATIONS) for name, _ in COMBINATIONS}
    assert count == {"sankoma": 2, "sysu-ucb": 6, "rogachev-hsct": 24, "peking-aml": 4, "radboud-ucb": 9}
