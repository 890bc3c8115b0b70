"""Archives: written by the C++ library alone, read with h5py. docs/archive_format.md describes them."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nkpk import _core, tables
from nkpk._core import InputError
from nkpk.ensemble import Ensemble
from nkpk.result import Result, Results, runs_of
from nkpk.tree import ArchiveGroup, Group, Tree, to_core

if TYPE_CHECKING:
    import pandas as pd


def open_archive(path: str | PathLike[str]) -> Result | Results | Ensemble:
    """The run in an archive, its runs by name when it holds several, or its ensemble. Arrays are read when first asked for.

    The journal of an ensemble, OUT.h5.part, gives the patients that are finished, while it runs or after it was interrupted; all of
    it is read at once. Where courses are not kept, quantiles are those of the last checkpoint.

    All bytes are compared with the digest at the end of the file first. Raises nkpk.InputError when the file is missing, damaged,
    changed by another program, no archive of nkpk, or of an unknown format.
    """
    if _core.is_journal(path):
        journal = Group.from_core(_core.read_archive(path))
        return Ensemble(journal, journal.groups["provenance"])
    root = ArchiveGroup(Path(path))
    version = root.attrs.get("nkpk_format_version")
    if version is None:
        raise InputError(f"{fspath(path)}: is not an archive of nkpk; it has no nkpk_format_version")
    if version != _core.format_version:
        raise InputError(f"{fspath(path)}: has format version {version}; expected {_core.format_version}")
    kind = root.attrs.get("nkpk_kind")
    provenance = root.groups["provenance"]
    if kind == "simulation":
        return Result(root, provenance)
    if kind == "collection":
        return Results({name: Result(run, provenance) for name, run in root.groups["simulation"].groups.items()})
    if kind == "ensemble":
        return Ensemble(root, provenance)
    raise InputError(f"{fspath(path)}: holds {kind!r}; expected a simulation, a collection or an ensemble")


def verify(path: str | PathLike[str]) -> list[str]:
    """What is wrong with an archive, as `nkpk verify` says it; empty where it is sound. Every value is read."""
    return _core.verify(path)


def diff(a: str | PathLike[str], b: str | PathLike[str], rtol: float = 0.0, atol: float = 0.0, provenance: bool = False) -> pd.DataFrame:
    """What differs between two archives, as `nkpk diff` says it; empty where nothing does.

    Numbers are the same when |a - b| <= atol + rtol max(|a|, |b|), or both are missing. `provenance`: when, where and by what they
    were made counts as well. Columns: kind, where, a, b, line (of an input), n, n_different, max_absolute, at_absolute, max_relative,
    at_relative, provenance.

    Raises nkpk.InputError when one of them cannot be read.
    """
    import pandas as pd

    columns = "kind where a b line n n_different max_absolute at_absolute max_relative at_relative provenance".split()
    found = pd.DataFrame(_core.diff(a, b, rtol, atol), columns=columns)
    return found if provenance else found[~found["provenance"].astype(bool)].reset_index(drop=True)


def save_ensemble(ensemble: Ensemble, path: str | PathLike[str], force: bool = False) -> None:
    """As Ensemble.save."""
    _core.write_archive(path, [("ensemble", _run_as_written(ensemble))], to_core(ensemble._provenance), force)


def _run_as_written(result: Result | Ensemble) -> dict[str, Any]:
    tree: Tree = result._tree
    groups = {name: group for name, group in tree.groups.items() if name != "provenance"}
    return to_core(Group(result.attrs, dict(tree.arrays), groups))


def save(results: Result | Mapping[str, Result], path: str | PathLike[str], force: bool = False) -> None:
    """One run, or several by name, as one archive. `force` replaces a file that exists.

    Raises nkpk.InputError when there is nothing to write, the file exists, the folder is missing or the disk is full.
    """
    runs = runs_of(results)
    if not runs:
        raise InputError(f"{fspath(path)}: no results to write")
    for name in runs:
        if not name or "/" in name or name in (".", ".."):
            raise InputError(f"{name!r}: cannot name a run in an archive; expected a name without '/'")
    if len(runs) == 1:
        origin = to_core(next(iter(runs.values()))._provenance)
    else:
        calls = "; ".join(dict.fromkeys(str(run.provenance["command_line"]) for run in runs.values()))
        origin = _core.provenance(calls, tables.python_versions())
        origin["attrs"].update(_core.end_of_run("ok" if all(run.ok for run in runs.values()) else "failed"))
    _core.write_archive(path, [(name, _run_as_written(run)) for name, run in runs.items()], origin, force)
