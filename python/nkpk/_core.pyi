from collections.abc import Callable
from os import PathLike
from typing import Any

import numpy as np

version: str
format_version: int
hdf5_version: str

class InputError(ValueError): ...

class Library:
    def __init__(self, folder: str | PathLike[str] = ...) -> None: ...
    @property
    def folder(self) -> str: ...
    def names(self, kind: str) -> list[str]: ...
    def regimen(self, name: str) -> dict[str, Any]: ...
    def combinations(self, name: str) -> list[tuple[str, list[str]]]: ...

class Scenario:
    def __init__(
        self,
        library: Library,
        regimen: str,
        *,
        arms: list[str],
        level: str | None,
        patient: str | None,
        sets: list[str],
        days: float | None,
        output_step: float | None,
        without: list[str],
        allow_implausible: bool,
    ) -> None: ...
    @property
    def label(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def registration(self) -> str: ...
    @property
    def regimen(self) -> str: ...
    @property
    def patient_title(self) -> str: ...
    @property
    def warnings(self) -> list[str]: ...
    @property
    def days(self) -> tuple[float, float]: ...
    def calendar_text(self) -> str: ...
    def to_sbml(self) -> str: ...
    def describe(self) -> dict[str, Any]: ...

class SolverOptions:
    method: str
    rtol: float
    atol_factor: float
    initial_step_d: float
    max_step_d: float
    max_steps: int
    isa: str
    def __init__(self) -> None: ...

def solver_names() -> list[str]: ...

class Run:
    def group(self, name: str) -> dict[str, Any]: ...

def group_names() -> list[str]: ...
def simulate(scenario: Scenario, options: SolverOptions) -> tuple[dict[str, Any], Run]: ...
def sensitivity(scenario: Scenario, parameters: list[str], options: SolverOptions) -> dict[str, Any]: ...
def usual_observables() -> list[str]: ...
def thread_count(asked: int) -> int: ...
def ensemble(
    scenario: Scenario,
    *,
    n: int,
    seed: int | None,
    names: list[str],
    values: np.ndarray,
    observables: list[str],
    quantiles: list[float],
    keep_values: bool,
    threads: int,
    options: SolverOptions,
    progress: Callable[[int, int], None] | None,
    provenance: dict[str, Any],
    out: str | PathLike[str] | None,
    overwrite: bool,
) -> dict[str, Any] | None: ...
def provenance(command: str, extra: dict[str, str]) -> dict[str, Any]: ...
def write_archive(
    path: str | PathLike[str], runs: list[tuple[str, dict[str, Any]]], provenance: dict[str, Any], overwrite: bool
) -> None: ...
