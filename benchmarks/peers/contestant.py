"""One peer as a server: reads commands "METHOD RTOL ATOL_FACTOR FIRST COUNT THREADS FILE" and answers each with a line of JSON.

    python contestant.py roadrunner|scipy|diffrax FOLDER

FOLDER holds what `nkpk_peers prepare` and `nkpk export` wrote. RTOL "default": the peer's own tolerances. The clock starts with the
patients' parameters in memory and stops with all observables in memory; compiling is reported once, and not counted.
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np


class Problem:
    def __init__(self, folder):
        known = json.loads((folder / "problem.json").read_text())
        self.sbml = (folder / "model.xml").read_text()
        self.states, self.atol, self.observables = known["states"], np.array(known["atol"]), known["observables"]
        self.times = np.array(known["times"]) - known["start_day"]
        self.parameters = np.fromfile(folder / "parameters.f64").reshape(-1, len(known["columns"]))
        # (id, column): a parameter of the product stands once for each infusion
        self.ids = []
        for j, (name, cohorts) in enumerate(zip(known["columns"], known["cohorts_of_columns"], strict=True)):
            module, key = name.split(".")
            self.ids += [(f"product_{k}_{key}", j) for k in cohorts] if cohorts else [(f"{module}_{key}", j)] if not module.startswith("product") else []

    def segments(self, events):
        """(start, end, index of the event at the start or None, outputs in (start, end), outputs at the start) until the last output."""
        last = self.times[-1]
        stops = sorted({0.0, *events, last})
        for start, end in zip(stops, [*stops[1:], None], strict=True):
            if start > last:
                return
            at = [i for i, t in enumerate(self.times) if abs(t - start) < 1e-9]
            inside = [i for i, t in enumerate(self.times) if end is not None and start + 1e-9 < t < end - 1e-9]
            yield start, end if start < last else None, events.index(start) if start in events else None, inside, at


class Patients:
    """The export, compiled by numba unless another decorator is given, and each patient's numbers."""

    def __init__(self, problem, compiled=None):
        from sbml_code import Model

        if compiled is None:
            from numba import njit as compiled
        self.model = Model(problem.sbml, problem.states, problem.observables)
        self.setup, self.rates, self.observe, self.jump = self.model.functions(compiled)
        self.places = [self.model.constants.index(name) for name, _ in problem.ids]
        self.rows = problem.parameters[:, [column for _, column in problem.ids]]

    def start(self, i):
        """Constants and states of patient i at the start."""
        given = np.array(self.model.values)
        given[self.places] = self.rows[i]
        return self.setup(given)


class RoadRunner:
    """CVODE of the optimised build that libRoadRunner ships; the machine code of the model is LLVM's.

    A new patient's computed constants and first states come from the same initial assignments by numba: libRoadRunner computes them
    again only for init(NAME) = ..., at half a second a parameter.
    """

    def __init__(self, problem):
        import roadrunner

        roadrunner.Logger.setLevel(roadrunner.Logger.LOG_CRITICAL)
        self.patients = Patients(problem)
        self.problem = problem
        self.runner = roadrunner.RoadRunner(problem.sbml)
        self.runner.timeCourseSelections = problem.observables
        integrator = self.runner.getIntegrator()
        integrator.setValue("maximum_num_steps", 1_000_000)
        self.defaults = integrator.getValue("relative_tolerance"), integrator.getValue("absolute_tolerance")
        self.order = [problem.states.index(self.runner.model.getStateVectorId(i)) for i in range(len(problem.states))]
        names = list(self.runner.model.getGlobalParameterIds())
        self.places = [names.index(name) for name in (*self.patients.model.constants, *problem.states)]

    def run(self, method, rtol, atol_factor, patients):
        integrator = self.runner.getIntegrator()
        integrator.setValue("relative_tolerance", self.defaults[0] if rtol is None else rtol)
        integrator.setValue("absolute_tolerance", self.defaults[1] if rtol is None else (atol_factor * self.problem.atol)[self.order].tolist())
        times = self.problem.times.tolist()
        for i in patients:
            c, y = self.patients.start(i)
            self.runner.reset()
            self.runner.model.setGlobalParameterValues(self.places, [*c.tolist(), *y.tolist()])
            yield np.array(self.runner.simulate(times=times))


