"""What an archive answers of individuals that were told to it."""

from __future__ import annotations

import pytest

from evobnn.evolution.archive import Archive
from evobnn.evolution.constraints import Constraints
from evobnn.evolution.halving import WITHOUT
from evobnn.genome import Genome
from evobnn.records import Evaluation, Individual, Request, Result, Status
from evobnn.spaces import Space


def told(one: Individual, *errors: float | None) -> list[Result]:
    """Return results of an individual; None is a failure."""
    outcomes = [
        Evaluation(Status.ERROR) if e is None else Evaluation(Status.OK, {"error": e, "ops": 8.0}) for e in errors
    ]
    return [Result(Request(one, repeat), outcome) for repeat, outcome in enumerate(outcomes)]


@pytest.mark.parametrize("latest", [False, True])
def test_candidates_have_the_mean_or_the_last_and_failures_are_none(tiny_space: Space, latest: bool) -> None:
    archive = Archive(tiny_space, ("error", "ops"), WITHOUT, Constraints({"error": 0.5}), latest=latest)
    genomes = [Genome(), Genome(), Genome(), Genome()]
    a, b, c, d = (archive.new(genome, f"k{at}", 0, "sample", ()) for at, genome in enumerate(genomes))
    assert [one.id for one in (a, b, c, d)] == [0, 1, 2, 3] and archive.next_id == 4
    for result in [*told(a, 0.25, 0.5), *told(b, None, 0.25), *told(c, 0.75)]:
        archive.note(result)
    archive.enter(d)
    assert archive.of("k3") == d and archive.of("k4") is None
    assert [archive.times(f"k{at}") for at in range(5)] == [2, 2, 1, 0, 0]
    found = {one.id: (one.values, one.repeats) for one in archive.measured()}
    if latest:  # a failure before it is forgotten
        assert found == {0: ((0.5, 8.0), 2), 1: ((0.25, 8.0), 2), 2: ((0.75, 8.0), 1)}
    else:
        assert found == {0: ((0.375, 8.0), 2), 2: ((0.75, 8.0), 1)}
    assert [one.id for one in archive.candidates([3, 2, 1, 0])] == ([2, 1, 0] if latest else [2, 0])
    assert [one.id for one in archive.feasible()] == [number for number in found if number != 2]
