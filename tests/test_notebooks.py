"""Notebooks: committed with their pictures, without a trace of the machine that made them, and they still run."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MACHINE = re.compile(r"/(?:home|root|Users|tmp|work|mnt|opt|usr|var)/|\b[A-Za-z]:\\\\|site-packages")
"""How a path of somebody's machine looks in JSON, where a backslash is written twice."""
MOST_BYTES = 600_000
NEEDED = ("digits", "tables/gaaf1-digits", "tables/gaaf1-mnist14", "tables/joint-digits")
"""What of `populations/` notebooks read."""
QUICK = {
    "00_first_search": """
GENERATIONS = 0
SETTINGS = {"strategy.population": 2, "noise.rescore": 1, "recipe.epochs": 1, "dataset.train_limit": 300}
SETTINGS["recipe.kernels"] = "torch"
""",
    "03_search_against_random": "\nSEEDS, TRAININGS = 3, 48",
    "04_reseed": "\nSEEDS = 2",
    "05_train_and_deploy": """
GENERATIONS, EPOCHS = 0, 1
SETTINGS = {"strategy.population": 2, "noise.rescore": 1, "recipe.epochs": 1, "dataset.train_limit": 300}
SETTINGS["recipe.kernels"] = "torch"
""",
}
"""What stands behind the cell of parameters, as a tag names it, of notebooks that search and train themselves."""

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def parameters(notebook: Any) -> list[Any]:
    return [cell for cell in code_cells(notebook) if "parameters" in cell.metadata.get("tags", ())]


def outputs(notebook: Any) -> list[Any]:
    return [output for cell in code_cells(notebook) for output in cell.outputs]


def printed(notebook: Any) -> str:
    return "".join(output.text for output in outputs(notebook) if output.get("name") == "stdout")


def assert_shows_pictures(notebook: Any) -> None:
    found = outputs(notebook)
    assert any("image/png" in output.get("data", {}) for output in found)
    assert [output for output in found if output.output_type == "error"] == []
    complaints = [output.text for output in found if output.get("name") == "stderr"]
    assert complaints == []


def test_there_is_one() -> None:
    assert NOTEBOOKS


@each_notebook
def test_it_is_committed_as_it_was_executed(path: Path) -> None:
    notebook = read(path)
    nbformat.validate(notebook)
    assert_shows_pictures(notebook)
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1)), "Execute it from top to bottom: make notebooks"
    assert path.stat().st_size < MOST_BYTES


@each_notebook
def test_it_names_its_run_or_makes_one_and_names_no_machine(path: Path) -> None:
    notebook = read(path)
    source = "\n".join(cell.source for cell in code_cells(notebook))
    named = re.findall(r'^(?:RUN|TABLE) = "(.*)"$', source, re.MULTILINE)
    assert len(named) + len(parameters(notebook)) == 1
    assert all((ROOT / name).exists() for name in named)
    assert bool(named) == (path.stem not in QUICK)
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            output.get("data", {}).pop("image/png", None)  # base64 has strokes and letters of its own
    text = nbformat.writes(notebook)
    assert MACHINE.findall(text) == []
    assert str(ROOT) not in text


@pytest.mark.extras
@each_notebook
def test_it_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nbclient import NotebookClient

    if path.stem == "05_train_and_deploy" and shutil.which("cc") is None:
        pytest.skip("needs a C compiler, which is not there")
    monkeypatch.delenv("CC", raising=False)
    for name in ("JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.delenv("MPLBACKEND", raising=False)  # as above: nobody's own settings
    for name in NEEDED:
        shutil.copytree(ROOT / "populations" / name, tmp_path / "populations" / name)
    (tmp_path / "notebooks").mkdir()
    notebook = read(path)
    committed = printed(notebook)
    for cell in parameters(notebook):
        cell.source += QUICK[path.stem]
    for cell in code_cells(notebook):
        cell.outputs = []
    resources = {"metadata": {"path": str(tmp_path / "notebooks")}}
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources=resources).execute()
    assert_shows_pictures(notebook)
    assert path.stem in QUICK or printed(notebook) == committed, (
        "It was executed on other files than those committed: make notebooks"
    )
