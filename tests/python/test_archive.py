"""Archives: written by nkpk, opened by nkpk, h5py, netCDF4 and xarray, in any order and in one process."""

import itertools
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import nkpk
import numpy as np
import pytest
import xarray as xr


@pytest.fixture(scope="module")
def single(sankoma: nkpk.Result, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("single") / "sankoma.h5"
    sankoma.save(path)
    return path


@pytest.fixture(scope="module")
def collection(runs: dict[str, nkpk.Result], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("collection") / "all.h5"
    nkpk.save(runs, path)
    return path


def test_what_is_saved_comes_back(sankoma: nkpk.Result, single: Path) -> None:
    again = nkpk.open(single)
    assert again.data.identical(sankoma.data)
    assert again.states.identical(sankoma.states)
    for table in ("events", "parameters", "report", "patient"):
        assert getattr(again, table).equals(getattr(sankoma, table)), table
    assert (again.attrs, again.inputs, again.provenance) == (sankoma.attrs, sankoma.inputs, sankoma.provenance)
    assert list(again._tree.arrays) == list(sankoma._tree.arrays), "the order of the file"


def test_saving_what_was_opened_gives_the_same_file(single: Path, tmp_path: Path) -> None:
    nkpk.open(single).save(tmp_path / "again.h5")
    assert (tmp_path / "again.h5").read_bytes() == single.read_bytes()


def test_a_collection_comes_back_by_name(runs: dict[str, nkpk.Result], collection: Path) -> None:
    again = nkpk.open(collection)
    assert isinstance(again, nkpk.Results) and list(again) == list(runs)
    for name, run in runs.items():
        assert again[name].data.identical(run.data)
    assert again.report.loc["sankoma", "donor_nk_cmax"] == runs["sankoma"].report.at["donor_nk_cmax", "value"]
    assert again.report.attrs["units"]["donor_nk_cmax"] == "cells/uL"
    assert "sankoma" in repr(again) and "<table" in again._repr_html_()


def test_an_archive_is_not_replaced_unless_forced(sankoma: nkpk.Result, single: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    shutil.copy(single, path)
    with pytest.raises(nkpk.InputError, match=r"x\.h5.*exists"):
        sankoma.save(path)
    sankoma.save(path, force=True)
    with pytest.raises(nkpk.InputError, match=r"No such|no such|missing|not exist"):
        sankoma.save(tmp_path / "no" / "x.h5")
    assert [p.name for p in tmp_path.iterdir()] == ["x.h5"]


@pytest.mark.parametrize("name", ["", "a/b", "."])
def test_a_run_needs_a_name_that_hdf5_takes(sankoma: nkpk.Result, tmp_path: Path, name: str) -> None:
    with pytest.raises(nkpk.InputError, match="cannot name a run"):
        nkpk.save({name: sankoma, "other": sankoma}, tmp_path / "x.h5")
    with pytest.raises(nkpk.InputError, match="no results"):
        nkpk.save({}, tmp_path / "x.h5")


def test_what_is_no_archive_is_refused(single: Path, tmp_path: Path) -> None:
    with pytest.raises(nkpk.InputError, match="No such file"):
        nkpk.open(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("day,value\n")
    with pytest.raises(nkpk.InputError, match=r"text\.h5.*HDF5"):
        nkpk.open(tmp_path / "text.h5")
    (tmp_path / "cut.h5").write_bytes(single.read_bytes()[:20_000])
    with pytest.raises(nkpk.InputError, match=r"cut\.h5"):
        nkpk.open(tmp_path / "cut.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(nkpk.InputError, match="never an archive of nkpk"):
        nkpk.open(tmp_path / "other.h5")


def test_a_file_that_was_replaced_is_not_mixed_with_the_old_one(sankoma: nkpk.Result, single: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    shutil.copy(single, path)
    run = nkpk.open(path)
    nkpk.simulate("sankoma", days=3).save(path, force=True)
    with pytest.raises(nkpk.InputError, match="was replaced"):
        _ = run.data


def test_arrays_are_read_when_asked_for(single: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    shutil.copy(single, path)
    run = nkpk.open(path)
    assert "arrays" not in vars(run._tree), "nothing but attributes has been read"
    assert run.arm == "two-infusions"
    assert run.data is run.data
    path.unlink()
    assert run.data["alc"].size == 681, "what was read stays"


@pytest.mark.parametrize("engine", ["h5netcdf", "netcdf4"])
def test_xarray_sees_names_and_units(sankoma: nkpk.Result, single: Path, engine: str) -> None:
    with xr.open_dataset(single, engine=engine, decode_timedelta=False) as data:
        assert dict(data.sizes) == {"time": 681, "cohort": 2}
        assert data["cohort"].values.tolist() == ["nk-1", "nk-2"]
        np.testing.assert_array_equal(data["donor_nk_count"], sankoma.data["donor_nk_count"])
        assert data["donor_nk_count"].attrs["units"] == "cells/uL"
        assert data["donor_nk_cohort_count"].dims == ("time", "cohort")
        assert data["time"].attrs["long_name"] == "days since first NK infusion"
    with xr.open_dataset(single, engine=engine, group="states", decode_timedelta=False) as states:
        assert states["host_blood"].dims == ("time",)
        np.testing.assert_array_equal(states["host_blood"], sankoma.states["host_blood"])
        assert states["host_blood"].attrs["units"] == "cells"
    with xr.open_dataset(single, engine=engine, group="parameters", decode_timedelta=False) as parameters:
        assert parameters["value"].dims == ("parameter",)
        assert "host_nk.d0" in parameters["parameter"].values


@pytest.mark.parametrize("engine", ["h5netcdf", "netcdf4"])
def test_xarray_sees_every_run_of_a_collection(runs: dict[str, nkpk.Result], collection: Path, engine: str) -> None:
    for name, run in runs.items():
        with xr.open_dataset(collection, engine=engine, group=f"simulation/{name}", decode_timedelta=False) as data:
            assert set(data.dims) == {"time", "cohort"}
            assert data["alc"].attrs["units"] == "cells/uL"
            np.testing.assert_array_equal(data["alc"], run.data["alc"])


@pytest.mark.parametrize("engine", ["h5netcdf", "netcdf4"])
def test_xarray_opens_the_whole_tree(single: Path, collection: Path, engine: str) -> None:
    with xr.open_datatree(single, engine=engine, decode_timedelta=False) as tree:
        assert set(tree.children) == {"states", "events", "parameters", "patient", "report", "inputs", "provenance"}
        assert tree["states"]["treg"].dims == ("time",)
        assert tree["states"].coords["time"].attrs["units"] == "days", "inherited from the root"
    with xr.open_datatree(collection, engine=engine, decode_timedelta=False) as tree:
        assert len(tree["simulation"].children) == 5


LIBRARIES = ("nkpk", "h5py", "netCDF4")  # in every order: h5py before nkpk and after it, alone and with a third HDF5


@pytest.mark.parametrize("order", list(itertools.permutations(LIBRARIES)), ids="-".join)
def test_several_hdf5_libraries_live_in_one_process(order: tuple[str, ...], tmp_path: Path) -> None:
    """Each library writes and reads in turn, whichever was imported first."""
    code = f"""
import {", ".join(order)}
import numpy as np
path = r"{tmp_path / "x.h5"}"
for turn in range(2):
    run = nkpk.simulate("sankoma", days=2)
    run.save(path, force=True)
    with h5py.File(path) as file:
        assert file["alc"].attrs["units"] == "cells/uL"
        assert (file["alc"][()] == run.data["alc"].values).all()
        run.save(path + "2", force=True)  # while h5py has the first one open
    with netCDF4.Dataset(path) as file:
        assert (file["alc"][:] == run.data["alc"].values).all()
    with h5py.File(path + "3", "w") as file:
        file["x"] = np.arange(3.0)
    assert nkpk.open(path + "2").data.identical(run.data)
    assert nkpk.verify(path) == [] and nkpk.diff(path, path).empty
print("done")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
