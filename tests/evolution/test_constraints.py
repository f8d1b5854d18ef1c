"""Bounds in every strategy: what is counted above one is never asked for, what is measured above one ranks behind."""

from __future__ import annotations

from itertools import cycle
from typing import Any

import numpy as np
import pytest
from deap import tools

from evobnn.evolution import PRESSURES, Search, Step, run
from evobnn.evolution.constraints import RANDOM_TRIES, Constraints
from evobnn.evolution.endings import SpaceExhausted
from evobnn.evolution.selection import Candidate, fronts, ranks, select_nsga2
from evobnn.evolution.view import View
from evobnn.genome import Genome
from evobnn.pareto import told, violation
from evobnn.spaces import Space
from evobnn.testing import NKLandscape, Noisy
from tests.evolution.test_conformance import each, made, stepped, through_text

OBJECTIVES = ("error", "ops")


def test_a_violation_is_the_share_above_each_bound_added_up() -> None:
    bounds = {"ops": 100.0, "error": 0.2}
    assert violation({"ops": 100.0, "error": 0.2, "bits": 1e9}, bounds) == 0.0
    assert violation({"ops": 150.0, "error": 0.3}, bounds) == pytest.approx(0.5 + 0.5)
    assert violation({"error": 0.1, "ops": 101.0}, bounds) == pytest.approx(0.01)
    assert violation({}, bounds) == violation({"ops": 1e9}, {}) == 0.0
    assert told({"bits": 200000.0, "error": 0.05}) == "200,000 bits and 0.05 error"


def shells(count: int = 60, seed: int = 0) -> list[Candidate]:
    """Return candidates on a coarse grid, so that equals and ties of violation are among them."""
    points = np.random.default_rng(seed).integers(0, 6, size=(count, 2)) / 4
    bounds = {"error": 0.75, "ops": 1.0}
    found = []
    for at, row in enumerate(points):
        values = [float(value) for value in row]
        excess = violation(dict(zip(OBJECTIVES, values, strict=True)), bounds)
        found.append(Candidate(at, Genome(), f"{at:03}", values, violation=excess))
    return found


def dominates(a: Candidate, b: Candidate) -> bool:
    if a.violation != b.violation:
        return a.violation < b.violation
    return all(x <= y for x, y in zip(a.values, b.values, strict=True)) and a.values != b.values


def layers(left: list[Candidate]) -> list[set[int]]:
    found = []
    while left:
        first = [one for one in left if not any(dominates(other, one) for other in left)]
        found.append({one.id for one in first})
        left = [one for one in left if one not in first]
    return found


def test_fronts_are_those_of_constrained_domination_and_of_deap() -> None:
    candidates = shells()
    assert len({one.violation for one in candidates}) > 3
    wanted = layers(candidates)
    assert [{one.id for one in front} for front in fronts(candidates)] == wanted
    by_deap = tools.sortNondominated(candidates, len(candidates))
    assert [{one.id for one in front} for front in by_deap] == wanted
    feasible = sum(not one.violation for one in candidates)
    assert 0 < feasible < 40 and all(not one.violation for one in select_nsga2(candidates, feasible))
    order = ranks(candidates)
    assert sorted(candidates, key=lambda one: order[one.id])[0].id in wanted[0]


def test_of_one_score_who_exceeds_less_is_before_who_exceeds_more(tiny_space: Space) -> None:
    view = View(tiny_space, OBJECTIVES, {}, 1, 0, 10)
    candidates = shells()
    order = view.scores(candidates, (0.9, 0.1))
    ordered = sorted(candidates, key=lambda one: order[one.id])
    excess = [one.violation for one in ordered]
    assert excess == sorted(excess)
    free = [one for one in candidates if not one.violation]
    assert {one.id: order[one.id] for one in free} == view.scores(free, (0.9, 0.1))


def counted(space: Space) -> Any:
    """Return what counts `ops` as the landscape does, without its fitness."""

    def ops(genome: Genome) -> dict[str, float]:
        edges = [edge.operation for _, cell in genome.cells for edge in cell.edges]
        return {"ops": 1.0 + sum(space.operations[name].binary for name in edges)}

    genome = space.sample(np.random.default_rng(0))
    assert ops(genome)["ops"] == NKLandscape(space).evaluate(genome).objectives["ops"]
    return ops


def bounded(space: Space, strategy: str, bounds: dict[str, float], counts: Any = None, **settings: Any) -> Search:
    made_of: dict[str, Any] = {"bounds": NKLandscape(space).bounds, "constraints": Constraints(bounds, counts)}
    made_of |= {"counted": ("ops",), "counts": counted(space)}
    return Search(space, made(strategy), OBJECTIVES, 5, **{**made_of, **settings})


@each
def test_what_is_counted_above_its_bound_is_never_asked_for(name: str, tiny_space: Space) -> None:
    counts, evaluate = counted(tiny_space), Noisy(NKLandscape(tiny_space))
    steps = stepped(bounded(tiny_space, name, {"ops": 5.0}, counts), evaluate, 2)
    asked = [one.request.individual.genome for step in steps for one in step.results]
    assert asked and all(counts(tiny_space.parse(text))["ops"] <= 5.0 for text in asked)
    assert sum(step.log["infeasible"] for step in steps) > 0

    free = stepped(bounded(tiny_space, name, {}), evaluate, 2)
    assert any(counts(tiny_space.parse(r.request.individual.genome))["ops"] > 5.0 for s in free for r in s.results)

    again = bounded(tiny_space, name, {"ops": 5.0}, counts)
    again.restore(map(through_text, steps[:1]))
    later: list[Step] = []
    run(again, evaluate, later.append, 2)
    assert later == steps[1:]


