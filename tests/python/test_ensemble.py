"""Ensembles: the executable and Python give the same bits, files hold what memory holds, and memory stays bounded."""

import json
import math
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import h5py
import matplotlib.pyplot as plt
import nkpk
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from test_cli import on_a_terminal

N = 1100  # more than a block
SCENARIO = {"arm": "high-il2", "days": 3, "output_step": 1}
ARGUMENTS = ["radboud-ucb", "--arm", "high-il2", "--days", "3", "--output-step", "1", "-n", N, "--seed", "7", "--rtol", "1e-4", "--quiet"]
USUAL = ["donor_nk_count", "host_nk_count", "alc", "treg_count", "il15", "chimerism_nk"]
OVER_TIME = ("quantiles", "mean", "minimum", "maximum", "count")


@pytest.fixture(scope="module")
def ours() -> nkpk.Ensemble:
    return nkpk.load("radboud-ucb", **SCENARIO).ensemble(N, seed=7, rtol=1e-4)


@pytest.fixture(scope="module")
def theirs(run_nkpk, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ensemble") / "out.h5"
    run_nkpk("ensemble", *ARGUMENTS, "-o", path)
    return path


@pytest.fixture
def command(executable: Path, tmp_path: Path):
    """Runs `nkpk ensemble` in an empty folder."""

    def run(*arguments: object, code: int = 0) -> subprocess.CompletedProcess:
        done = subprocess.run([executable, "ensemble", *map(str, arguments)], cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.returncode == code, (done.returncode, done.stderr)
        return done

    return run


def assert_same_bits(a: nkpk.Ensemble, b: nkpk.Ensemble, parts: tuple[str, ...] = ("values", "parameters", "status", *OVER_TIME)) -> None:
    for part in parts:
        one, other = getattr(a, part), getattr(b, part)
        assert one.identical(other), part
        for name, array in one.variables.items():
            if array.dtype.kind == "f":
                assert array.values.tobytes() == other.variables[name].values.tobytes(), (part, name)


# ---- the same numbers


def test_the_executable_and_python_give_the_same_bits(ours: nkpk.Ensemble, theirs: Path) -> None:
    opened = nkpk.open(theirs)
    assert_same_bits(ours, opened)
    assert ours.attrs == opened.attrs
    assert (ours.events.equals(opened.events), ours.name) == (True, opened.name)
    assert list(ours._tree.arrays) == list(opened._tree.arrays) and list(ours._tree.groups) == [g for g in opened._tree.groups if g != "provenance"]


@pytest.mark.parametrize("threads", [1, 2])
def test_any_number_of_threads_gives_the_same_bits(threads: int, ours: nkpk.Ensemble, run_nkpk, tmp_path: Path) -> None:
    run_nkpk("ensemble", *ARGUMENTS, "--threads", threads, "-o", tmp_path / "out.h5")
    opened = nkpk.open(tmp_path / "out.h5")
    assert_same_bits(ours, opened)
    assert opened.provenance["threads"] == threads


def test_courses_do_not_decide_on_quantiles(ours: nkpk.Ensemble, run_nkpk, tmp_path: Path) -> None:
    run_nkpk("ensemble", *ARGUMENTS, "--summary-only", "-o", tmp_path / "out.h5")
    assert_same_bits(ours, nkpk.open(tmp_path / "out.h5"), ("parameters", "status", *OVER_TIME))
    summary = nkpk.load("radboud-ucb", **SCENARIO).ensemble(N, seed=7, rtol=1e-4, keep="summary")
    assert_same_bits(ours, summary, ("parameters", "status", *OVER_TIME))
    with pytest.raises(nkpk.InputError, match="were not kept"):
        _ = summary.values
    assert (tmp_path / "out.h5").stat().st_size > 0


def test_fewer_patients_are_the_first_of_more(ours: nkpk.Ensemble) -> None:
    fewer = nkpk.load("radboud-ucb", **SCENARIO).ensemble(1024, seed=7, rtol=1e-4)
    assert fewer.values.equals(ours.values.isel(patient=slice(1024)))
    other = nkpk.load("radboud-ucb", **SCENARIO).ensemble(8, seed=8, rtol=1e-4)
    assert not np.array_equal(other.parameters["value"], ours.parameters["value"][:8])


def test_drawn_patients_who_are_given_again_are_the_same(ours: nkpk.Ensemble) -> None:
    scenario = nkpk.load("radboud-ucb", **SCENARIO)
    table = pd.DataFrame(ours.parameters["value"].values, columns=ours.parameters["parameter"].values)
    for population in (ours.parameters, table, {name: table[name].to_numpy() for name in table}, table.to_xarray()):
        again = scenario.ensemble(population=population, rtol=1e-4)
        assert again.values.equals(ours.values)
        assert again.attrs["population"] == "given" and "given" in repr(again)


# ---- what they mean


def test_summaries_are_those_of_the_courses(ours: nkpk.Ensemble) -> None:
    assert list(ours.values.data_vars) == USUAL
    for name, courses in ours.values.data_vars.items():
        assert courses.dims == ("patient", "time") and courses.attrs["units"] == ours.quantiles[name].attrs["units"]
        exact = np.nanquantile(courses.values, ours.quantiles["quantile"].values, axis=0, method="lower")
        np.testing.assert_allclose(ours.quantiles[name].values, exact, rtol=1e-3, atol=1e-12, err_msg=name)
        known = np.isfinite(courses.values)
        np.testing.assert_array_equal(ours.count[name].values, known.sum(axis=0))
        for t in range(courses.sizes["time"]):
            column = courses.values[known[:, t], t].tolist()
            assert ours.mean[name].values[t] == pytest.approx(math.fsum(column) / len(column), rel=1e-15), name
            assert (ours.minimum[name].values[t], ours.maximum[name].values[t]) == (min(column), max(column))


def test_an_ensemble_says_what_it_is(ours: nkpk.Ensemble) -> None:
    assert (ours.n, ours.n_solved, ours.n_failed, ours.n_refused, ours.complete) == (N, N, 0, 0, True)
    assert repr(ours) == f"<nkpk.Ensemble radboud-ucb/high-il2_level-2e9: {N} patients, seed 7; {N} solved, 0 failed, 0 refused>"
    assert "<b>" in ours._repr_html_() and ours.failures.empty
    assert ours.observables == USUAL
    assert ours.parameters["parameter_unit"].sel(parameter="host_nk.d0") == "1/d"
    assert ours.provenance["command_line"].startswith("nkpk.load('radboud-ucb', arm=('high-il2',), days=3.0, output_step=1.0).ensemble(n=1100, seed=7, ")
    again = pickle.loads(pickle.dumps(ours))
    assert_same_bits(ours, again)


def test_a_patient_who_is_refused_or_fails_is_named_and_the_others_are_run() -> None:
    scenario = nkpk.load("sankoma", days=3, output_step=1)
    potency = np.full(30, scenario.parameters.at["fludarabine.s_T", "value"])
    potency[3], potency[13] = -1, 1e308  # out of range; a kill that overflows
    many = scenario.ensemble(population={"fludarabine.s_T": potency})
    assert (many.n_solved, many.n_failed, many.n_refused) == (28, 1, 1)
    failures = many.failures
    assert failures["outcome"].to_dict() == {3: "refused", 13: "failed"}
    assert failures.at[3, "status"] == "not_run" and failures.at[13, "status"] in ("not_finite", "step_too_small")
    assert "fludarabine.s_T" in failures.at[3, "message"] and "patient 13" in failures.at[13, "message"]
    assert np.isnan(many.values["alc"][3]).all() and np.isnan(many.values["alc"][13, -1])
    assert many.count["alc"].values[[0, -1]].tolist() == [29, 28]


# ---- files


def test_what_is_saved_and_what_is_streamed_is_what_memory_holds(ours: nkpk.Ensemble, tmp_path: Path) -> None:
    ours.save(tmp_path / "saved.h5")
    streamed = nkpk.load("radboud-ucb", **SCENARIO).ensemble(N, seed=7, rtol=1e-4, out=tmp_path / "streamed.h5")
    for ensemble in (nkpk.open(tmp_path / "saved.h5"), streamed):
        assert_same_bits(ours, ensemble)
        assert ensemble.attrs == ours.attrs
    assert sorted(p.name for p in tmp_path.iterdir()) == ["saved.h5", "streamed.h5"]
    with pytest.raises(nkpk.InputError, match="exists already"):
        nkpk.load("radboud-ucb", **SCENARIO).ensemble(2, out=tmp_path / "streamed.h5")
    with pytest.raises(nkpk.InputError, match="does not exist"):
        ours.save(tmp_path / "no" / "x.h5")


@pytest.mark.parametrize("engine", ["h5netcdf", "netcdf4"])
def test_xarray_opens_an_ensemble_with_its_axes(engine: str, ours: nkpk.Ensemble, theirs: Path) -> None:
    with xr.open_dataset(theirs, engine=engine, decode_timedelta=False) as data:
        assert dict(data.sizes) == {"patient": N, "time": ours.values.sizes["time"]}
        np.testing.assert_array_equal(data["alc"], ours.values["alc"])
        assert data["alc"].attrs["units"] == "cells/uL" and data["alc"].attrs["long_name"]
    with xr.open_datatree(theirs, engine=engine, decode_timedelta=False) as tree:
        assert set(tree.children) == {"parameters", "runs", "scenario", "provenance", *OVER_TIME}
        assert tree["quantiles"]["alc"].dims == ("quantile", "time")
        assert tree["quantiles"].coords["time"].attrs["units"] == "days", "inherited from the root"
        assert tree["parameters"]["value"].dims == ("patient", "parameter")
        assert tree["runs"]["outcome"].attrs["flag_meanings"] == "solved failed refused"


def test_h5py_sees_scales_compression_and_provenance(theirs: Path) -> None:
    with h5py.File(theirs) as file:
        def look(name: str, item: object) -> None:
            if isinstance(item, h5py.Dataset):
                if not item.is_scale:
                    assert all(len(dim) == 1 for dim in item.dims), name
                if item.shape and item.shape[0] == N and item.dtype.kind != "O":
                    assert item.chunks and item.compression == "gzip" and item.shuffle and item.fletcher32, name
                    assert item.maxshape == (None, *item.shape[1:]), name
                if item.dtype.kind == "f" and not item.is_scale:
                    assert np.isnan(item.attrs["_FillValue"]).all(), name

        file.visititems(look)
        attrs = file.attrs
        assert (attrs["nkpk_kind"], attrs["seed"], attrs["n_patients"], attrs["n_asked"], attrs["status"]) == ("ensemble", 7, N, N, "ok")
        assert attrs["rtol"] == 1e-4 and attrs["isa"] in ("baseline", "avx2", "avx512") and attrs["solver"] == "rodas5p"
        assert file["runs/outcome"].attrs["flag_values"].dtype == np.int64
        assert len(file["scenario/inputs/input"]) > 3 and "ensemble radboud-ucb" in file["provenance"].attrs["command_line"]


@pytest.mark.skipif(shutil.which("ncdump") is None, reason="ncdump is not installed")
def test_ncdump_shows_an_ensemble(theirs: Path) -> None:
    header = subprocess.check_output(["ncdump", "-h", theirs], text=True)
    assert f"patient = UNLIMITED ; // ({N} currently)" in header and "double alc(patient, time)" in header and "phony_dim" not in header


def test_info_says_what_an_ensemble_holds(theirs: Path, run_nkpk) -> None:
    data = json.loads(run_nkpk("info", theirs, "--json"))["ensemble"]
    assert (data["n_patients"], data["n_solved"], data["seed"], data["has_courses"], data["observables"]) == (N, N, 7, True, USUAL)
    assert "courses, quantiles and means of 6 observables" in run_nkpk("info", theirs)


# ---- the executable


def test_the_table_shows_the_quantiles_the_seed_and_the_counts(command) -> None:
    arguments = ["sankoma", "-n", 20, "--seed", 3, "--days", 7, "--output-step", 1, "--observables", "alc,il15", "--quantiles", "0.1,0.5"]
    data = json.loads(command(*arguments, "--json").stdout)
    assert (data["seed"], data["n_patients"], data["n_solved"], data["quantiles"]) == (3, 20, 20, [0.1, 0.5])
    text = command(*arguments).stdout
    assert "sankoma/two-infusions: 20 patients, seed 3: 20 solved, 0 failed, 0 refused" in text
    assert text.splitlines()[0].split() == ["observable", "day", "10", "%", "50", "%"]
    last = next(line.split() for line in text.splitlines() if line.split()[:2] == ["il15", "7"])
    assert float(last[3]) == pytest.approx(data["observables"]["il15"][-1]["quantiles"][1], rel=0.01)
    done = command(*arguments, "--quiet")
    assert (done.stdout, done.stderr) == ("", "")


def test_all_patients_failing_is_a_failure_and_the_first_are_named(command, tmp_path: Path) -> None:
    done = command("sankoma", "-n", 9, "--max-steps", 10, "-o", "out.h5", code=1)
    named = [line for line in done.stderr.splitlines() if "used up" in line]
    assert len(named) == 5 and named[0].startswith("nkpk: patient 0: ") and "and 4 more" in done.stderr
    assert "9 patients, seed 1: 0 solved, 9 failed, 0 refused" in done.stdout
    failed = nkpk.open(tmp_path / "out.h5")
    assert failed.n_failed == 9 and set(failed.failures["status"]) == {"max_steps"}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["-n", "0"], "--n-patients: found 0; expected one at least"),
        (["-n", "many"], "--n-patients = many"),
        ([], "--n-patients is required"),
        (["-n", "3", "--seed", "-1"], "--seed: found -1"),
        (["-n", "3", "--observables", "alk"], 'unknown observable "alk"; did you mean "alc"?'),
        (["-n", "3", "--observables", "alc,"], 'unknown observable ""'),
        (["-n", "3", "--observables", "alc,alc"], '"alc" is named twice'),
        (["-n", "3", "--quantiles", "half"], '--quantiles: "half" is not a number'),
        (["-n", "3", "--quantiles", "0.5 0.9"], '"0.5 0.9" is not a number'),
        (["-n", "3", "--quantiles", "0.5,"], '"" is not a number'),
        (["-n", "3", "--quantiles", "50"], "quantiles: found 50; expected numbers from 0 to 1"),
        (["-n", "3", "--quantiles", "0.5,0.25"], "0.25 stands behind 0.5"),
        (["-n", "3", "--threads", "-1"], "--threads = -1"),
        (["-n", "3", "--isa", "avx"], 'did you mean "avx2"?'),
        (["-n", "3", "--solver", "rodas"], "unknown solver"),
        (["-n", "3", "--sumary-only"], 'did you mean "--summary-only"?'),
        (["-n", "3", "-o", "no/out.h5"], "the folder no does not exist"),
        (["-n", "3", "-o", "folder"], "folder: is no name of an archive; expected FILE.h5"),
        (["-n", "3", "-o", "there.h5"], "there.h5: exists already; give --force"),
        (["-n", "3", "-o", "/proc/out.h5"], "/proc/out.h5: cannot be written"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_and_nothing_is_written(arguments: list[str], text: str, command, tmp_path: Path) -> None:
    (tmp_path / "there.h5").write_text("mine")
    done = command("sankoma", "--days", 1, *arguments, code=2)
    assert done.stdout == "" and done.stderr.startswith("nkpk: ") and done.stderr.count("\n") == 1
    assert text in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["there.h5"] and (tmp_path / "there.h5").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, "either n or a population"),
        ({"n": 3, "population": {"host_nk.d0": [0.1]}}, "either n or a population"),
        ({"n": 0}, "n is 0"),
        ({"n": 3, "seed": -1}, "seed is -1"),
        ({"n": 3, "threads": -1}, "threads is -1"),
        ({"n": 3, "keep": "all"}, 'keep is .all.; expected "values" or "summary"'),
        ({"n": 3, "observables": "alk"}, 'did you mean "alc"'),
        ({"n": 3, "quantiles": [0.5, 2]}, "found 2"),
        ({"n": 3, "quantiles": []}, "none given"),
        ({"n": 3, "isa": "avx"}, 'did you mean "avx2"'),
        ({"n": 3, "out": "/proc/out.h5"}, "cannot be written"),
        ({"population": {"host_nk.d1": [0.1]}}, r'"host_nk\.d1"; did you mean "host_nk\.d0"'),
        ({"population": {"host_nk.d0": ["fast"]}}, "host_nk.d0 holds what is no number"),
        ({"population": {"host_nk.d0": [0.1, 0.1], "host_nk.NK0": [200]}}, r"host_nk\.NK0 has shape \(1,\), host_nk\.d0 has \(2,\)"),
        ({"population": {"host_nk.d0": []}}, "no patients"),
        ({"population": {}}, "no columns"),
        ({"population": 7}, "is a int"),
    ],
)  # fmt: skip
def test_a_mistake_in_python_is_an_input_error(arguments: dict, text: str) -> None:
    with pytest.raises(nkpk.InputError, match=text):
        nkpk.load("sankoma", days=1).ensemble(**arguments)


