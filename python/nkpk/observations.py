"""One's own measurements, to be drawn over a run.

A CSV file or a table with a row per measurement:

    day         days on the regimen's calendar; day 0 as in the regimen
    observable  a name of Result.data, for example donor_nk_count
    value       in the unit of that observable
    censored    optional: true (or 1, yes) where the measurement was below the limit of quantification
    lloq        optional: that limit; where censored without it, value holds the limit, as CENS = 1 has it elsewhere
    unit        optional: refused unless it is the observable's

Lines that begin with # are comments.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING

from nkpk._core import InputError

if TYPE_CHECKING:
    import pandas as pd

    from nkpk.result import Result

_REQUIRED = ("day", "observable", "value")
_OPTIONAL = ("censored", "lloq", "unit")
_FLAGS = {"true": True, "1": True, "1.0": True, "yes": True, "false": False, "0": False, "0.0": False, "no": False,
          "": False, "nan": False}  # fmt: skip


@dataclass
class Observations:
    """Checked measurements: columns day, observable, value, censored (bool), lloq."""

    table: pd.DataFrame
    result: Result

    @property
    def observables(self) -> list[str]:
        return list(dict.fromkeys(self.table["observable"]))


def read_observations(source: str | PathLike[str] | pd.DataFrame, result: Result) -> Observations:
    """Reads and checks. Raises nkpk.InputError, which names the file, the row and the column."""
    import pandas as pd

    if isinstance(source, pd.DataFrame):
        where, table = "observations", source.copy()
    else:
        where, table = fspath(source), _read_csv(Path(source))
    table.columns = [str(column).strip() for column in table.columns]
    for column in _REQUIRED:
        if column not in table.columns:
            raise InputError(f"{where}: no column {column!r}; found {', '.join(table.columns)}; expected {', '.join(_REQUIRED)}")
    for column in table.columns:
        if column not in _REQUIRED + _OPTIONAL:
            near = get_close_matches(column, _REQUIRED + _OPTIONAL, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(_REQUIRED + _OPTIONAL)}"
            raise InputError(f"{where}: unknown column {column!r}; {hint}")
    if table.empty:
        raise InputError(f"{where}: holds no measurements")
    table = table.reset_index(drop=True)
    table["observable"] = [str(name).strip() for name in table["observable"]]
    _check_names(where, table, result)
    for column in ("day", "value", "lloq"):
        table[column] = _numbers(where, table, column) if column in table else float("nan")
    flags = [str(flag).strip().lower() for flag in table["censored"]] if "censored" in table else ["false"] * len(table)
    for i, flag in enumerate(flags):
        if flag not in _FLAGS:
            raise InputError(f"{where}: row {i + 1}: censored: {flag!r} is neither true nor false")
    table["censored"] = [_FLAGS[flag] for flag in flags]
    for i, row in enumerate(table.itertuples()):
        if row.day != row.day:
            raise InputError(f"{where}: row {i + 1}: day is missing")
        if row.censored and row.lloq != row.lloq:
            table.loc[i, "lloq"] = row.value
        if row.censored and not table.loc[i, "lloq"] > 0:
            raise InputError(f"{where}: row {i + 1}: censored without a limit; expected it above 0 in the column lloq, or in value")
        if not row.censored and not row.value >= 0:
            raise InputError(f"{where}: row {i + 1}: value {row.value:g}; expected 0 or more")
    return Observations(table[["day", "observable", "value", "censored", "lloq"]], result)


def _read_csv(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        return pd.read_csv(path, comment="#", skipinitialspace=True, dtype=str)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except (ValueError, pd.errors.ParserError) as error:
        raise InputError(f"{path}: cannot be read as CSV ({str(error).strip()})") from None


def _check_names(where: str, table: pd.DataFrame, result: Result) -> None:
    known = [str(name) for name, a in result.data.data_vars.items() if a.dims == ("time",)]
    for i, name in enumerate(table["observable"]):
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
            raise InputError(f"{where}: row {i + 1}: unknown observable {name!r}; {hint}")
        if "unit" in table:
            unit, expected = str(table["unit"][i]).strip(), result.data[name].attrs.get("units", "")
            if unit != expected:
                raise InputError(f"{where}: row {i + 1}: unit {unit!r}; expected {expected!r}, that of {name}")


def _numbers(where: str, table: pd.DataFrame, column: str) -> pd.Series:
    import pandas as pd

    numbers = pd.to_numeric(table[column], errors="coerce").astype(float)
    for i, (text, number) in enumerate(zip(table[column], numbers, strict=True)):
        missing = text is None or text != text or not str(text).strip() or str(text).strip() == "."
        if number != number and not missing:
            raise InputError(f"{where}: row {i + 1}: {column}: {text!r} is not a number")
        if abs(number) == float("inf"):
            raise InputError(f"{where}: row {i + 1}: {column}: is not finite")
    return numbers
