"""Loading, changing, simulating, and what comes out."""

import pickle
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nkpk
import numpy as np
import pytest
from conftest import REGIMENS


def test_every_regimen_has_a_title_and_defaults_among_its_options() -> None:
    for regimen in nkpk.regimens():
        assert regimen.title and regimen.registration.startswith("NCT")
        for group, default in regimen.defaults.items():
            assert default in regimen.options[group]
        assert regimen in regimen.describe()


def test_a_scenario_says_what_it_is() -> None:
    scenario = nkpk.load("radboud-ucb", arm="high-il2", level="3e9", patient="3y-girl")
    assert scenario.arm == "high-il2_level-3e9"
    assert scenario.arm in scenario.arms and len(scenario.arms) == 9
    assert set(scenario.options) == {"arm", "level"}
    assert "il2 sc" in scenario.show()
    assert repr(scenario).startswith("<nkpk.Scenario radboud-ucb/high-il2_level-3e9")
    assert "<pre>" in scenario._repr_html_()


def test_the_calendar_has_absolute_amounts_for_the_patient() -> None:
    calendar = nkpk.load("sankoma", changes={"patient.weight": "50 kg"}).calendar
    cells = calendar[calendar["drug"] == "nk_cells"]
    assert cells["amount"].tolist() == [2.5e9, 2.5e10]
    assert cells["unit"].tolist() == ["cells", "cells"]
    assert cells["day"].tolist() == [0.0, 4.0]


def test_the_parameters_have_values_units_and_sources() -> None:
    table = nkpk.load("sankoma").parameters
    assert table.index.is_unique
    assert (table["source"] != "").all() and table["status"].isin(["measured", "derived", "assumed"]).all()
    assert table.at["host_nk.d0", "unit"] == "1/d"
    assert any(name.startswith("nkae:product.") for name in table.index)


def test_set_returns_a_changed_copy_and_leaves_the_original() -> None:
    first = nkpk.load("sankoma")
    second = first.set("host_nk.d0", "0.08 1/d").set({"dose.nk-1.amount": "1e9 cells", "patient.nk_count": "120 cells/uL"})
    assert first.parameters.at["host_nk.d0", "value"] != 0.08
    assert second.parameters.at["host_nk.d0", "value"] == 0.08
    assert second.calendar.query("dose_id == 'nk-1'")["amount"].item() == 1e9
    assert second.parameters.at["host_nk.NK0", "value"] == 120
    assert first == nkpk.load("sankoma") and first != second


def test_the_last_value_set_counts() -> None:
    scenario = nkpk.load("sankoma").set("host_nk.d0", "0.08 1/d").set("host_nk.d0", "0.07 1/d")
    assert scenario.parameters.at["host_nk.d0", "value"] == 0.07


@pytest.mark.parametrize("days", [[0, 7], (0, 7), np.array([0.0, 7.0])], ids=["list", "tuple", "array"])
def test_values_may_be_python_lists(days: object) -> None:
    assert nkpk.load("sysu-ucb").set("dose.nk.days", days).calendar["day"].tolist() == [0.0, 7.0]


def test_numbers_flags_and_texts_may_be_set() -> None:
    scenario = nkpk.load("rogachev-hsct", arm="tbi").set({"switches.linear_quadratic": True, "rejection.f_allo": np.float64(0.07), "donor": "matched"})
    assert scenario.parameters.at["rejection.f_allo", "value"] == 0.07


def test_a_course_is_shared_among_its_doses() -> None:
    assert nkpk.load("radboud-ucb").set("courses.nk", "1e9 cells").calendar.query("drug == 'nk_cells'")["amount"].tolist() == [1e9]


def test_replace_takes_other_arguments_of_load() -> None:
    scenario = nkpk.load("radboud-ucb", arm="high-il2", changes={"host_nk.d0": "0.08 1/d"})
    other = scenario.replace(patient="3y-girl", level="1e9")
    assert (other.arm, other.parameters.at["host_nk.d0", "value"]) == ("high-il2_level-1e9", 0.08)


