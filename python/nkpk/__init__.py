"""Pharmacokinetics of infused natural killer cells.

    import nkpk
    run = nkpk.simulate("sankoma")          # the same numbers as the executable `nkpk simulate sankoma`
    run.report                              # what happened, in a table
    run.plot()
    run.save("sankoma.h5")

`nkpk.load` gives a scenario whose parameters, doses and patient can be changed before it is simulated.
"""

from typing import TYPE_CHECKING, Any

try:
    from nkpk import _core
except ImportError as error:
    raise ImportError(
        f"the compiled part of nkpk is missing or does not fit this Python ({error}). "
        "In the source tree run `make build` and use .venv/bin/python; elsewhere run `pip install .`"
    ) from error

from nkpk._core import InputError
from nkpk.archive import diff, open_archive, save, verify
from nkpk.ensemble import Ensemble
from nkpk.library import Regimen, patients, products, regimens, solvers
from nkpk.result import Result, Results, SolveError
from nkpk.scenario import PlausibilityWarning, Scenario, all_arms, load, simulate

if TYPE_CHECKING:
    from nkpk.plot import figure_data, plot_ensemble, plot_regimens, plot_run

open = open_archive
__version__: str = _core.version

__all__ = [
    "Ensemble", "InputError", "PlausibilityWarning", "Regimen", "Result", "Results", "Scenario", "SolveError", "all_arms",
    "diff", "figure_data", "load", "open_archive", "patients", "plot_ensemble", "plot_regimens", "plot_run", "products",
    "regimens", "save", "simulate", "solvers", "verify",
]  # fmt: skip

_IN_PLOT = ("figure_data", "plot_ensemble", "plot_regimens", "plot_run")


def __getattr__(name: str) -> Any:
    """Plotting is loaded when first asked for."""
    if name in _IN_PLOT:
        from nkpk import plot

        return getattr(plot, name)
    raise AttributeError(f"module 'nkpk' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_IN_PLOT})
