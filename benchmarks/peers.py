"""Ensembles of nkpk against other solvers of the same equations, at equal delivered error: `make bench`.

    python benchmarks/peers.py [--repeats 5] [--patients 2000] [--fresh]
    python benchmarks/peers.py --without-peers [--small]        # nkpk and odeint alone; prints the tables and writes nothing

Writes peers.md, peers.json and peers.png beside this file. What has been measured stays in build/bench: a run that was
interrupted goes on where it was; another build, other peers or numbers of patients begin anew, and so does --fresh. The peers
live in build/bench-venv, made here with the pins of peers/requirements.txt.
"""

import argparse
import hashlib
import json
import math
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
BUILD = ROOT / "build"
PROGRAM = BUILD / "release/benchmarks/nkpk_peers"
NKPK = BUILD / "release/cli/nkpk"
VENV = BUILD / "bench-venv"
REGIMENS = {"radboud-ucb": ["--arm", "high-il2"], "sankoma": []}
TARGETS = (1e-4, 1e-6)
STEP = 10**-0.25  # from one tolerance to the next


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


class Server:
    """A process that runs patients, held to one core."""

    def __init__(self, command, core, log):
        one = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
        self.log = open(log, "a")  # noqa: SIM115  (closed with the process)
        self.process = subprocess.Popen(
            [str(x) for x in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True, env=os.environ | one,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )  # fmt: skip

    def ask(self, method, rtol, atol_factor, first, count, threads=1, file="-"):
        print(method, rtol, atol_factor, first, count, threads, file, file=self.process.stdin, flush=True)

    def answer(self):
        line = self.process.stdout.readline()
        if not line.startswith("{"):
            raise SystemExit(f"{Path(self.process.args[0]).name} failed: see {self.log.name}")
        return json.loads(line)

    def run(self, *command, **more):
        self.ask(*command, **more)
        return self.answer()

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.log.close()


class Store:
    """What has been measured, a line each; only whole lines count."""

    def __init__(self, path, fresh):
        self.path = path
        if fresh:
            path.unlink(missing_ok=True)
        lines = path.read_text().splitlines() if path.exists() else []
        self.known = {json.dumps(line["key"]): line["value"] for line in map(json.loads, lines)}

    def get(self, key, measure):
        text = json.dumps(key)
        if text not in self.known:
            self.known[text] = measure()
            with self.path.open("a") as file:
                print(json.dumps({"key": key, "value": self.known[text]}), file=file)
        return self.known[text]


class Race:
    """One regimen: its patients, reference and servers."""

    def __init__(self, regimen, n, folder, fresh):
        self.regimen, self.n, self.folder = regimen, n, folder / regimen
        self.folder.mkdir(parents=True, exist_ok=True)
        if fresh or not (self.folder / "ready").exists():
            subprocess.run([PROGRAM, "prepare", ROOT / "params", regimen, str(n), self.folder], check=True)
            subprocess.run([NKPK, "export", regimen, *REGIMENS[regimen], "--sbml", "--quiet", "--force", "-o", self.folder / "model.xml"], check=True)
            (self.folder / "ready").touch()
        self.problem = json.loads((self.folder / "problem.json").read_text())
        self.floors = np.array(self.problem["floors"])
        shape = n, len(self.problem["times"]), len(self.problem["observables"])
        self.reference = np.fromfile(self.folder / "reference.f64").reshape(shape)
        self.store = Store(self.folder / "measured.jsonl", fresh)
        self.cores = sorted(os.sched_getaffinity(0))
        self.servers = {}

    def server(self, kind, core=None):
        core = self.cores[-1] if core is None else core
        if (kind, core) not in self.servers:
            python = [VENV / "bin/python", HERE / "peers/contestant.py", kind, self.folder]
            command = [PROGRAM, "serve", ROOT / "params", self.regimen, self.n] if kind == "nkpk" else python
            self.servers[kind, core] = Server(command, core, self.folder / f"{kind}.log")
        return self.servers[kind, core]

    def close(self):
        for server in self.servers.values():
            server.close()

    def error_of(self, values):
        """The largest relative difference over patients, times and observables; below its smallest reported size an observable's
        differences count relative to that."""
        expected = self.reference[: len(values)]
        difference = np.abs(values - expected) / np.maximum(np.abs(expected), self.floors)
        difference[np.isnan(expected)] = 0
        worst = float(difference.max())
        return worst if math.isfinite(worst) else math.inf

    def delivered(self, c, rtol, atol_factor):
        """Error and time per patient (us) of one run, not repeated."""

        def measure():
            n, file = c.patients(self.n), self.folder / "values.f64"
            answer = self.server(c.server).run(c.method, rtol, atol_factor, 0, n, file=file)
            values = np.fromfile(file).reshape(n, *self.reference.shape[1:])
            file.unlink()
            say(f"{self.regimen}: {c.name} at {rtol}, error {self.error_of(values):.1e}")
            return {"error": self.error_of(values), "us": 1e6 * answer["cpu_s"] / n, "compile_s": answer.get("compile_s", 0), "steps": answer.get("steps")}

        return self.store.get(["delivered", c.name, rtol, atol_factor], measure)

    def rtol(self, k):
        return float(f"{STEP**k:.3g}")

    def loosest(self, c, target, factor, k):
        """The number of the loosest tolerance that delivers the target, from k in both directions. None: there is none, as a decade
        more no longer halves the error."""
        error = lambda k: self.delivered(c, self.rtol(k), factor)["error"]  # noqa: E731
        passes = lambda k: error(k) < target  # noqa: E731
        step = 1 if c.like else 2
        if passes(k):
            while k > step and passes(k - step):
                k -= step
        else:
            start = k
            while not passes(k):
                if k >= start + 4 and error(k) > error(k - 4) / 2 or self.rtol(k + step) < 1e-13:
                    return None
                k += step
        return k - 1 if step == 2 and passes(k - 1) else k

    def choose(self, c, target, before):
        """(rtol, atol_factor) of the cheaper way to the target."""
        ways = []
        for factor in c.atol_factors:
            start = before.get((c.like or c.name, factor)) or round(math.log(c.tolerance, STEP))
            k = self.loosest(c, target, factor, start)
            if k is not None:
                before[c.name, factor] = k
            # errors of multistep codes jump: a looser one that was passed on the way may deliver too
            passed = [rtol for name, rtol, f, value in self.ladder() if (name, f) == (c.name, factor) and rtol != "default" and value["error"] < target]
            if passed:
                ways.append((self.delivered(c, max(passed), factor)["us"], max(passed), factor))
        return min(ways)[1:] if ways else None

    def ladder(self):
        """(contestant, rtol, atol_factor, what was delivered) of all that has run."""
        keys = [(json.loads(text), value) for text, value in self.store.known.items()]
        return [(*key[1:], value) for key, value in keys if key[0] == "delivered"]

    def confirmation(self, n):
        """The largest difference between the reference and SciPy's Radau on the first n patients."""

        def measure():
            file = self.folder / "radau.f64"
            self.server("scipy").run("radau", 1e-9, 1e-3, 0, n, file=file)
            return self.error_of(np.fromfile(file).reshape(n, *self.reference.shape[1:]))

        return self.store.get(["confirmation", n], measure)

    def rounds(self, chosen, repeats):
        """Every contestant at every target, one after the other, and all over again: {(name, target): [us per patient]}."""
        times = {key: [] for key in chosen}
        for repeat in range(repeats):

            def measure(repeat=repeat):
                say(f"{self.regimen}: round {repeat + 1} of {repeats}")
                return [self._microseconds(NAMED[name], *tolerances) for (name, _), tolerances in chosen.items()]

            for key, us in zip(chosen, self.store.get(["round", repeat, [list(k) for k in chosen]], measure), strict=True):
                times[key].append(us)
        return times

    def _microseconds(self, c, rtol, factor):
        n = c.patients(self.n)
        return 1e6 * self.server(c.server).run(c.method, rtol, factor, 0, n)["cpu_s"] / n

    def on_all_cores(self, chosen, repeats):
        """By the clock on the wall, us per patient: {(name, target): [[one core, all cores] of each repeat]}. nkpk by threads, peers by
        a process on each core."""
        times = {key: [] for key in chosen if key[0] in (OURS, STOPS, CVODE, LSODA)}
        for repeat in range(min(repeats, 3)):

            def measure(repeat=repeat):
                say(f"{self.regimen}: all cores, round {repeat + 1}")
                return [self._walls(NAMED[name], *chosen[name, target]) for name, target in times]

            for key, walls in zip(times, self.store.get(["all cores", repeat, [list(k) for k in times]], measure), strict=True):
                times[key].append(walls)
        return times

    def _walls(self, c, rtol, factor):
        n, one = c.patients(self.n), self.server(c.server)
        alone = one.run(c.method, rtol, factor, 0, n)["wall_s"]
        if c.name == OURS:
            os.sched_setaffinity(one.process.pid, self.cores)
            together = one.run(c.method, rtol, factor, 0, n, threads=len(self.cores))["wall_s"]
            os.sched_setaffinity(one.process.pid, {self.cores[-1]})
        else:
            crew = [self.server(c.server, core) for core in self.cores]
            shares = np.array_split(np.arange(n), len(crew))
            for server in crew:
                server.run(c.method, rtol, factor, 0, 1)  # warm
            for server, share in zip(crew, shares, strict=True):
                server.ask(c.method, rtol, factor, share[0], len(share))
            together = max([server.answer()["wall_s"] for server in crew])
        return [1e6 * alone / n, 1e6 * together / n]


def say(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def make_environment():
    """build/bench-venv with the pinned peers; nothing is done when it is there."""
    wanted = HERE / "peers/requirements.txt"
    stamp = VENV / "requirements.txt"
    if stamp.exists() and stamp.read_text() == wanted.read_text():
        return
    print("making build/bench-venv (a minute or two)", file=sys.stderr)
    shutil.rmtree(VENV, ignore_errors=True)
    with (BUILD / "bench-venv.log").open("w") as log:
        for command in (
            [os.environ.get("PYTHON") or "/usr/bin/python3", "-m", "venv", VENV],
            [VENV / "bin/python", "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--prefer-binary", "-r", wanted],
        ):
            if subprocess.run(command, stdout=log, stderr=log, check=False).returncode:
                raise SystemExit(f"build/bench-venv cannot be made: see {log.name}; --without-peers runs nkpk and odeint alone")
    stamp.write_text(wanted.read_text())


def race(regimen, arguments, folder, peers):
    """All that is measured of one regimen."""
    one = Race(regimen, arguments.patients, folder, arguments.fresh)
    try:
        field = [c for c in CONTESTANTS if c.server == "nkpk" or peers]
        result = {"isa": one.problem["isa"], "compiler": one.problem["compiler"], "boost": one.problem["boost"]}
        result["confirmation"] = one.confirmation(min(20, arguments.patients)) if peers else None
        result["defaults"] = {}
        for c in field:
            if c.has_defaults:
                rtol = 1e-6 if c.server == "nkpk" else "default"
                result["defaults"][c.name] = one.delivered(c, rtol, 1.0)["error"]
        before, chosen = {}, {}
        for target in TARGETS:
            for c in field:
                if found := one.choose(c, target, before):
                    chosen[c.name, target] = found
        times, walls = one.rounds(chosen, arguments.repeats), one.on_all_cores(chosen, arguments.repeats)
        result["rows"] = [row(one, key, chosen[key], times[key], walls.get(key)) for key in chosen]
        result["ladder"] = [{"name": name, "rtol": rtol, "atol_factor": factor, **value} for name, rtol, factor, value in one.ladder()]
        return result
    finally:
        one.close()


def row(one, key, tolerances, times, walls):
    name, target = key
    rtol, factor = tolerances
    known = one.delivered(NAMED[name], rtol, factor)
    made = {"name": name, "target": target, "patients": NAMED[name].patients(one.n), "rtol": rtol, "atol_factor": factor, **known}
    made |= {"us": statistics.median(times), "us_min": min(times), "us_max": max(times)}
    if walls:
        made |= {"wall_one_us": statistics.median(w[0] for w in walls), "wall_all_us": statistics.median(w[1] for w in walls)}
        made["times_faster_on_all"] = statistics.median(w[0] / w[1] for w in walls)
    return made


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


def settings_key(arguments):
    """Another program, other peers, other patients: other measurements."""
    digest = hashlib.sha256(PROGRAM.read_bytes())
    for path in sorted((HERE / "peers").glob("*.*")):
        digest.update(path.read_bytes())
    return f"{digest.hexdigest()[:12]}-{arguments.patients}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--small", action="store_true", help="32 patients, one repeat; prints the tables and writes nothing")
    parser.add_argument("--without-peers", action="store_true", help="nkpk and odeint only; prints the tables and writes nothing")
    parser.add_argument("--fresh", action="store_true", help="forget what has been measured")
    arguments = parser.parse_args()
    if arguments.small:
        arguments.patients, arguments.repeats = 32, 1
    m, start = machine(), time.perf_counter()
    if not arguments.without_peers:
        make_environment()
    folder = BUILD / "bench" / settings_key(arguments)
    results = {regimen: race(regimen, arguments, folder, not arguments.without_peers) for regimen in REGIMENS}
    observables = len(json.loads((folder / "sankoma/problem.json").read_text())["observables"])
    settings = {"patients": arguments.patients, "repeats": arguments.repeats, "observables": observables}
    found = {"machine": m, "settings": settings, "regimens": results}
    say("")
    if arguments.small or arguments.without_peers:
        print(f"{targets_table(results)}\n\n{table(results, 1e-4)}\n\n{table(results, 1e-6)}\n\n{defaults_table(results)}")
        return
    (HERE / "peers.json").write_text(json.dumps(found | {"targets": targets(results)}, indent=1) + "\n")
    (HERE / "peers.md").write_text(page(found))
    picture(results, HERE / "peers.png")
    print(f"benchmarks/peers.md, .json and .png are written after {(time.perf_counter() - start) / 60:.0f} minutes", file=sys.stderr)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        sys.exit(130)