def test_a_regimen_can_be_a_file_of_ones_own(tmp_path: Path) -> None:
    shipped = dict(nkpk.simulate("sankoma", days=1).inputs)["regimens/sankoma.toml"]
    own = tmp_path / "own.toml"
    own.write_text(shipped.replace('name = "sankoma"', 'name = "own"'))
    assert nkpk.load(own).regimen == "own"


def test_all_arms_are_all_combinations() -> None:
    scenarios = nkpk.all_arms("peking-aml", patient="45y-woman")
    assert sorted(s.arm for s in scenarios) == sorted(nkpk.load("peking-aml").arms)
    assert all("woman" in repr(s) for s in scenarios)


def test_data_has_named_dimensions_and_units(sankoma: nkpk.Result) -> None:
    data = sankoma.data
    assert data["donor_nk_cohort_count"].dims == ("time", "cohort")
    assert data["cohort"].values.tolist() == ["nk-1", "nk-2"]
    assert data["time"].attrs["units"] == "days"
    for name, array in data.data_vars.items():
        assert array.attrs["units"] and array.attrs["long_name"], name
    assert sankoma.states["host_blood"].dims == ("time",)
    np.testing.assert_array_equal(sankoma.states["time"], data["time"])


def test_parts_add_up(runs: dict[str, nkpk.Result]) -> None:
    for run in runs.values():
        d = run.data
        np.testing.assert_allclose(d["nk_count"], d["host_nk_count"] + d["graft_nk_count"] + d["donor_nk_count"], rtol=1e-12)


def test_the_table_of_observables_has_units(sankoma: nkpk.Result) -> None:
    table = sankoma.to_dataframe()
    assert table.index.name == "day"
    assert table.attrs["units"]["alc"] == "cells/uL"
    assert "donor_nk_cohort_count[nk-2]" in table
    named = sankoma.to_dataframe(units_in_names=True)
    assert "alc [cells/uL]" in named and named.shape == table.shape


def test_the_report_names_value_unit_and_meaning(sankoma: nkpk.Result) -> None:
    row = sankoma.report.loc["donor_nk_cmax"]
    assert row["unit"] == "cells/uL" and row["title"]
    assert 10 < row["value"] < 1e4
    assert sankoma.patient.at["weight", "value"] == 45
    assert sankoma.patient.attrs["sex"] == "male"


def test_the_run_keeps_what_made_it(sankoma: nkpk.Result) -> None:
    assert sankoma.ok and sankoma.message == "" and sankoma.t_reached == sankoma.data["time"].values[-1]
    assert sankoma.inputs["regimens/sankoma.toml"].startswith("format = 1")
    assert sankoma.provenance["command_line"].startswith("nkpk.simulate('sankoma'")
    assert sankoma.events.equals(nkpk.load("sankoma").calendar)
    assert sankoma.parameters.equals(nkpk.load("sankoma").parameters)


def test_a_run_shows_itself(sankoma: nkpk.Result) -> None:
    assert repr(sankoma) == "<nkpk.Result sankoma/two-infusions, patient boy-13y: ok; 681 times, day -7 to 60>"
    assert "donor_nk_cmax" in sankoma._repr_html_()


def test_without_switches_a_mechanism_off() -> None:
    run = nkpk.simulate("sankoma", days=10, without="rejection")
    assert np.isnan(run.states["effectors"]).all()
    assert run.attrs["switched_off"] == ["rejection"]


def test_every_solver_agrees() -> None:
    first, *others = (nkpk.simulate("sankoma", days=10, solver=name, rtol=1e-10) for name in nkpk.solvers())
    assert others
    for other in others:
        np.testing.assert_allclose(other.data["donor_nk_count"], first.data["donor_nk_count"], rtol=1e-6, atol=1e-6)


