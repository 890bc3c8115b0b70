"""What plasma IL-15 at quasi-steady state would cost in accuracy, for every regimen and arm.

    python benchmarks/il15_quasi_steady.py

Writes il15_quasi_steady.md beside this file: the largest relative difference from the full model over all outputs, where an
observable is above a thousandth of a typical size.
"""

import warnings
from pathlib import Path

import nkpk
import numpy as np

FLOORS = {"nk_count": 0.25, "donor_nk_count": 0.01, "alc": 1.3, "treg_count": 0.058, "il15_fold": 1e-3, "il2": 0.01}


def difference(arm):
    full, quick = (arm.simulate(output_step=0.05, without=without).data for without in (None, "il15_dynamics"))
    worst = {}
    for name, floor in FLOORS.items():
        a, b = full[name].values, quick[name].values
        shown = np.abs(a) > floor
        worst[name] = float(np.max(np.abs(b - a)[shown] / np.abs(a)[shown])) if shown.any() else float("nan")
    return worst


def main():
    warnings.simplefilter("ignore", nkpk.PlausibilityWarning)
    lines = ["| regimen | arms | " + " | ".join(FLOORS) + " |", "|---|---|" + "---|" * len(FLOORS)]
    for regimen in ("sankoma", "sysu-ucb", "rogachev-hsct", "peking-aml", "radboud-ucb"):
        arms = nkpk.all_arms(regimen)
        each = [difference(arm) for arm in arms]
        cells = []
        for name in FLOORS:
            values = [e[name] for e in each if not np.isnan(e[name])]
            cells.append(f"{100 * min(values):.1f}-{100 * max(values):.1f} %" if values else "-")
        lines.append(f"| {regimen} | {len(arms)} | " + " | ".join(cells) + " |")
    text = (
        "# IL-15 at quasi-steady state\n\n"
        "The largest relative difference from the full model over time, lowest and highest over the arms of a regimen; written by\n"
        "`benchmarks/il15_quasi_steady.py`. The simplification (`--without il15_dynamics`) is there for this comparison only: IL-15 is\n"
        "slow when it matters, at 7-10/d after depletion, while an infusion changes its consumption within half an hour.\n\n"
        + "\n".join(lines)
        + "\n"
    )
    (Path(__file__).parent / "il15_quasi_steady.md").write_text(text)


if __name__ == "__main__":
    main()
