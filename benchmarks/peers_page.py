"""Who takes part in `make bench`, and what is written of it: tables, reasons and the picture. peers.py measures."""

import os
import platform
import statistics
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGETS = (1e-4, 1e-6)  # errors to deliver


@dataclass(frozen=True)
class Contestant:
    name: str
    server: str  # nkpk, or one of peers/contestant.py
    method: str
    most_patients: int  # slow ones run the first few only
    tolerance: float  # where the search begins
    atol_factors: tuple[float, ...] = (1.0, 1e-3)  # times the model's absolute tolerances; the faster counts
    has_defaults: bool = False  # tolerances of its own
    like: str = ""  # the search begins where this one's ended

    def patients(self, n):
        return min(n, self.most_patients)


OURS, ALONE = "nkpk, packs", "nkpk, one by one"
STOPS, DENSE = "odeint dopri5, stops at outputs", "odeint dopri5, dense output"
CVODE, LSODA, RADAU, DIFFRAX = "libRoadRunner, CVODE", "SciPy + numba, LSODA", "SciPy + numba, Radau", "diffrax, Dopri5 on vmap"
CONTESTANTS = [
    Contestant(OURS, "nkpk", "packs", 100_000, 1e-5, has_defaults=True),
    Contestant(ALONE, "nkpk", "alone", 100_000, 1e-5, like=OURS, has_defaults=True),
    # a thousandth: 2 % more time at equal rtol, errors up to three times smaller
    Contestant(STOPS, "nkpk", "stops", 100_000, 1e-6, (1e-3,)),
    Contestant(DENSE, "nkpk", "dense", 100_000, 1e-6, (1e-3,), like=STOPS),
    Contestant(CVODE, "roadrunner", "cvode", 100, 1e-7, has_defaults=True),
    Contestant(LSODA, "scipy", "lsoda", 100, 1e-7, has_defaults=True),
    Contestant(RADAU, "scipy", "radau", 10, 1e-5, (1.0,), has_defaults=True),
    Contestant(DIFFRAX, "diffrax", "dopri5", 50, 1e-7, (1e-3,)),
]
NAMED = {c.name: c for c in CONTESTANTS}

# (what, nkpk's contestant, others of which the fastest counts, {error: factor}); a missing error has no target
SPEEDUPS = [
    ("plain odeint on doubles", OURS, (STOPS, DENSE), {1e-4: 25, 1e-6: 10}),
    ("libRoadRunner", OURS, (CVODE,), {1e-4: 30, 1e-6: 30}),
    ("SciPy with numba", OURS, (LSODA, RADAU), {1e-4: 100, 1e-6: 100}),
    ("plain odeint, one patient at a time", ALONE, (STOPS, DENSE), {1e-4: 4, 1e-6: 4}),
]
THREADS_TARGET = 1.85
LANES = {"baseline": 2, "avx2": 4, "avx512": 8}  # patients in a pack
NEXT = {
    OURS: "Next: a method of higher stage order, collocation with sweeps that solve IL-15, the blood pools and IL-2 exactly on each step's polynomial, which in "
    "an early trial took half the time of a Rosenbrock method at 1e-6; cheaper steps while nothing happens, after day 13.",
    ALONE: "Next: the stages of one patient side by side in a register; one LU for several steps of equal length.",
    LSODA: "solve_ivp's loop over the steps runs in Python; that of scipy.integrate.odeint, taken here, is compiled.",
    "threads": "The two cores also run the caller's thread, which takes finished blocks, and whatever else the machine does. Next: smaller last blocks.",
}


def find(result, name, target):
    return next((r for r in result["rows"] if r["name"] == name and r["target"] == target), None)


def number(x, digits=3):
    """Three significant digits, in full."""
    return f"{float(f'{x:.{digits}g}'):,.10g}"


def table(results, target):
    lines = ["| regimen | contestant | patients | relative tolerance | delivered error | us per patient and core (least, most) | times nkpk | all cores, wall | compiling, s |",
             "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"]  # fmt: skip
    for regimen, result in results.items():
        ours = find(result, OURS, target)
        for name in dict.fromkeys([c.name for c in CONTESTANTS]):
            r = find(result, name, target)
            if r is None:
                if any(x["name"] == name for x in result["ladder"]):
                    lines.append(f"| {regimen} | {name} | | | not reached | | | | |")
                continue
            factor = "" if r["atol_factor"] == 1 else f", atol x {r['atol_factor']:g}"
            times = number(r["us"] / ours["us"]) if ours else "-"
            walls = number(r["wall_all_us"]) if "wall_all_us" in r else ""
            compiling = f"{r['compile_s']:.1f}" if r["compile_s"] else ""
            lines.append(f"| {regimen} | {name} | {r['patients']:,} | {r['rtol']:.2g}{factor} | {r['error']:.1e} | {number(r['us'])} ({number(r['us_min'])}, "
                         f"{number(r['us_max'])}) | {times} | {walls} | {compiling} |")  # fmt: skip
    return "\n".join(lines)


