"""From a regimen to a scenario: one patient, one arm, one set of parameters; ready to be simulated."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from os import PathLike, fspath
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from nkpk import _core, tables
from nkpk._core import InputError
from nkpk.ensemble import Ensemble, Progress, population_table
from nkpk.library import folder_text, library
from nkpk.result import Result, SolveError
from nkpk.tree import Group, GroupsOfRun

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

Value = str | float | bool | list | tuple | dict


class PlausibilityWarning(UserWarning):
    """A patient or a calendar that is unusual, or, with allow_implausible=True, a number outside its plausible range.

    The executable prints the same text; it stays in archives.
    """


def _toml(value: Any) -> str:
    """A value as the right-hand side of --set KEY=VALUE."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f'"{key}" = {_toml_inner(item)}' for key, item in value.items()) + "}"
    if isinstance(value, Iterable):
        return "[" + ", ".join(_toml_inner(item) for item in value) + "]"
    if hasattr(value, "item"):  # a NumPy number
        value = value.item()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return "nan" if math.isnan(value) else ("inf" if value > 0 else "-inf") if math.isinf(value) else repr(value)
    raise InputError(f"{value!r} cannot be a value; expected a text such as '0.05 1/d', a number, true, false or a list")


def _toml_inner(value: Any) -> str:
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    return _toml(value)


def _texts(value: str | Iterable[str] | None) -> tuple[str, ...]:
    return () if value is None else (value,) if isinstance(value, str) else tuple(value)


