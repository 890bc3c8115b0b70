"""The equations written a second time, from the specification alone, against nkpk: every arm and level of every regimen."""

import nkpk
import pytest
from agreement import demand_agreement, simulate

COMBINATIONS = [(str(name), choices) for name in nkpk.regimens() for choices in (s.choices for s in nkpk.all_arms(name))]


@pytest.mark.parametrize(("regimen", "choices"), COMBINATIONS, ids=lambda v: v if isinstance(v, str) else ",".join(v) or "-")
def test_agrees_with_the_equations_written_a_second_time(regimen: str, choices: tuple[str, ...]) -> None:
    run = simulate(nkpk.load(regimen, arm=choices, output_step=0.5))
    demand_agreement(run, regimen, dict(choice.split("=") for choice in choices))


def test_all_combinations_are_there() -> None:
    """2 + 6 + 24 + 4 + 9, as the option groups span them."""
    count = {name: sum(regimen == name for regimen, _ in COMBINATIONS) for name, _ in COMBINATIONS}
    assert count == {"sankoma": 2, "sysu-ucb": 6, "rogachev-hsct": 24, "peking-aml": 4, "radboud-ucb": 9}
