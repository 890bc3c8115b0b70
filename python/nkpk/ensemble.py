"""Many virtual patients under one regimen, fresh or from an archive."""

from __future__ import annotations

import html
import sys
from collections.abc import Mapping
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from nkpk import tables
from nkpk._core import InputError
from nkpk.result import OF_THE_FILE
from nkpk.tree import Tree, in_memory

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.axes import Axes


class Ensemble:
    """Patients 0 to n - 1: their parameters, how each went, quantiles of the observables and, where kept, each course. Picklable.

    Made by `Scenario.ensemble` and `nkpk.open`. What stands in an archive is read when first asked for.
    """

    def __init__(self, tree: Tree, provenance: Tree) -> None:
        self._tree, self._provenance = tree, provenance

    def __getstate__(self) -> dict[str, Any]:
        return {"_tree": in_memory(self._tree), "_provenance": in_memory(self._provenance)}

    # --- the patients

    @cached_property
    def values(self) -> xr.Dataset:
        """Every patient's course: observables over (patient, time [days]); NaN where not computed.

        Reads all of it; of an archive that does not fit in memory take parts by `xarray.open_dataset(path)`.
        Raises nkpk.InputError where courses were not kept.
        """
        arrays = dict(self._tree.arrays)
        if all(a.dims != ("patient", "time") for a in arrays.values()):
            raise InputError('values: the courses of the patients were not kept; expected keep="values", or no --summary-only')
        return tables.dataset(arrays, {}, self.attrs)

    @cached_property
    def parameters(self) -> xr.Dataset:
        """`value` over (patient, parameter), in `parameter_unit`; what Scenario.ensemble takes as `population`."""
        return tables.dataset(dict(self._tree.groups["parameters"].arrays), self._axis("patient"), {}).set_coords("parameter_unit")

    @cached_property
    def status(self) -> xr.Dataset:
        """Over patient: outcome, status (integers; attrs flag_values, flag_meanings), steps, message and the like."""
        return tables.dataset(dict(self._tree.groups["runs"].arrays), self._axis("patient"), {})

    @property
    def failures(self) -> pd.DataFrame:
        """The patients who were not solved; index: patient; columns outcome, status (as words), message."""
        import pandas as pd

        runs = self.status
        bad = np.flatnonzero(runs["outcome"].values != 0)
        words = {name: _words(runs[name])[bad] for name in ("outcome", "status")}
        index = pd.Index(runs["patient"].values[bad], name="patient")
        return pd.DataFrame({**words, "message": runs["message"].values[bad]}, index=index)

    # --- over the patients

    @cached_property
    def quantiles(self) -> xr.Dataset:
        """Observables over (quantile, time [days]), of the patients with a value: order statistics, to 0.1 %."""
        return self._over_time("quantiles")

    @cached_property
    def mean(self) -> xr.Dataset:
        """Observables over time: the mean of the patients with a value."""
        return self._over_time("mean")

    @cached_property
    def minimum(self) -> xr.Dataset:
        """Observables over time: the least of all patients."""
        return self._over_time("minimum")

    @cached_property
    def maximum(self) -> xr.Dataset:
        """Observables over time: the greatest of all patients."""
        return self._over_time("maximum")

    @cached_property
    def count(self) -> xr.Dataset:
        """Observables over time: how many patients have a value."""
        return self._over_time("count")

    def _over_time(self, name: str) -> xr.Dataset:
        return tables.dataset(dict(self._tree.groups[name].arrays), self._axis("time"), {})

    def _axis(self, name: str) -> dict[str, Any]:
        return {name: self._tree.array(name)}

    # --- what was simulated

    @property
    def n(self) -> int:
        """Patients in it: those asked for, or fewer where it was interrupted."""
        return self._tree.attrs["n_patients"]

    @property
    def n_solved(self) -> int:
        return self._tree.attrs["n_solved"]

    @property
    def n_failed(self) -> int:
        """Patients whose integration failed; `failures` says why."""
        return self._tree.attrs["n_failed"]

    @property
    def n_refused(self) -> int:
        """Patients whose parameters make no sense together; `failures` says why."""
        return self._tree.attrs["n_refused"]

    @property
    def complete(self) -> bool:
        """False where it was interrupted, or still ran when its journal was read."""
        return self._tree.attrs["status"] == "ok"

    @property
    def observables(self) -> list[str]:
        return [name for name in self.mean.data_vars]

    @property
    def events(self) -> pd.DataFrame:
        """The treatment calendar, as Scenario.calendar."""
        return tables.events(self._tree.groups["scenario"])

    @property
    def attrs(self) -> dict[str, Any]:
        """Regimen, arm, seed, numbers of patients, solver, tolerances, instruction set."""
        return {key: value for key, value in self._tree.attrs.items() if key not in OF_THE_FILE}

    @property
    def provenance(self) -> dict[str, Any]:
        """Program, command, time, compiler, libraries, machine, threads."""
        return dict(self._provenance.attrs)

    @property
    def name(self) -> str:
        """ "regimen/arm" """
        return f"{self._tree.attrs['regimen']}/{self._tree.attrs['arm']}"

    # --- out

    def save(self, path: str | PathLike[str], force: bool = False) -> None:
        """Writes an archive; the format is that of `nkpk ensemble -o`. `force` replaces a file that exists.

        Raises nkpk.InputError when the file exists, the folder is missing or the disk is full.
        """
        from nkpk.archive import save_ensemble

        save_ensemble(self, path, force)

    def plot(self, observables: Any = None, ax: Axes | None = None, **arguments: Any) -> Axes:
        """Medians with bands of quantiles, the treatment above; see nkpk.plot_ensemble."""
        from nkpk.plot import plot_ensemble

        return plot_ensemble(self, observables, ax, **arguments)

    def __repr__(self) -> str:
        ended = "" if self.complete else f"; {self._tree.attrs['status']}, {self._tree.attrs['n_asked']} were asked for"
        source = f"seed {self._tree.attrs['seed']}" if self._tree.attrs["population"] == "drawn" else "given"
        return (
            f"<nkpk.Ensemble {self.name}: {self.n} patients, {source}; "
            f"{self.n_solved} solved, {self.n_failed} failed, {self.n_refused} refused{ended}>"
        )

    def _repr_html_(self) -> str:
        return f"<p><b>{html.escape(repr(self)[1:-1])}</b></p>{self.quantiles._repr_html_()}"