def test_patients_are_counted_on_a_terminal_only(executable: Path, tmp_path: Path) -> None:
    arguments = [executable, "ensemble", "sankoma", "-n", "2000", "--days", "1"]
    code, text = on_a_terminal(arguments, tmp_path)
    assert code == 0 and b"/2000 patients" in text and text.endswith(b"\r\x1b[K")
    assert on_a_terminal([*arguments, "--quiet"], tmp_path) == (0, b"")
    python = "import nkpk; nkpk.load('sankoma', days=1).ensemble(2000)"
    code, text = on_a_terminal([sys.executable, "-c", python], tmp_path)
    assert code == 0 and b"/2000 patients" in text and text.endswith(b"\r\x1b[K")


# ---- interruption


def wait_for_blocks(process: subprocess.Popen, journal: Path) -> None:
    """Until some of an endless ensemble is on disk; the journal is read while it runs."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        if journal.exists() and journal.stat().st_size > 1 << 20:
            running = nkpk.open(journal)
            assert running.attrs["status"] == "running" and running.n > 0 and running.n % 1024 == 0
            return
        time.sleep(0.02)
    pytest.fail("no block was written")


def check_partial(path: Path) -> int:
    partial = nkpk.open(path)
    assert partial.n > 0 and partial.n % 1024 == 0 and not partial.complete
    assert partial.attrs["status"] == "interrupted" and "interrupted, 10000000 were asked for" in repr(partial)
    whole = nkpk.load("sankoma", days=1, output_step=1).ensemble(partial.n, observables="alc")
    assert partial.values.equals(whole.values)
    assert_same_bits(partial, whole, ("parameters", "status", *OVER_TIME))
    with xr.open_datatree(path, engine="netcdf4", decode_timedelta=False) as tree:
        assert tree["alc"].shape[0] == partial.n
    return partial.n


def test_an_interrupted_ensemble_keeps_the_blocks_that_are_finished(executable: Path, tmp_path: Path) -> None:
    command = [executable, "ensemble", "sankoma", "-n", "10000000", "--days", "1", "--output-step", "1", "--observables", "alc", "-o", "out.h5"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for_blocks(process, tmp_path / "out.h5.part")
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (130, "")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.h5", "out.h5.part"]
    n = check_partial(tmp_path / "out.h5")
    left = f"the first {n} of 10000000 patients are written to out.h5; out.h5.part stays: go on with the same command and --resume"
    assert stderr == f"nkpk: interrupted; {left}\n"
    assert_same_bits(nkpk.open(tmp_path / "out.h5"), nkpk.open(tmp_path / "out.h5.part"))


def test_an_interrupt_before_the_first_block_leaves_nothing(executable: Path, tmp_path: Path) -> None:
    # one block that takes minutes
    command = [executable, "ensemble", "rogachev-hsct", "-n", "1024", "--rtol", "2e-14", "--atol-factor", "1e-9", "--max-steps", "1000000000", "-o", "out.h5"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(0.5)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout, stderr) == (130, "", "nkpk: interrupted; nothing is written\n")
    assert not list(tmp_path.iterdir())


def test_ctrl_c_reaches_python_and_the_file_keeps_its_blocks(tmp_path: Path) -> None:
    code = f"""