def fastest(result, names, target):
    return min((r for name in names if (r := find(result, name, target))), key=lambda r: r["us"], default=None)


def targets(results):
    """What was wanted and what is reached: the smallest of the regimens decides."""
    rows = []
    for title, mine, others, factors in SPEEDUPS:
        for target, factor in factors.items():
            pairs = {regimen: (find(result, mine, target), fastest(result, others, target)) for regimen, result in results.items()}
            found = {regimen: theirs["us"] / ours["us"] for regimen, (ours, theirs) in pairs.items() if ours and theirs}
            if found:
                rows.append({"what": title, "by": mine, "others": others, "error": target, "wanted": factor, "found": found})
    for target in TARGETS:
        ours = {regimen: find(result, OURS, target) for regimen, result in results.items()}
        found = {regimen: r["times_faster_on_all"] for regimen, r in ours.items() if r and "times_faster_on_all" in r}
        if found and len(os.sched_getaffinity(0)) == 2:
            rows.append({"what": "one thread, by two", "by": "threads", "others": (), "error": target, "wanted": THREADS_TARGET, "found": found})
    for r in rows:
        r["is_reached"] = min(r["found"].values()) >= r["wanted"]
    return rows


def steps_compared(results, mine, others, target):
    """Where the factor comes from: steps, and what one of them costs."""
    texts = []
    for regimen, result in results.items():
        ours, theirs = find(result, mine, target), fastest(result, others, target)
        if ours and theirs and ours["steps"] and theirs["steps"]:
            lanes = LANES[result["isa"]] if mine == OURS else 1
            texts.append(f"{regimen} {number(ours['steps'])} steps of {number(ours['us'] * lanes / ours['steps'], 2)} us"
                         f"{f' for {lanes} patients' if lanes > 1 else ''} against {number(theirs['steps'])} of {number(theirs['us'] / theirs['steps'], 2)} us")  # fmt: skip
    return f"below {target:.0e}: {'; '.join(texts)}"


def growth(results, name):
    """How many times longer the second target takes than the first."""
    pairs = [(find(result, name, TARGETS[0]), find(result, name, TARGETS[1])) for result in results.values()]
    return ", ".join(number(tight["us"] / loose["us"], 2) for loose, tight in pairs if loose and tight) + " times"


def targets_table(results):
    rows = targets(results)
    lines = ["| times faster than | error below | wanted | " + " | ".join(results) + " | |", "| --- | ---: | ---: |" + " ---: |" * len(results) + " --- |"]
    for r in rows:
        cells = " | ".join(number(r["found"][name]) if name in r["found"] else "-" for name in results)
        lines.append(f"| {r['what']} | {r['error']:.0e} | {r['wanted']} | {cells} | {'reached' if r['is_reached'] else 'missed'} |")
    missed = [r for r in rows if not r["is_reached"]]
    if missed:
        lines += ["", "Missed, why, and what comes next:", ""]
    for mine, title in ((OURS, "Packs"), (ALONE, "One patient at a time")):
        where = [r["error"] for r in missed if r["by"] == mine and STOPS in r["others"]]
        if where:
            lines.append(f"- {title}, {', '.join(steps_compared(results, mine, (STOPS, DENSE), target) for target in where)}. {NEXT[mine]}")
    if any(name in r["others"] for r in missed for name in (CVODE, LSODA)):
        grown = "; ".join(f"{name} {growth(results, name)}" for name in (OURS, CVODE, LSODA))
        lines.append(f"- Multistep codes raise their order where digits are asked for. From 1e-4 to 1e-6 times grow: {grown}. {NEXT[LSODA]} Next: as for packs.")
    lines += [f"- Threads: {NEXT['threads']}" for _ in [r for r in missed if r["by"] == "threads"][:1]]
    return "\n".join(lines)