def test_what_is_unusual_is_a_warning() -> None:
    with pytest.raises(nkpk.InputError, match=r"host_nk\.d0.*expected 0\.03 to 0\.11 1/d \(Zhang 2007.*allow_implausible=True"):
        nkpk.load("sankoma").set("host_nk.d0", "0.2 1/d")
    scenario = nkpk.load("sankoma", allow_implausible=True).set("host_nk.d0", "0.2 1/d")
    assert any("host_nk.d0" in text for text in scenario.warnings)
    with pytest.warns(nkpk.PlausibilityWarning, match="sankoma/two-infusions: host_nk.d0"):
        run = scenario.simulate(days=1)
    assert run.warnings == scenario.warnings
    assert pickle.loads(pickle.dumps(scenario)) == scenario == scenario.replace(days=scenario.days)
    with pytest.warns(nkpk.PlausibilityWarning):
        again = nkpk.simulate("sankoma", changes={"host_nk.d0": "0.2 1/d"}, days=1, allow_implausible=True)
    assert "allow_implausible=True" in again.provenance["command_line"]
    assert all(s.warnings for s in nkpk.all_arms("sankoma", changes={"host_nk.d0": "0.2 1/d"}, allow_implausible=True))


def test_patients_that_are_given_may_lie_outside_plausible_ranges() -> None:
    many = nkpk.load("sankoma", days=2).ensemble(population={"host_nk.d0": [0.069, 0.2]})
    assert many.n_solved == 2


def test_scenarios_and_runs_can_be_pickled(sankoma: nkpk.Result) -> None:
    scenario = nkpk.load("radboud-ucb", arm="high-il2").set("host_nk.d0", "0.08 1/d")
    assert pickle.loads(pickle.dumps(scenario)) == scenario
    again = pickle.loads(pickle.dumps(sankoma))
    assert again.data.identical(sankoma.data) and again.states.identical(sankoma.states)


def test_runs_in_threads_give_the_same_numbers(runs: dict[str, nkpk.Result]) -> None:
    with ThreadPoolExecutor(2) as pool:
        for name, run in zip(REGIMENS, pool.map(nkpk.simulate, REGIMENS), strict=True):
            assert run.data["alc"].values.tobytes() == runs[name].data["alc"].values.tobytes()


def test_other_threads_go_on_while_a_run_is_computed() -> None:
    scenario = nkpk.load("rogachev-hsct")
    running, counts = threading.Event(), [0]
    longest = [0.0]

    def count() -> None:
        last = time.monotonic()
        while running.is_set():
            time.sleep(0.001)
            now = time.monotonic()
            longest[0], last = max(longest[0], now - last), now
            counts[0] += 1

    running.set()
    worker = threading.Thread(target=count)
    worker.start()
    begin = time.monotonic()
    scenario.simulate(rtol=1e-13, atol_factor=1e-4)
    took = time.monotonic() - begin
    running.clear()
    worker.join()
    assert counts[0] > 5, f"{counts[0]} turns in {took:.3f} s"


def test_ctrl_c_stops_a_long_run() -> None:
    code = (
        "import nkpk, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # jobs in the background start with Ctrl-C ignored
        "s = nkpk.load('rogachev-hsct', days=100000, output_step=100, allow_implausible=True)\n"
        "print('ready', flush=True)\n"
        "try:\n"
        "    s.simulate(solver='dopri5', rtol=1e-13, atol_factor=1e-6, max_steps=10**12)\n"  # seconds: its steps stay short
        "except KeyboardInterrupt:\n"
        "    print('stopped'); sys.exit(7)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        time.sleep(0.3)
        process.send_signal(2)
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, out) == (7, "stopped\n")


def test_importing_is_light() -> None:
    code = "import sys, nkpk; print([m for m in ('pandas', 'xarray', 'h5py', 'matplotlib') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"


def test_every_public_name_is_there() -> None:
    for name in nkpk.__all__:
        assert getattr(nkpk, name).__doc__, name
    assert set(nkpk.__all__) <= set(dir(nkpk))


def test_a_missing_extension_says_what_to_do(tmp_path: Path) -> None:
    package = tmp_path / "nkpk"
    package.mkdir()
    for path in Path(nkpk.__file__).parent.glob("*.py"):
        (package / path.name).write_text(path.read_text())
    done = subprocess.run([sys.executable, "-c", "import nkpk"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert "the compiled part of nkpk is missing" in done.stderr and "make build" in done.stderr
