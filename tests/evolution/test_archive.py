"""What an archive answers of individuals that were told to it."""

from __future__ import annotations

import numpy as np
import pytest

from evobnn.evolution.archive import Archive
from evobnn.evolution.constraints import Constraints
from evobnn.evolution.halving import WITHOUT, Halving
from evobnn.genome import Genome
from evobnn.records import Evaluation, Individual, Request, Result, Status, rung_measures
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
    archive.note(*told(a, 0.25, 0.5), *told(b, None))
    archive.note(told(b, None, 0.25)[1], *told(c, 0.75))
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
    assert archive.size == len(found) - 1 and {one.id for one in archive.front} == ({1} if latest else {0})


def test_a_genome_that_is_not_at_hand_any_more_is_read_from_its_text(
    tiny_space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evobnn.evolution.archive.KEPT", 2)
    rng = np.random.default_rng(0)
    genomes = [tiny_space.sample(rng) for _ in range(5)]
    archive = Archive(tiny_space, ("error",), WITHOUT, Constraints(), latest=False)
    for at, genome in enumerate(genomes):
        archive.note(*told(archive.new(genome, f"k{at}", 0, "sample", ()), 0.5))
    assert [one.genome for one in archive.measured()] == genomes
    assert [one.genome for one in reversed(archive.measured())] == genomes[::-1]
    assert archive.genome(4) is archive.genome(4)


def test_who_was_stopped_early_and_then_measured_whole_stands_where_he_was_first_told_of(tiny_space: Space) -> None:
    archive = Archive(tiny_space, ("error",), Halving((1, 2)), Constraints(), latest=False)
    a, b = (archive.new(Genome(), f"k{at}", 0, "sample", ()) for at in range(2))
    archive.note(Result(Request(a), Evaluation(Status.PRUNED, measures=rung_measures(1, {"error": 0.1}))))
    archive.note(*told(b, 0.25))
    assert [one.id for one in archive.measured()] == [1]
    archive.note(*told(a, 0.5))
    assert [(one.id, one.values) for one in archive.measured()] == [(0, (0.5,)), (1, (0.25,))]
    assert [one.id for one in archive.front] == [1]