@each
def test_what_is_measured_above_its_bound_is_in_no_archive(name: str, tiny_space: Space) -> None:
    search = bounded(tiny_space, name, {"error": 0.45})
    steps = stepped(search, NKLandscape(tiny_space), 4)
    errors = {r.request.individual.id: r.evaluation.objectives["error"] for s in steps for r in s.results}
    good = {number for number, error in errors.items() if error <= 0.45}
    assert 0 < len(good) < len(errors)
    assert {one.id for one in search.archive.feasible()} == good
    assert steps[-1].log["archive"] == len(good)
    if name in ("nsga2", "nsga3", "random", "surrogate", "local", "gaaf"):
        kept = [errors[one.id] <= 0.45 for one in search.population]
        assert sum(kept) == min(len(good), len(kept))


def test_an_algorithm_that_sends_what_is_invalid_sends_nothing_above_a_bound(tiny_space: Space) -> None:
    counts = counted(tiny_space)

    def never(genome: Genome) -> str:
        return "no path" if counts(genome)["ops"] == 2.0 else ""

    search = Search(tiny_space, made("gaaf", population=30, unfiltered=True), OBJECTIVES, 5, feasible=never,
                    bounds=NKLandscape(tiny_space).bounds, constraints=Constraints({"ops": 3.0}, counts))  # fmt: skip
    seen = {counts(tiny_space.parse(one.individual.genome))["ops"] for one in search.ask()}
    assert seen == {2.0, 3.0}


def test_a_block_of_a_pressure_is_asked_for_without_what_exceeds_a_bound(tiny_space: Space) -> None:
    counts, evaluate = counted(tiny_space), NKLandscape(tiny_space)
    pressures = {"abandonment": PRESSURES["abandonment"]()}
    asked = {}
    for bound in (6.0, 1e9):
        search = bounded(tiny_space, "nsga2", {"ops": bound}, counts, pressures=pressures)
        steps = stepped(search, evaluate, 2)
        twins = [r.request.individual.genome for s in steps for r in s.results if r.request.twin]
        asked[bound] = [counts(tiny_space.parse(text))["ops"] for text in twins]
    assert asked[6.0] and max(asked[6.0]) <= 6.0 < max(asked[1e9])


def drawing(search: Search, genomes: list[Genome]) -> Search:
    """Return the search, which draws these in turn in place of random genomes."""
    turn = cycle(genomes)
    search.toolbox.register("sample", lambda rng: next(turn))
    return search


def samples(space: Space, count: int = 7) -> list[Genome]:
    rng = np.random.default_rng(1)
    return [space.sample(rng) for _ in range(count)]


def test_a_bound_that_nothing_meets_names_the_least_that_was_met(tiny_space: Space) -> None:
    starter, *drawn = samples(tiny_space)
    bits = {genome: 5000.0 + at for at, genome in enumerate(drawn)} | {starter: 7000.0}
    seen: list[Genome] = []

    def counts(genome: Genome) -> dict[str, float]:
        seen.append(genome)
        return {"bits": bits[genome]}

    with pytest.raises(SpaceExhausted) as told_so:
        drawing(bounded(tiny_space, "nsga2", {"bits": 4000.0}, counts, starters=[starter]), drawn).ask()
    assert len(seen) == RANDOM_TRIES + 1 == 10001
    for part in ("4,000 bits", "10,000 proposals", "5,000 bits"):
        assert part in str(told_so.value)


def test_the_cheapest_begin_where_no_random_genome_meets_the_bounds(tiny_space: Space) -> None:
    rare, *drawn = samples(tiny_space)
    counts = lambda genome: {"bits": 1.0 if genome == rare else 9.0}  # noqa: E731
    constraints = Constraints({"bits": 2.0}, counts, [rare])
    search = drawing(Search(tiny_space, made("nsga2"), OBJECTIVES, 5, constraints=constraints), drawn)
    assert [one.individual.genome for one in search.ask()] == [str(rare)]


def test_survivors_breed_on_where_no_random_genome_meets_a_bound(tiny_space: Space) -> None:
    rare, *drawn = samples(tiny_space)
    counts = lambda genome: {"bits": 9.0 if genome in drawn else 1.0}  # noqa: E731
    search = drawing(bounded(tiny_space, "nsga2", {"bits": 2.0}, counts, starters=[rare]), drawn)
    search.tell(NKLandscape(tiny_space)(search.ask()))
    assert len(search.population) == 1
    assert {one.individual.origin for one in search.ask() if not one.repeat} <= {"mutate", "mate", "mate+mutate"}
    assert len(search.ask()) == 9


def test_without_bounds_nothing_is_counted(tiny_space: Space) -> None:
    genome = tiny_space.sample(np.random.default_rng(0))
    assert Constraints().refused(genome) == Constraints({"error": 0.1}).refused(genome) == ""
    assert Constraints({"ops": 1.5}, counted(tiny_space)).refused(genome) == "it has 7 ops, more than 1.5 ops"