@dataclass(frozen=True)
class Scenario:
    """A patient, a regimen with its choices, and parameters. Never changed in place: `set` and `replace` return copies.

    Made by `nkpk.load`. Picklable; a copy in another process reads the same files again.
    """

    name: str
    choices: tuple[str, ...] = ()
    level: str | None = None
    patient: str | None = None
    changes: tuple[tuple[str, str], ...] = ()
    days: float | None = None
    output_step: float | None = None
    without: tuple[str, ...] = ()
    params: str = ""
    allow_implausible: bool = False
    _built: _core.Scenario = field(init=False, repr=False, compare=False)
    _forms: dict[str, xr.Dataset] = field(init=False, repr=False, compare=False, default_factory=dict)
    _variant: tuple[tuple | None, Scenario | None] = field(init=False, repr=False, compare=False, default=(None, None))

    def __post_init__(self) -> None:
        core = _core.Scenario(
            library(self.params), self.name, arms=list(self.choices), level=self.level, patient=self.patient,
            sets=[f"{key}={value}" for key, value in self.changes], days=self.days, output_step=self.output_step,
            without=list(self.without), allow_implausible=self.allow_implausible,
        )  # fmt: skip
        object.__setattr__(self, "_built", core)

    def __reduce__(self) -> tuple:
        return Scenario, (self.name, self.choices, self.level, self.patient, self.changes, self.days, self.output_step,
                          self.without, self.params, self.allow_implausible)  # fmt: skip

    # --- changes

    def set(self, key: str | Mapping[str, Value], value: Value | None = None) -> Scenario:
        """A copy with one value changed, or several given as a dict.

        scenario.set("rejection.krej", "0.05 1/d/(cells/uL)")      a parameter of the model
        scenario.set("product.pmax", "1.2 1/d")                    of the NK product
        scenario.set("dose.nk.amount", "1e9 cells")                a dose, by its id in the calendar
        scenario.set("courses.nk", "3e9 cells")                    the total that a course is divided from
        scenario.set({"patient.weight": "50 kg", "patient.nk_count": "120 cells/uL"})

        Raises nkpk.InputError for unknown keys, wrong units, impossible values and, unless the scenario was loaded with
        allow_implausible=True, numbers outside their plausible range.
        """
        if isinstance(key, Mapping):
            if value is not None:
                raise InputError("set: give either a dict or a key and its value")
            new = dict(key)
        elif value is None:
            raise InputError(f"set: no value for {key!r}")
        else:
            new = {key: value}
        kept = tuple(pair for pair in self.changes if pair[0] not in new)
        return replace(self, changes=kept + tuple((k, _toml(v)) for k, v in new.items()))

    def replace(self, **fields: Any) -> Scenario:
        """A copy with other arguments of `load`: arm, level, patient, days, output_step, without, changes, allow_implausible."""
        return load(**{**self._arguments(), **fields})

    def _arguments(self) -> dict[str, Any]:
        return {
            "regimen": self.name, "arm": self.choices, "level": self.level, "patient": self.patient,
            "changes": dict(self.changes), "days": self.days, "output_step": self.output_step,
            "without": self.without, "params": self.params or None, "allow_implausible": self.allow_implausible,
        }  # fmt: skip

    # --- what it is

    @property
    def regimen(self) -> str:
        """Name of the regimen."""
        return self._built.regimen

    @property
    def arm(self) -> str:
        """The choices as one name, for example "no-il2_level-2e9"."""
        return self._built.label

    @property
    def options(self) -> dict[str, dict[str, str]]:
        """{group: {choice: title}}"""
        info = library(self.params).regimen(self.name)
        return {group: choices for group, (_, choices) in info["options"].items()}

    @property
    def arms(self) -> list[str]:
        """The names of all combinations of choices."""
        return [label for label, _ in library(self.params).combinations(self.name)]

    @property
    def warnings(self) -> list[str]:
        """What is unusual about this scenario; emitted as PlausibilityWarning when it is simulated."""
        return self._built.warnings

    @property
    def parameters(self) -> pd.DataFrame:
        """All parameters, those of the NK products as "PRODUCT:product.NAME"; index: name.

        value, lower and upper are in `unit`; cv_percent is the log-normal spread between patients.
        """
        return tables.parameters(self._described())

    @property
    def calendar(self) -> pd.DataFrame:
        """One row per administration; day and duration_d in days, amount in `unit` for this patient."""
        return tables.events(self._described())

    def _described(self) -> Group:
        return Group.from_core(self._built.describe())

    def show(self) -> tables.Text:
        """The treatment calendar in plain text, as `nkpk show` prints it."""
        return tables.Text(self._built.calendar_text())

    def to_sbml(self) -> str:
        """The model with this patient and regimen as SBML Level 3 Version 2, with units, for other programs.

        Constants, signals, rates and observables stay named; doses are events. Time is in days from the start of the scenario,
        `day` is the day of the calendar; states and observables carry the names of the archives. `nkpk export --sbml` writes the
        same text.
        """
        return self._built.to_sbml()

    def __repr__(self) -> str:
        start, end = self._built.days
        changed = f", {len(self.changes)} changed" if self.changes else ""
        return f"<nkpk.Scenario {self.regimen}/{self.arm}: {self._built.patient_title}; day {start:g} to {end:g}{changed}>"

    def _repr_html_(self) -> str:
        return self.show()._repr_html_()

    # --- simulation

    def simulate(
        self,
        days: float | None = None,
        output_step: float | None = None,
        solver: str = "auto",
        rtol: float = 1e-6,
        without: str | Iterable[str] | None = None,
        check: bool = True,
        *,
        atol_factor: float = 1.0,
        max_steps: int = 2_000_000,
        isa: str | None = None,
    ) -> Result:
        """Integrates the scenario.

        days:         last day; default: the regimen's horizon
        output_step:  days between outputs; event times are always among the outputs
        without:      mechanisms to switch off, for example "rejection", besides those of the scenario
        check:        raise nkpk.SolveError on a numerical failure; False returns what was reached, then NaN
        isa:          "baseline", "avx2" or "avx512"; default: the widest that runs here. All give the same bits

        Raises nkpk.InputError for unusable options. Ctrl-C stops a long run.
        """
        scenario = self._with(days, output_step, _texts(without))
        options = _solver_options(solver, rtol, atol_factor, max_steps, isa)
        for text in scenario.warnings:
            warnings.warn(f"{self.regimen}/{self.arm}: {text}", PlausibilityWarning, stacklevel=2)
        origin = _core.provenance(scenario._call(solver, rtol, atol_factor, max_steps, isa), tables.python_versions())
        root, run = _core.simulate(scenario._built, options)
        origin["attrs"].update(_core.end_of_run("ok" if root["attrs"]["status"] == "ok" else "failed"))
        result = Result(Group.from_core(root, GroupsOfRun(run)), Group.from_core(origin), scenario._forms)
        if check and result.status != "ok":
            raise SolveError(result)
        return result

    def sensitivity(
        self,
        parameters: str | Iterable[str],
        solver: str = "auto",
        rtol: float = 1e-6,
        check: bool = True,
        *,
        atol_factor: float = 1.0,
        max_steps: int = 2_000_000,
        isa: str | None = None,
    ) -> xr.Dataset:
        """Forward sensitivities of every observable, (time, parameter), exact and not by differences.

        parameters:  "host_nk.d0" and every other parameter; "product.pmax" of all infused products together;
                     of each administration of a dose together "dose.ID.amount", in this patient's absolute unit,
                     "dose.ID.start" and, of an infusion, "dose.ID.duration" at the same amount [d]

        Values are in the observable's unit per parameter_unit; parameter_value is where they were taken (of a dose, its first
        administration). They pass through doses, survival after irradiation, the baseline and the moments of events. At an output
        at the moment of an event that moves, they are those of the solution after it.

        Raises nkpk.InputError for unknown names, nkpk.SolveError on a numerical failure; check=False returns NaN beyond it.
        """
        options = _solver_options(solver, rtol, atol_factor, max_steps, isa)
        names = _texts(parameters)
        tree = Group.from_core(_core.sensitivity(self._built, list(names), options))
        form = "\n".join(("sensitivity", *names))
        data = tables.filled(self._forms, form, dict(tree.arrays), {}, dict(tree.attrs), ("parameter_unit", "parameter_value"))
        if check and data.attrs["status"] != "ok":
            a = data.attrs
            raise SolveError(SimpleNamespace(status=a["status"], message=a["message"], t_reached=a["t_reached_d"],
                                             failed_state=a["failed_state"], data=data))  # fmt: skip
        return data

    def ensemble(
        self,
        n: int | None = None,
        seed: int = 1,
        *,
        population: pd.DataFrame | xr.Dataset | Mapping[str, Any] | None = None,
        observables: str | Iterable[str] | None = None,
        quantiles: Iterable[float] = (0.05, 0.25, 0.5, 0.75, 0.95),
        keep: str = "values",
        out: str | PathLike[str] | None = None,
        force: bool = False,
        resume: bool = False,
        days: float | None = None,
        output_step: float | None = None,
        solver: str = "auto",
        rtol: float = 1e-6,
        without: str | Iterable[str] | None = None,
        atol_factor: float = 1.0,
        max_steps: int = 2_000_000,
        isa: str | None = None,
        threads: int = 0,
    ) -> Ensemble:
        """Integrates the scenario for many virtual patients; the numbers are those of `nkpk ensemble`.

        n, seed:      draw so many, with the spreads (`cv_percent`) of the parameter files; the first ones stay the same for a larger n
        population:   or these patients: a column per parameter, in its unit ("host_nk.d0", "product.pmax", "product[NAME].pmax"
                      where several products are given); Ensemble.parameters of another ensemble will do. Like drawn ones they
                      may lie outside plausible ranges
        observables:  names as in Result.data; default: infused and host NK, ALC, Treg, IL-15, chimerism of NK
        quantiles:    from 0 to 1, rising; order statistics, to 0.1 %
        keep:         "values": every patient's course; "summary": quantiles, means, parameters and outcomes alone
        out:          a file to write block by block, so that no number of patients needs more memory; it is returned opened.
                      `force` replaces one that exists. What is finished is safe in its journal, OUT.part, whatever happens
        resume:       go on where an interrupted run of the same call ended; the result has the same bits as an uninterrupted one's.
                      A complete archive of this ensemble is returned as it is
        isa:          "baseline", "avx2" or "avx512"; default: the widest that runs here. They agree within tolerance, not to the bit
        threads:      0: as many as the machine has. The numbers are the same on any number
        days, output_step, solver, rtol, without, atol_factor, max_steps: as for `simulate`

        One patient's failure is his own: see Ensemble.failures. Raises nkpk.InputError for unusable options, a disk that does not
        do what it should, and for `resume` with anything changed that changes numbers. Ctrl-C stops it; a file then keeps the patients
        finished so far.
        """
        if (n is None) == (population is None):
            raise InputError("ensemble: give either n or a population")
        if keep not in ("values", "summary"):
            raise InputError(f'keep is {keep!r}; expected "values" or "summary"')
        if n is not None and n < 1:
            raise InputError(f"n is {n}; expected one patient at least")
        if seed < 0:
            raise InputError(f"seed is {seed}; expected 0 or more")
        if resume and out is None:
            raise InputError("resume: no archive is named; expected out, that of the interrupted run")
        if threads < 0:
            raise InputError(f"threads is {threads}; expected 0 or more")
        names, values = ([], np.empty(0)) if population is None else population_table(population)
        scenario = self._with(days, output_step, _texts(without))
        options = _solver_options(solver, rtol, atol_factor, max_steps, isa)
        for text in scenario.warnings:
            warnings.warn(f"{self.regimen}/{self.arm}: {text}", PlausibilityWarning, stacklevel=2)
        wanted = list(_texts(observables)) or _core.usual_observables()
        levels = [float(q) for q in quantiles]
        who = {"n": n, "seed": seed} if population is None else {"population": f"{len(values)} given"}
        call = scenario._call(solver, rtol, atol_factor, max_steps, isa, "ensemble", {**who, "observables": wanted, "quantiles": levels, "keep": keep})
        origin = _core.provenance(call, tables.python_versions())
        origin["attrs"]["threads"] = _core.thread_count(threads)
        progress = Progress()
        try:
            root = _core.ensemble(
                scenario._built, n=len(values) if n is None else n, seed=seed if population is None else None, names=names, values=values,
                observables=wanted, quantiles=levels, keep_values=keep == "values", threads=threads, options=options,
                progress=progress if progress.active else None, provenance=origin, out=None if out is None else fspath(out), overwrite=force,
                resume=resume,
            )  # fmt: skip
        finally:
            progress.close()
        if root is None:
            from nkpk.archive import open_archive

            return open_archive(out)
        origin["attrs"].update(root["groups"].pop("provenance")["attrs"])
        return Ensemble(Group.from_core(root), Group.from_core(origin))

    def _with(self, days: float | None, output_step: float | None, off: tuple[str, ...]) -> Scenario:
        """The scenario that is simulated. The last variant is kept: building one reads files and takes longer than the run."""
        if days is None and output_step is None and not off:
            return self
        wanted = (
            self.days if days is None else float(days),
            self.output_step if output_step is None else float(output_step),
            self.without + tuple(name for name in off if name not in self.without),
        )
        key, variant = self._variant
        if variant is None or key != wanted:
            variant = replace(self, days=wanted[0], output_step=wanted[1], without=wanted[2])
            object.__setattr__(self, "_variant", (wanted, variant))
        return variant

    def _call(self, solver: str, rtol: float, atol_factor: float, max_steps: int, isa: str | None = None,
              method: str = "", own: Mapping[str, Any] | None = None) -> str:  # fmt: skip
        """The run as a line of Python, for the archive; `own` are arguments of the method."""
        scenario = {k: v for k, v in self._arguments().items() if v and k != "regimen"}
        arguments = dict(own) if method else scenario
        arguments |= {"solver": solver, "rtol": rtol, "atol_factor": atol_factor, "max_steps": max_steps}
        arguments |= {"isa": isa} if isa else {}
        written = lambda pairs: "".join(f", {k}={v!r}" for k, v in pairs.items())  # noqa: E731
        if method:
            return f"nkpk.load({self.name!r}{written(scenario)}).{method}({written(arguments)[2:]})"
        return f"nkpk.simulate({self.name!r}{written(arguments)})"


