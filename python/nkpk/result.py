"""A solved scenario, fresh or from an archive."""

from __future__ import annotations

import html
from collections.abc import Mapping
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any

from nkpk import tables
from nkpk.tree import Array, Tree, in_memory

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.axes import Axes


# attributes that the writer of an archive adds
OF_THE_FILE = ("nkpk_format_version", "history")


class Result:
    """One run: observables, states, events, parameters and the report, each with units. Picklable.

    Made by `Scenario.simulate`, `nkpk.simulate` and `nkpk.open`.
    """

    _forms: dict[str, xr.Dataset] | None = None  # shared by the runs of a scenario, see tables.filled

    def __init__(self, tree: Tree, provenance: Tree, forms: dict[str, xr.Dataset] | None = None) -> None:
        self._tree, self._provenance, self._forms = tree, provenance, forms

    def __getstate__(self) -> dict[str, Any]:
        return {"_tree": in_memory(self._tree), "_provenance": in_memory(self._provenance)}

    # --- trajectories

    @cached_property
    def data(self) -> xr.Dataset:
        """Observables over `time` [days] and, where they belong to an infusion, `cohort`; attrs units, long_name, lloq."""
        return self._dataset("data", self._tree, {}, self.attrs)

    @cached_property
    def states(self) -> xr.Dataset:
        """The states of the model over `time` [days]; those of mechanisms that are switched off are NaN."""
        time = {"time": self._tree.arrays["time"]}
        return self._dataset("states", self._tree.groups["states"], time, {})

    def _dataset(self, key: str, tree: Tree, coordinates: dict[str, Array], attrs: dict[str, Any]) -> xr.Dataset:
        arrays = dict(tree.arrays)
        if self._forms is None:
            return tables.dataset(arrays, coordinates, attrs)
        return tables.filled(self._forms, key, arrays, coordinates, attrs)

    def to_dataframe(self, units_in_names: bool = False) -> pd.DataFrame:
        """Observables as columns, index: day. Units in `.attrs["units"]`, and in the column names when asked for."""
        return tables.over_time(dict(self._tree.arrays), units_in_names)

    # --- what happened

    @cached_property
    def report(self) -> pd.DataFrame:
        """Maxima, minima and days; index: name; columns value, unit, title, qualifier.

        The qualifier ">" stands where the run ended before the true value. NaN: does not exist.
        """
        return tables.scalars(self._tree.groups["report"])

    @property
    def events(self) -> pd.DataFrame:
        """The treatment calendar, as Scenario.calendar."""
        return tables.events(self._tree)

    @property
    def parameters(self) -> pd.DataFrame:
        """As Scenario.parameters."""
        return tables.parameters(self._tree)

    @property
    def patient(self) -> pd.DataFrame:
        """The patient; index: name; columns value, unit, title. The name is in .attrs."""
        group = self._tree.groups["patient"]
        table = tables.scalars(group).drop(columns="qualifier")
        table.attrs.update(group.attrs)
        return table

    @property
    def inputs(self) -> dict[str, str]:
        """The exact text of every input file, by name."""
        arrays = self._tree.groups["inputs"].arrays
        return dict(zip(arrays["input"].values.tolist(), arrays["input_text"].values.tolist(), strict=True))

    @property
    def provenance(self) -> dict[str, Any]:
        """Program, command, time, compiler, libraries, machine."""
        return dict(self._provenance.attrs)

    @property
    def attrs(self) -> dict[str, Any]:
        """Regimen, arm, patient, solver, tolerances, status and counts of the run."""
        return {key: value for key, value in self._tree.attrs.items() if key not in OF_THE_FILE}

    # --- status

    @property
    def regimen(self) -> str:
        return self._tree.attrs["regimen"]

    @property
    def arm(self) -> str:
        return self._tree.attrs["arm"]

    @property
    def name(self) -> str:
        """ "regimen/arm" """
        return f"{self.regimen}/{self.arm}"

    @property
    def status(self) -> str:
        """ "ok", "max_steps", "step_too_small", "not_finite" or "interrupted" """
        return self._tree.attrs["status"]

    @property
    def ok(self) -> bool:
        return self.status == "ok"

    @property
    def message(self) -> str:
        """A sentence on the failure with what to try; "" when ok."""
        return self._tree.attrs["message"]

    @property
    def t_reached(self) -> float:
        """The last day that was computed; NaN stands beyond it."""
        return self._tree.attrs["t_reached_d"]

    @property
    def failed_state(self) -> str:
        """The state that failed, "" when ok."""
        return self._tree.attrs["failed_state"]

    @property
    def warnings(self) -> list[str]:
        return list(self._tree.attrs["warnings"])

    # --- out

    def save(self, path: str | PathLike[str], force: bool = False) -> None:
        """Writes an archive; the format is that of the executable. `force` replaces a file that exists.

        Raises nkpk.InputError when the file exists, the folder is missing or the disk is full.
        """
        from nkpk.archive import save

        save(self, path, force)

    def plot(self, observables: Any = None, ax: Axes | None = None, **arguments: Any) -> Axes:
        """Cell counts over time with the treatment above; see nkpk.plot_run."""
        from nkpk.plot import plot_run

        return plot_run(self, observables, ax, **arguments)

    def __repr__(self) -> str:
        time = self._tree.arrays["time"].values
        ended = "ok" if self.ok else f"{self.status} at day {self.t_reached:g}"
        return (
            f"<nkpk.Result {self.name}, patient {self._tree.attrs['patient']}: {ended}; "
            f"{time.size} times, day {time[0]:g} to {time[-1]:g}>"
        )

    def _repr_html_(self) -> str:
        table = self.report.assign(value=[f"{q}{v:.4g}" for v, q in zip(self.report["value"], self.report["qualifier"], strict=True)])
        head = html.escape(repr(self)[1:-1])
        failed = "" if self.ok else f"<p><b>{html.escape(self.message)}</b></p>"
        return f"<p><b>{head}</b></p>{failed}{table[['value', 'unit', 'title']].to_html()}"


