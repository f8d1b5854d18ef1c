"""What follows from the generations: grown one by one it is what is made of all at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evobnn.analysis import front_csv, front_frame, individuals_frame
from evobnn.analysis.frames import individuals_of, measured_of
from evobnn.records import Evaluation, Individual, Request, Result, Status
from evobnn.runs import derived
from evobnn.runs.derived import LEAST, Derived
from evobnn.snapshot import Generation, Rescored
from evobnn.snapshot.archive import Archive, archive, unconfirmed

HEADER = {"objectives": ["error", "ops"], "constraints": {"ops": 50.0}}


def told(number: int, repeat: int, error: float | None, ops: float = 10.0) -> Result:
    who = Individual(number, f"@net = {'neg(' * number}x{')' * number}", f"k{number}", 0, "sample", ())
    outcome = Evaluation(Status.ERROR) if error is None else Evaluation(Status.OK, {"error": error, "ops": ops})
    return Result(Request(who, repeat), outcome)


def run(*generations: tuple[Result, ...]) -> list[Generation]:
    return [Generation(at, HEADER, {}, {"generation": at}, (), results) for at, results in enumerate(generations)]


# 0 becomes worse and sets 1 free; 2 fails; 3 exceeds the bound; 4 comes before 5 is told, and equals it.
GENERATIONS = run(
    (told(0, 0, 0.1), told(1, 0, 0.2), told(2, 0, 0.05), told(3, 0, 0.01, 60.0)),
    (told(0, 1, 0.5), told(2, 1, None)),
    (told(5, 0, 0.15, 20.0), told(1, 1, 0.2)),
    (told(4, 0, 0.15, 20.0), told(6, 0, 0.9, 40.0)),
)
FRONTS = [[2], [1], [1, 5], [1, 4, 5]]


def test_an_archive_that_grows_is_that_of_all_generations() -> None:
    growing = Archive(("error", "ops"), {"ops": 50.0})
    looked = 0
    for number, generation in enumerate(GENERATIONS):
        growing.add(generation)
        whole = archive(GENERATIONS[: number + 1])
        assert dict(growing.members) == dict(whole.members) and list(growing.members) == sorted(growing.members)
        assert growing.front == whole.front == unconfirmed(whole, {}) == FRONTS[number]
        assert sorted(growing.points()[0].tolist()) == sorted(whole.points()[0].tolist())
        looked += 1
    assert looked == 4
    assert growing.members[2].status is Status.ERROR and growing.members[0].objectives == {"error": 0.3, "ops": 10.0}


def test_who_luck_may_have_hidden() -> None:
    scores = {
        number: Rescored(number, f"k{number}", "", (), {"error": error, "ops": ops}, {}, {})
        for number, error, ops in ((1, 0.4, 10.0), (4, 0.35, 20.0), (5, 0.05, 60.0))
    }
    # 0 is not dominated by the fresh means of 1 and 4; 5 exceeds the bound and dominates nobody; 6 is dominated.
    assert unconfirmed(archive(GENERATIONS), scores) == [0]
    assert unconfirmed(archive(GENERATIONS), {n: s for n, s in scores.items() if n != 5}) == [0, 5]


def test_tables_of_some_are_rows_of_the_whole() -> None:
    whole, found = individuals_frame(GENERATIONS), archive(GENERATIONS)
    some = individuals_of(found, only=[4, 1])
    assert some.to_dict("records") == [whole.set_index("id", drop=False).loc[n].to_dict() for n in (4, 1)]
    measured = measured_of(found).set_index("id")
    assert measured.index.tolist() == [0, 1, 3, 4, 5, 6]
    columns = ["error", "ops", "on_front"]
    assert measured[columns].equals(whole.set_index("id").loc[measured.index, columns])


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the times at which pictures were begun; each takes a second, and nothing else does."""
    clock, begun = [100.0], list[float]()

    def save_front(path: Path, front: Any, seen: Any, names: tuple[str, str]) -> None:
        assert names == ("error", "ops") and set(front["id"]) <= set(seen["id"])
        begun.append(clock[0])
        clock[0] += 1.0

    monkeypatch.setattr(derived, "save_front", save_front)
    monkeypatch.setattr(derived.time, "monotonic", lambda: clock[0])
    return begun


def test_files_follow_a_run_generation_by_generation(tmp_path: Path, drawn: list[float]) -> None:
    files, growing = Derived(tmp_path), Archive(("error", "ops"), {"ops": 50.0})
    for number, generation in enumerate(GENERATIONS):
        growing.add(generation)
        if number == 2:  # somebody tidied up
            (tmp_path / "log.jsonl").unlink()
        files.follow(GENERATIONS[: number + 1], growing)
        log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
        assert log == [{"generation": at} for at in range(number + 1)]
        assert (tmp_path / "front.csv").read_text() == front_csv(front_frame(GENERATIONS[: number + 1]))
    before = (tmp_path / "front.csv").stat().st_mtime_ns
    files.follow(GENERATIONS, growing)
    assert (tmp_path / "front.csv").stat().st_mtime_ns == before, "a front that is as it was is not written again"
    assert drawn == [100.0], "one picture, until enough time has passed"
    scores = {1: Rescored(1, "k1", "", (1000,), {"error": 0.4, "ops": 10.0}, {"error": (0.4,), "ops": (10.0,)}, {})}
    (tmp_path / "log.jsonl").write_text("")
    files.finish(GENERATIONS, growing, scores)
    assert (tmp_path / "front.csv").read_text() == front_csv(front_frame(GENERATIONS, scores))
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 4
    assert len(drawn) == 2


def test_a_picture_is_drawn_again_when_twenty_times_as_long_has_passed(
    tmp_path: Path, drawn: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    files, whole = Derived(tmp_path), archive(GENERATIONS)
    now = [100.0]
    monkeypatch.setattr(derived.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(derived, "save_front", lambda *given: (drawn.append(now[0]), now.__setitem__(0, now[0] + 1.0)))
    for seconds in (0.0, 19.0, 2.0, 19.0, 2.0):
        now[0] += seconds
        files.follow(GENERATIONS, whole)
    assert drawn == [100.0, 122.0, 144.0]
    monkeypatch.setattr(derived, "save_front", lambda *given: drawn.append(now[0]))  # takes no time at all
    del drawn[:]
    for seconds in (30.0, LEAST / 2, LEAST / 2, LEAST / 2):
        now[0] += seconds
        files.follow(GENERATIONS, whole)
    assert len(drawn) == 2
