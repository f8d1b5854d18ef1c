"""What the loops' `njit` keeps on disk: found again, made anew where it is damaged, and not needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evobnn.nn.fast import kept
from evobnn.nn.fast.place import Place


def double(x: int) -> int:
    return 2 * x


def counts() -> tuple[int, int]:
    """Return how often a new `double` was found and how often it was compiled, when it is called once."""
    made: Any = kept.njit()(double)
    assert made(4) == 8
    return sum(made.stats.cache_hits.values()), sum(made.stats.cache_misses.values())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(kept, "place", lambda: Place(tmp_path))
    return tmp_path


def test_a_second_one_finds_what_the_first_compiled(folder: Path) -> None:
    assert [counts(), counts()] == [(0, 1), (1, 0)]


@pytest.mark.parametrize("ending", ["nbi", "nbc"])
@pytest.mark.parametrize("left", [0, 10, -10])
def test_a_file_cut_short_is_written_anew(folder: Path, ending: str, left: int) -> None:
    counts()
    (damaged,) = folder.rglob(f"*.{ending}")
    damaged.write_bytes(damaged.read_bytes()[:left])
    assert [counts(), counts()] == [(0, 1), (1, 0)]


def test_a_file_of_something_else_is_written_anew(folder: Path) -> None:
    counts()
    (damaged,) = folder.rglob("*.nbi")
    damaged.write_bytes(b"<html>404</html>")
    assert [counts(), counts()] == [(0, 1), (1, 0)]


def test_nowhere_to_keep_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "place", lambda: Place(None))
    assert [counts(), counts()] == [(0, 1), (0, 1)]


def test_a_folder_that_is_gone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: Any = kept.njit()(double)
    for path in [*sorted(folder.rglob("*"), reverse=True), folder]:
        path.rmdir()
    folder.write_text("")
    monkeypatch.setattr(kept, "unkept", [])
    assert made(4) == 8
    assert len(kept.unkept) == 1 and "double" in kept.unkept[0]


def test_the_settings_of_others_stay(folder: Path) -> None:
    before = kept.config.CACHE_DIR
    kept.njit()(double)
    assert before == kept.config.CACHE_DIR
