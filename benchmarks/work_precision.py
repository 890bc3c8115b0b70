"""Work against delivered error of every solution method on the five regimens: data, table and picture.

    python benchmarks/work_precision.py [--quick]

Runs the program nkpk_work_precision of the release build and writes work_precision.jsonl, .md and .png beside this file.
--quick writes nothing: it shows that the benchmark runs, and the table of a few tolerances.
"""

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PROGRAM = HERE.parent / "build/release/benchmarks/nkpk_work_precision"
TARGETS = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7)


def measure(quick):
    command = [str(PROGRAM), str(HERE.parent / "params")] + (["--quick"] if quick else [])
    rows = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        for line in run.stdout:
            rows.append(json.loads(line))
            if sys.stderr.isatty():
                print(f"\r{len(rows)} runs", end="", file=sys.stderr)
    if run.returncode:
        raise SystemExit(f"{PROGRAM.name} failed with {run.returncode}")
    return rows


def cheapest(rows, regimen, method, target):
    """Microseconds of the cheapest tolerance that delivers `target`; None if none does."""
    times = [
        r["microseconds"]
        for r in rows
        if r["regimen"] == regimen and r["method"] == method and r["status"] == "ok" and 0 <= r["error"] <= target
    ]
    return min(times, default=None)


def table(rows):
    regimens = list(dict.fromkeys(r["regimen"] for r in rows))
    methods = list(dict.fromkeys(r["method"] for r in rows))
    lines = ["| regimen | delivered error | " + " | ".join(methods) + " | auto / best |", "|" + "---|" * (len(methods) + 3)]
    worst = 0.0
    for regimen in regimens:
        for target in TARGETS:
            times = {m: cheapest(rows, regimen, m, target) for m in methods}
            fixed = [t for m, t in times.items() if m != "auto" and t]
            ratio = times["auto"] / min(fixed) if times.get("auto") and fixed else None
            worst = max(worst, ratio or 0)
            cells = [f"{times[m]:.0f}" if times[m] else "-" for m in methods]
            lines.append(f"| {regimen} | {target:.0e} | " + " | ".join(cells) + f" | {ratio:.2f} |" if ratio else f"| {regimen} | {target:.0e} | " + " | ".join(cells) + " | - |")
    return "\n".join(lines), worst


def picture(rows, path):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    regimens = list(dict.fromkeys(r["regimen"] for r in rows))
    methods = [m for m in dict.fromkeys(r["method"] for r in rows) if m != "auto"]
    figure, axes = plt.subplots(1, len(regimens), figsize=(16, 4.2), sharex=True, sharey=True, constrained_layout=True)
    for axis, regimen in zip(axes, regimens, strict=True):
        for k, method in enumerate(methods):
            points = [r for r in rows if r["regimen"] == regimen and r["method"] == method and r["status"] == "ok" and r["error"] > 0]
            axis.plot([r["error"] for r in points], [r["microseconds"] / 1e3 for r in points], "o-", ms=3, color=f"C{k}", label=method)
        axis.set(xscale="log", yscale="log", title=regimen, xlabel="largest relative error of an observable")
        axis.grid(alpha=0.3)
    axes[0].invert_xaxis()
    axes[0].set_ylabel("one patient, one core [ms]")
    axes[-1].legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=130)


def main():
    quick = "--quick" in sys.argv[1:]
    rows = measure(quick)
    text, worst = table(rows)
    if quick:
        print(text)
        return
    (HERE / "work_precision.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    (HERE / "work_precision.md").write_text(
        "# Work against delivered error\n\n"
        "Microseconds of the cheapest tolerance that delivers the error, one patient on one core, daily output, results written by\n"
        "`benchmarks/work_precision.py`. Error: the largest relative difference from dopri5 at rtol 1e-12 over all observables and\n"
        "outputs, relative to at least a thousandth of a typical size. Method and tolerances differ from row to row, so that equal\n"
        "errors are compared and never equal tolerances.\n\n"
        f"{text}\n\nThe automatic choice costs at most {worst:.2f} times the best fixed one.\n"
    )
    picture(rows, HERE / "work_precision.png")


if __name__ == "__main__":
    main()
