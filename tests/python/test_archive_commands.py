"""nkpk info, diff and export --csv."""

import hashlib
import json
import subprocess
from io import StringIO
from pathlib import Path

import nkpk
import numpy as np
import pandas as pd
import pytest


@pytest.fixture(scope="module")
def folder(executable: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("commands")
    for name, *arguments in (
        ("a", "simulate", "sankoma"),
        ("again", "simulate", "sankoma"),
        ("b", "simulate", "sankoma", "--set", "host_nk.d0=0.05 1/d"),
        ("tight", "simulate", "sankoma", "--rtol", "1e-8"),
        ("patients", "ensemble", "sankoma", "-n", "10"),
    ):
        subprocess.run([executable, *arguments, "--days", "10", "--quiet", "-o", f"{name}.h5"], cwd=folder, check=True, timeout=120)
    return folder


@pytest.fixture
def command(executable: Path, folder: Path):
    def run(*arguments: object, code: int = 0) -> str:
        done = subprocess.run([executable, *map(str, arguments)], cwd=folder, capture_output=True, text=True, timeout=60)
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return done.stderr if code == 2 else done.stdout

    return run


def test_two_runs_of_the_same_do_not_differ(command, folder: Path) -> None:
    assert command("diff", "a.h5", "again.h5").endswith("the same\n")
    data = json.loads(command("diff", "a.h5", "again.h5", "--json"))
    assert data["same"] and all(d["provenance"] for d in data["differences"])
    assert {d["where"] for d in data["differences"]} >= {"/provenance@command_line", "/@history"}
    command("diff", "a.h5", "again.h5", "--provenance", code=1)
    assert nkpk.diff(folder / "a.h5", folder / "again.h5").empty
    assert set(nkpk.diff(folder / "a.h5", folder / "again.h5", provenance=True)["where"]) == {d["where"] for d in data["differences"]}


def test_another_parameter_is_found_as_input_and_number(command, folder: Path) -> None:
    text = command("diff", "a.h5", "b.h5", code=1)
    data = json.loads(command("diff", "a.h5", "b.h5", "--json", code=1))
    by_where = {d["where"]: d for d in data["differences"]}
    value = by_where["/parameters/value"]
    assert value["n_different"] == 1 and value["at"] == "parameter=host_nk.d0" and value["b"] == "0.05"
    ours, theirs = (nkpk.open(folder / name).data["host_nk_count"] for name in ("a.h5", "b.h5"))
    gap = np.abs(ours.values - theirs.values)
    count = by_where["/host_nk_count"]
    assert count["n_different"] == (gap > 0).sum() and count["max_absolute"] == gap.max()
    assert float(count["at_absolute"].removeprefix("time=")) == ours["time"].values[gap.argmax()]
    assert "/host_nk_count: " in text and text.endswith(" differences\n")
    table = nkpk.diff(folder / "a.h5", folder / "b.h5")
    assert set(table["where"]) == {d["where"] for d in data["differences"] if not d["provenance"]}


def test_a_tolerance_decides_what_differs(command, folder: Path) -> None:
    arrays = {d["where"] for d in json.loads(command("diff", "a.h5", "tight.h5", "--json", code=1))["differences"] if d["kind"] == "values"}
    assert "/alc" in arrays
    within = nkpk.diff(folder / "a.h5", folder / "tight.h5", rtol=1e-3, atol=1e-3)
    assert "/alc" not in set(within["where"]) and "/@rtol" in set(within["where"])


def test_what_cannot_be_compared_is_exit_code_2(command) -> None:
    assert "no such file" in command("diff", "a.h5", "none.h5", code=2)
    assert "expected 0 or more" in command("diff", "a.h5", "b.h5", "--rtol", "-1", code=2)


def test_info_says_digest_provenance_and_inputs(command, folder: Path) -> None:
    text = command("info", "a.h5")
    data = json.loads(command("info", "a.h5", "--json"))
    assert data["digest"] == {"sha256": (folder / "a.h5").read_bytes()[-32:].hex(), "sealed_anew": False}
    for key in ("command_line", "created", "finished", "exit_state", "compiler", "cpu", "hdf5", "boost", "eigen", "fmt", "tomlplusplus", "openssl", "threads"):
        assert data["provenance"][key] not in (None, ""), key
        assert key in text
    assert data["provenance"]["exit_state"] == "ok"
    inputs = nkpk.open(folder / "a.h5").inputs
    assert data["runs"][0]["inputs"] == {name: hashlib.sha256(content.encode()).hexdigest() for name, content in inputs.items()}
    assert set(json.loads(command("info", "patients.h5", "--json"))["ensemble"]["inputs"]) == set(inputs)


def test_tables_read_back_as_the_archive(command, folder: Path) -> None:
    command("export", "--csv", "a.h5", "-o", "tables")
    run = nkpk.open(folder / "a.h5")
    over_time = pd.read_csv(folder / "tables" / "by_time.csv", index_col="time")
    for name, column in over_time.items():
        np.testing.assert_array_equal(column.to_numpy(float), run.data[name], err_msg=name)
    states = pd.read_csv(folder / "tables" / "states.csv", index_col="time")
    assert list(states.columns) == list(run.states.data_vars)
    np.testing.assert_array_equal(states["host_blood"], run.states["host_blood"])
    by_infusion = pd.read_csv(folder / "tables" / "by_time_cohort.csv").set_index(["time", "cohort"])
    assert by_infusion.loc[(over_time.index[30], "nk-1"), "infused_cells_body"] == run.data["infused_cells_body"].values[30, 0]
    events = pd.read_csv(folder / "tables" / "events.csv", keep_default_na=False)
    assert events["drug"].tolist() == run.events["drug"].tolist() and events["event_source"].tolist() == run.events["source"].tolist()
    report = pd.read_csv(folder / "tables" / "report.csv", index_col="name")
    np.testing.assert_array_equal(report["value"], run.report["value"])
    assert report.loc["donor_nk_cmax", "unit"] == "cells/uL"
    inputs = pd.read_csv(folder / "tables" / "inputs.csv", index_col="input")
    assert inputs["input_text"].to_dict() == run.inputs
    columns = pd.read_csv(folder / "tables" / "columns.csv", keep_default_na=False).set_index(["file", "column"])
    assert columns.loc[("by_time.csv", "alc"), "unit"] == "cells/uL"
    assert {file for file, _ in columns.index} <= {p.name for p in (folder / "tables").iterdir()}
    assert run.regimen in pd.read_csv(folder / "tables" / "attributes.csv")["value"].tolist()


def test_an_ensemble_becomes_patients_outcomes_and_quantiles(command, folder: Path) -> None:
    files = json.loads(command("export", "--csv", "patients.h5", "-o", "many", "--json"))["files"]
    assert {"runs.csv", "quantiles.csv", "by_patient_time.csv", "parameters_by_patient_parameter.csv", "scenario/events.csv"} <= set(files)
    ensemble = nkpk.open(folder / "patients.h5")
    runs = pd.read_csv(folder / "many" / "runs.csv", index_col="patient")
    assert runs["outcome"].tolist() == ["solved"] * 10
    quantiles = pd.read_csv(folder / "many" / "quantiles.csv").set_index(["quantile", "time"]).to_xarray()
    np.testing.assert_array_equal(quantiles["alc"], ensemble.quantiles["alc"])
    courses = pd.read_csv(folder / "many" / "by_patient_time.csv").set_index(["patient", "time"]).to_xarray()
    np.testing.assert_array_equal(courses["alc"], ensemble.values["alc"])


def test_one_array_goes_to_standard_output(command, folder: Path) -> None:
    table = pd.read_csv(StringIO(command("export", "--csv", "a.h5", "--array", "alc")), index_col="time")
    np.testing.assert_array_equal(table["alc"], nkpk.open(folder / "a.h5").data["alc"])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["a.h5"], "expected -o FOLDER"),
        (["-o", "x"], "no archive is named"),
        (["none.h5", "-o", "x"], "no such file"),
        (["a.h5", "-o", "x", "--sbml"], "goes alone"),
        (["a.h5", "--array", "alk"], 'did you mean "alc"?'),
        (["a.h5", "--array", "alc", "-o", "x"], "leave out -o"),
        (["a.h5", "-o", "no/x"], "does not exist"),
        (["a.h5", "-o", "b.h5"], "exists already"),
        (["a.h5", "-o", "b.h5", "--force"], "is no earlier export"),
    ],
)
def test_a_mistake_is_told_and_nothing_is_written(arguments: list[str], text: str, command, folder: Path) -> None:
    before = sorted(folder.iterdir())
    assert text in command("export", "--csv", *arguments, code=2)
    assert sorted(folder.iterdir()) == before


def test_provenance_says_how_the_work_ended(tmp_path: Path) -> None:
    failed = nkpk.simulate("sankoma", max_steps=10, check=False)
    assert failed.provenance["exit_state"] == "failed"
    failed.save(tmp_path / "failed.h5")
    scenario = nkpk.load("sankoma", days=5)
    given = scenario.ensemble(population={"host_nk.d0": [0.05, -1.0, float("nan")]})
    assert (given.n_solved, given.n_refused, given.provenance["exit_state"]) == (1, 2, "ok")
    given.save(tmp_path / "given.h5")
    streamed = scenario.ensemble(n=2, max_steps=10, out=tmp_path / "streamed.h5")
    assert (streamed.n_failed, streamed.provenance["exit_state"]) == (2, "failed")
    for name in ("failed", "given", "streamed"):
        assert nkpk.verify(tmp_path / f"{name}.h5") == []
        provenance = nkpk.open(tmp_path / f"{name}.h5").provenance
        assert provenance["created"] <= provenance["finished"]