def defaults_table(results):
    names = list(dict.fromkeys(name for result in results.values() for name in result["defaults"]))
    lines = ["| error at its own default tolerances | " + " | ".join(results) + " |", "| --- |" + " ---: |" * len(results)]
    for name in names:
        cells = []
        for result in results.values():
            error = result["defaults"].get(name)
            cells.append("-" if error is None else f"{error:.1e}" + (f", misses 1e-4 by {number(error / 1e-4, 2)} times" if error > 1e-4 else ""))
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def machine():
    model = [line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {"processor": model[0] if model else platform.machine(), "cores": len(os.sched_getaffinity(0))}


def page(found):
    results, m, settings = found["regimens"], found["machine"], found["settings"]
    any_result = next(iter(results.values()))
    pins = [line for line in (HERE / "peers/requirements.txt").read_text().split() if "==" in line]
    confirmed = ", ".join(f"{r['confirmation']:.1e} ({name})" for name, r in results.items())
    waits = statistics.median(r["wall_one_us"] / r["us"] for result in results.values() for r in result["rows"] if "wall_one_us" in r) - 1
    alone = "" if waits < 0.05 else f" **Other work was running, the wall shows {100 * waits:.0f} % more than the processor: all times are indicative.**"
    text = f"""# Ensembles against other solvers, at equal delivered error

Written by `make bench` (`benchmarks/peers.py`); numbers in full in peers.json.

{settings["patients"]:,} virtual patients of `radboud-ucb` high-il2 and of `sankoma`, full model, first conditioning day to day 90, daily output and event times,
all {settings["observables"]} observables; parameters drawn log-normally (fractions by their odds) with the spreads of the parameter files, the same numbers for every contestant. Slow ones run the first of
them only: their worst patient is the worst of fewer, which favours them.

- **Error**: the largest relative difference from the reference over all patients, times and observables; below its smallest reported size (the limits of
  quantification of `params/observables.toml`, 0.01 % for chimerism, 1e-3 for the fold of IL-15, a day at that limit for the area) relative to that.
- **Reference**: the full system of differential equations by fehlberg78 at rtol 1e-11, atol a ten-thousandth of the model's.
  SciPy's Radau at 1e-9 on the exported SBML differs from it on 20 patients by {confirmed}.
- **Tolerances**: each contestant at its own loosest that delivers the error, in steps of a quarter of a decade; absolute tolerances state by state, the model's own or a
  thousandth of them ("atol x"), whichever is faster.
- **Time**: processor time held to one core, median of {settings["repeats"]} rounds in which all contestants take turns. The clock starts with parameters in memory and stops with
  observables in memory: constants, doses, sorting, packing and assembly of results are inside, compiling is not. All cores: by the clock on the wall, nkpk by
  threads, others by one process a core.
- **odeint** is Boost.Odeint's dopri5 on arrays of doubles with nkpk's own right-hand side, compiled with the same flags; the faster of dense output and stopping at
  outputs counts. **libRoadRunner** runs the SBML with its own optimised CVODE. **SciPy** runs right-hand sides that numba compiled from the same SBML: LSODA through
  scipy.integrate.odeint, Radau through solve_ivp. **diffrax** has all patients in one vmap, in steps of their own in one loop. AMICI 1.0.1 was tried
  and takes no part: it compiles the SBML, but CVODES stops there at an event. Neither does Debian's SUNDIALS, which is built without optimisation.
- Machine: {m["processor"]}, {m["cores"]} cores, {any_result["isa"]}.{alone} GCC {any_result["compiler"]}, Boost {any_result["boost"].replace("_", ".")}, {", ".join(pins)}.

## Targets

{targets_table(results)}

## Error below 1e-4

{table(results, 1e-4)}

## Error below 1e-6

{table(results, 1e-6)}

## Default tolerances

{defaults_table(results)}

![Work against delivered error](peers.png)

Lines: single runs on the way to the tolerances, with the model's absolute tolerances and, dashed, a thousandth of them. Where a line
climbs, absolute tolerances bound the error of some patient: a tighter relative one no longer helps. Dots: the medians of the tables.
"""
    return text


def picture(results, path):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(results), figsize=(12, 5), sharex=True, sharey=True, constrained_layout=True)
    names = [c.name for c in CONTESTANTS]
    for axis, (regimen, result) in zip(axes, results.items(), strict=True):
        for k, name in enumerate(names):
            for factor in NAMED[name].atol_factors:
                runs = [r for r in result["ladder"] if r["name"] == name and r["rtol"] != "default" and r["atol_factor"] == factor]
                runs.sort(key=lambda r: r["rtol"])
                axis.plot([r["error"] for r in runs], [r["us"] for r in runs], "-" if factor == 1 else "--", lw=1, color=f"C{k}", alpha=0.4)
            chosen = [r for r in result["rows"] if r["name"] == name]
            axis.plot([r["error"] for r in chosen], [r["us"] for r in chosen], "o", ms=5, color=f"C{k}", label=name)
        for target in TARGETS:
            axis.axvline(target, color="0.5", lw=0.8, ls=":")
        axis.set(xscale="log", yscale="log", title=regimen, xlabel="largest relative error of any observable and patient")
        axis.grid(alpha=0.25)
    axes[0].set(ylabel="one patient, one core [µs]", xlim=(1e-2, 1e-8))
    axes[-1].legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.savefig(path, dpi=130)
