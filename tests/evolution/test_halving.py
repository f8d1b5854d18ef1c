"""Successive halving seen from the search: who goes on, who survives, and what is never compared."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest

from evobnn.errors import ExperimentError, SearchError
from evobnn.evolution import STRATEGIES, Halving, Pressure, Search, SearchState, Step, run
from evobnn.evolution.halving import survivors
from evobnn.evolution.selection import Candidate, ranks
from evobnn.evolution.strategies import NSGA2
from evobnn.evolution.toolbox import make_toolbox
from evobnn.evolution.view import View
from evobnn.genome import Genome
from evobnn.pareto import nondominated
from evobnn.records import Evaluation, Individual, Request, Result, Status, mean_objectives, rung_measures
from evobnn.spaces import Space
from evobnn.testing import NKLandscape, Noisy

Evaluate = Callable[[Sequence[Request]], list[Result]]
NAMES = ("error", "ops")
RUNGS = Halving((1, 2, 4, 8))
FIT = ["local", "nsga2", "nsga3", "random", "surrogate"]
WHO = Individual(0, "@net = x", "k", 0)


def pruned(error: float, ops: float, rung: int = 1) -> Evaluation:
    return Evaluation(Status.PRUNED, measures=rung_measures(rung, {"error": error, "ops": ops}))


def climbed(evaluate: Evaluate, halving: Halving = RUNGS, better: float = 0.1) -> Evaluate:
    """Return an evaluation that halves: an error is larger by `better` at each rung further down."""

    def answer(requests: Sequence[Request]) -> list[Result]:
        results = evaluate(requests)
        climbing = [at for at, request in enumerate(requests) if halving.covers(request)]
        for place, rung in enumerate(halving.rungs[:-1]):
            down, scored = len(halving.rungs) - 1 - place, []
            for at in climbing:
                found = results[at].evaluation
                if found.status is Status.OK:
                    there = {**found.objectives, "error": found.objectives["error"] + better * down}
                    scored.append(Evaluation(Status.PRUNED, measures=rung_measures(rung, there)))
                else:
                    scored.append(replace(found, measures=rung_measures(rung)))
            best = halving.promoted(scored, NAMES)
            for at, found in zip(climbing, scored, strict=True):
                if climbing.index(at) not in best:
                    results[at] = Result(requests[at], found)
            climbing = [climbing[one] for one in best]
        return results

    return answer


def started(space: Space, name: str = "nsga2", population: int = 8, **settings: Any) -> Search:
    small = {"surrogate": {"least": 4, "trees": 3}, "local": {"children": 8}}.get(name, {})
    strategy = STRATEGIES[name](population=population, **small)
    return Search(
        space, strategy, NAMES, 5,
        **{"bounds": NKLandscape(space).bounds, "halving": RUNGS, "branch": 0.5, "repeats": 1, **settings},
    )  # fmt: skip


def stepped(search: Search, evaluate: Evaluate, generations: int) -> list[Step]:
    steps: list[Step] = []
    run(search, evaluate, steps.append, generations)
    return steps


# --- Who goes on ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keep", "counts"),
    [(0.5, {1: 1, 2: 1, 3: 2, 20: 10}), (0.1, {1: 1, 10: 1, 11: 2, 30: 3}), (1.0, {1: 1, 7: 7}), (0.001, {9: 1})],
)
def test_so_many_go_on(keep: float, counts: dict[int, int]) -> None:
    for count, wanted in counts.items():
        points = [pruned(0.1 * at, 100.0 - at) for at in range(count)]
        assert len(Halving((1, 2), keep).promoted(points, NAMES)) == wanted
    assert Halving((1, 2), keep).promoted([], NAMES) == []


def test_the_best_are_those_of_the_first_fronts_then_the_lonely_then_the_first() -> None:
    """Fronts by hand: a, b, c, d (in a row, b between a and c, c far from its neighbours); then e and f; then g."""
    a, b, c, d = pruned(0.1, 90.0), pruned(0.2, 80.0), pruned(0.5, 30.0), pruned(0.9, 10.0)
    e, f, g = pruned(0.3, 95.0), pruned(0.95, 20.0), pruned(0.99, 99.0)
    failed = Evaluation(Status.DIVERGED, message="a non-finite loss")
    given = [g, f, failed, b, a, e, d, c]
    chosen = {k: Halving((1, 2), k / 7).promoted(given, NAMES) for k in range(1, 8)}
    assert chosen[1] == [4]  # of the two ends, both alone as far as the eye can see, the first
    assert chosen[2] == [4, 6]
    assert chosen[3] == [4, 6, 7]
    assert chosen[4] == [3, 4, 6, 7]
    assert chosen[5] == [1, 3, 4, 6, 7]
    assert chosen[6] == [1, 3, 4, 5, 6, 7]
    assert chosen[7] == [0, 1, 3, 4, 5, 6, 7]
    twice = [pruned(0.5, 1.0), pruned(0.5, 1.0), pruned(0.0, 2.0), pruned(1.0, 0.0)]
    assert Halving((1, 2), 0.75).promoted(twice, NAMES) == [0, 2, 3]
    assert Halving((1, 2)).promoted([failed, failed], NAMES) == []


def test_all_objectives_have_a_say() -> None:
    points = [pruned(0.5, 5.0), pruned(0.4, 6.0), pruned(0.6, 7.0)]
    assert Halving((1, 2), 0.6).promoted(points, NAMES) == [0, 1]
    assert Halving((1, 2), 0.3).promoted(points, ("error",)) == [1]
    assert Halving((1, 2), 0.3).promoted(points, ("ops",)) == [0]


def test_what_may_be_stopped_and_what_it_took() -> None:
    first, again, twin = Request(WHO), Request(WHO, 1), Request(WHO, 0, True)
    assert [RUNGS.covers(one) for one in (first, again, twin)] == [True, False, False]
    assert not any(Halving().covers(one) for one in (first, again, twin))
    ok = Evaluation(Status.OK, {"error": 0.1, "ops": 1.0})
    took = [
        (first, pruned(0.1, 1.0, 1), 1.5),
        (first, pruned(0.1, 1.0, 4), 4 + 3 * 0.5),
        (first, ok, 8 + 4 * 0.5),
        (again, ok, 8.5),
        (twin, ok, 17.0),
        (first, Evaluation(Status.DIVERGED, measures=rung_measures(2)), 2 + 2 * 0.5),
        (first, Evaluation(Status.ERROR), 8 + 4 * 0.5),
        (first, Evaluation(Status.INVALID, measures=rung_measures(1)), 0.0),
    ]
    assert [RUNGS.trained(Result(request, found), 0.5) for request, found, _ in took] == [one for *_, one in took]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"rungs": (2, 1)}, r"rise, two or more, got \[2, 1\]"),
        ({"rungs": (1, 1, 2)}, "rise"),
        ({"rungs": (8,)}, "two or more"),
        ({"rungs": (0, 8)}, "every one of halving.rungs to be a whole number of at least 1"),
        ({"rungs": (0.5, 8)}, "whole number"),
        ({"keep": 0.0}, "halving.keep between"),
        ({"keep": 1.1}, "halving.keep between"),
        ({"keep": float("nan")}, "halving.keep"),
    ],
)
def test_what_makes_no_sense_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ExperimentError, match=words):
        Halving(**settings)


# --- Who survives ---------------------------------------------------------------------------------------------------


def shell(number: int, error: float, ops: float, short: int) -> Candidate:
    return Candidate(number, Genome(), f"{number:03d}", (error, ops), 1, short)


def test_ranks_of_shorter_trainings_begin_behind_those_of_longer_ones() -> None:
    """The best scores of all were taken a rung below; they say nothing against those of full length."""
    full = [shell(0, 0.5, 5.0, 0), shell(1, 0.6, 6.0, 0)]
    short, shorter = [shell(2, 0.1, 1.0, 1), shell(3, 0.2, 2.0, 1)], [shell(4, 0.01, 0.5, 2)]
    order = ranks([*shorter, *short, *full])
    assert {number: rank for number, (rank, _, _) in order.items()} == {0: 0, 1: 1, 2: 2, 3: 3, 4: 4}
    assert ranks(short) == {one.id: (order[one.id][0] - 2, *order[one.id][1:]) for one in short}


@pytest.mark.parametrize("name", ["nsga2", "nsga3", "random", "surrogate"])
def test_whoever_is_missing_is_filled_up_from_the_next_rung(name: str, tiny_space: Space) -> None:
    full = [shell(at, 0.5 + at / 100, 5.0 - at, 0) for at in range(3)]
    good = [shell(10 + at, 0.1 + at / 100, 5.0 - at, 1) for at in range(2)]
    bad = [shell(20 + at, 0.2 + at / 100, 9.0 - at, 1) for at in range(4)]
    last = [shell(30, 0.0, 0.0, 2)]
    kept: dict[int, set[int]] = {}
    for population in (2, 3, 5, 7, 50):
        view = View(tiny_space, NAMES, {}, 1, 1, 5, (last[0], good[0], full[0], bad[0]))
        strategy = STRATEGIES[name](population=population)
        found = survivors(strategy, view, [*bad[1:], good[1], *full[1:]], make_toolbox(tiny_space))
        assert [one.short for one in found] == sorted(one.short for one in found)
        kept[population] = {one.id for one in found}
        assert len(found) == len(kept[population]) == min(population, 10)
    assert kept[2] < {0, 1, 2} == kept[3]
    assert kept[5] == {0, 1, 2, 10, 11}
    assert kept[5] < kept[7] < {0, 1, 2, 10, 11, 20, 21, 22, 23}


@pytest.mark.parametrize("name", FIT)
def test_a_search_that_halves_fills_its_population_and_shows_whole_scores_only(name: str, tiny_space: Space) -> None:
    seen: list[Sequence[tuple[float, ...]]] = []
    search = started(tiny_space, name, indicators=lambda points: seen.append(points) or {"points": len(points)})
    steps = stepped(search, climbed(Noisy(NKLandscape(tiny_space), failing=0.15)), 6)
    measured: dict[int, list[Evaluation]] = {}
    looked = early = 0
    for step, points in zip(steps, seen, strict=True):
        for result in step.results:
            measured.setdefault(result.request.individual.id, []).append(result.evaluation)
        good = {at for at, found in measured.items() if found[0].status is Status.OK}
        stopped = {at for at, found in measured.items() if found[0].status is Status.PRUNED}
        told = [tuple(measured[at][0].objectives[name] for name in NAMES) for at in good]
        assert sorted(points) == sorted(one for one, best in zip(told, nondominated(told), strict=True) if best)
        assert step.log["archive"] == len(good) >= step.log["points"] > 0
        kept = step.state.survivors
        assert len(kept) == min(8, len(good | stopped))
        assert set(kept) <= good | stopped
        listed = [individual.id for individual, _, _ in step.survivors]
        assert list(kept[: len(listed)]) == listed == [at for at in kept if at in good]
        assert len(listed) == min(8, len(good)) == step.log["survivors"]
        assert step.log["pruned"] == sum(r.evaluation.status is Status.PRUNED for r in step.results)
        assert step.log["epochs"] == sum(RUNGS.trained(result, 0.5) for result in step.results)
        early += len(kept) > len(listed)
        looked += 1
    assert looked == 7
    assert early > 0
    assert sum(step.log["epochs"] for step in steps) < 0.45 * 8.5 * sum(step.log["evaluations"] for step in steps)


@pytest.mark.parametrize("name", FIT)
def test_three_generations_and_three_more_are_six(name: str, tiny_space: Space) -> None:
    evaluate = climbed(Noisy(NKLandscape(tiny_space)))
    steps = stepped(started(tiny_space, name, repeats=2), evaluate, 6)
    for stopped in (1, 3):
        search = started(tiny_space, name, repeats=2)
        read = [SearchState(**{**(row := json.loads(json.dumps(asdict(step.state)))),
                               "survivors": tuple(row["survivors"])}) for step in steps[:stopped]]  # fmt: skip
        search.restore(replace(step, state=state) for step, state in zip(steps, read, strict=False))
        assert [one.id for one in search.population] == list(steps[stopped - 1].state.survivors)
        assert stepped(search, evaluate, 6) == steps[stopped:]


def test_only_members_of_full_length_are_measured_again_and_at_full_length(tiny_space: Space) -> None:
    steps = stepped(started(tiny_space, repeats=3), climbed(NKLandscape(tiny_space), better=-0.3), 5)
    again = [(step, r) for step in steps for r in step.results if r.request.repeat]
    first = {r.request.individual.id: r.evaluation for step in steps for r in step.results if not r.request.repeat}
    assert len(again) > 3
    for _, result in again:
        assert result.evaluation.status is Status.OK
        assert first[result.request.individual.id].status is Status.OK


def test_nobody_who_was_stopped_is_asked_for_again(tiny_space: Space) -> None:
    steps = stepped(started(tiny_space), climbed(NKLandscape(tiny_space)), 8)
    keys = [r.request.individual.key for step in steps for r in step.results]
    assert len(keys) == len(set(keys)) == 72


def test_parents_are_those_of_full_length_wherever_there_is_a_choice(tiny_space: Space) -> None:
    """Half of the population is of full length, and every tournament between the halves is theirs."""
    search = started(tiny_space, population=40)
    steps = stepped(search, climbed(NKLandscape(tiny_space), Halving((1, 8), 0.5)), 0)
    whole = {individual.id for individual, _, _ in steps[0].survivors}
    assert len(whole) == 20 and len(search.population) == 40
    parents = [at for request in search.ask() for at in request.individual.parents]
    assert len(parents) > 40
    assert np.mean([at in whole for at in parents]) > 0.65  # 3 of 4 but for chance


def test_a_first_generation_without_one_of_full_length_ends_with_a_sentence(tiny_space: Space) -> None:
    def evaluate(requests: Sequence[Request]) -> list[Result]:
        failed = Evaluation(Status.DIVERGED, message="a non-finite loss")
        results = climbed(NKLandscape(tiny_space))(requests)
        return [Result(r.request, failed) if r.evaluation.status is Status.OK else r for r in results]

    search = started(tiny_space)
    with pytest.raises(SearchError, match="at least one evaluation of the first generation to end ok, got none of 8"):
        search.tell(evaluate(search.ask()))


class Block(Pressure):
    """Wants the genomes of the first generation measured with their twins in the second."""

    def block(self, view: View, toolbox: Any, rng: np.random.Generator) -> Sequence[Genome]:
        return [one.genome for one in view.population if one.short][:2] if view.generation == 1 else ()


def test_one_that_was_stopped_and_then_measured_whole_is_a_candidate(tiny_space: Space) -> None:
    search = started(tiny_space, pressures={"block": Block()})
    steps = stepped(search, climbed(NKLandscape(tiny_space)), 1)
    twins = [r for r in steps[1].results if r.request.twin]
    assert [r.request.repeat for r in twins] == [1, 1]
    for result in twins:
        who = result.request.individual
        assert search.archive.evaluations[who.key][0].status is Status.PRUNED
        assert mean_objectives(search.archive.evaluations[who.key]) == result.evaluation.objectives
        assert who.id in {one.id for one in search.archive.feasible()}


# --- Who cannot -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_every_strategy_honours_it_or_says_why_not(name: str, tiny_space: Space) -> None:
    if name in FIT:
        assert started(tiny_space, name).halving is RUNGS
        return
    with pytest.raises(SearchError, match=rf"Expected a strategy .*\(nsga2, .*\), got {name}, in which .* Take one"):
        started(tiny_space, name)
    assert not started(tiny_space, name, halving=Halving()).halving


def test_without_halving_a_search_is_what_it_was(tiny_space: Space) -> None:
    plain = Search(tiny_space, NSGA2(population=8), NAMES, 5, repeats=1, bounds=NKLandscape(tiny_space).bounds)
    steps = stepped(plain, NKLandscape(tiny_space), 3)
    assert stepped(started(tiny_space, halving=Halving()), NKLandscape(tiny_space), 3) == steps
    assert not {"pruned", "epochs"} & set(steps[0].log)
