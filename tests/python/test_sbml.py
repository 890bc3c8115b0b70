"""The export to SBML: libSBML finds nothing wrong, and libRoadRunner, which shares no code with nkpk, runs it to the same numbers."""

from __future__ import annotations


import libsbml
import nkpk
import numpy as np
import pytest
import roadrunner
from agreement import excess, floor, observables, simulate
from conftest import REGIMENS

TOLERANCE = 1e-5  # relative; agreement.py compares two programs at 1e-6
ALL_ARMS = [s for name in REGIMENS for s in nkpk.all_arms(name)]

# the machine code of a model is run once: time spent on making it fast is lost
roadrunner.Config.setValue(roadrunner.Config.LLVM_BACKEND, roadrunner.Config.LLJIT)
roadrunner.Config.setValue(roadrunner.Config.LLJIT_OPTIMIZATION_LEVEL, roadrunner.Config.NONE)
roadrunner.Logger.setLevel(roadrunner.Logger.LOG_ERROR)


def problems(text: str) -> list[str]:
    """What libSBML says of a model, its units included: errors and warnings."""
    document = libsbml.readSBMLFromString(text)
    document.checkConsistency()
    return [document.getError(i).getMessage() for i in range(document.getNumErrors())]


def names(run: nkpk.Result) -> list[tuple[str, int | None]]:
    """(observable, cohort), None for those that no infusion divides."""
    all_names: list[tuple[str, int | None]] = []
    for name in sorted(observables(run)):
        a = run.data[name]
        all_names += [(name, None)] if a.ndim == 1 else [(name, k) for k in range(a.shape[1])]
    return all_names


def sbml_name(name: str, cohort: int | None) -> str:
    return name if cohort is None else f"{name}_{cohort + 1}"


class Elsewhere:
    """The export in libRoadRunner; observables at days, after events."""

    def __init__(self, text: str) -> None:
        self.model = roadrunner.RoadRunner(text)
        integrator = self.model.getIntegrator()
        integrator.setValue("relative_tolerance", 1e-9)
        integrator.setValue("absolute_tolerance", 1e-14)
        integrator.setValue("maximum_num_steps", 1_000_000)
        self.known = set(self.model.model.getGlobalParameterIds())

    def run(self, days: np.ndarray, wanted: list[str]) -> dict[str, np.ndarray]:
        self.model.timeCourseSelections = wanted
        table = np.array(self.model.simulate(times=list(days - self.model["start_day"])))
        return dict(zip(wanted, table.T, strict=True))


def compare(run: nkpk.Result, text: str) -> dict[str, float]:
    """For every observable the largest difference over the allowed one."""
    model = Elsewhere(text)
    wanted = names(run)
    # what was not computed is NaN here and left out there
    nowhere = {(n, k) for n, k in wanted if sbml_name(n, k) not in model.known}
    for name, _ in nowhere:
        assert np.isnan(run.data[name].values).all(), f"{name} is missing"
    days = run.data["time"].values
    found = model.run(days, [sbml_name(n, k) for n, k in wanted if (n, k) not in nowhere])
    differences = {}
    for name, cohort in set(wanted) - nowhere:
        expected = run.data[name].values if cohort is None else run.data[name].values[:, cohort]
        value = found[sbml_name(name, cohort)]
        np.testing.assert_array_equal(np.isnan(value), np.isnan(expected), err_msg=name)
        allowed = TOLERANCE * np.maximum(np.abs(expected), floor(run, name))
        differences[sbml_name(name, cohort)] = float(np.nanmax(np.abs(value - expected) / allowed, initial=0))
    return differences


@pytest.mark.parametrize("scenario", ALL_ARMS, ids=lambda s: f"{s.name}-{s.arm}")
def test_libroadrunner_reproduces_every_observable(scenario: nkpk.Scenario) -> None:
    run = simulate(nkpk.load(scenario.name, arm=scenario.choices, output_step=1))
    differences = compare(run, scenario.to_sbml())
    assert len(differences) >= 30
    worst = max(differences, key=lambda name: differences[name])
    assert differences[worst] <= 1, f"{worst} differs by {differences[worst]:.3g} of what is allowed"
