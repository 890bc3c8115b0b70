"""Archives of every kind, seen by programs that know nothing of nkpk: ncdump, h5py, xarray with both engines, R; and the rules of CF."""

import functools
import math
import re
import shutil
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

HERE = Path(__file__).parent
KINDS = {
    "simulation": ["simulate", "rogachev-hsct", "--days", "5"],
    "collection": ["simulate", "sankoma", "radboud-ucb", "--days", "5"],
    "failed": ["simulate", "sankoma", "--max-steps", "10", "--without", "host_nk", "--without", "rejection"],
    "ensemble": ["ensemble", "sankoma", "-n", "10", "--days", "5"],
    "summary": ["ensemble", "radboud-ucb", "-n", "10", "--days", "5", "--summary-only"],
}
ENGINES = ["h5netcdf", "netcdf4"]


@pytest.fixture(scope="module")
def archives(executable: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("kinds")
    for kind, arguments in KINDS.items():
        done = subprocess.run([executable, *arguments, "--quiet", "-o", folder / f"{kind}.h5"], capture_output=True, text=True, timeout=120)
        assert done.returncode == (kind == "failed"), done.stderr
    return {kind: folder / f"{kind}.h5" for kind in KINDS}


@pytest.fixture(params=KINDS)
def archive(request: pytest.FixtureRequest, archives: dict[str, Path]) -> Path:
    return archives[request.param]


def arrays_of(path: Path) -> dict[str, tuple[tuple[str, ...], np.ndarray, dict]]:
    """All arrays by path, as h5py sees them: dimensions, values, attributes."""
    found = {}

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            dims = (name.rsplit("/", 1)[-1],) if item.is_scale else tuple(dim[0].name.rsplit("/", 1)[-1] for dim in item.dims)
            values = (item.asstr() if item.dtype.kind == "O" else item)[()]
            found[name] = dims, np.asarray(values), dict(item.attrs)

    with h5py.File(path) as file:
        file.visititems(visit)
    assert len(found) > 50
    return found


def split(path: str) -> tuple[str, str]:
    group, _, name = path.rpartition("/")
    return group, name


# ---- h5py: the container


def test_every_dimension_has_one_scale_in_its_group_or_above(archive: Path) -> None:
    with h5py.File(archive) as file:

        def visit(path: str, item: object) -> None:
            if not isinstance(item, h5py.Dataset) or item.is_scale:
                return
            for i, dim in enumerate(item.dims):
                assert len(dim) == 1, (path, i)
                scale = dim[0]
                group, name = split(scale.name)
                assert f"/{path}".startswith(f"{group}/") and scale.shape == (item.shape[i],), (path, scale.name)
                assert scale.attrs["CLASS"] == b"DIMENSION_SCALE" and scale.attrs["NAME"].decode() == name

        file.visititems(visit)


def test_it_is_a_tree_without_references_whose_large_arrays_are_compressed_and_checked(archive: Path) -> None:
    objects, names = set(), []

    def visit(path: str, item: h5py.Group | h5py.Dataset) -> None:
        names.append(path)
        objects.add(h5py.h5o.get_info(item.id).addr)
        assert isinstance(item, h5py.Group | h5py.Dataset), path
        for key in item.attrs:
            kind = item.attrs.get_id(key).get_type()
            holds_references = isinstance(kind, h5py.h5t.TypeReferenceID | h5py.h5t.TypeVlenID | h5py.h5t.TypeCompoundID)
            assert not holds_references or key in ("DIMENSION_LIST", "REFERENCE_LIST"), (path, key)
        if isinstance(item, h5py.Dataset):
            assert item.dtype.kind in "fiO", path
            if item.size >= 64 and item.dtype.kind != "O":
                assert item.chunks and item.compression == "gzip" and item.shuffle and item.fletcher32, path

    def count_links(group: h5py.Group) -> int:
        return sum(1 + (count_links(item) if isinstance(item, h5py.Group) else 0) for item in group.values())

    with h5py.File(archive) as file:
        file.visititems(visit)
        assert len(objects) == len(names) == count_links(file), "one link each: no loops"
        assert file.attrs["nkpk_format_version"] == 1


def test_patients_are_chunked_along_their_dimension_which_may_grow(archives: dict[str, Path]) -> None:
    with h5py.File(archives["ensemble"]) as file:
        for name in ("alc", "parameters/value", "runs/outcome", "runs/message"):
            assert file[name].chunks is not None and file[name].maxshape[0] is None, name


# ---- the rules of CF


@functools.cache
def converts(unit: str, other: str) -> bool:
    """Whether UDUNITS can; the counts of this field, which it does not know, go by the name of its own."""
    assert shutil.which("udunits2"), "udunits2 is missing: run `make setup`"
    known = [re.sub(r"\b(cells|IU)\b", "count", u) for u in (unit, other)]
    done = subprocess.run(["udunits2", "-H", known[0], "-W", known[1]], capture_output=True, text=True, timeout=20)
    return done.returncode == 0 and " = " in done.stdout


def test_units_mean_to_udunits_what_they_mean_to_us() -> None:
    assert converts("mL/min/(1.73m^2)", "L/d/m^2") and not converts("mL/min/1.73m^2", "L/d/m^2")
    assert converts("d*cells/uL", "h*cells/L") and converts("days", "d") and converts("years", "days") and converts("%", "1")
    assert not converts("furlong_per_fortnight", "1")


def test_every_variable_keeps_the_rules_of_cf(archive: Path) -> None:
    arrays = arrays_of(archive)
    with h5py.File(archive) as file:
        assert file.attrs["Conventions"] == "CF-1.10"
        assert all(file.attrs[name] for name in ("title", "source", "history"))
    for path, (dims, values, attrs) in arrays.items():
        is_coordinate = dims == (split(path)[1],)
        assert attrs.get("long_name"), path
        unit = attrs.get("units")
        if values.dtype.kind == "O":
            assert unit is None, path
        if unit is not None:
            assert converts(unit, unit), (path, unit)
        if values.dtype.kind == "f":
            assert ("_FillValue" in attrs) == (not is_coordinate), path
            # a number without a unit has one for each element, which stands beside it
            beside = {"value", "lower", "upper", "amount"}
            assert unit is not None or split(path)[1] in beside, path
        if is_coordinate:
            assert values.dtype.kind != "f" or np.isfinite(values).all(), path
            assert values.dtype.kind == "O" or values.size < 2 or (np.diff(values) > 0).all(), f"{path} rises"
        if "_FillValue" in attrs:
            assert attrs["_FillValue"].shape == (1,) and math.isnan(attrs["_FillValue"][0]), path
        if "flag_values" in attrs:
            assert values.dtype == attrs["flag_values"].dtype and unit is None, path
            assert len(attrs["flag_values"]) == len(attrs["flag_meanings"].split()), path
            assert set(values.tolist()) <= set(attrs["flag_values"].tolist()), path
        if len(dims) > 1:
            assert split(path)[1] not in dims, path


# ---- other readers


def test_ncdump_sees_every_variable_with_named_axes(archive: Path) -> None:
    assert shutil.which("ncdump"), "ncdump is missing: run `make setup`"
    header = subprocess.check_output(["ncdump", "-h", archive], text=True)
    assert "phony_dim" not in header
    declared = re.findall(r"^\s*(?:double|int64|string) (\w+)(?:\(([\w, ]+)\))? ;$", header, re.M)
    expected = [(split(path)[1], ", ".join(dims)) for path, (dims, _, _) in arrays_of(archive).items()]
    assert sorted(declared) == sorted(expected)
    for _path, (_, _, attrs) in arrays_of(archive).items():
        if "units" in attrs:
            assert f':units = "{attrs["units"]}" ;' in header


@pytest.mark.parametrize("engine", ENGINES)
def test_xarray_sees_the_same_names_axes_units_and_numbers(engine: str, archive: Path) -> None:
    expected = arrays_of(archive)
    seen = set()
    for group in {split(path)[0] for path in expected}:
        with xr.open_dataset(archive, engine=engine, group=group or None, decode_timedelta=False) as data:
            for name, variable in data.variables.items():
                path = f"{group}/{name}" if group else str(name)
                if path not in expected:
                    continue  # the netCDF library lends groups the coordinates of those above
                dims, values, attrs = expected[path]
                seen.add(path)
                assert variable.dims == dims, path
                assert variable.attrs.get("units") == attrs.get("units"), path
                np.testing.assert_array_equal(np.asarray(variable.values, values.dtype), values, err_msg=path)
    assert seen == set(expected)


@pytest.mark.parametrize("engine", ENGINES)
def test_xarray_opens_the_tree(engine: str, archive: Path) -> None:
    groups = {"/" + split(path)[0] for path in arrays_of(archive)}
    with xr.open_datatree(archive, engine=engine, decode_timedelta=False) as tree:
        assert groups <= set(tree.groups)


def test_r_sees_named_axes_units_and_numbers(archive: Path) -> None:
    assert shutil.which("Rscript"), "R is missing: run `make setup`"
    done = subprocess.run(["Rscript", HERE / "read_archive.R", archive], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    seen = {}
    for line in done.stdout.splitlines():
        name, axes, unit, total = line.split("\t")
        # from the fastest to the slowest, as in Fortran; a dimension of a group bears its path
        dims = [axis.rsplit("=", 1) for axis in axes.split(",") if axis]
        seen[name] = tuple(split(dim)[1] for dim, _ in reversed(dims)), tuple(int(n) for _, n in reversed(dims)), unit, total
    # R takes coordinates for dimensions, not for variables
    expected = {path: entry for path, entry in arrays_of(archive).items() if entry[0] != (split(path)[1],)}
    assert set(seen) == set(expected)
    for path, (dims, values, attrs) in expected.items():
        names, shape, unit, total = seen[path]
        assert (names, shape, unit) == (dims, values.shape, attrs.get("units", "")), path
        if values.dtype.kind == "O":
            assert total == "|".join(values.ravel().tolist()).replace("\n", " ").replace("\t", " "), path
        else:
            assert float(total) == pytest.approx(float(np.nansum(values.astype(float))), rel=1e-12), path
