"""The same comparison on made-up regimens that switch on what no shipped one does: optional terms, routes, windows, patients.

Each optional term stands in one line of its file. TERMS takes it away and shows that it had an effect which the
comparison would have seen.
"""

import tomllib
from functools import cache
from pathlib import Path

import nkpk
import numpy as np
import pytest
from agreement import INDEPENDENT, demand_agreement, excess, floor, observables, simulate

pytestmark = pytest.mark.filterwarnings("ignore::nkpk.PlausibilityWarning")  # 4.9 kg: doses per m2 as written

# regimen: further patients besides its own, and what a user would give with --set
REGIMENS: dict[str, list[str]] = {"child": [], "cytokines": [], "infant": ["boy-11mo"], "irradiation": []}
CHANGES = {"irradiation": {"switches.linear_quadratic": "true"}}

# regimen, the line as it stands in the file of the regimen or of its patient, the line with the term off
TERMS = [
    ("child", '"treosulfan.kill_saturation" = "0.02 L/mg"', ""),
    ("child", '"graft.eps_host" = "0.2"', ""),
    ("child", '"graft.f34" = "0.3"', ""),
    ("child", 'amount = "0.8 mg/kg"', 'amount = "0 mg"'),  # busulfan by mouth
    ("child", 'amount = "2.1 mg/kg"', 'amount = "0 mg"'),  # busulfan by vein
    ("child", 'value = "0.7"', 'value = "0"'),  # steroid
    ("child", 'eGFR = "64 mL/min/1.73m^2"', ""),
    ("child", 'treg_count = "71 cells/uL"', ""),
    ("child", 'nk_dose = "8e6 cells/kg"', ""),
    ("child", 'donor = "autologous"', 'donor = "haploidentical"'),
    ("cytokines", '"infused_nk.Isup" = "0.5"', ""),
    ("cytokines", '"infused_nk.k_hum" = "0.06 1/d"', ""),
    ("cytokines", '"rejection.krejN" = "0.002 1/d/(cells/uL)"', ""),
    ("cytokines", '"blood_count.fB" = "0.12"', ""),
    ("cytokines", 'creatinine = "1.3 mg/dL"', ""),
    ("cytokines", 'nk_count = "180 cells/uL"', ""),
    ("cytokines", 't_count = "850 cells/uL"', ""),
    ("cytokines", 'f_NK = "0.8"', ""),
    ("cytokines", 'viability = "0.7"', ""),
    ("cytokines", 'product = "overnight-activated"', ""),
    ("cytokines", 'amount = "1.1 MIU"', 'amount = "0 IU"'),  # IL-2: bolus, infusion, under the skin
    ("cytokines", 'amount = "2.2 MIU/m^2"', 'amount = "0 IU"'),
    ("cytokines", 'amount = "3.3 MIU"', 'amount = "0 IU"'),
    ("cytokines", 'amount = "5.5 ng/kg"', 'amount = "0 pg"'),  # IL-15: bolus, infusion, under the skin
    ("cytokines", 'amount = "22 ng/kg"', 'amount = "0 pg"'),
    ("cytokines", 'amount = "11 ng/kg"', 'amount = "0 pg"'),
    ("cytokines", 'value = "0.4"', 'value = "0"'),  # some steroid, and all of it
    ("cytokines", 'value = "1"', 'value = "0"'),
    ("cytokines", 'value = "0.3 1/d"', 'value = "0 1/d"'),  # depletion of Treg
    ("cytokines", 'value = "0.6"', 'value = "0"'),  # induction of IL-15
    ("cytokines", "blasts = [[-5, 210], [3, 6], [30, 25]]", ""),
    ("infant", '"fludarabine.kill_saturation" = "0.7 L/mg"', ""),
    ("infant", '"thiotepa.kill_saturation" = "0.4 L/mg"', ""),
    ("infant", '"busulfan.kill_saturation" = "0.5 L/mg"', ""),
    ("infant", '"graft.eps_host" = "0.05"', ""),
    ("infant", 'creatinine = "0.31 mg/dL"', ""),
    ("infant", 'amount = "0.9 mg/kg"', 'amount = "0 mg"'),  # busulfan by vein
    ("infant", "myeloablative = true", ""),
    ("infant", 'nk_dose = "3e6 cells/kg"', ""),
    ("infant", 'cd34_dose = "2.5e6 cells/kg"', ""),
    ("infant", 'cd3_dose = "4e5 cells/kg"', ""),
    ("infant", "monocytes_graft = [[8, 1], [18, 540]]", ""),
    ("irradiation", '"irradiation.alpha" = "0.35 1/Gy"', ""),
    ("irradiation", '"irradiation.alpha_beta" = "8 Gy"', ""),
    ("irradiation", '"cyclophosphamide.kill_saturation" = "0.05 L/mg"', ""),
    ("irradiation", 'creatinine = "0.7 mg/dL"', ""),
    ("irradiation", 'blood_volume = "5.1 L"', ""),
    ("irradiation", 'wbc_count = "6800 cells/uL"', 'wbc_count = "8800 cells/uL"'),  # the tables need one
    ("irradiation", "blasts = [[-8, 900], [1, 4]]", ""),
    ("irradiation", 'donor = "matched"', 'donor = "haploidentical"'),
]  # fmt: skip


