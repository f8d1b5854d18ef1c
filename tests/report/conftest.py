"""A page without the plotting library, which is an extra, and runs as they were made for these tests."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.report.made import made

POPULATIONS = Path(__file__).parents[2] / "populations"


@pytest.fixture
def no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evobnn.report.writing.scripts", lambda points: ["/* the library */"])


@pytest.fixture
def searched(tmp_path: Path) -> Path:
    """A copy of the search that is committed."""
    return Path(shutil.copytree(POPULATIONS / "mnist5k", tmp_path / "mnist5k"))


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 120 random genomes, some of which failed; its folder has awkward letters."""
    return made(tmp_path_factory.mktemp("made") / "a <i>run & it's \u2028", 120)