def load(
    regimen: str | PathLike[str],
    *,
    arm: str | Iterable[str] | None = None,
    level: str | None = None,
    patient: str | PathLike[str] | None = None,
    changes: Mapping[str, Value] | None = None,
    days: float | None = None,
    output_step: float | None = None,
    without: str | Iterable[str] | None = None,
    params: str | PathLike[str] | None = None,
    allow_implausible: bool = False,
) -> Scenario:
    """A regimen, by name or from a TOML file, as a scenario.

    arm:      a choice by its name, or several: "high-il2", ["tbi", "matched"], "group=choice"
    level:    the choice of the group "level", for example "3e9"
    patient:  a name, a TOML file, or an age such as "3y-girl"; default: the regimen's reference patient
    changes:  as for Scenario.set
    days, output_step, without:  as for Scenario.simulate
    params:   another folder of parameter files
    allow_implausible:  numbers outside their plausible range (params/ranges.toml, bounds of the parameters) are warnings instead
              of errors; what is impossible, such as a negative dose, stays an error

    Raises nkpk.InputError, which names the file, the line and what was expected.
    """
    return Scenario(
        fspath(regimen), _texts(arm), level, None if patient is None else fspath(patient),
        tuple((key, _toml(value)) for key, value in (changes or {}).items()),
        None if days is None else float(days), None if output_step is None else float(output_step),
        _texts(without), folder_text(params), bool(allow_implausible),
    )  # fmt: skip