import nkpk
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in the background start with Ctrl-C ignored
try:
    nkpk.load("sankoma", days=1, output_step=1).ensemble(10_000_000, observables="alc", out={str(tmp_path / "out.h5")!r})
except KeyboardInterrupt:
    print("stopped")
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for_blocks(process, tmp_path / "out.h5.part")
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout, stderr) == (0, "stopped\n", "")
    check_partial(tmp_path / "out.h5")


# ---- memory


def peak_memory(command: list[str], folder: Path) -> int:
    """Largest resident size of a child in bytes."""
    process = subprocess.Popen(command, cwd=folder)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss * 1024


@pytest.mark.parametrize("keep", [[], ["--summary-only"]], ids=["courses", "summary"])
def test_memory_does_not_grow_with_the_number_of_patients(keep: list[str], executable: Path, tmp_path: Path) -> None:
    # no treatment yet, so cheap, and many outputs: a block's values take 34 MB, far more than anything else
    def peak(blocks: int) -> int:
        return peak_memory(
            [str(executable), "ensemble", "radboud-ucb", "-n", str(1024 * blocks), "--days", "-6.5", "--output-step", "0.0007", "--rtol", "1e-2",
             "--threads", "2", *keep, "-o", "out.h5", "--force", "--quiet"], tmp_path)  # fmt: skip

    with_few, with_more = peak(4), peak(10)
    n_times = 715
    block = 1024 * n_times * len(USUAL) * 8
    assert with_few > 2 * block, "the blocks in flight are not what memory is taken by: this test would find nothing"
    assert with_more - with_few < 2 * block, "six more blocks"


