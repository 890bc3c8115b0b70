"""The notebooks run, and what is committed is what their script makes."""

import re
import sys
from pathlib import Path

import nbformat
import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
sys.path.insert(0, str(EXAMPLES))
import make_notebooks  # noqa: E402

NAMES = sorted(make_notebooks.NOTEBOOKS)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the libraries that execute notebooks, not of the notebook
def test_the_notebook_runs(name: str, tmp_path: Path) -> None:
    """Every cell as committed; a warning inside of it would show as an output to stderr."""
    notebook = nbformat.read(EXAMPLES / name, as_version=4)
    executed = make_notebooks.execute(notebook, tmp_path)
    for cell in executed["cells"]:
        for output in cell.get("outputs", []):
            assert output["output_type"] != "error"
            assert output.get("name") != "stderr", output["text"]
    assert sum("image/png" in o.get("data", {}) for c in executed["cells"] for o in c.get("outputs", [])) >= 3
    assert not list(tmp_path.iterdir()), "the notebook leaves nothing behind where it runs"


@pytest.mark.parametrize("name", NAMES)
def test_the_committed_notebook_is_the_script_s_with_outputs(name: str) -> None:
    committed = nbformat.read(EXAMPLES / name, as_version=4)
    nbformat.validate(committed)
    made = make_notebooks.make(make_notebooks.NOTEBOOKS[name])
    assert [(c["cell_type"], c["source"]) for c in committed["cells"]] == [(c["cell_type"], c["source"]) for c in made["cells"]]
    code = [cell for cell in committed["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))


@pytest.mark.parametrize("name", NAMES)
def test_the_committed_notebook_is_small_and_names_no_machine(name: str) -> None:
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    assert len(text) < 1_000_000
    without_images = re.sub(r'"image/png": "[^"]*"', "", text)
    assert not re.search(r"/(home|root|work|tmp|usr|build)/", without_images)