def all_arms(regimen: str | PathLike[str], **arguments: Any) -> list[Scenario]:
    """One scenario for every combination of arms and levels; other arguments as for `load`."""
    for key in ("arm", "level"):
        if arguments.get(key) is not None:
            raise InputError(f"all_arms takes every {key}; expected no argument {key}")
    combinations = library(folder_text(arguments.get("params"))).combinations(fspath(regimen))
    return [load(regimen, **{**arguments, "arm": choices}) for _, choices in combinations]


def _solver_options(solver: str, rtol: float, atol_factor: float, max_steps: int, isa: str | None = None) -> _core.SolverOptions:
    if max_steps < 1:
        raise InputError(f"max_steps is {max_steps}; expected 1 or more")
    options = _core.SolverOptions()
    options.method, options.rtol, options.atol_factor, options.max_steps = solver, rtol, atol_factor, max_steps
    if isa is not None:
        options.isa = isa
    return options


def simulate(
    regimen: str | PathLike[str],
    *,
    arm: str | Iterable[str] | None = None,
    level: str | None = None,
    patient: str | PathLike[str] | None = None,
    changes: Mapping[str, Value] | None = None,
    days: float | None = None,
    output_step: float | None = None,
    without: str | Iterable[str] | None = None,
    params: str | PathLike[str] | None = None,
    allow_implausible: bool = False,
    **options: Any,
) -> Result:
    """`load(...)` and `.simulate(...)` in one: solver, rtol, check, atol_factor, max_steps and isa as in Scenario.simulate."""
    scenario = load(regimen, arm=arm, level=level, patient=patient, changes=changes, days=days, output_step=output_step,
                    without=without, params=params, allow_implausible=allow_implausible)  # fmt: skip
    return scenario.simulate(**options)
