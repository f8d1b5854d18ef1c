"""Local search: a climb goes to better neighbours, ends where there are none, and begins anew elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from evobnn.evolution import Search, Step, run
from evobnn.evolution.selection import Candidate
from evobnn.evolution.strategies import LocalSearch, RandomSampling
from evobnn.evolution.view import View
from evobnn.genome import Genome
from evobnn.spaces import Space
from evobnn.testing import NKLandscape, genes


def made(first: int, *errors: float) -> list[Candidate]:
    return [Candidate(first + n, Genome(), f"key{first + n}", (error,)) for n, error in enumerate(errors)]


def view(archive: Sequence[Candidate], memory: dict[str, Any] | None = None, **settings: Any) -> View:
    memories = {"strategy": memory} if memory else {}
    known = {"space": None, "bounds": {}, "seed": 1, "generation": 3, "horizon": 5, "objectives": ("error",)}
    return View(**{**known, **settings}, archive=archive, memory=memories)


STRATEGY = LocalSearch(children=3, patience=7)


def test_it_begins_at_the_best_of_the_first() -> None:
    start = made(0, 0.5, 0.3, 0.4)
    assert STRATEGY.remember(view(start), [], start) == {"climb": 0, "at": 1, "idle": 0}
    assert STRATEGY.remember(view([]), [], []) == {"climb": 0, "at": None, "idle": 0}  # all failed: once more


def test_it_goes_to_the_best_neighbour_if_that_is_better() -> None:
    here, children = made(1, 0.3), made(5, 0.29, 0.2, 0.25)
    at = {"climb": 2, "at": 1, "idle": 6}
    assert STRATEGY.remember(view([*here, *children], at), [], children) == {"climb": 2, "at": 6, "idle": 0}
    equal = made(5, 0.3, 0.4)
    assert STRATEGY.remember(view([*here, *equal], {**at, "idle": 0}), [], equal) == {"climb": 2, "at": 1, "idle": 3}


def test_it_loses_patience_and_begins_the_next_climb() -> None:
    here = made(1, 0.3)
    memory: Any = {"climb": 2, "at": 1, "idle": 0}
    idle = []
    while memory["at"] is not None:
        idle.append(memory["idle"])
        memory = STRATEGY.remember(view(here, memory), [], [])  # failed neighbours count
    assert idle == [0, 3, 6]  # the ninth evaluation is beyond 7
    assert memory == {"climb": 3, "at": None, "idle": 0}
    fresh = made(9, 0.9, 0.8)
    assert STRATEGY.shortfall(view(here, memory)) == 3
    assert STRATEGY.remember(view([*here, *fresh], memory), [], fresh) == {"climb": 3, "at": 10, "idle": 0}
    assert STRATEGY.shortfall(view(fresh, {"climb": 3, "at": 10, "idle": 0})) == 0


def test_a_place_that_fails_when_measured_again_is_left() -> None:
    memory = {"climb": 1, "at": 4, "idle": 3}
    assert STRATEGY.shortfall(view(made(0, 0.5), memory)) == 3
    children = made(7, 0.6)
    found = STRATEGY.remember(view([*made(0, 0.5), *children], memory), [], children)
    assert found == {"climb": 1, "at": 7, "idle": 0}


def test_every_climb_weighs_several_objectives_anew() -> None:
    ends = [Candidate(1, Genome(), "a", (0.1, 0.9)), Candidate(2, Genome(), "b", (0.9, 0.1))]
    chosen = []
    for climb in range(60):
        seen = view(ends, {"climb": climb, "at": None, "idle": 0}, objectives=("error", "ops"))
        chosen.append(STRATEGY.remember(seen, [], ends)["at"])
    assert 15 < chosen.count(1) < 45


def test_neighbours_differ_in_one_gene_and_the_climb_gets_better(tiny_space: Space) -> None:
    steps: list[Step] = []
    search = Search(tiny_space, LocalSearch(population=6, children=4, patience=12), ("error",), 1, repeats=1)
    run(search, NKLandscape(tiny_space), steps.append, 60)
    texts = {r.request.individual.id: r.request.individual.genome for step in steps for r in step.results}
    errors = {r.request.individual.id: r.evaluation.objectives["error"] for step in steps for r in step.results}
    moved = restarts = neighbours = 0
    for before, step in pairwise(steps):
        old, new = (one.state.memory["strategy"] for one in (before, step))
        origins = [r.request.individual.origin for r in step.results]
        if old["at"] is None:
            assert origins == ["sample"] * 4
            assert new["at"] == min((r.request.individual.id for r in step.results), key=lambda number: errors[number])
            restarts += 1
            continue
        for result in step.results:
            if result.request.individual.origin == "mutate":
                assert result.request.individual.parents == (old["at"],)
                own, other = (
                    genes(tiny_space, tiny_space.parse(texts[n])) for n in (old["at"], result.request.individual.id)
                )
                neighbours += 1
                # a source that moves past its sister puts both in a new order
                assert 1 <= sum(a != b for a, b in zip(own, other, strict=True)) <= 4
        if new["at"] != old["at"] and new["at"] is not None:
            assert errors[new["at"]] < errors[old["at"]]
            moved += 1
    assert (moved > 10, restarts > 1, neighbours > 100) == (True, True, True)


def test_on_a_hill_without_ridges_it_is_far_ahead_of_chance(tiny_space: Space) -> None:
    """k = 0: every gene counts by itself, so that there is one hill."""
    best = []
    for strategy in (LocalSearch(population=10, children=5, patience=100), RandomSampling(population=10)):
        found = []
        for seed in range(3):
            steps: list[Step] = []
            landscape = NKLandscape(tiny_space, seed, k=0)
            search = Search(tiny_space, strategy, ("error",), seed, repeats=1)
            run(search, landscape, steps.append, 10**6, stop=lambda: sum(map(len, (s.results for s in steps))) >= 400)  # noqa: B023
            found.append(min(r.evaluation.objectives["error"] for step in steps for r in step.results))
        best.append(found)
    assert max(best[0]) < min(best[1]) - 0.05
