"""Pressures within a search: what they may touch, what a block is, and that a search goes on as if never stopped."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import pytest

from evobnn.errors import SearchError
from evobnn.evolution import PRESSURES, STRATEGIES, Pressure, Search, SearchState, Step, run
from evobnn.evolution.pressures.abandonment import Abandonment
from evobnn.evolution.pressures.diversity import Diversity
from evobnn.evolution.pressures.temperature import Temperature
from evobnn.evolution.selection import ranks
from evobnn.pareto import nondominated
from evobnn.records import Evaluation, Request, Result, Status, mean_objectives
from evobnn.spaces import Space
from evobnn.spaces.loci import edge_loci, loci
from evobnn.testing import NKLandscape

Evaluate = Callable[[Sequence[Request]], list[Result]]
BATCH = 10
BOUNDS = {"error": (0.0, 1.0, "linear"), "ops": (1.0, 17.0, "log10")}
SETS: dict[str, dict[str, Pressure]] = {
    "diversity": {"diversity": Diversity()},
    "temperature": {"temperature": Temperature(temperature=0.5, least=3, schedule="exponential")},
    "abandonment": {"abandonment": Abandonment()},
    "all": {"diversity": Diversity(), "temperature": Temperature(), "abandonment": Abandonment(every=3, beta=1.0)},
}


def with_twins(space: Space, failing: float = 0.15) -> Evaluate:
    """Return an evaluation with noise and failures that answers for the twin where it is asked for, and fails at some;
    all depend on (key, repeat) only.
    """
    landscape = NKLandscape(space)

    def evaluate(requests: Sequence[Request]) -> list[Result]:
        results = []
        for request in requests:
            found = landscape.evaluate(space.parse(request.individual.genome))
            digest = hashlib.sha256(f"{request.individual.key}|{request.repeat}".encode()).digest()
            if digest[0] < 256 * failing:
                results.append(Result(request, Evaluation(Status.DIVERGED, message="a non-finite loss")))
                continue
            error = found.objectives["error"] + 0.1 * digest[1] / 255
            measures = {"parent_error": 0.8 * error} if request.twin and digest[2] >= 256 * failing else {}
            results.append(Result(request, Evaluation(Status.OK, {**found.objectives, "error": error}, "", measures)))
        return results

    return evaluate


def all_equally_good(requests: Sequence[Request]) -> list[Result]:
    """Evaluate so that nobody dominates anybody: only distance and pressure are left to select by."""
    results = []
    for request in requests:
        error = int(request.individual.key[:8], 16) / 2**32
        results.append(Result(request, Evaluation(Status.OK, {"error": error, "ops": 2.0 - error})))
    return results


def started(space: Space, pressures: Mapping[str, Pressure], strategy: str = "nsga2", **settings: Any) -> Search:
    kind = STRATEGIES[strategy]
    sizes: dict[str, Any] = {"population": BATCH, "children": BATCH, "bins": 8, "trees": 4, "admission": 0.0}
    known = {name: value for name, value in sizes.items() if name in kind.__dataclass_fields__}
    return Search(
        space, kind(**known), ("error", "ops"), 3, pressures=pressures, **{"bounds": BOUNDS, "horizon": 8, **settings}
    )


def stepped(search: Search, evaluate: Evaluate, generations: int) -> list[Step]:
    steps: list[Step] = []
    run(search, evaluate, steps.append, generations)
    assert steps[-1].generation == generations
    return steps


def through_json(steps: Sequence[Step]) -> list[Step]:
    """Return the steps with their states written to JSON and read again."""
    found = []
    for step in steps:
        state = json.loads(json.dumps(asdict(step.state), allow_nan=False))
        found.append(replace(step, state=SearchState(**{**state, "survivors": tuple(state["survivors"])})))
    return found


def test_the_table_has_the_three() -> None:
    assert sorted(PRESSURES) == ["abandonment", "diversity", "temperature"]
    assert all(issubclass(kind, Pressure) and kind() == kind() for kind in PRESSURES.values())


# --- Going on -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
@pytest.mark.parametrize("name", sorted(SETS))
def test_from_every_generation_it_goes_on_as_if_it_had_not_stopped(tiny_space: Space, strategy: str, name: str) -> None:
    evaluate, last = with_twins(tiny_space), 6
    whole = started(tiny_space, SETS[name], strategy)
    steps = stepped(whole, evaluate, last)
    looked = 0
    for stopped in (1, 2, 4, 5) if strategy == "nsga2" else (4,):
        search = started(tiny_space, SETS[name], strategy)
        search.restore(through_json(steps[:stopped]))
        later: list[Step] = []
        run(search, evaluate, later.append, last)
        assert later == steps[stopped:]
        assert list(search.logbook) == [step.log for step in steps]
        assert [(one.id, one.values) for one in search.archive.feasible()] == [
            (one.id, one.values) for one in whole.archive.feasible()
        ]
        looked += 1
    assert looked in (1, 4)
    assert "abandonment" not in SETS[name] or steps[-1].state.memory["abandonment"]["rounds"] >= 2


# --- What they may not touch ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(SETS))
def test_objectives_front_and_indicators_are_those_of_the_evaluations(tiny_space: Space, name: str) -> None:
    handed: list[list[tuple[float, ...]]] = []

    def indicators(points: Sequence[tuple[float, ...]]) -> dict[str, float]:
        handed.append(list(points))
        return {"points": len(points)}

    search = started(tiny_space, SETS[name], indicators=indicators)
    steps = stepped(search, with_twins(tiny_space), 6)
    measured: dict[int, list[Evaluation]] = {}
    looked = 0
    for step, points in zip(steps, handed, strict=True):
        for r in step.results:
            measured.setdefault(r.request.individual.id, []).append(r.evaluation)
        means = {number: mean_objectives(found) for number, found in measured.items()}
        searched = {n: {name: mean[name] for name in search.objectives} for n, mean in means.items() if mean}
        told = [tuple(values.values()) for values in searched.values()]
        assert points == [one for one, best in zip(told, nondominated(told), strict=True) if best]
        assert step.log["archive"] == len(told) >= step.log["points"] > 0
        for individual, objectives, repeats in step.survivors:
            assert objectives == searched[individual.id]
            assert repeats == len(measured[individual.id])
            looked += 1
    assert looked > 50


def test_without_pressures_nothing_changes(tiny_space: Space) -> None:
    evaluate = with_twins(tiny_space)
    found = stepped(Search(tiny_space, STRATEGIES["nsga2"](population=BATCH), ("error", "ops"), 3), evaluate, 5)
    assert stepped(started(tiny_space, {}), evaluate, 5) == found
    assert all(not step.state.memory for step in found)


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
def test_pressures_of_no_strength_change_nothing_but_the_log(tiny_space: Space, strategy: str) -> None:
    evaluate = with_twins(tiny_space)
    idle = {"diversity": Diversity(strength=0.0), "temperature": Temperature(temperature=math.inf)}
    plain, with_idle = (stepped(started(tiny_space, p, strategy), evaluate, 4) for p in ({}, idle))
    assert [replace(step, log={}) for step in with_idle] == [replace(step, log={}) for step in plain]
    for ours, theirs in zip(with_idle, plain, strict=True):
        more = {"diversity_weight", "diversity_entropy", "temperature_entropy"}
        assert {name: value for name, value in ours.log.items() if name not in more} == theirs.log
        assert more <= set(ours.log)


@pytest.mark.parametrize("name", sorted(SETS))
def test_each_changes_what_is_asked_for(tiny_space: Space, name: str) -> None:
    evaluate = with_twins(tiny_space)
    plain, shaped = (stepped(started(tiny_space, pressures), evaluate, 6) for pressures in ({}, SETS[name]))
    assert plain[0].results == shaped[0].results  # nothing is known when the first generation is drawn
    assert [len(step.results) for step in plain] == [len(step.results) for step in shaped] == [BATCH] * 7
    assert [step.results for step in plain] != [step.results for step in shaped]


# --- Diversity ------------------------------------------------------------------------------------------------------


def test_survivors_follow_rank_then_distance_and_diversity(tiny_space: Space) -> None:
    pressure = Diversity(strength=3.0, fade=10.0)
    search = started(tiny_space, {"diversity": pressure}, repeats=1)
    before: list[Any] = []
    looked = differed = 0
    for generation in range(5):
        requests = search.ask()
        step = search.tell(all_equally_good(requests))
        fresh = {r.request.individual.id for r in step.results}
        candidates = [*before, *(one for one in search.archive.feasible() if one.id in fresh)]
        added = pressure.spread(replace(search._view(generation), population=()), candidates)
        order = ranks(candidates, added)
        assert [one.id for one in search.population] == sorted(order, key=lambda number: order[number])[:BATCH]
        plain = ranks(candidates)
        assert {rank for rank, _, _ in plain.values()} == {0}
        differed += {one.id for one in search.population} != set(sorted(plain, key=lambda n: plain[n])[:BATCH])
        before = list(search.population)
        looked += 1
    assert looked == 5
    assert differed >= 3


def test_early_diversity_keeps_more_of_the_choices(tiny_space: Space) -> None:
    gained = []
    strong = {"diversity": Diversity(strength=10.0, fade=100.0)}
    for seed in range(5):
        entropies = []
        for pressures in ({"diversity": Diversity(strength=0.0)}, strong):
            search = Search(
                tiny_space, STRATEGIES["nsga2"](population=20), ("error", "ops"), seed, pressures=pressures, repeats=1
            )
            entropies.append(stepped(search, all_equally_good, 8)[-1].log["diversity_entropy"])
        gained.append(entropies[1] - entropies[0])
    assert len(gained) == 5
    assert min(gained) > 0.0


# --- Temperature ----------------------------------------------------------------------------------------------------


def test_a_cold_search_proposes_from_fewer_operations(tiny_space: Space) -> None:
    evaluate = with_twins(tiny_space, failing=0.0)
    logs = {
        degree: stepped(started(tiny_space, {"temperature": Temperature(temperature=degree)}), evaluate, 8)[-1].log
        for degree in (math.inf, 1.0, 0.1)
    }
    found = [log["temperature_entropy"] for log in logs.values()]
    assert found == sorted(found, reverse=True)
    every = sum(math.log(len(tiny_space.offered[kind])) for kind in tiny_space.free_kinds) / 2
    assert found[0] == pytest.approx(every)
    assert found[2] < 0.9 * every


# --- The block ------------------------------------------------------------------------------------------------------


def rounds(space: Space, steps: Sequence[Step]) -> list[int]:
    return [step.generation for step in steps if any(r.request.twin for r in step.results)]


def test_the_block_is_counted_and_stands_outside_the_population(tiny_space: Space) -> None:
    search = started(tiny_space, {"abandonment": Abandonment()})
    steps = stepped(search, with_twins(tiny_space), 7)
    assert rounds(tiny_space, steps) == [1, 3, 5, 7]
    assert [len(step.results) for step in steps] == [BATCH] * 8
    blocks, sizes, size = set[int](), [], 6
    for step in steps:
        twins = [r for r in step.results if r.request.twin]
        assert twins == list(step.results[: len(twins)])
        sizes.append(len(twins))
        assert len(twins) == (size if step.generation % 2 else 0)
        size = max(map(len, step.state.memory["abandonment"]["alive"].values())) if step.generation else 6
        for r in twins:
            assert r.request.individual.origin == "block"
            assert r.request.individual.parents == ()
            assert r.request.individual.born == step.generation
            blocks.add(r.request.individual.id)
        assert not blocks & {individual.id for individual, _, _ in step.survivors}
    assert len(blocks) == sum(sizes)
    archived = {one.id for one in search.archive.feasible()}
    failed = {r.request.individual.id for s in steps for r in s.results if r.evaluation.status is not Status.OK}
    assert blocks - failed
    assert blocks & archived == blocks - failed
    assert {individual.origin for individual in search.archive.individuals.values()} >= {"block", "sample", "mate"}
    asked = [(r.request.individual.key, r.request.repeat) for step in steps for r in step.results]
    assert len(set(asked)) == len(asked) == 8 * BATCH


def test_nobody_is_bred_with_what_was_abandoned(tiny_space: Space) -> None:
    steps = stepped(started(tiny_space, {"abandonment": Abandonment(every=1)}), with_twins(tiny_space, failing=0.0), 6)
    places, alive, sizes = set(edge_loci(tiny_space)), None, []
    looked = held = 0
    for step in steps:
        if alive is not None:
            for r in step.results:
                if r.request.repeat == 0:
                    genome = tiny_space.parse(r.request.individual.genome)
                    assert all(op in alive[place] for place, op in loci(tiny_space, genome) if place in places)
                    looked += 1
            for individual, _, _ in step.survivors:
                genome = tiny_space.parse(individual.genome)
                held += any(op not in alive[place] for place, op in loci(tiny_space, genome) if place in places)
        memory = step.state.memory.get("abandonment")
        if memory:
            alive = memory["alive"]
            sizes.append(step.log["abandonment_surviving"])
            assert step.log["abandonment_surviving"] == pytest.approx(sum(map(len, alive.values())) / len(alive))
            assert step.log["abandonment_rounds"] == memory["rounds"] == step.generation
            assert min(map(len, alive.values())) >= 2
    assert looked > 20
    assert held > 0  # survivors of the population stay
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < sizes[0] < 5


def test_a_batch_that_a_block_would_fill_is_refused(tiny_space: Space) -> None:
    nsga2 = STRATEGIES["nsga2"]
    Search(tiny_space, nsga2(population=7), ("error", "ops"), 1, pressures=SETS["abandonment"])
    with pytest.raises(SearchError, match="at least 7 evaluations a generation, got 6 for a block of 6"):
        Search(tiny_space, nsga2(population=6), ("error", "ops"), 1, pressures=SETS["abandonment"])


def test_infeasible_expressions_do_not_come_into_the_block(tiny_space: Space) -> None:
    def reason(genome: Any) -> str:
        return "" if "sin" in str(genome) else "too plain"

    steps = stepped(started(tiny_space, SETS["abandonment"], feasible=reason), with_twins(tiny_space), 3)
    blocks = [r.request.individual.genome for step in steps for r in step.results if r.request.twin]
    assert len(blocks) == 12
    assert all("sin" in text for text in blocks)


def test_a_block_whose_members_all_failed_abandons_nothing(tiny_space: Space) -> None:
    landscape = NKLandscape(tiny_space)  # answers no twin
    steps = stepped(started(tiny_space, SETS["abandonment"]), landscape, 4)
    assert rounds(tiny_space, steps) == [1, 3]
    offered = {place: list(tiny_space.offered[place.partition("/")[0]]) for place in edge_loci(tiny_space)}
    assert steps[-1].state.memory["abandonment"] == {"alive": offered, "rounds": 2}