class SolveError(RuntimeError):
    """A numerical failure. The run up to the failure is in `result` (of a sensitivity run: its `.data`); NaN stands beyond it."""

    def __init__(self, result: Result) -> None:
        super().__init__(f"{result.status} at day {result.t_reached:g}: {result.message}")
        self.result = result

    @property
    def status(self) -> str:
        """As Result.status."""
        return self.result.status

    @property
    def t_reached(self) -> float:
        """The last day that was computed."""
        return self.result.t_reached

    @property
    def state(self) -> str:
        """The state that failed."""
        return self.result.failed_state

    def __reduce__(self) -> tuple:
        return SolveError, (self.result,)


class Results(dict[str, Result]):
    """Several runs by name."""

    @property
    def report(self) -> pd.DataFrame:
        """One row per run, one column per quantity; units and titles in .attrs."""
        import pandas as pd

        reports = {name: run.report for name, run in self.items()}
        table = pd.DataFrame.from_dict({name: r["value"] for name, r in reports.items()}, orient="index")
        table = table.rename_axis("run")
        for key, column in (("units", "unit"), ("titles", "title")):
            table.attrs[key] = {q: text for r in reports.values() for q, text in r[column].items()}
        return table

    def save(self, path: str | PathLike[str], force: bool = False) -> None:
        """All runs in one archive; see Result.save."""
        from nkpk.archive import save

        save(self, path, force)

    def __repr__(self) -> str:
        return f"<nkpk.Results: {', '.join(self) or 'none'}>"

    def _repr_html_(self) -> str:
        return self.report.to_html(float_format=lambda v: f"{v:.4g}")


def runs_of(results: Result | Mapping[str, Result]) -> dict[str, Result]:
    return {results.arm: results} if isinstance(results, Result) else dict(results)

