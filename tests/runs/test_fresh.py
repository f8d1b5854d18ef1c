"""Rounds of fresh scores, with luck planted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from evobnn.records import FRESH, Evaluation, Individual, Request, Result, Status
from evobnn.runs.fresh import FreshScores
from evobnn.snapshot import Generation
from evobnn.snapshot.archive import archive

HEADER = {"objectives": ["error", "ops"]}


def outcome(number: int, repeat: int, error: float, ops: float) -> Result:
    who = Individual(number, "@net = x", f"k{number}", 0, "sample", ())
    return Result(Request(who, repeat), Evaluation(Status.OK, {"error": error, "ops": ops}))


# 0 and 1 are the front; 2 is pushed off it by 1, which was lucky; 3 is dominated by 0 whatever luck there was.
GENERATIONS = (
    Generation(
        0, HEADER, {}, {}, (),
        (outcome(0, 0, 0.2, 10.0), outcome(1, 0, 0.1, 20.0), outcome(2, 0, 0.15, 20.0), outcome(3, 0, 0.25, 10.0)),
    ),
)  # fmt: skip
ARCHIVE = archive(GENERATIONS)


def test_who_was_pushed_off_by_luck_is_measured_in_the_next_round() -> None:
    fresh = FreshScores(2)
    first = fresh.requests(ARCHIVE)
    assert [(one.individual.id, one.repeat - FRESH) for one in first] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    results = [outcome(0, FRESH, 0.2, 10.0), outcome(0, FRESH + 1, 0.2, 10.0)]
    results += [outcome(1, FRESH, 0.25, 20.0), outcome(1, FRESH + 1, 0.35, 20.0)]

    found = {}
    for place in (2, 0, 3, 1):  # as they arrive; 1 is whole after the third
        found[place] = results[place].evaluation
        fresh.look(ARCHIVE, first, found)
        assert fresh.luck == {1: (0.0, 0), 2: (0.0, 0), 3: (0.5, 1), 4: (1.0, 1)}[len(found)]
    fresh.take(results)
    assert fresh.settled == 4 and fresh.rows[1].objectives["error"] == 0.3

    second = fresh.requests(ARCHIVE)
    assert [(one.individual.id, one.repeat - FRESH) for one in second] == [(2, 0), (2, 1)]
    assert fresh.luck == (0.0, 0)
    fresh.take([outcome(2, FRESH, 0.15, 20.0), outcome(2, FRESH + 1, 0.15, 20.0)])
    assert fresh.requests(ARCHIVE) == [] and list(fresh.rows) == [0, 1, 2]


def test_what_is_believed_says_who_is_measured() -> None:
    errors = {"g0": 0.2, "g1": 0.3, "g2": 0.15, "g3": 0.1}
    whole = archive(
        [
            replace(one, results=tuple(named(result, f"g{result.request.individual.id}") for result in one.results))
            for one in GENERATIONS
        ]
    )
    told: list[dict[str, Sequence[float]]] = []

    def believe(seen: Mapping[str, Sequence[float]]) -> dict[str, float]:
        told.append(dict(seen))
        return errors

    fresh = FreshScores(1, believe)
    assert [one.individual.id for one in fresh.requests(whole)] == [3]
    fresh.take([outcome(3, FRESH, 0.18, 10.0)])
    assert [one.individual.id for one in fresh.requests(whole)] == [2]  # 0.15 is believed, 0.18 was measured
    assert told == [{"g0": [0.2], "g1": [0.1], "g2": [0.15], "g3": [0.25]}]


def named(result: Result, genome: str) -> Result:
    return Result(
        replace(result.request, individual=replace(result.request.individual, genome=genome)), result.evaluation
    )


def test_none_are_asked_for_without_a_count() -> None:
    assert FreshScores(0).requests(ARCHIVE) == []
