"""Times of one patient in Python, warm: `scenario.simulate().data`, its parts, and ten sensitivities, for the five regimens.

    .venv/bin/python benchmarks/python_call.py [--repeats 300] > benchmarks/python_call.md

Minimum and median in ms. A run that may take a single step costs everything but the integration: the same arrays are
allocated, filled (with NaN) and converted. What is made on first use is listed below the table of the call itself.
"""

import argparse
import os
import platform
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import nkpk
import numpy as np
import xarray as xr
from nkpk import _core, tables
from nkpk.scenario import _solver_options
from nkpk.tree import Group, GroupsOfRun

DEFAULTS = ("auto", 1e-6, 1.0)
# those that a fit of counts would ask for first, of every kind
TEN = (
    "product.pmax", "host_nk.d0", "infused_nk.fv", "host_nk.NK0", "product.E15", "rejection.krej", "t_cells.pT", "nk.phi", "il15.fc",
    "product.viability",
)  # fmt: skip


@dataclass
class Part:
    call: Callable[[Any], object]
    prepare: Callable[[], Any] = lambda: None  # what `call` is given; not timed

    def timed(self, repeats: int) -> tuple[float, float]:
        """Minimum and median, ms."""
        times = []
        for _ in range(repeats):
            given = self.prepare()
            begin = time.perf_counter()
            self.call(given)
            times.append((time.perf_counter() - begin) * 1e3)
        return min(times), statistics.median(times)


def parts(scenario: nkpk.Scenario, solver: str) -> tuple[dict[str, Part], dict[str, Part]]:
    """The call with its parts, and what is made when asked for."""
    defaults = (solver, *DEFAULTS[1:])
    run = scenario.simulate(solver=solver)
    run.data  # noqa: B018  (the form of the dataset)
    core = scenario._built
    root, made = _core.simulate(core, _solver_options(*defaults, 2_000_000))
    arrays = Group.from_core(root, {}).arrays
    one_step = _solver_options(*defaults, 1)
    without_integration = lambda: scenario.simulate(solver=solver, max_steps=1, check=False)  # noqa: E731
    call = {
        "whole call": Part(lambda _: scenario.simulate(solver=solver).data),
        "whole call but the integration": Part(lambda _: without_integration().data),
        "- arrays of the curves": Part(lambda _: _core.simulate(core, one_step)),
        "- record of origin": Part(lambda _: _core.provenance(scenario._call(*defaults, 2_000_000), tables.python_versions())),
        "- tree": Part(lambda _: Group.from_core(root, GroupsOfRun(made))),
        "- dataset": Part(lambda run: run.data, without_integration),
    }
    later = {name: Part(lambda _, name=name: made.group(name)) for name in _core.group_names()}
    return call, later | {"first dataset of a scenario": Part(lambda _: tables.filled({}, "data", arrays, {}, {}))}


def main() -> None:
    parser = argparse.ArgumentParser(description="Time one patient in Python.")
    parser.add_argument("--repeats", type=int, default=300)
    parser.add_argument("--solver", default=DEFAULTS[0])
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    names = [str(name) for name in nkpk.regimens()]
    tables_of = [parts(nkpk.load(name), arguments.solver) for name in names]
    print("# One patient in Python, warm\n")
    print(f"Written by `benchmarks/python_call.py --repeats {arguments.repeats} --solver {arguments.solver}`: minimum (median), ms.\n")
    print(f"nkpk {nkpk.__version__}, Python {platform.python_version()}, numpy {np.__version__}, xarray {xr.__version__}; "
          f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start.\n")  # fmt: skip
    for title, k in (("The call", 0), ("Made when asked for", 1)):
        print(f"## {title}\n")
        print("| ms | " + " | ".join(names) + " |\n|---|" + "---|" * len(names))
        for part in tables_of[0][k]:
            cells = [table[k][part].timed(arguments.repeats) for table in tables_of]
            print(f"| {part} | " + " | ".join(f"{least:.2f} ({middle:.2f})" for least, middle in cells) + " |", flush=True)
        print()
    print("## Ten sensitivities of every observable, to those of a run\n")
    print("| | " + " | ".join(names) + " |\n|---|" + "---|" * len(names))
    pairs = [both(nkpk.load(name), arguments.solver, arguments.repeats) for name in names]
    print("| outputs | " + " | ".join(str(n) for n, _, _ in pairs) + " |")
    print("| sensitivities, ms | " + " | ".join(f"{ten:.2f}" for _, _, ten in pairs) + " |")
    print("| times the whole call | " + " | ".join(f"{ten / plain:.2f}" for _, plain, ten in pairs) + " |")


def both(scenario: nkpk.Scenario, solver: str, repeats: int) -> tuple[int, float, float]:
    """Outputs, and medians in ms of a run and of ten sensitivities, interleaved."""
    plain = Part(lambda _: scenario.simulate(solver=solver).data)
    ten = Part(lambda _: scenario.sensitivity(TEN, solver=solver))
    times = [(plain.timed(1)[1], ten.timed(1)[1]) for _ in range(repeats + 1)][1:]  # the first call makes the forms
    return scenario.simulate(solver=solver).data.sizes["time"], statistics.median(t[0] for t in times), statistics.median(t[1] for t in times)


if __name__ == "__main__":
    main()
