"""What `evolve` says of its workers before it begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from evobnn._room import Card, Room
from evobnn.experiment import Session
from evobnn.nn import compiling
from evobnn.nn.place import NOWHERE, Place
from tests.cli.conftest import TINY, Call


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions that are stopped as soon as they begin."""

    def proceed(session: Session) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Session, "proceed", proceed)


def test_the_number_of_jobs_is_explained_where_it_was_chosen(
    evobnn: Call, stopped: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evobnn.experiment.room.room", lambda *given: Room(9, 2**40, None, Card("cuda:0", 5 * 2**30)))
    out = evobnn("evolve", *TINY).out
    assert "work   5 jobs (loky) on cpu, fp32\njobs   5: free memory of cuda:0 feeds 5 workers of about 1024 MiB" in out
    assert "fewer than the 9 cores\n" in out


def test_the_first_search_says_that_it_compiles(
    evobnn: Call, stopped: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(compiling, "mark", lambda: tmp_path / "loops.all")
    monkeypatch.setattr(compiling, "_CHILD", "print('0 9'); print('4 9'); print('9 9')")
    told, fused = "loops  compiling once on this machine\nloops  compiled in 0 s\n", ["--set", "recipe.kernels=fused"]
    assert told in evobnn("evolve", *TINY, *fused).out
    assert "loops" not in evobnn("evolve", *TINY, "--set", "recipe.kernels=torch").out
    (tmp_path / "loops.all").touch()
    assert "loops" not in evobnn("evolve", *TINY, *fused).out


def test_a_place_for_loops_that_cannot_be_is_said_once(
    evobnn: Call, stopped: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evobnn.cli.loops.place", lambda: Place(None, said=NOWHERE))
    assert evobnn("evolve", *TINY, "--set", "recipe.kernels=fused").err.count(f"note: {NOWHERE}") == 1
    assert NOWHERE not in evobnn("evolve", *TINY, "--set", "recipe.kernels=torch").err


def test_a_number_that_was_asked_for_is_not(evobnn: Call, stopped: None) -> None:
    out = evobnn("evolve", "--jobs", 3, *TINY).out
    assert "work   3 jobs (loky) on cpu, fp32\n" in out and "\njobs " not in out
