"""Groups of a run are made on first use and datasets from a form of the scenario; nobody may see a difference."""

import copy
import gc
import pickle
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nkpk
import pytest
from conftest import REGIMENS
from nkpk import tables
from nkpk.tree import Tree

GROUPS = ["states", "report", "events", "parameters", "patient", "inputs"]


def assert_same(first: Tree, second: Tree) -> None:
    assert first.attrs == second.attrs
    assert list(first.arrays) == list(second.arrays) and list(first.groups) == list(second.groups)
    for name, (dims, values, attrs) in first.arrays.items():
        other = second.arrays[name]
        assert (dims, attrs, values.dtype) == (other.dims, other.attrs, other.values.dtype), name
        assert values.tolist() == other.values.tolist() if values.dtype == object else values.tobytes() == other.values.tobytes(), name
    for name, group in first.groups.items():
        assert_same(group, second.groups[name])


def test_only_what_is_asked_for_is_made() -> None:
    run = nkpk.load("sankoma").simulate()
    assert list(run._tree.groups) == GROUPS and len(run._tree.groups) == len(GROUPS)
    assert run.data["alc"].size and run.ok and run.arm and run.to_dataframe().size
    assert run._tree.groups._made == {}
    assert run.report.size and list(run._tree.groups._made) == ["report"]
    assert run._tree.groups["report"] is run._tree.groups["report"]
    assert "other" not in run._tree.groups
    with pytest.raises(KeyError, match="other"):
        run._tree.groups["other"]


@pytest.mark.parametrize("name", REGIMENS)
def test_pickles_archives_and_copies_are_the_same_before_and_after_use(name: str, tmp_path: Path) -> None:
    run = nkpk.load(name).simulate(days=30)
    before = pickle.dumps(run), copy.deepcopy(run)
    run.save(tmp_path / "before.h5")
    other = nkpk.load(name).simulate(days=30)
    assert other.report.equals(run.report) and other.states.identical(run.states) and other.data.identical(run.data)
    for table in ("events", "parameters", "patient"):
        assert getattr(other, table).equals(getattr(run, table)), table
    assert other.inputs == run.inputs
    run.save(tmp_path / "after.h5")
    assert (tmp_path / "after.h5").read_bytes() == (tmp_path / "before.h5").read_bytes()
    for again in (pickle.loads(before[0]), before[1], pickle.loads(pickle.dumps(run)), copy.copy(run)):
        assert_same(again._tree, run._tree)
        assert_same(again._provenance, run._provenance)
        assert again.data.identical(run.data) and again.states.identical(run.states)
    pickle.loads(before[0]).save(tmp_path / "pickled.h5")
    assert (tmp_path / "pickled.h5").read_bytes() == (tmp_path / "before.h5").read_bytes()


def test_a_run_outlives_its_scenario(sankoma: nkpk.Result) -> None:
    scenario = nkpk.load("sankoma")
    run = scenario.simulate()
    del scenario
    gc.collect()
    assert run.report.equals(sankoma.report) and run.parameters.equals(sankoma.parameters)


def test_threads_that_ask_at_once_get_the_same(sankoma: nkpk.Result) -> None:
    run = nkpk.load("sankoma").simulate()
    with ThreadPoolExecutor(4) as pool:
        groups = list(pool.map(lambda _: run._tree.groups["report"], range(8)))
    assert all(group is groups[0] for group in groups)
    assert run.report.equals(sankoma.report)


def test_ctrl_c_stops_a_report_and_it_can_be_asked_for_again(sankoma: nkpk.Result) -> None:
    run = nkpk.load("sankoma").simulate(rtol=1e-13, atol_factor=1e-5)
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, 1e-3)
            while True:
                run._tree.groups._made.clear()
                _ = run._tree.groups["report"]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert run.report.at["donor_nk_cmax", "value"] == pytest.approx(sankoma.report.at["donor_nk_cmax", "value"], rel=1e-6)


@pytest.mark.parametrize("name", REGIMENS)
def test_a_dataset_from_the_form_is_the_one_that_xarray_builds(name: str) -> None:
    scenario = nkpk.load(name)
    for options in ({}, {"rtol": 1e-6}, {"max_steps": 100, "check": False}):
        run = scenario.simulate(**options)
        assert run.data.identical(tables.dataset(dict(run._tree.arrays), {}, run.attrs))
        states = tables.dataset(dict(run._tree.groups["states"].arrays), {"time": run._tree.arrays["time"]}, {})
        assert run.states.identical(states)
        assert list(run.data.variables) == list(tables.dataset(dict(run._tree.arrays), {}, {}).variables), "the order"


def test_runs_of_a_scenario_share_nothing_that_can_change(sankoma: nkpk.Result) -> None:
    scenario = nkpk.load("sankoma")
    first, second = scenario.simulate(), scenario.simulate()
    for data in (first.data, first.states):
        name = next(iter(data.data_vars))
        data[name].attrs["units"] = "other"
        data["time"].attrs["units"] = "hours"
        data.attrs["title"] = "other"
        data[name][:] = 0
        data["new"] = data[name] + 1
    for run in (second, scenario.simulate()):
        assert run.data.identical(sankoma.data) and run.states.identical(sankoma.states)


def test_the_last_variant_is_built_once() -> None:
    scenario = nkpk.load("sankoma")
    variant = scenario._with(3, None, ())
    assert variant == nkpk.load("sankoma", days=3) and scenario._with(3.0, None, ()) is variant
    assert scenario._with(3, None, ("treg",)).without == ("treg",)
    assert scenario._with(None, None, ()) is scenario
    assert scenario.simulate(days=2).t_reached == 2 and scenario.simulate(days=3).t_reached == 3
    assert pickle.loads(pickle.dumps(scenario)) == scenario