def files(regimen: str, patient: str | None = None) -> tuple[Path, Path]:
    path = INDEPENDENT / "regimens" / f"{regimen}.toml"
    patient = patient or tomllib.loads(path.read_text())["patient"]
    return path, INDEPENDENT / "patients" / f"{patient}.toml"


def scenario(regimen: str, path: Path, patient: Path, **changes: str) -> nkpk.Scenario:
    return nkpk.load(path, patient=patient, changes=CHANGES.get(regimen, {}) | changes, output_step=0.5)


@cache
def solved(regimen: str, patient: str | None = None) -> nkpk.Result:
    return simulate(scenario(regimen, *files(regimen, patient)))


CASES = [(regimen, patient) for regimen, others in REGIMENS.items() for patient in (None, *others)]


def demand_an_effect(term: str, with_it: nkpk.Result, without: nkpk.Result) -> None:
    np.testing.assert_array_equal(with_it.data["time"].values, without.data["time"].values)
    largest = max(excess(with_it, name, with_it.data[name].values, without.data[name].values) for name in observables(with_it))
    appeared = any((with_it.data[name].isnull() != without.data[name].isnull()).any() for name in observables(with_it))
    assert largest > 1000 or appeared, f"without {term} no observable moves by more than {largest:.3g} of what the comparison allows"


@pytest.mark.parametrize(("regimen", "patient"), CASES)
def test_agrees_with_the_equations_written_a_second_time(regimen: str, patient: str | None) -> None:
    path, own = files(regimen, patient)
    demand_agreement(solved(regimen, patient), path, patient=own, overrides=CHANGES.get(regimen, {}))


@pytest.mark.parametrize(("regimen", "line", "off"), TERMS, ids=[f"{regimen}: {line}" for regimen, line, _ in TERMS])
def test_each_optional_term_changes_something(regimen: str, line: str, off: str, tmp_path: Path) -> None:
    texts = {path: path.read_text().splitlines() for path in files(regimen)}
    assert sum(lines.count(line) for lines in texts.values()) == 1, "expected this line once"
    for path, lines in texts.items():
        (tmp_path / path.name).write_text("\n".join(off if text == line else text for text in lines) + "\n")
    without = simulate(scenario(regimen, *(tmp_path / path.name for path in texts)))
    demand_an_effect(line, solved(regimen), without)


def test_the_linear_quadratic_switch_changes_something() -> None:
    off = scenario("irradiation", *files("irradiation"), **{"switches.linear_quadratic": "false"})
    demand_an_effect("the switch", solved("irradiation"), simulate(off))


def test_every_file_is_used() -> None:
    used = {path for case in CASES for path in files(*case)}
    assert used == {path for folder in ("regimens", "patients") for path in (INDEPENDENT / folder).glob("*.toml")}


def test_every_observable_is_a_number_above_its_floor_somewhere() -> None:
    runs = [solved(*case) for case in CASES]
    for name in observables(runs[0]):
        largest = max(float(np.nanmax(run.data[name].values, initial=0)) / floor(run, name) for run in runs)
        assert largest > 1000, f"{name} reaches {largest:.3g} of its floor"
