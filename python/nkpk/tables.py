"""Trees as pandas tables and xarray datasets."""

from __future__ import annotations

import html
import platform
from typing import TYPE_CHECKING

import numpy as np

from nkpk.tree import Array, Tree

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

# column here: array in the archive
_EVENTS = {
    "day": "event_start", "drug": "drug", "route": "route", "amount": "amount", "unit": "amount_unit",
    "duration_d": "event_duration", "stated": "amount_text", "why": "why", "assumed": "assumed",
    "source": "event_source", "dose_id": "dose_id", "cohort": "event_cohort",
}  # fmt: skip
_PARAMETERS = {
    "value": "value", "unit": "parameter_unit", "lower": "lower", "upper": "upper", "cv_percent": "cv_percent",
    "status": "status", "source": "parameter_source", "title": "parameter_title", "text": "value_text",
    "note": "parameter_note",
}  # fmt: skip


def events(run: Tree) -> pd.DataFrame:
    import pandas as pd

    arrays = run.groups["events"].arrays
    return pd.DataFrame({column: arrays[name].values for column, name in _EVENTS.items()})


def parameters(run: Tree) -> pd.DataFrame:
    import pandas as pd

    arrays = run.groups["parameters"].arrays
    index = pd.Index(arrays["parameter"].values, name="parameter")
    return pd.DataFrame({column: arrays[name].values for column, name in _PARAMETERS.items()}, index=index)


def scalars(group: Tree) -> pd.DataFrame:
    """The single values of a group; index: name; columns value, unit, title, qualifier."""
    import pandas as pd

    rows = {
        name: (float(a.values), a.attrs.get("units", ""), a.attrs.get("long_name", ""), a.attrs.get("qualifier", ""))
        for name, a in group.arrays.items()
    }
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["value", "unit", "title", "qualifier"])
    return table.rename_axis("quantity")


def dataset(arrays: dict[str, Array], coordinates: dict[str, Array], attrs: dict) -> xr.Dataset:
    """`arrays` with those of `coordinates` whose dimension they use."""
    import xarray as xr

    known = {**coordinates, **{name: a for name, a in arrays.items() if a.dims == (name,)}}
    used = {dim for a in arrays.values() for dim in a.dims}
    as_variable = lambda a: xr.Variable(a.dims, a.values, a.attrs)  # noqa: E731
    return xr.Dataset(
        {name: as_variable(a) for name, a in arrays.items() if name not in known},
        {name: as_variable(a) for name, a in known.items() if name in used},
        attrs,
    )


def filled(
    forms: dict[str, xr.Dataset], key: str, arrays: dict[str, Array], coordinates: dict[str, Array], attrs: dict, beside: tuple[str, ...] = ()
) -> xr.Dataset:
    """As `dataset`, from a form: a dataset with names, units and coordinates but no numbers, kept in `forms` under `key`.

    Runs of one scenario differ in numbers and `attrs` alone. The first makes the form, the others are spared xarray's checks of
    names, dimensions and indexes, which take longer than the run. Arrays named in `beside` are coordinates too.
    """
    form = forms.get(key)
    if form is None:
        is_given = lambda n, a: a.dims == (n,) or n in beside  # noqa: E731
        empty = {n: a if is_given(n, a) else a._replace(values=np.broadcast_to(np.nan, a.values.shape)) for n, a in arrays.items()}
        form = forms.setdefault(key, dataset(empty, coordinates, {}).set_coords(beside))
    data = form.copy(data={name: arrays[name].values for name in form.data_vars})
    data.attrs = attrs
    return data


def over_time(arrays: dict[str, Array], units_in_names: bool) -> pd.DataFrame:
    """Every array over time as columns; arrays over time and infusion as one column per infusion: "NAME[nk-1]"."""
    import pandas as pd

    columns: dict[str, np.ndarray] = {}
    units: dict[str, str] = {}
    for name, a in arrays.items():
        if a.dims == ("time",) and name != "time":
            columns[name], units[name] = a.values, a.attrs.get("units", "")
        elif a.dims == ("time", "cohort"):
            for k, infusion in enumerate(arrays["cohort"].values):
                columns[f"{name}[{infusion}]"], units[f"{name}[{infusion}]"] = a.values[:, k], a.attrs.get("units", "")
    if units_in_names:
        columns = {f"{name} [{units[name]}]": values for name, values in columns.items()}
        units = {f"{name} [{unit}]": unit for name, unit in units.items()}
    day = pd.Index(arrays["time"].values, name="day")
    table = pd.DataFrame(columns, index=day)
    table.attrs["units"] = units
    return table


class Text(str):
    """A text that shows its lines, not its quotes, at the prompt and in a notebook."""

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(self)}</pre>"


def python_versions() -> dict[str, str]:
    """What the record of a run says beyond the C++ side."""
    return {"python": platform.python_version(), "numpy": np.__version__}
