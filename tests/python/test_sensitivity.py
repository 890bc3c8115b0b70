"""Sensitivities from Python: names, units, agreement with differences, failures."""

import nkpk
import numpy as np
import pytest


@pytest.fixture(scope="module")
def scenario() -> nkpk.Scenario:
    return nkpk.load("radboud-ucb", arm="high-il2", output_step=1)


def test_sensitivities_are_differences_of_simulations(scenario: nkpk.Scenario) -> None:
    d = scenario.sensitivity(["infused_nk.fv", "dose.nk.amount"], rtol=1e-10)
    assert d["donor_nk_count"].dims == ("time", "parameter")
    fv = float(d["parameter_value"].sel(parameter="infused_nk.fv"))
    up, down = (
        scenario.set("infused_nk.fv", fv * (1 + h)).simulate(rtol=1e-10, atol_factor=1e-3).data["donor_nk_count"] for h in (1e-4, -1e-4)
    )
    exact, difference = d["donor_nk_count"].sel(parameter="infused_nk.fv"), (up - down) / (2e-4 * fv)
    # 1e-4 squared of a third derivative, and the solver's 1e-9 over 2e-4
    np.testing.assert_allclose(exact, difference, rtol=1e-5, atol=1e-5 * float(abs(exact).max()))
    # the dose enters as fv times the dose, and nowhere else
    np.testing.assert_allclose(
        d["il15"].sel(parameter="dose.nk.amount") * 2e9, d["il15"].sel(parameter="infused_nk.fv") * fv, rtol=1e-6, atol=1e-9
    )


def test_doses_move_and_last_longer(scenario: nkpk.Scenario) -> None:
    d = scenario.sensitivity(["dose.nk.start", "dose.nk.duration", "host_nk.d0"], rtol=1e-10)
    assert d["parameter_unit"].values.tolist() == ["d", "d", "1/d"]
    np.testing.assert_allclose(d["parameter_value"].values, [0, 0.5 / 24, 0.069])
    h, days = 1e-4, [1, 3, 7, 14]  # d; away from every event
    moved = {"start": ("dose.nk.days", lambda by: [by]), "duration": ("dose.nk.duration", lambda by: f"{0.5 / 24 + by:.17g} d")}
    for what, (key, written) in moved.items():
        up, down = (scenario.set(key, written(by)).simulate(rtol=1e-10, atol_factor=1e-3).data["donor_nk_count"] for by in (h, -h))
        exact = d["donor_nk_count"].sel(parameter=f"dose.nk.{what}")
        difference = (up.sel(time=days, method="nearest") - down.sel(time=days, method="nearest")) / (2 * h)
        size = float(abs(exact).max())
        np.testing.assert_allclose(exact.sel(time=days, method="nearest"), difference, rtol=1e-5, atol=1e-6 * size, err_msg=what)


def test_units_of_parameters_and_observables_stand_beside_the_numbers(scenario: nkpk.Scenario) -> None:
    d = scenario.sensitivity("host_nk.d0")
    assert d["parameter_unit"].values.tolist() == ["1/d"] and d["host_nk_count"].attrs["units"] == "cells/uL"
    assert float(d["parameter_value"][0]) == 0.069


def test_unknown_parameters_are_named(scenario: nkpk.Scenario) -> None:
    with pytest.raises(nkpk.InputError, match='unknown parameter "host_nk.d1"; did you mean "host_nk.d0"'):
        scenario.sensitivity("host_nk.d1")
    with pytest.raises(nkpk.InputError, match='did you mean "dose.nk.duration"'):
        scenario.sensitivity("dose.nk.durations")
    with pytest.raises(nkpk.InputError, match='did you mean "dose.il2.start"'):  # injected: it has no duration
        scenario.sensitivity("dose.il2.star")


def test_a_failure_is_an_error_with_its_place_or_a_status(scenario: nkpk.Scenario) -> None:
    with pytest.raises(nkpk.SolveError, match="max_steps") as caught:
        scenario.sensitivity("host_nk.d0", max_steps=20)
    assert caught.value.status == "max_steps" and caught.value.t_reached < 0
    d = scenario.sensitivity("host_nk.d0", max_steps=20, check=False)
    assert d.attrs["status"] == "max_steps" and np.isnan(d["alc"].values[-1, 0])
