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
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from peers_page import CONTESTANTS, CVODE, LSODA, NAMED, OURS, STOPS, TARGETS, defaults_table, machine, page, picture, table, targets, targets_table

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
BUILD = ROOT / "build"
PROGRAM = BUILD / "release/benchmarks/nkpk_peers"
NKPK = BUILD / "release/cli/nkpk"
VENV = BUILD / "bench-venv"
REGIMENS = {"radboud-ucb": ["--arm", "high-il2"], "sankoma": []}
STEP = 10**-0.25  # from one tolerance to the next


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
