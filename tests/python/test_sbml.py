"""The export to SBML: libSBML finds nothing wrong, and libRoadRunner, which shares no code with nkpk, runs it to the same numbers."""

from __future__ import annotations


import dataclasses
import re
import tomllib
from pathlib import Path

import libsbml
import nkpk
import numpy as np
import pytest
import roadrunner
from agreement import INDEPENDENT, floor, observables, simulate
from conftest import REGIMENS, ROOT

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
        # one for each state: a single one is multiplied with the states, and vanishes with a drug that has gone
        integrator.setValue("absolute_tolerance", [1e-14] * len(integrator.getAbsoluteToleranceVector()))
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


def test_a_changed_parameter_is_found() -> None:
    """The comparison can fail: 0.1 % on one parameter, or one dose less, is far outside of what is allowed."""
    run = simulate(nkpk.load("sankoma", output_step=1))
    other = nkpk.load("sankoma").set("host_nk.d0", f"{1.001 * run.parameters.at['host_nk.d0', 'value']:.12g} 1/d")
    assert compare(run, other.to_sbml())["host_nk_count"] > 10
    text = nkpk.load("sankoma").to_sbml()
    without_event = re.sub(r'<event id="event_3".*?</event>', "", text, flags=re.DOTALL)
    assert without_event != text and max(compare(run, without_event).values()) > 10


@pytest.mark.parametrize("name", REGIMENS)
def test_libsbml_finds_no_errors_and_no_warnings(name: str) -> None:
    arms = nkpk.all_arms(name)
    for scenario in (arms[0], arms[-1]):  # a second for each; arms differ in doses only
        assert problems(scenario.to_sbml()) == [], scenario.arm


def test_libsbml_checks_units() -> None:
    """The check is not empty: a wrong unit is found."""
    text = nkpk.load("sankoma").to_sbml()
    wrong = re.sub(r'(<parameter id="host_nk_MTT"[^>]*units=)"d"', r'\1"kg"', text)
    assert wrong != text and problems(wrong)


@pytest.mark.parametrize(
    "scenario",
    [
        nkpk.load("rogachev-hsct", arm="tbi", changes={"switches.linear_quadratic": True}, patient="8y-girl"),
        nkpk.load("sankoma", without=["rejection", "il2"]),
        nkpk.load("peking-aml", without="infused_nk", patient="60y-woman"),
        nkpk.load("radboud-ucb", arm="high-il2", changes={"fludarabine.kill_saturation": "0.1 L/mg"}, patient="3y-girl"),
    ],
    ids=["linear-quadratic", "mechanisms-off", "no-infused-nk", "saturated"],
)
def test_what_a_scenario_switches_is_in_the_export(scenario: nkpk.Scenario) -> None:
    assert problems(scenario.to_sbml()) == []
    differences = compare(simulate(dataclasses.replace(scenario, output_step=1.0)), scenario.to_sbml())
    assert max(differences.values()) <= 1, differences


INPUTS = """
monocytes_host = [[-4, 300], [4, 1], [20, 300]]
monocytes_graft = [[6, 20], [12, 20]]
graft = [[5, 1], [15, 200]]
blasts = [[-6, 50], [2, 5]]
wbc_measured = [[9, 500], [14, 150], [21, 2500]]
alc_measured = [[8, 200], [15, 300], [20, 500]]

[[window]]
id = "dexamethasone"
switch = "steroid"
start = "2 d"
end = "5.5 d"
value = "1"

[[window]]
id = "depletion"
switch = "treg_depletion"
start = "-1 d"
end = "3 d"
value = "0.5 1/d"

[[window]]
id = "induction"
switch = "il15_induction"
start = "5.5 d"
end = "9 d"
value = "0.3"
"""


@pytest.mark.filterwarnings("ignore::nkpk.PlausibilityWarning")  # 4.9 kg: doses per m2 as written
@pytest.mark.parametrize("name", ["child", "cytokines", "infant", "irradiation"])
def test_optional_terms_and_all_routes_are_in_the_export(name: str) -> None:
    """The made-up regimens of tests/independent switch on what no shipped one does."""
    changes = {"switches.linear_quadratic": True} if name == "irradiation" else {}
    regimen = INDEPENDENT / "regimens" / f"{name}.toml"
    patient = INDEPENDENT / "patients" / f"{tomllib.loads(regimen.read_text())['patient']}.toml"
    scenario = nkpk.load(regimen, patient=patient, changes=changes, output_step=1)
    text = scenario.to_sbml()
    assert problems(text) == []
    differences = compare(simulate(scenario), text)
    assert max(differences.values()) <= 1, differences


def test_windows_and_leukocytes_are_in_the_export(tmp_path: Path) -> None:
    """Measured white cells, beside windows, monocytes and blasts."""
    regimen = (ROOT / "params" / "regimens" / "sankoma.toml").read_text()
    lines = regimen.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("host = [[-4"))
    (tmp_path / "busy.toml").write_text("\n".join([*lines[: at + 1], INPUTS, *lines[at + 1 :]]) + "\n")
    scenario = nkpk.load(tmp_path / "busy.toml", output_step=0.5)
    text = scenario.to_sbml()
    assert problems(text) == []
    differences = compare(simulate(scenario), text)
    assert "chimerism_pbmc" in differences and max(differences.values()) <= 1, differences


def test_a_switched_off_mechanism_leaves_no_equations() -> None:
    model = libsbml.readSBMLFromString(nkpk.load("sankoma", without="rejection").to_sbml()).getModel()
    assert model.getParameter("effectors") is None and model.getParameter("effector_count") is None
    assert model.getParameter("donor_nk_count") is not None


def test_the_same_scenario_gives_the_same_bytes_and_names_no_machine(run_nkpk, tmp_path: Path) -> None:
    text = nkpk.load("sankoma").to_sbml()
    assert run_nkpk("export", "sankoma", "--sbml") == text == nkpk.load("sankoma").to_sbml()
    run_nkpk("export", "sankoma", "--sbml", "--quiet", "-o", tmp_path / "sankoma.xml")
    assert (tmp_path / "sankoma.xml").read_text() == text
    assert nkpk.__version__ in text and "/work" not in text and str(Path.home()) not in text


def test_signals_stay_named_and_doses_at_one_time_are_one_event() -> None:
    model = libsbml.readSBMLFromString(nkpk.load("rogachev-hsct", arm="tbi").to_sbml()).getModel()
    rules = {model.getRule(i).getVariable(): libsbml.formulaToL3String(model.getRule(i).getMath()) for i in range(model.getNumRules())}
    assert "signal_margination" in rules["host_blood"] and "signal_kill_nk" in rules["host_blood"]
    rates = {model.getRule(i).getVariable() for i in range(model.getNumRules()) if model.getRule(i).isRate()}
    assert max(len(rules[name]) for name in rates) < 400
    assert max(len(formula) for formula in rules.values()) < 700  # the proliferation of infused NK
    times = [model.getEvent(i).getName() for i in range(model.getNumEvents())]
    assert len(times) == len(set(times))


def test_the_page_of_equations_is_that_of_the_model(run_nkpk) -> None:
    """docs/equations.md is printed by `nkpk export --equations`; after a change of the model: nkpk export --equations -o docs/equations.md --force"""
    page = ROOT / "docs" / "equations.md"
    assert run_nkpk("export", "--equations") == page.read_text()
