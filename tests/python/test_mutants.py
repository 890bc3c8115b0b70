"""The mutants still fit the code, and the committed table covers them; `make mutants` runs them."""

import re
import tomllib
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
MUTANTS = tomllib.loads((REPO / "tests/mutants/mutants.toml").read_text())["mutant"]
TABLE = (REPO / "tests/mutants/table.md").read_text()


def test_there_are_at_least_twenty_with_names_of_their_own():
    assert len({mutant["name"] for mutant in MUTANTS}) == len(MUTANTS) >= 20


def test_the_copy_that_is_broken_has_all_that_is_built_without_python():
    built = set(re.findall(r"add_subdirectory\((\w+)\)", (REPO / "CMakeLists.txt").read_text())) - {"bindings"}
    copied = re.search(r"SOURCES = \[(.*?)\]", (REPO / "tests/mutants/run_mutants.py").read_text(), re.DOTALL).group(1)
    assert built <= set(re.findall(r'"(\w+)"', copied))


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant["name"].replace(" ", "-") for mutant in MUTANTS])
def test_a_mutant_hits_one_place_and_was_killed(mutant):
    assert (REPO / mutant["file"]).read_text().count(mutant["old"]) == 1
    assert mutant["old"] != mutant["new"]
    row = next(line for line in TABLE.splitlines() if line.startswith(f"| {mutant['name']} |"))
    file, killer = row.split("|")[2].strip(" `"), row.split("|")[4].strip()
    assert file == mutant["file"]
    assert killer and "survived" not in killer.lower()
