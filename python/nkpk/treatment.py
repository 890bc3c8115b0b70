"""The treatment calendar as rows of labelled bars above a pair of axes: one row per drug."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nkpk.result import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Row:
    """All administrations of one drug: (start, duration) in days."""

    drug: str
    label: str
    colour: str
    times: tuple[tuple[float, float], ...]


# drug: label, colour (Okabe and Ito), order from top to bottom. Chemotherapy is one colour; cells that are given have the
# colour of their curve.
_CHEMO, _CYTOKINE, _BLOCK = "#E69F00", "#CC79A7", "#56B4E9"
DRUGS = {
    "cyclophosphamide": ("cyclophosphamide", _CHEMO),
    "fludarabine": ("fludarabine", _CHEMO),
    "thiotepa": ("thiotepa", _CHEMO),
    "treosulfan": ("treosulfan", _CHEMO),
    "busulfan": ("busulfan", _CHEMO),
    "tbi": ("total body irradiation", "#000000"),
    "local_radiotherapy": ("local radiotherapy", "#999999"),
    "tocilizumab": ("tocilizumab", "#999999"),
    "abatacept": ("abatacept", _BLOCK),
    "il15": ("IL-15", _CYTOKINE),
    "il2": ("IL-2", _CYTOKINE),
    "graft": ("stem-cell graft", "#009E73"),
    "nk_cells": ("NK cells", "#D55E00"),
}
# narrower bars would not be seen on an axis of months; a day is what a calendar shows
_LEAST_WIDTH_D = 0.8


def rows_of(result: Result) -> list[Row]:
    """The drugs of a run from top to bottom; what is not in DRUGS comes first."""
    events = result.events
    order = {drug: i for i, drug in enumerate(DRUGS)}
    rows = []
    for drug in sorted(dict.fromkeys(events["drug"]), key=lambda d: order.get(d, -1)):
        given = events[events["drug"] == drug]
        label, colour = DRUGS.get(drug, (drug.replace("_", " "), "#999999"))
        times = tuple(zip(given["day"].tolist(), given["duration_d"].tolist(), strict=True))
        rows.append(Row(drug, label, colour, times))
    return rows


def draw_rows(ax: Axes, rows: list[Row], row_height_inches: float = 0.18, fontsize: float = 8) -> float:
    """Draws the rows on axes of their own right above `ax`, with the same days; returns the height taken in inches."""
    from matplotlib.transforms import Bbox

    if not rows:
        return 0.0
    height, gap = len(rows) * row_height_inches, 0.08
    strip = ax.inset_axes((0, 1, 1, 0.1), sharex=ax)

    def place(_axes: Axes, renderer: object) -> Bbox:
        """As high in inches whatever becomes of the axes below."""
        below = ax.get_window_extent(renderer)
        dpi = ax.figure.dpi
        box = Bbox.from_bounds(below.x0, below.y1 + gap * dpi, below.width, height * dpi)
        return box.transformed(ax.figure.transSubfigure.inverted())

    strip.set_axes_locator(place)
    draw_rows_on(strip, rows, fontsize)
    return height + gap


def draw_rows_on(strip: Axes, rows: list[Row], fontsize: float = 8) -> None:
    """Draws the rows on given axes, which share their days with the curves below."""
    for i, row in enumerate(rows):
        y = len(rows) - 1 - i
        widths = [(start, max(duration, _LEAST_WIDTH_D)) for start, duration in row.times]
        strip.broken_barh(widths, (y + 0.14, 0.72), facecolor=row.colour, lw=0, gid=f"treatment-{row.drug}")
    strip.set_ylim(0, len(rows))
    strip.set_yticks([len(rows) - 0.5 - i for i in range(len(rows))], [row.label for row in rows], fontsize=fontsize)
    strip.tick_params(axis="both", length=0, labelbottom=False)
    strip.axvline(0, color="#888888", lw=0.9, ls=(0, (4, 3)), zorder=0)
    for side in ("top", "right", "left", "bottom"):
        strip.spines[side].set_visible(False)
    for y in range(len(rows) + 1):
        strip.axhline(y, color="#E4E4E4", lw=0.6, zorder=0)


def _cells(amount: float) -> str:
    mantissa, exponent = f"{amount:.2e}".split("e")
    power = str(int(exponent)).translate(str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"))
    return f"10{power}" if float(mantissa) == 1 else f"{float(mantissa):g}·10{power}"


def _days(days: list[float]) -> str:
    if len(days) == 1:
        return f"day {days[0]:g}"
    if len(days) < 4:
        return "days " + ", ".join(f"{d:g}" for d in days)
    return f"days {days[0]:g} to {days[-1]:g}"


def dose_line(result: Result) -> str:
    """The NK infusions in a few words: "NK cells: 8 × 3·10⁸ on days 0 to 77"."""
    events = result.events
    given = events[events["drug"] == "nk_cells"]
    parts: list[tuple[float, list[float]]] = []
    for amount, day in zip(given["amount"], given["day"], strict=True):
        if parts and abs(parts[-1][0] - amount) <= 1e-9 * amount:
            parts[-1][1].append(day)
        else:
            parts.append((amount, [day]))
    if not parts:
        return "no NK cells"
    texts = []
    for amount, days in parts:
        many = f"{len(days)} × " if len(days) > 1 else ""
        texts.append(f"{many}{_cells(amount)} on {_days(days)}")
    return "NK cells: " + "; ".join(texts).replace("-", "\N{MINUS SIGN}")