class SciPy:
    """LSODA through scipy.integrate.odeint, whose loop over the steps is compiled, and solve_ivp's Radau; right-hand side by numba."""

    def __init__(self, problem, compiled=None):
        self.problem, self.patients = problem, Patients(problem, compiled)
        self.segments = list(problem.segments([t for t, _ in self.patients.model.events]))

    def run(self, method, rtol, atol_factor, patients):
        solve = {"lsoda": self._lsoda, "radau": self._radau}[method]
        observe, jump = self.patients.observe, self.patients.jump
        for i in patients:
            c, y = self.patients.start(i)
            values = np.empty((len(self.problem.times), len(self.problem.observables)))
            for start, end, event, inside, at in self.segments:
                if event is not None:
                    c, y = jump(event, start, y, c)
                for k in at:
                    values[k] = observe(start, y, c)
                if end is None:
                    break
                states = solve(y, [start, *self.problem.times[inside], end], c, rtol, atol_factor * self.problem.atol)
                for k, state in zip(inside, states[1:], strict=False):
                    values[k] = observe(self.problem.times[k], np.ascontiguousarray(state), c)
                y = states[-1].copy()
            yield values

    def _lsoda(self, y, times, c, rtol, atol):
        from scipy.integrate import odeint

        tolerances = {} if rtol is None else {"rtol": rtol, "atol": atol}
        return odeint(self.patients.rates, y, times, args=(c,), tfirst=True, tcrit=[times[-1]], mxstep=1_000_000, **tolerances)

    def _radau(self, y, times, c, rtol, atol):
        from scipy.integrate import solve_ivp

        tolerances = {} if rtol is None else {"rtol": rtol, "atol": atol}
        solution = solve_ivp(self.patients.rates, (times[0], times[-1]), y, method="Radau", t_eval=times, args=(c,), **tolerances)
        assert solution.success, solution.message
        return solution.y.T


class Diffrax:
    """All patients at once, vmap over a jitted solve of each segment, double precision."""

    def __init__(self, problem):
        import jax

        jax.config.update("jax_enable_x64", True)
        import diffrax
        import jax.numpy as jnp
        from sbml_code import Model

        self.jax, self.jnp, self.problem = jax, jnp, problem
        self.model = Model(problem.sbml, problem.states, problem.observables, is_jax=True)
        setup, rates, observe, jump = self.model.functions()
        self.setup = jax.jit(jax.vmap(setup))
        self.observe = jax.jit(jax.vmap(jax.vmap(observe, (0, 0, None)), (None, 0, 0)))
        self.jump = [jax.jit(jax.vmap(lambda t, y, c, k=k: jump(k, t, y, c), (None, 0, 0))) for k in range(len(self.model.events))]
        self.places = jnp.array([self.model.constants.index(name) for name, _ in problem.ids])
        self.columns = [column for _, column in problem.ids]
        self.segments = list(problem.segments([t for t, _ in self.model.events]))
        atols = jnp.array(problem.atol)

        def solve(y, c, times, rtol, atol_factor, solver):
            return diffrax.diffeqsolve(
                diffrax.ODETerm(rates), solver, times[0], times[-1], None, y, c, saveat=diffrax.SaveAt(ts=times),
                stepsize_controller=diffrax.PIDController(rtol=rtol, atol=atol_factor * atols, dtmin=1e-12, force_dtmin=True),
                adjoint=diffrax.ForwardMode(), max_steps=None,
            ).ys  # fmt: skip

        solvers = {"kvaerno5": diffrax.Kvaerno5(), "dopri5": diffrax.Dopri5()}
        self.solve = {
            name: jax.jit(jax.vmap(lambda y, c, times, rtol, f, s=solver: solve(y, c, times, rtol, f, s), (0, 0, None, None, None)))
            for name, solver in solvers.items()
        }

    def run(self, method, rtol, atol_factor, patients):
        jnp = self.jnp
        given = jnp.tile(jnp.array(self.model.values), (len(patients), 1)).at[:, self.places].set(self.problem.parameters[np.ix_(patients, self.columns)])
        c, y = self.setup(given)
        values = np.empty((len(patients), len(self.problem.times), len(self.problem.observables)))
        for start, end, event, inside, at in self.segments:
            if event is not None:
                c, y = self.jump[event](start, y, c)
            values[:, at] = self.observe(jnp.array([start] * len(at)), jnp.repeat(y[:, None], len(at), 1), c) if at else 0
            if end is None:
                break
            # few shapes, few compilations: places left over are filled with the end
            room = 4 if len(inside) <= 2 else len(inside) + 2
            times = jnp.array([start, *self.problem.times[inside], *[end] * (room - 1 - len(inside))])
            states = self.solve[method](y, c, times, rtol, atol_factor)
            if inside:
                values[:, inside] = self.observe(times[1 : 1 + len(inside)], states[:, 1 : 1 + len(inside)], c)
            y = states[:, -1]
        yield from values


def main():
    kind, folder = sys.argv[1], Path(sys.argv[2])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries write warnings to standard output
    problem = Problem(folder)
    start = time.perf_counter()
    peer = {"roadrunner": RoadRunner, "scipy": SciPy, "diffrax": Diffrax}[kind](problem)
    compile_s = time.perf_counter() - start
    warm = set()
    for line in sys.stdin:
        method, rtol, atol_factor, first, count, _, file = line.split()
        patients = list(range(int(first), int(first) + int(count)))
        tolerances = None if rtol == "default" else float(rtol), float(atol_factor)
        key = (method, len(patients) if kind == "diffrax" else 0)
        if key not in warm:
            warm.add(key)
            start = time.perf_counter()
            list(peer.run(method, *((1e-3, 1.0) if tolerances[0] is not None else tolerances), patients if kind == "diffrax" else patients[:1]))
            compile_s += time.perf_counter() - start
        wall, cpu = time.perf_counter(), time.process_time()
        values = list(peer.run(method, *tolerances, patients))
        answer = {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall, "compile_s": compile_s}
        if file != "-":
            np.array(values).tofile(file)
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
