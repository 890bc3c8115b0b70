"""The rule by which nkpk and the equations written a second time, tests/independent/nk_reference.py, must agree.

The reference shares nothing with the C++ but the TOML files. Both run at a relative tolerance of 1e-10;
an observable may differ by 1e-6 of its value, or of a thousandth of what can be measured.
"""

import sys
from pathlib import Path
from typing import Any

import nkpk
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
INDEPENDENT = ROOT / "tests" / "independent"
sys.path.insert(0, str(INDEPENDENT))
import nk_reference  # noqa: E402

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


def excess(run: nkpk.Result, name: str, value: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference over the allowed one: 1 or less is agreement."""
    allowed = AGREEMENT * np.maximum(np.abs(expected), floor(run, name))
    return float(np.nanmax(np.abs(value - expected) / allowed, initial=0))


def observables(run: nkpk.Result) -> set[str]:
    return {str(name) for name, a in run.data.data_vars.items() if a.dims[0] == "time"}


def simulate(scenario: nkpk.Scenario) -> nkpk.Result:
    return scenario.simulate(rtol=RTOL, atol_factor=ATOL_FACTOR)


def demand_agreement(run: nkpk.Result, *problem: Any, **changes: Any) -> None:
    """The run against the reference; other arguments are those of nk_reference.load after the folder."""
    loaded = nk_reference.load(ROOT / "params", *problem, **changes)
    reference = nk_reference.solve(loaded, run.data["time"].values, rtol=RTOL)
    assert set(reference) == observables(run)
    for name, expected in reference.items():
        value = run.data[name].values
        np.testing.assert_array_equal(np.isnan(value), np.isnan(expected), err_msg=name)
        found = excess(run, name, value, expected)
        assert found <= 1, f"{name} differs by {found:.3g} of what is allowed"
