"""What a figure holds; how it looks is for eyes."""

from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import nkpk
from nkpk.observations import read_observations
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from nkpk.plot import FLOOR, STYLES
from nkpk.treatment import DRUGS, rows_of

OKABE_ITO = {"#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7"}
GREYS = {"#999999", "#BBBBBB"}


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def by_gid(ax: plt.Axes, gid: str) -> list:
    return [artist for artist in ax.get_children() if artist.get_gid() == gid]


def measurements(**columns: object) -> pd.DataFrame:
    rows = {"day": [0.5, 5.0, 20.0], "observable": "donor_nk_count", "value": [15.0, 150.0, 0.5]}
    return pd.DataFrame({**rows, **columns})


def test_a_run_is_drawn_on_a_log_axis_with_day_zero_and_the_band(sankoma: nkpk.Result) -> None:
    ax = sankoma.plot()
    assert ax.get_yscale() == "log" and ax.get_xscale() == "linear"
    (line,) = by_gid(ax, "day-0")
    assert list(line.get_xdata()) == [0, 0]
    (band,) = by_gid(ax, "lloq")
    assert band.get_y() + band.get_height() == 1.0 and band.get_y() == ax.get_ylim()[0]
    assert ax.get_ylim()[0] == FLOOR
    assert "µL" in ax.get_ylabel() and ax.get_xlabel() == "days since the first NK infusion"


def test_the_curves_hold_every_number_below_the_axis_too(sankoma: nkpk.Result) -> None:
    ax = sankoma.plot()
    drawn = {line.get_gid(): line for line in ax.lines}
    assert "graft_nk_count" not in drawn, "there is no graft in this regimen"
    for name in ("donor_nk_count", "host_nk_count", "alc"):
        np.testing.assert_array_equal(drawn[name].get_ydata(), sankoma.data[name])
        np.testing.assert_array_equal(drawn[name].get_xdata(), sankoma.data["time"])
        assert to_hex(drawn[name].get_color()).upper() == STYLES[name][1]


@pytest.mark.parametrize("name", [str(r) for r in nkpk.regimens()])
def test_every_administration_has_a_bar(name: str, runs: dict[str, nkpk.Result]) -> None:
    run = runs[name]
    ax = run.plot()
    (strip,) = ax.child_axes
    labels = [tick.get_text() for tick in strip.get_yticklabels()]
    events = run.events
    assert labels == [DRUGS[row.drug][0] for row in rows_of(run)]
    for drug in events["drug"].unique():
        (bars,) = by_gid(strip, f"treatment-{drug}")
        starts = sorted(path.vertices[:, 0].min() for path in bars.get_paths())
        assert starts == pytest.approx(sorted(events[events["drug"] == drug]["day"]))


def test_bars_are_above_the_axes_and_share_their_days(sankoma: nkpk.Result) -> None:
    ax = sankoma.plot()
    ax.figure.draw_without_rendering()
    strip = ax.child_axes[0]
    assert strip.get_window_extent().y0 > ax.get_window_extent().y1
    assert strip.get_window_extent().y1 < ax.figure.bbox.y1
    assert strip.get_xlim() == ax.get_xlim()
    title = ax.title if ax.title.get_text() else ax._left_title
    assert title.get_window_extent().y0 >= strip.get_window_extent().y1
    assert title.get_window_extent().y1 < ax.figure.bbox.y1


def test_a_run_can_be_drawn_on_given_axes_without_treatment(sankoma: nkpk.Result) -> None:
    _, ax = plt.subplots()
    assert sankoma.plot(["il15"], ax=ax, treatment=False) is ax
    assert not ax.child_axes and "pg/mL" in ax.get_ylabel()
    sankoma.plot("il15_fold")


def test_colours_are_safe_for_colour_blindness() -> None:
    assert {colour for _, colour, _ in STYLES.values()} <= OKABE_ITO | GREYS
    assert {colour for _, colour in DRUGS.values()} <= OKABE_ITO | GREYS


