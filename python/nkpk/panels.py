"""The figure that shows several regimens side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nkpk.plot import BAND, FLOOR, STYLES, draw_day_zero, draw_lines, draw_lloq, observables_of
from nkpk.result import Result
from nkpk.treatment import Row, dose_line, draw_rows_on, rows_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# the page, in inches
_COLUMNS, _LEFT, _WIDTH, _BETWEEN, _RIGHT = 2, 1.75, 5.6, 2.05, 0.25
_HEAD, _TITLE, _ROW, _CURVES, _GAP, _IL15, _BELOW = 0.62, 0.74, 0.165, 2.4, 0.1, 0.62, 0.72
_ABOVE_CURVES = 0.09  # between the rows and the curves
_STYLE = {"font.size": 10, "font.family": "DejaVu Sans", "axes.spines.top": False, "axes.spines.right": False}
_GREY = "#555555"
# what is shown of a run: two months, or two weeks after the last treatment when that is later
_LEAST_DAYS, _AFTER_LAST = 60.0, 14.0


def draw_panels(runs: Sequence[Result]) -> Figure:
    """A panel per run, two beside each other, and a legend in the cell that is left.

    A day is as wide in one panel as in another. A longer run that shares its line with the legend alone gets the
    width it needs.
    """
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    rows = [rows_of(run) for run in runs]
    lines = [range(i, min(i + _COLUMNS, len(runs) + 1)) for i in range(0, len(runs) + 1, _COLUMNS)]
    bars = [max([1, *(len(rows[i]) for i in line if i < len(runs))]) * _ROW for line in lines]
    heights = [_TITLE + bar + _CURVES + _GAP + _IL15 + _BELOW for bar in bars]
    page = (_LEFT + _COLUMNS * _WIDTH + (_COLUMNS - 1) * _BETWEEN + _RIGHT, _HEAD + sum(heights))
    most = 2 * max(float(np.nanmax(run.data[name])) for run in runs for name in observables_of(run, None))
    fold = max(float(np.nanmax(run.data["il15_fold"])) for run in runs)
    start = min(float(run.data["time"][0]) for run in runs)
    ends = [_end_shown(run) for run in runs]
    beside_legend = len(runs) % _COLUMNS == 1
    end = max(ends[:-1] if beside_legend and len(runs) > 1 else ends)
    widths = [_WIDTH] * len(runs)
    if beside_legend:
        widths[-1] = min(_WIDTH * (max(ends[-1], end) - start) / (end - start), 1.45 * _WIDTH)
    # before rc_context: the first figure starts the backend, and what that sets in rcParams must stay
    figure = plt.figure(figsize=page, dpi=130)
    with mpl.rc_context(_STYLE):
        def axes(left: float, top: float, width: float, height: float, **arguments: Any) -> Axes:
            return figure.add_axes((left / page[0], 1 - (top + height) / page[1], width / page[0], height / page[1]), **arguments)

        figure.text(0.15 / page[0], 1 - 0.18 / page[1], "NK cells in blood, simulated for one typical patient per trial",
                    fontsize=15, weight="bold", va="top")  # fmt: skip
        top = _HEAD
        for line, bar, height in zip(lines, bars, heights, strict=True):
            left = _LEFT
            for i in line:
                if i == len(runs):
                    indent = 0.9 if line[0] != i else 1.6
                    _legend(axes(left - indent, top + _TITLE, 4.0, height - _TITLE - _BELOW), runs)
                    continue
                own, width = len(rows[i]) * _ROW, widths[i]
                curves = axes(left, top + _TITLE + bar, width, _CURVES)
                strip = axes(left, top + _TITLE + bar - own - _ABOVE_CURVES, width, max(own, 1e-3), sharex=curves)
                below = axes(left, top + _TITLE + bar + _CURVES + _GAP, width, _IL15, sharex=curves)
                _curves(curves, runs[i], (start, max(end, ends[i])), most)
                _treatment(strip, runs[i], rows[i])
                _il15(below, runs[i], fold)
                left += width + _BETWEEN
            top += height
    return figure


def _end_shown(run: Result) -> float:
    last = max(run.events["day"], default=0.0)
    return min(float(run.data["time"][-1]), max(_LEAST_DAYS, last + _AFTER_LAST))


def _curves(ax: Axes, run: Result, days: tuple[float, float], most: float) -> None:
    draw_lines(ax, run, observables_of(run, None))
    ax.set_yscale("log", nonpositive="clip")
    ax.set_ylim(FLOOR, most)
    ax.set_xlim(*days)
    draw_day_zero(ax)
    draw_lloq(ax, run.data["donor_nk_count"].attrs["lloq"])
    ax.grid(axis="y", color="#EEEEEE", lw=0.7)
    ax.set_axisbelow(True)
    decades = 10.0 ** np.arange(round(np.log10(FLOOR)), np.log10(most))
    ax.set_yticks(decades, [f"{d:g}" if d < 1 else f"{d:,.0f}" for d in decades])
    ax.minorticks_off()
    ax.set_ylabel("cells per µL of blood")
    ax.tick_params(labelbottom=False)


def _treatment(strip: Axes, run: Result, rows: list[Row]) -> None:
    draw_rows_on(strip, rows, fontsize=8.5)
    name, _, title = run.attrs["title"].partition(": ")
    trial = " · ".join(text for text in (f"{name} {run.arm}", run.attrs["references"]) if text)
    # from the left edge of the row labels, so that a long title has room
    offset = -(_LEFT - 0.15) * 72
    lines = f"{trial} · {run.patient.attrs['title']}\n{dose_line(run)}"
    for text, above, style in ((title, 37, {"fontsize": 11.5, "weight": "bold"}), (lines, 6, {"fontsize": 9.5, "color": _GREY, "linespacing": 1.35})):
        strip.annotate(text, (0, 1), (offset, above), "axes fraction", "offset points", va="bottom", annotation_clip=False, **style)


def _il15(ax: Axes, run: Result, fold: float) -> None:
    _, colour, _ = STYLES["il15_fold"]
    values = run.data["il15_fold"].values
    ax.fill_between(run.data["time"].values, 0, values, color=colour, alpha=0.35, lw=0)
    ax.plot(run.data["time"].values, values, color=colour, lw=1.2)
    ax.axhline(1, color="#AAAAAA", lw=0.7, ls=":")
    ax.set_ylim(0, max(2.0, fold * 1.1))
    ax.set_yticks([1, 5, 10] if fold > 5 else [1, 2])
    ax.set_ylabel("IL-15\n× normal", fontsize=9)
    ax.set_xlabel(f"days since the {run.attrs['day0']}")
    draw_day_zero(ax)


def _legend(ax: Axes, runs: Sequence[Result]) -> None:
    """What the colours mean, once for all panels."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    ax.set_axis_off()
    drawn = {name for run in runs for name in observables_of(run, None)}
    shown = [name for name in STYLES if name in drawn]
    lloq = runs[0].data["donor_nk_count"].attrs["lloq"]
    handles: list[object] = [Line2D([], [], color=STYLES[n][1], lw=STYLES[n][2] + 0.6, label=STYLES[n][0]) for n in shown]
    handles.append(Patch(facecolor=STYLES["il15_fold"][1], alpha=0.45, label="IL-15 in plasma, times the patient's normal level"))
    handles.append(Patch(facecolor=BAND, label=f"below {lloq:g} cell per µL: cannot be measured"))
    handles.append(Line2D([], [], color="#888888", lw=0.9, ls=(0, (4, 3)), label="day 0"))
    handles.append(Patch(facecolor="#999999", label="grey bar: given, no effect in the model"))
    box = ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(0, 1), frameon=False, fontsize=11, labelspacing=0.6,
                    borderaxespad=0)  # fmt: skip
    box.set_gid("legend")
    note = (
        "Bars above the curves: treatment, one row per drug,\none bar for each day on which it is given.\n\n"
        "Most parameters are assumed; not fitted to these trials,\nnot a forecast for a person."
    )
    ax.text(0, 0, note, transform=ax.transAxes, fontsize=10, color=_GREY, va="bottom", linespacing=1.4)
