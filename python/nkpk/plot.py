"""Figures: cell counts on a log axis, the treatment above them, the limit of quantification, measured values on top.

matplotlib is imported when a figure is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from nkpk._core import InputError
from nkpk.observations import Observations, read_observations
from nkpk.result import Result, runs_of
from nkpk.treatment import dose_line, draw_rows, rows_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nkpk.ensemble import Ensemble

# Okabe and Ito's colours, told apart with every kind of colour vision (jfly.uni-koeln.de/color)
STYLES: dict[str, tuple[str, str, float]] = {  # observable: label, colour, width
    "donor_nk_count": ("infused donor NK", "#D55E00", 2.4),
    "host_nk_count": ("patient's own NK", "#0072B2", 1.8),
    "graft_nk_count": ("NK from the graft", "#009E73", 1.8),
    "alc": ("all lymphocytes (ALC)", "#BBBBBB", 4.0),
    "t_count": ("T cells", "#E69F00", 1.5),
    "treg_count": ("regulatory T cells", "#56B4E9", 1.5),
    "il15_fold": ("IL-15, times the patient's baseline", "#CC79A7", 1.5),
}
_OTHER_COLOURS = ("#000000", "#E69F00", "#56B4E9", "#CC79A7", "#0072B2", "#009E73", "#D55E00")
CELLS = ("donor_nk_count", "host_nk_count", "graft_nk_count", "alc")
FLOOR = 0.01  # cells/uL: lower end of the axis; smaller values leave it downwards
BAND = "#EDEDED"


def plot_run(
    result: Result,
    observables: str | Sequence[str] | None = None,
    ax: Axes | None = None,
    observations: str | PathLike[str] | pd.DataFrame | None = None,
    *,
    treatment: bool = True,
    data_csv: str | PathLike[str] | None = None,
) -> Axes:
    """One run over time, with the treatment in rows above the axes and a line at day 0.

    observables:   names of `result.data` with one unit between them; default: NK cells and ALC
    ax:            axes to draw on; default: a new figure
    observations:  one's own measurements: a CSV file or a table with the columns day, observable, value and, where
                   wanted, censored, lloq, unit; see nkpk.observations
    data_csv:      also writes what is drawn as CSV

    Returns the axes. Raises nkpk.InputError for unknown observables, mixed units and unusable observations.
    """
    names = observables_of(result, observables)
    measured = None if observations is None else read_observations(observations, result)
    if measured is not None and observables is None:
        names += [name for name in measured.observables if name not in names]
    unit = _one_unit(result, names)
    if ax is None:
        import matplotlib.pyplot as plt

        figure = plt.figure(figsize=(10, 5.5), layout="constrained")
        figure.get_layout_engine().set(w_pad=0.1, h_pad=0.1)
        ax = figure.add_subplot()
    draw_lines(ax, result, names)
    _log_axis(ax, result, names, unit, measured)
    if measured is not None:
        _draw_observations(ax, measured, names)
    day = result.data["time"].values
    if measured is not None:
        day = np.concatenate([day, measured.table["day"] - 0.5, measured.table["day"] + 0.5])
    ax.set_xlim(day.min(), day.max())
    ax.set_xlabel(f"days since the {result.attrs['day0']}")
    ax.set_ylabel(_axis_title(result, names, unit))
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize=9)
    above = draw_rows(ax, rows_of(result)) if treatment else 0.0
    ax.set_title(_title(result), loc="left", fontsize=11, pad=72 * above + 6)
    if data_csv is not None:
        figure_data(result, names).to_csv(data_csv, index=False)
    return ax


def plot_ensemble(
    ensemble: Ensemble, observables: str | Sequence[str] | None = None, ax: Axes | None = None, *, treatment: bool = True
) -> Axes:
    """Medians over time with bands of quantiles around them, the first with the last and so on, and the treatment above.

    observables:  of `ensemble.observables`, with one unit between them; default: its NK cells
    ax:           axes to draw on; default: a new figure

    Without an uneven number of quantiles there is no line in the middle. Returns the axes. Raises nkpk.InputError for unknown
    observables and mixed units.
    """
    quantiles = ensemble.quantiles
    middle = quantiles.isel(quantile=quantiles.sizes["quantile"] // 2, drop=True)
    seen = SimpleNamespace(data=middle, events=ensemble.events, attrs=ensemble.attrs)
    known = list(middle.data_vars)
    names = [n for n in known if n in CELLS and n != "alc"] or known[:1] if observables is None else observables_of(seen, observables)
    unit = _one_unit(seen, names)
    if ax is None:
        import matplotlib.pyplot as plt

        figure = plt.figure(figsize=(10, 5.5), layout="constrained")
        figure.get_layout_engine().set(w_pad=0.1, h_pad=0.1)
        ax = figure.add_subplot()
    level, day = quantiles["quantile"].values, quantiles["time"].values
    for i, name in enumerate(names):
        label, colour, width = style_of(name, seen, i)
        colour = "#4D4D4D" if name == "alc" else colour  # light grey is too faint for bands
        curves = quantiles[name].values
        for k in range(len(level) // 2):
            ax.fill_between(day, curves[k], curves[-1 - k], color=colour, alpha=0.16, lw=0, zorder=2, gid=f"{name}-band-{k}")
        if len(level) % 2:
            ax.plot(day, curves[len(level) // 2], color=colour, lw=width, zorder=3, gid=name, label=_at_level(label, level[len(level) // 2]))
    every = SimpleNamespace(data=quantiles)
    _log_axis(ax, every, names, unit, None)
    ax.set_xlim(day.min(), day.max())
    ax.set_xlabel(f"days since the {ensemble.attrs['day0']}")
    ax.set_ylabel(_axis_title(seen, names, unit))
    bands = ", ".join(f"{100 * level[k]:g} to {100 * level[-1 - k]:g} %" for k in range(len(level) // 2))
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize=9, title_fontsize=9, alignment="left",
              title=f"{ensemble.n_solved} virtual patients" + (f"\nbands: {bands} of them" if bands else ""))  # fmt: skip
    above = draw_rows(ax, rows_of(seen)) if treatment else 0.0
    ax.set_title(_title(seen), loc="left", fontsize=11, pad=72 * above + 6)
    return ax


def _at_level(label: str, level: float) -> str:
    return f"{label}, median" if level == 0.5 else f"{label}, {100 * level:g} %"


def plot_regimens(results: Mapping[str, Result] | Sequence[Result], *, data_csv: str | PathLike[str] | None = None) -> Figure:
    """One figure with a panel per run: NK cells and lymphocytes, the treatment above, IL-15 below.

    results:   runs by name, or a list of them; at most eight. The same ranges of both axes in every panel
    data_csv:  also writes what is drawn as CSV
    """
    from nkpk.panels import draw_panels

    runs = list(results.values()) if isinstance(results, Mapping) else list(results)
    if not 1 <= len(runs) <= 8:
        raise InputError(f"plot_regimens: {len(runs)} runs; expected 1 to 8")
    if data_csv is not None:
        figure_data(runs, [*CELLS, "il15_fold"]).to_csv(data_csv, index=False)
    return draw_panels(runs)


def figure_data(results: Result | Sequence[Result] | Mapping[str, Result], observables: Sequence[str] | None = None) -> pd.DataFrame:
    """The numbers behind a figure: columns run, day, observable, value, unit. Values below the axis are in it."""
    import pandas as pd

    runs = list(runs_of(results).values()) if isinstance(results, (Result, Mapping)) else list(results)
    tables = []
    for run in runs:
        for name in observables_of(run, observables):
            curve = run.data[name]
            tables.append(pd.DataFrame({
                "run": run.name, "day": run.data["time"].values, "observable": name, "value": curve.values,
                "unit": curve.attrs.get("units", ""),
            }))  # fmt: skip
    return pd.concat(tables, ignore_index=True)


# --- what to draw


def observables_of(result: Result, observables: str | Sequence[str] | None) -> list[str]:
    known = [name for name, a in result.data.data_vars.items() if a.dims == ("time",)]
    if observables is None:
        return [name for name in CELLS if name != "graft_nk_count" or bool((result.data[name] > 0).any())]
    names = [observables] if isinstance(observables, str) else list(observables)
    for name in names:
        if name not in known:
            raise InputError(f"observable {name!r}: is unknown; expected one of {', '.join(known)}")
    if not names:
        raise InputError("observables: none given")
    return names


def _one_unit(result: Result, names: Sequence[str]) -> str:
    units = {name: result.data[name].attrs.get("units", "") for name in names}
    if len(set(units.values())) > 1:
        raise InputError(
            "observables of different units do not share an axis: "
            + ", ".join(f"{name} in {unit}" for name, unit in units.items())
            + "; plot them on axes of their own"
        )
    return next(iter(units.values()))


def style_of(name: str, result: Result, position: int = 0) -> tuple[str, str, float]:
    """Label, colour and width of an observable."""
    if name in STYLES:
        return STYLES[name]
    return result.data[name].attrs.get("long_name", name), _OTHER_COLOURS[position % len(_OTHER_COLOURS)], 1.5


def _axis_title(result: Result, names: Sequence[str], unit: str) -> str:
    if unit == "cells/uL":
        return "cells per µL of blood"
    title = result.data[names[0]].attrs.get("long_name", names[0]) if len(names) == 1 else ""
    return ", ".join(text for text in (title, "" if unit == "1" else unit) if text)


def _title(result: Result) -> str:
    return f"{result.attrs['title'].partition(': ')[2]}\n{dose_line(result)}"


# --- drawing


def draw_lines(ax: Axes, result: Result, names: Sequence[str]) -> None:
    day = result.data["time"].values
    for i, name in enumerate(names):
        label, colour, width = style_of(name, result, i)
        above = {"donor_nk_count": 4, "alc": 2}.get(name, 3)  # infused cells on top, the sum of all behind
        ax.plot(day, result.data[name].values, color=colour, lw=width, label=label, zorder=above, gid=name)


def _log_axis(ax: Axes, result: Result, names: Sequence[str], unit: str, measured: Observations | None) -> None:
    """Log axis with the band below the limit of quantification and a line at day 0."""
    values = np.concatenate([result.data[name].values.ravel() for name in names])
    if measured is not None:
        values = np.concatenate([values, measured.table["value"].to_numpy(float)])
    top = np.nanmax(values, initial=0.0)
    limits = [result.data[name].attrs["lloq"] for name in names if "lloq" in result.data[name].attrs]
    bottom = FLOOR * (max(limits) if limits else max(top, 1e-300) / 100)
    # what is below the axis, zero too, leaves it downwards; it is neither dropped nor lifted
    ax.set_yscale("log", nonpositive="clip")
    ax.set_ylim(bottom, max(top * 2, bottom * 1e3))
    draw_day_zero(ax)
    if limits:
        draw_lloq(ax, max(limits), f"below the limit of quantification\n(LLOQ, {max(limits):g} {unit.replace('uL', 'µL')})")


def draw_day_zero(ax: Axes) -> None:
    ax.axvline(0, color="#888888", lw=0.9, ls=(0, (4, 3)), zorder=1, gid="day-0")


def draw_lloq(ax: Axes, lloq: float, label: str | None = None) -> None:
    ax.axhspan(ax.get_ylim()[0], lloq, color=BAND, lw=0, zorder=0, label=label, gid="lloq")


def _draw_observations(ax: Axes, measured: Observations, names: Sequence[str]) -> None:
    for i, name in enumerate(names):
        rows = measured.table[measured.table["observable"] == name]
        colour = style_of(name, measured.result, i)[1]
        colour = "#4D4D4D" if name == "alc" else colour  # the curve's light grey is too faint for a point
        seen, below = rows[~rows["censored"]], rows[rows["censored"]]
        common: dict[str, Any] = {"ls": "none", "ms": 7, "mew": 1.3, "zorder": 6}
        if len(seen):
            ax.plot(seen["day"], seen["value"], marker="o", mfc="white", mec=colour, label=f"measured: {style_of(name, measured.result, i)[0]}",
                    gid=f"observed-{name}", **common)  # fmt: skip
        if len(below):
            ax.plot(below["day"], below["lloq"], marker="v", mfc="white", mec=colour, label="measured: below the limit",
                    gid=f"censored-{name}", **common)  # fmt: skip


__all__ = ["FLOOR", "STYLES", "figure_data", "plot_ensemble", "plot_regimens", "plot_run"]
