"""Writes and executes the notebooks of this folder.

    .venv/bin/python examples/make_notebooks.py

The text stands here, so that a change is seen as a change of text; the notebooks are committed with their outputs.
"""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

HERE = Path(__file__).resolve().parent

FIVE_REGIMENS = [
    """# Five regimens

This notebook lists the regimens that come with nkpk, simulates them for one typical patient each, changes a parameter and a
dose, compares the arms of a trial, lays measured values over a run, and saves a run.

The numbers come from published averages and from assumptions that are named as such. They are not fitted to these trials and
are no forecast for a person.""",
    "## What there is",
    """import nkpk
import pandas as pd

pd.set_option("display.max_colwidth", 60)
print("\\n\\n".join(regimen.describe() for regimen in nkpk.regimens()))""",
    "A regimen with a patient is a scenario. Its calendar gives the absolute amounts for this patient, and what the source leaves open.",
    """scenario = nkpk.load("sankoma")
scenario.show()""",
    "The same as a table:",
    """scenario.calendar[["day", "drug", "amount", "unit", "stated", "source"]].head(8)""",
    "Every number of the model has a unit, a status and a source.",
    """scenario.parameters.loc["host_nk.NK0":"host_nk.dmax", ["value", "unit", "lower", "upper", "status", "source"]]""",
    "## Simulate the five",
    """runs = nkpk.Results({name: nkpk.simulate(name) for name in nkpk.regimens()})
wanted = ["donor_nk_cmax", "donor_nk_tmax", "donor_nk_auc_0_28", "donor_nk_last_day_above_1", "alc_nadir", "alc_recovery_day",
          "il15_peak_fold", "host_nk_nadir", "host_nk_day_28"]
table = runs.report[wanted]
table.columns = [f"{name} [{runs.report.attrs['units'][name]}]" for name in wanted]
table.T.style.format("{:.3g}", na_rep="-")""",
    """figure = nkpk.plot_regimens(runs)
figure.set_dpi(75)""",
    """## One run

`data` is an `xarray.Dataset` with units, `to_dataframe()` the same for pandas, `report` what happened.""",
    """run = runs["sankoma"]
run""",
    """run.data[["donor_nk_count", "host_nk_count", "il15"]]""",
    """run.to_dataframe(units_in_names=True).loc[[0, 1, 4, 7, 14, 28]].iloc[:, :5].round(2)""",
    """## Change a parameter, a dose, the patient

`set` gives a changed copy. A quantity is a number with its unit; nkpk converts it, and refuses what does not fit.""",
    """fewer_cells = scenario.set("dose.nk-2.amount", "5e7 cells/kg")
stronger_rejection = scenario.set("rejection.krej", "0.5 1/d/(cells/uL)")
small_girl = nkpk.load("sankoma", patient="3y-girl")

changed = nkpk.Results({
    "as it is": run,
    "second infusion a tenth": fewer_cells.simulate(),
    "rejection five times as strong": stronger_rejection.simulate(),
    "girl of three": small_girl.simulate(),
})
changed.report[["donor_nk_cmax", "donor_nk_auc_0_28", "donor_nk_last_day_above_1", "alc_nadir"]].round(1)""",
    """try:
    scenario.set("rejection.krej", "0.05 mg")
except nkpk.InputError as error:
    print(error)""",
    """## Compare the arms of a trial

`radboud-ucb` escalates cells and IL-2: three levels in three arms.""",
    """arms = nkpk.Results({scenario.arm: scenario.simulate() for scenario in nkpk.all_arms("radboud-ucb")})
arms.report[["donor_nk_cmax", "donor_nk_auc_0_28", "donor_nk_last_day_above_1", "host_nk_nadir"]].round(2)""",
    """import matplotlib.pyplot as plt

figure, ax = plt.subplots(figsize=(8, 3.6))
for arm, colour in (("no-il2", "#0072B2"), ("low-il2", "#E69F00"), ("high-il2", "#D55E00")):
    data = arms[f"{arm}_level-3e9"].data
    ax.plot(data["time"], data["donor_nk_count"], color=colour, label=arm)
ax.set(yscale="log", ylim=(0.01, 200), xlim=(-1, 30), xlabel="days since the NK infusion", ylabel="infused NK cells per µL",
       title="3·10⁹ cells with and without IL-2")
ax.legend(frameon=False);""",
    """## A patient of one's own

Weight, height and counts before conditioning are changed like everything else. The measurements below are **made up**.
A row that is `censored` was below the limit of quantification `lloq`.""",
    """import tempfile
from pathlib import Path

folder = Path(tempfile.mkdtemp())
(folder / "made_up.csv").write_text(\"\"\"\\
# made-up values, of no patient
day,observable,value,censored,lloq
-7,alc,1450,,
-1,alc,25,,
0.5,donor_nk_count,14,,
2,donor_nk_count,9,,
5,donor_nk_count,160,,
7,donor_nk_count,95,,
10,donor_nk_count,38,,
14,donor_nk_count,30,,
17,donor_nk_count,6,,
24,donor_nk_count,,true,1
\"\"\")

patient = scenario.set({"patient.weight": "52 kg", "patient.height": "160 cm", "patient.nk_count": "180 cells/uL"})
patient_run = patient.simulate()
patient_run.plot(observations=folder / "made_up.csv");""",
    """## Save and reopen

The archive is HDF5 that netCDF programs read as well; the executable writes the same format. It holds the numbers with units,
the parameters with sources, and the exact text of the inputs.""",
    """patient_run.save(folder / "patient.h5")
again = nkpk.open(folder / "patient.h5")
assert again.data.identical(patient_run.data)
again""",
    """import xarray as xr

with xr.open_dataset(folder / "patient.h5", decode_timedelta=False) as archive:
    print(archive["donor_nk_count"].attrs["long_name"], archive["donor_nk_count"].attrs["units"], dict(archive.sizes))
again.provenance["command_line"]""",
]
NOTEBOOKS = {"01_five_regimens.ipynb": FIVE_REGIMENS}


def is_prose(cell: str) -> bool:
    """A title or a paragraph; code has none of these beginnings."""
    return cell.startswith(("#", "A regimen", "The same", "Every number"))


def make(cells: list[str]) -> nbformat.NotebookNode:
    """The notebook without outputs."""
    made = [new_markdown_cell(cell) if is_prose(cell) else new_code_cell(cell) for cell in cells]
    for i, cell in enumerate(made):
        cell["id"] = f"cell-{i}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return new_notebook(cells=made, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})


def execute(notebook: nbformat.NotebookNode, folder: Path) -> nbformat.NotebookNode:
    """With outputs; raises on the first error. `folder` is where it runs."""
    metadata = dict(notebook["metadata"])
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}}).execute()
    notebook["metadata"] = metadata
    for cell in notebook["cells"]:
        cell["metadata"] = {}  # times of execution
    return notebook


def main() -> int:
    for name, cells in NOTEBOOKS.items():
        nbformat.write(execute(make(cells), HERE), HERE / name)
        print(HERE.name, name, f"{(HERE / name).stat().st_size / 1e3:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