# ---- pictures


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def test_bands_and_medians_are_the_quantiles(ours: nkpk.Ensemble) -> None:
    ax = ours.plot()
    lines = {line.get_gid(): line for line in ax.lines}
    for name in ("donor_nk_count", "host_nk_count"):
        np.testing.assert_array_equal(lines[name].get_ydata(), ours.quantiles[name].sel(quantile=0.5))
        bands = [c for c in ax.collections if (c.get_gid() or "").startswith(f"{name}-band-")]
        assert len(bands) == 2
        # a band's outline touches its lower and its upper quantile at every output
        heights = set(bands[0].get_paths()[0].vertices[:, 1].tolist())
        for q in (0.05, 0.95):
            assert set(ours.quantiles[name].sel(quantile=q).values.tolist()) <= heights
    assert "1100 virtual patients" in ax.get_legend().get_title().get_text()
    assert ax.child_axes, "the treatment"


def test_other_observables_are_drawn_by_name_and_only_with_one_unit(ours: nkpk.Ensemble) -> None:
    assert "IL-15" in ours.plot("il15").get_legend().get_texts()[0].get_text()
    with pytest.raises(nkpk.InputError, match="different units"):
        ours.plot(["alc", "il15"])
    with pytest.raises(nkpk.InputError, match="unknown"):
        ours.plot("il2")
    even = nkpk.load("sankoma", days=1).ensemble(3, quantiles=[0.1, 0.9], observables=["alc", "il15"])
    assert [line.get_gid() for line in even.plot("alc").lines] == ["day-0"]
    assert even.plot() is not None
