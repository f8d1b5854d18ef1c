"""What a wheel carries: with it alone, every table that evobnn knows by name can be searched on."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from evobnn.experiment import shipped
from evobnn.runs.on_table import find_table
from evobnn.studies.tables.specs import TABLES

ROOT = Path(__file__).parents[1]


@pytest.fixture
def step() -> ModuleType:
    """Return `setup.py`, which holds the step that puts tables into a wheel."""
    spec = importlib.util.spec_from_file_location("evobnn_setup", ROOT / "setup.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_folder_of_modules_is_a_package_that_a_wheel_takes_along() -> None:
    folders = {path.parent for path in (ROOT / "evobnn").rglob("*.py")}
    assert len(folders) > 20
    assert not [folder for folder in folders if not (folder / "__init__.py").is_file()]


def test_every_table_of_a_name_is_among_the_package_data(step: ModuleType) -> None:
    carried = step.tables()
    assert {place.parent.name for place in carried} >= set(TABLES)
    assert all(place == Path("evobnn/recorded") / place.parent.name / "table.jsonl" for place in carried)
    patterns = [line.split() for line in (ROOT / "MANIFEST.in").read_text().splitlines()]
    assert ["recursive-include", "populations/tables", "table.jsonl"] in patterns  # a wheel is built from an sdist
    assert sum(path.stat().st_size for path in carried.values()) < 5e6  # a wheel is to stay small


def test_an_installed_package_reads_its_own_tables_behind_those_made_here(
    step: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step.copy_tables(tmp_path)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(shipped, "_PACKAGE", tmp_path / "evobnn")
    for name in TABLES:
        assert find_table(name) == tmp_path / "evobnn" / "recorded" / name / "table.jsonl"
        assert find_table(name).read_bytes() == (ROOT / "populations" / "tables" / name / "table.jsonl").read_bytes()
    own = Path("populations/tables/joint-digits/table.jsonl")
    own.parent.mkdir(parents=True)
    own.write_text("")
    assert find_table("joint-digits") == own
    assert set(shipped.table_names()) >= set(TABLES)


@pytest.mark.slow
def test_a_wheel_from_a_source_distribution_searches_on_a_table(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for name in ("evobnn", "populations/tables"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "journal.jsonl"))
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    python = [sys.executable, "-W", "ignore"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    build = f"from setuptools import build_meta; print(build_meta.build_sdist({str(tmp_path)!r}))"
    done = subprocess.run([*python, "-c", build], cwd=source, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pip = [*python, "-m", "pip", "-q", "--disable-pip-version-check"]
    sdist = tmp_path / done.stdout.split()[-1]
    wheels, target, empty = tmp_path / "wheels", tmp_path / "target", tmp_path / "empty"
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", wheels, sdist], check=True)
    subprocess.run([*pip, "install", "--no-deps", "--target", target, *wheels.iterdir()], check=True)
    empty.mkdir()
    evobnn = [*python, "-m", "evobnn"]
    for arguments in (
        ("evolve", "--table", "gaaf1-digits", "--generations", "1"),
        ("check", "gaaf1-digits-1"),
        *(("table", name, "--best", "1") for name in TABLES),
    ):
        done = subprocess.run(
            [*evobnn, *arguments], cwd=empty, env={**environment, "PYTHONPATH": str(target)},
            capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, (arguments, done.stderr)
    assert (empty / "populations/gaaf1-digits-1/generation-0001.jsonl").is_file()
