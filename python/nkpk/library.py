"""The shipped regimens, patients and products, by name."""

from __future__ import annotations

from functools import lru_cache
from os import PathLike, fspath

from nkpk import _core


@lru_cache(maxsize=8)
def library(params: str = "") -> _core.Library:
    """The folder of parameter files; empty: NKPK_PARAMS, else the shipped one."""
    return _core.Library(params)


def folder_text(params: str | PathLike[str] | None) -> str:
    return "" if params is None else fspath(params)


class Regimen(str):
    """The name of a regimen, with what its file says of it.

    title, registration, population: texts
    options:  {group: {choice: title}}, the arms and levels to choose from
    defaults: {group: choice}
    """

    title: str
    registration: str
    population: str
    options: dict[str, dict[str, str]]
    defaults: dict[str, str]

    def __new__(cls, name: str, params: str | PathLike[str] | None = None) -> Regimen:
        self = super().__new__(cls, name)
        info = library(folder_text(params)).regimen(name)
        self.title, self.registration, self.population = info["title"], info["registration"], info["population"]
        self.options = {group: choices for group, (_, choices) in info["options"].items()}
        self.defaults = {group: default for group, (default, _) in info["options"].items()}
        return self

    def describe(self) -> str:
        """Title and options in plain text; * marks a default."""
        lines = [f"{self}: {self.title} ({self.registration})"]
        for group, choices in self.options.items():
            lines.append(f"  {group}: " + ", ".join(c + "*" * (c == self.defaults[group]) for c in choices))
        return "\n".join(lines)


def regimens(params: str | PathLike[str] | None = None) -> list[Regimen]:
    """The shipped regimens: a list of names that also carry .title, .options, .defaults and .describe()."""
    return [Regimen(name, params) for name in library(folder_text(params)).names("regimens")]


def patients(params: str | PathLike[str] | None = None) -> list[str]:
    """Reference patients by name; an age such as "6mo-boy", "3y-girl" or "45y-woman" is accepted everywhere too."""
    return library(folder_text(params)).names("patients")


def products(params: str | PathLike[str] | None = None) -> list[str]:
    """NK-cell products by name."""
    return library(folder_text(params)).names("products")


def solvers() -> list[str]:
    """Integrators that `simulate(solver=...)` accepts."""
    return _core.solver_names()