def test_observations_are_drawn_on_top(sankoma: nkpk.Result, tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text(
        "# made up\n"
        "day, observable, value, censored, lloq\n"
        "0.5, donor_nk_count, 15,,\n"
        "5, donor_nk_count, 150, false,\n"
        "20, donor_nk_count,, true, 1\n"
        "-7, t_count, 900,,\n"
    )
    ax = sankoma.plot(observations=path)
    (points,) = by_gid(ax, "observed-donor_nk_count")
    assert (list(points.get_xdata()), list(points.get_ydata())) == ([0.5, 5], [15, 150])
    (below,) = by_gid(ax, "censored-donor_nk_count")
    assert (list(below.get_xdata()), list(below.get_ydata())) == ([20], [1])
    assert by_gid(ax, "t_count"), "a measured observable gets its curve"
    assert points.get_zorder() > max(line.get_zorder() for line in ax.lines if line.get_gid() in STYLES)


def test_a_censored_value_without_a_limit_is_the_limit(sankoma: nkpk.Result) -> None:
    table = read_observations(measurements(censored=[0, 0, 1]), sankoma).table
    assert table["lloq"].tolist()[2] == 0.5 and table["lloq"].isna().tolist() == [True, True, False]


BAD = [
    (measurements().drop(columns="day"), "no column 'day'"),
    (measurements(lod=1), "unknown column 'lod'"),
    (measurements(observable="donor_nk_counts"), "row 1: unknown observable 'donor_nk_counts'; did you mean 'donor_nk_count'"),
    (measurements(value=["15", "many", "1"]), "row 2: value: 'many' is not a number"),
    (measurements(value=-1.0), "row 1: value -1"),
    (measurements(value=np.nan), "row 1: value nan"),
    (measurements(day=[0, np.nan, 1]), "row 2: day is missing"),
    (measurements(day=[0, np.inf, 1]), "row 2: day: is not finite"),
    (measurements(censored=[0, 0, 1], value=[15.0, 150.0, 0.0]), "row 3: censored without a limit"),
    (measurements(censored="perhaps"), "row 1: censored: 'perhaps'"),
    (measurements(unit="cells/mL"), "row 1: unit 'cells/mL'; expected 'cells/uL'"),
    (measurements().iloc[:0], "no measurements"),
]


@pytest.mark.parametrize(("table", "text"), BAD, ids=[text for _, text in BAD])
def test_unusable_observations_are_refused(sankoma: nkpk.Result, table: pd.DataFrame, text: str, tmp_path: Path) -> None:
    with pytest.raises(nkpk.InputError, match=text):
        sankoma.plot(observations=table)
    table.to_csv(tmp_path / "own.csv", index=False)
    with pytest.raises(nkpk.InputError, match=r"own\.csv"):
        sankoma.plot(observations=tmp_path / "own.csv")


def test_a_file_that_is_no_table_is_refused(sankoma: nkpk.Result, tmp_path: Path) -> None:
    with pytest.raises(nkpk.InputError, match="No such file"):
        sankoma.plot(observations=tmp_path / "none.csv")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(nkpk.InputError, match=r"empty\.csv"):
        sankoma.plot(observations=tmp_path / "empty.csv")


def test_unknown_and_mixed_observables_are_refused(sankoma: nkpk.Result) -> None:
    with pytest.raises(nkpk.InputError, match="observable 'nk': is unknown"):
        sankoma.plot(["nk"])
    with pytest.raises(nkpk.InputError, match="alc in cells/uL, il15 in pg/mL"):
        sankoma.plot(["alc", "il15"])
    with pytest.raises(nkpk.InputError, match="none given"):
        sankoma.plot([])


def test_the_numbers_behind_a_figure_can_be_had(sankoma: nkpk.Result, tmp_path: Path) -> None:
    sankoma.plot(["alc"], data_csv=tmp_path / "figure.csv")
    table = pd.read_csv(tmp_path / "figure.csv")
    assert list(table) == ["run", "day", "observable", "value", "unit"]
    np.testing.assert_allclose(table["value"], sankoma.data["alc"], rtol=1e-15)


def test_the_five_regimens_have_a_panel_each(runs: dict[str, nkpk.Result], tmp_path: Path) -> None:
    figure = nkpk.plot_regimens(runs, data_csv=tmp_path / "five.csv")
    curves = [ax for ax in figure.axes if by_gid(ax, "donor_nk_count")]
    assert len(curves) == 5
    assert len({ax.get_ylim() for ax in curves}) == 1
    for ax, run in zip(curves, runs.values(), strict=True):
        assert by_gid(ax, "day-0") and by_gid(ax, "lloq") and ax.get_yscale() == "log"
        assert bool(by_gid(ax, "graft_nk_count")) == (run.regimen == "rogachev-hsct")
    assert sum(ax.get_legend() is not None for ax in figure.axes) == 1
    assert sum(bool(by_gid(ax, "treatment-nk_cells")) for ax in figure.axes) == 5
    figure.savefig(tmp_path / "five.png")
    assert (tmp_path / "five.png").stat().st_size > 50_000
    assert set(pd.read_csv(tmp_path / "five.csv")["run"]) == {run.name for run in runs.values()}


def test_no_text_of_the_five_panels_leaves_the_page_or_meets_another(runs: dict[str, nkpk.Result]) -> None:
    figure = nkpk.plot_regimens(runs)
    figure.draw_without_rendering()
    texts = [t for ax in figure.axes for t in ax.texts] + figure.texts
    boxes = [(t.get_text(), t.get_window_extent()) for t in texts if t.get_text()]
    boxes += [("legend", ax.get_legend().get_window_extent()) for ax in figure.axes if ax.get_legend()]
    assert len(boxes) >= 12
    for i, (text, box) in enumerate(boxes):
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1, text
        for other, other_box in boxes[:i]:
            assert not box.overlaps(other_box), f"{text!r} and {other!r}"


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_other_numbers_of_panels_work(runs: dict[str, nkpk.Result], n: int) -> None:
    figure = nkpk.plot_regimens(list(runs.values())[:n])
    assert sum(bool(by_gid(ax, "donor_nk_count")) for ax in figure.axes) == n


def test_no_runs_or_too_many_are_refused(sankoma: nkpk.Result) -> None:
    for runs in ([], [sankoma] * 9):
        with pytest.raises(nkpk.InputError, match="expected 1 to 8"):
            nkpk.plot_regimens(runs)