def _words(flags: xr.DataArray) -> np.ndarray:
    known = dict(zip(flags.attrs["flag_values"], flags.attrs["flag_meanings"].split(), strict=True))
    return np.array([known[value] for value in flags.values.tolist()], dtype=object)


def population_table(population: Any) -> tuple[list[str], np.ndarray]:
    """Names and values [patient, parameter] of a pandas table, a dict or an xarray dataset of columns, or of Ensemble.parameters."""
    if hasattr(population, "data_vars") and "parameter" in population.dims:
        value = population["value"].transpose("patient", "parameter")
        return [str(name) for name in value["parameter"].values], _numbers("population", value.values)
    if hasattr(population, "data_vars"):
        population = {name: array.values for name, array in population.data_vars.items()}
    if not isinstance(population, Mapping) and not hasattr(population, "columns"):
        raise InputError(f"population: is a {type(population).__name__}; expected a table or a dict with a column per parameter")
    names = [str(name) for name in population]
    columns = [_numbers(name, population[name]) for name in population]
    if not columns:
        raise InputError("population: has no columns; expected one per parameter, for example host_nk.d0")
    for name, column in zip(names, columns, strict=True):
        if column.ndim != 1 or column.size != columns[0].size:
            raise InputError(f"population: {name} has shape {column.shape}, {names[0]} has {columns[0].shape}; expected one value per patient")
    return names, np.column_stack(columns)


def _numbers(name: str, values: Any) -> np.ndarray:
    try:
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise InputError(f"population: {name} holds what is no number") from None


class Progress:
    """A line on stderr that counts patients; silent unless stderr is a terminal."""

    def __init__(self) -> None:
        self.active = sys.stderr is not None and sys.stderr.isatty()

    def __call__(self, done: int, n: int) -> None:
        cells = 30
        full = cells * done // n
        sys.stderr.write(f"\r\033[K[{'#' * full}{'.' * (cells - full)}] {done}/{n} patients")
        sys.stderr.flush()

    def close(self) -> None:
        if self.active:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()
