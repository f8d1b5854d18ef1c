"""The site: it builds without a warning, every public name is on it, and each has an example that runs."""

from __future__ import annotations

import doctest
import importlib
import inspect
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import evobnn
from tests import pages

API = pages.read(pages.ROOT / "docs" / "api.rst")
OLD = {"evobnn.analysis.Run", "evobnn.analysis.load_run", "evobnn.deploy.export"}
"""What stands under a shorter name."""


def named() -> list[str]:
    """Return the full name of every function and class on the page."""
    found = re.findall(r"^\.\. auto(?:function|class):: (\S+)", API, re.MULTILINE)
    for module in re.findall(r"^\.\. automodule:: (\S+)", API, re.MULTILINE):
        left_out = re.findall(rf"automodule:: {re.escape(module)}\n   :members:\n   :exclude-members: (.+)", API)
        names = [
            name for name in importlib.import_module(module).__all__ if name not in ", ".join(left_out).split(", ")
        ]
        found += [f"{module}.{name}" for name in names if shown(value(f"{module}.{name}"))]
    return found


def shown(found: Any) -> bool:
    return inspect.isfunction(found) or inspect.isclass(found)


def value(full: str) -> Any:
    module, _, name = full.rpartition(".")
    return getattr(importlib.import_module(module), name)


def examples(full: str) -> doctest.DocTest:
    return doctest.DocTestParser().get_doctest(value(full).__doc__ or "", {"evobnn": evobnn}, full, None, 0)


def tier(full: str) -> Any:
    """Return a name with what keeps its example out of the tests that take seconds."""
    text = value(full).__doc__ or ""
    if "Writer(" in text or "write_report(" in text:
        return pytest.param(full, marks=pytest.mark.extras)
    long = re.search(r"evobnn\.(search|train|Session|relax\.[a-z]+)\(|fold_sites\(|profile\(", text)
    return pytest.param(full, marks=pytest.mark.slow) if long else full


NAMED = named()


def test_every_public_name_is_on_the_page() -> None:
    assert {f"evobnn.{name}" for name in evobnn.__all__} - {"evobnn.__version__"} <= set(NAMED)
    assert len(NAMED) == len(set(NAMED)) > 70 and not OLD & set(NAMED)


def test_each_has_an_example() -> None:
    assert [full for full in NAMED if not examples(full).examples] == []


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the search that examples read."""
    folder = tmp_path_factory.mktemp("examples")
    shutil.copytree(pages.ROOT / "populations" / "digits", folder / "populations" / "digits")
    return folder


@pytest.mark.parametrize("full", [tier(full) for full in NAMED])
def test_its_example_says_what_it_shows(full: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for writer, package in (
        ("TensorBoardWriter(", "tensorboard"),
        ("MLflowWriter(", "mlflow"),
        ("write_report(", "bokeh"),
    ):
        if writer in (value(full).__doc__ or ""):
            pytest.importorskip(package)
    monkeypatch.chdir(place)
    told: list[str] = []
    result = doctest.DocTestRunner().run(examples(full), out=told.append)
    assert result.attempted > 0 and result.failed == 0, "".join(told)


def test_an_example_that_is_wrong_would_be_found() -> None:
    wrong = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    assert doctest.DocTestRunner().run(wrong, out=lambda text: None).failed == 1


def build(source: Path, out: Path) -> subprocess.CompletedProcess[str]:
    options = ["-b", "html", "-c", str(source / "docs"), "-W", "--keep-going", "-n", "-q"]
    command = [sys.executable, "-m", "sphinx", *options, str(source), str(out)]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=500,
        cwd=source,
        env={**os.environ, "PYTHONPATH": str(pages.ROOT)},
    )


@pytest.mark.extras
def test_the_site_is_built_without_a_warning_and_its_links_lead_somewhere(tmp_path: Path) -> None:
    for module in ("sphinx", "myst_parser", "furo"):
        pytest.importorskip(module)
    done = build(pages.ROOT, tmp_path)
    assert done.returncode == 0 and not done.stderr, done.stderr
    seen = 0
    for page in tmp_path.rglob("*.html"):
        for target in re.findall(r'(?:href|src)="([^"#?]+)', page.read_text(encoding="utf-8")):
            if not re.match(r"https?:|data:", target):
                assert (page.parent / target).exists(), f"{page.relative_to(tmp_path)}: {target}"
                seen += 1
    assert seen > 1000
    api = (tmp_path / "docs" / "api.html").read_text(encoding="utf-8")
    assert [full for full in NAMED if f'id="{full}"' not in api] == []


@pytest.mark.extras
def test_a_link_into_nothing_is_an_error(tmp_path: Path) -> None:
    for module in ("sphinx", "myst_parser", "furo"):
        pytest.importorskip(module)
    source = tmp_path / "source"
    (source / "docs" / "_top").mkdir(parents=True)
    shutil.copy(pages.ROOT / "docs" / "conf.py", source / "docs")
    (source / "docs" / "index.md").write_text("# Title\n\n[nothing](nothing.md), {py:obj}`evobnn.nothing`\n")
    done = build(source, tmp_path / "built")
    assert done.returncode != 0
    assert "nothing.md" in done.stderr and "evobnn.nothing" in done.stderr
