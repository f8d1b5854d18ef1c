"""The search on evaluations that cost microseconds: what it asks, what it takes, where it ends, how it goes on."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from deap import tools

from evobnn.errors import SearchError
from evobnn.evolution import STRATEGIES, Pressure, Search, Step, run
from evobnn.evolution.endings import SpaceExhausted
from evobnn.evolution.strategies import NSGA2, RandomSampling
from evobnn.evolution.view import View
from evobnn.genome import Genome, parse_genome
from evobnn.records import Evaluation, Request, Result, Status
from evobnn.spaces import Alphabet, Space, key
from evobnn.testing import NKLandscape, Noisy

Evaluate = Callable[[Sequence[Request]], list[Result]]
FAILED = Evaluation(Status.DIVERGED, message="a non-finite loss")


def started(space: Space, population: int = 7, seed: int = 1, **settings: Any) -> Search:
    return Search(space, NSGA2(population=population), ("error", "ops"), seed, **settings)


def stepped(search: Search, evaluate: Evaluate, generations: int) -> list[Step]:
    steps: list[Step] = []
    run(search, evaluate, steps.append, generations)
    assert [step.generation for step in steps][-1:] == [generations]
    return steps


def pairs(steps: Sequence[Step]) -> list[tuple[str, int]]:
    return [(r.request.individual.key, r.request.repeat) for step in steps for r in step.results]


# --- It searches ----------------------------------------------------------------------------------------------------


def test_it_finds_better_networks_than_it_began_with_and_than_chance(tiny_space: Space) -> None:
    gained, ahead = [], []
    for seed in range(6):
        landscape = NKLandscape(tiny_space, seed)
        best: dict[str, list[float]] = {}
        for name in ("nsga2", "random"):
            search = Search(tiny_space, STRATEGIES[name](population=16), ("error", "ops"), seed, repeats=1)
            steps = stepped(search, landscape, 15)
            best[name] = [min(r.evaluation.objectives["error"] for r in step.results) for step in steps]
            assert sum(len(step.results) for step in steps) == 16 * 16
        gained.append(best["nsga2"][0] - min(best["nsga2"]))
        ahead.append(min(best["random"]) - min(best["nsga2"]))
    assert len(gained) == 6
    assert min(gained) > 0.0
    assert float(np.mean(ahead)) > 0.02
    assert sum(value > 0 for value in ahead) >= 5


@pytest.mark.parametrize("population", [1, 7, 30])
@pytest.mark.parametrize("strategy", [NSGA2, RandomSampling])
def test_a_population_of_any_size(tiny_space: Space, population: int, strategy: Any) -> None:
    search = Search(tiny_space, strategy(population=population), ("error", "ops"), 1)
    steps = stepped(search, Noisy(NKLandscape(tiny_space), failing=0.0), 4)
    assert [len(step.results) for step in steps] == [population] * 5
    assert [len(step.survivors) for step in steps] == [population] * 5
    assert [step.log["evaluations"] for step in steps] == [population] * 5
    asked = pairs(steps)
    assert len(set(asked)) == len(asked) == 5 * population


def test_one_objective_will_do(tiny_space: Space) -> None:
    search = Search(tiny_space, NSGA2(population=6), ("error",), 1)
    steps = stepped(search, NKLandscape(tiny_space), 3)
    assert all(list(objectives) == ["error"] for _, objectives, _ in steps[-1].survivors)
    assert steps[-1].log["least_error"] == min(o["error"] for _, o, _ in steps[-1].survivors)


def test_the_log_counts_what_happened(tiny_space: Space) -> None:
    steps = stepped(started(tiny_space, 10, indicators=lambda p: {"points": len(p)}), Noisy(NKLandscape(tiny_space)), 3)
    looked = 0
    for step in steps:
        ended = Counter(str(r.evaluation.status) for r in step.results)
        assert {str(s): step.log.get(str(s), 0) for s in Status} == {str(s): ended[str(s)] for s in Status}
        assert not {"pruned", "epochs"} & set(step.log)  # there is no halving
        assert step.log["again"] == sum(r.request.repeat > 0 for r in step.results)
        assert 0 < step.log["points"] < step.log["archive"]
        for position, name in enumerate(("error", "ops")):
            values = [objectives[name] for _, objectives, _ in step.survivors]
            assert step.log[f"least_{name}"] == min(values)
            assert step.log[f"mean_{name}"] == pytest.approx(sum(values) / len(values)), position
        looked += 1
    assert looked == 4
    assert sum(step.log["diverged"] for step in steps) > 0


# --- Failures and shortfalls ----------------------------------------------------------------------------------------


def some(landscape: NKLandscape, ok: Callable[[int], int]) -> Evaluate:
    """Return an evaluation in which the first `ok(generation)` requests of each batch succeed and the others fail."""
    generation = -1

    def evaluate(requests: Sequence[Request]) -> list[Result]:
        nonlocal generation
        generation += 1
        good = landscape(requests)
        return [one if at < ok(generation) else Result(one.request, FAILED) for at, one in enumerate(good)]

    return evaluate


@pytest.mark.parametrize("ok", [1, 3])
def test_a_shortfall_is_filled_with_fresh_random_genomes(tiny_space: Space, ok: int) -> None:
    search = started(tiny_space, 8, repeats=1)
    steps = stepped(search, some(NKLandscape(tiny_space), lambda g: ok if g == 0 else 8), 1)
    assert len(steps[0].survivors) == ok
    origins = [r.request.individual.origin for r in steps[1].results]
    assert len(origins) == 8
    assert origins[: 8 - ok] == ["sample"] * (8 - ok)
    assert set(origins[8 - ok :]) <= {"mate", "mutate", "mate+mutate"}
    assert len(steps[1].survivors) == 8


def test_a_later_generation_without_one_ok_leaves_the_population_as_it_was(tiny_space: Space) -> None:
    search = started(tiny_space, 6, repeats=1)
    steps = stepped(search, some(NKLandscape(tiny_space), lambda g: 0 if g == 1 else 6), 2)
    assert steps[1].survivors == steps[0].survivors
    assert len(steps[1].results) == len(steps[2].results) == 6
    assert steps[1].log["ok"] == 0


def test_the_first_generation_without_one_ok_ends_with_a_sentence(tiny_space: Space) -> None:
    search = started(tiny_space, 6)
    with pytest.raises(SearchError, match="none of 6; 6 times diverged: a non-finite loss. Look at one") as caught:
        search.tell(some(NKLandscape(tiny_space), lambda g: 0)(search.ask()))
    assert not isinstance(caught.value, SpaceExhausted)


def test_a_population_whose_every_member_failed_again_starts_anew(tiny_space: Space) -> None:
    """Two members, both measured again in generation 1 (half of the 4 asked for), both failing; then nobody is left."""
    landscape = NKLandscape(tiny_space)

    def evaluate(requests: Sequence[Request]) -> list[Result]:
        good = landscape(requests)
        first = all(r.individual.born == 0 and r.repeat == 0 for r in requests)
        if first:
            return [one if at < 2 else Result(one.request, FAILED) for at, one in enumerate(good)]
        failing = any(r.repeat for r in requests)
        return [Result(one.request, FAILED) for one in good] if failing else good

    search = started(tiny_space, 4, seed=3)
    steps: list[Step] = []
    run(search, evaluate, steps.append, 1)
    left = len(steps[1].survivors)
    while left:  # the members that were not on the first front are measured again once they are
        steps.append(search.tell(evaluate(search.ask())))
        left = len(steps[-1].survivors)
        assert search.generation < 10
    after = search.tell(evaluate(search.ask()))
    assert [r.request.individual.origin for r in after.results] == ["sample"] * 4
    assert len(after.survivors) == 4


def test_a_genome_that_failed_once_is_no_candidate_any_more(tiny_space: Space) -> None:
    steps = stepped(started(tiny_space, 12, seed=4), Noisy(NKLandscape(tiny_space), failing=0.4), 6)
    failed: set[str] = set()
    dropped = looked = 0
    for before, step in zip([None, *steps], steps, strict=False):
        failed |= {r.request.individual.key for r in step.results if r.evaluation.status is not Status.OK}
        assert not failed & {individual.key for individual, _, _ in step.survivors}
        if before is not None:
            dropped += sum(individual.key in failed for individual, _, _ in before.survivors)
        looked += 1
    assert looked == 7
    assert dropped > 0


def test_survivors_carry_the_mean_over_their_repeats(tiny_space: Space) -> None:
    steps = stepped(started(tiny_space, 8), Noisy(NKLandscape(tiny_space), failing=0.0), 5)
    measured: dict[str, list[float]] = {}
    most = 0
    for step in steps:
        for r in step.results:
            measured.setdefault(r.request.individual.key, []).append(r.evaluation.objectives["error"])
        for individual, objectives, repeats in step.survivors:
            values = measured[individual.key]
            assert repeats == len(values)
            assert objectives["error"] == pytest.approx(sum(values) / len(values))
            most = max(most, repeats)
    assert most == 3


class Crowd(Pressure):
    """Wants ten genomes measured beside the population in generation 1, more than there is room for."""

    def block(self, view: View, toolbox: Any, rng: np.random.Generator) -> Sequence[Genome]:
        return [toolbox.sample(rng) for _ in range(10)] if view.generation == 1 else ()


def test_a_block_larger_than_a_generation_is_cut_and_leaves_nothing_behind(tiny_space: Space) -> None:
    landscape = NKLandscape(tiny_space)
    pressures = {"crowd": Crowd()}
    steps = stepped(started(tiny_space, 4, pressures=pressures), landscape, 3)
    assert [r.request.individual.origin for r in steps[1].results] == ["block"] * 4
    assert [r.request.twin for step in steps for r in step.results] == [False] * 4 + [True] * 4 + [False] * 8
    assert steps[1].survivors == steps[0].survivors  # they stand outside the population
    numbers = [r.request.individual.id for step in steps for r in step.results if not r.request.repeat]
    assert numbers == list(range(len(numbers)))
    again = started(tiny_space, 4, pressures=pressures)
    again.restore(steps[:2])
    assert again.tell(landscape(again.ask())) == steps[2]


# --- Identity -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("population", [1, 2, 5, 8])
def test_the_first_front_is_measured_again_up_to_the_limit_and_for_at_most_half(
    tiny_space: Space, population: int
) -> None:
    steps = stepped(started(tiny_space, population, repeats=3), Noisy(NKLandscape(tiny_space), failing=0.0), 8)
    asked = Counter(name for name, _ in pairs(steps))
    assert len(set(pairs(steps))) == len(pairs(steps)) == 9 * population
    assert max(asked.values()) == (1 if population == 1 else 3)
    again = 0
    for before, step in pairwise(steps):
        repeated = [r.request for r in step.results if r.request.repeat]
        assert len(repeated) <= population // 2
        points = {individual.id: tuple(objectives.values()) for individual, objectives, _ in before.survivors}
        counts = {individual.id: repeats for individual, _, repeats in before.survivors}
        for request in repeated:
            own = points[request.individual.id]
            assert not any(p != own and all(a <= b for a, b in zip(p, own, strict=True)) for p in points.values())
            assert request.repeat == counts[request.individual.id] < 3
            again += 1
    assert (again > 0) == (population > 1)


def test_nothing_is_measured_again_where_once_is_enough(tiny_space: Space) -> None:
    steps = stepped(started(tiny_space, 6, repeats=1), Noisy(NKLandscape(tiny_space)), 5)
    assert {repeat for _, repeat in pairs(steps)} == {0}


def test_asking_twice_gives_the_same_and_telling_something_else_is_refused(tiny_space: Space) -> None:
    landscape = NKLandscape(tiny_space)
    search = started(tiny_space, 5)
    with pytest.raises(SearchError, match=r"Call ask\(\) first"):
        search.tell([])
    asked = search.ask()
    assert search.ask() == asked
    results = landscape(asked)
    other = replace(results[0], request=replace(results[0].request, repeat=1))
    refused = 0
    for wrong in (results[::-1], results[:-1], [*results, results[0]], [other, *results[1:]], []):
        with pytest.raises(SearchError, match="in that order"):
            search.tell(wrong)
        refused += 1
    assert refused == 5
    assert search.tell(results).generation == 0  # a refusal leaves everything as it was
    with pytest.raises(SearchError):
        search.tell(results)


def test_infeasible_genomes_are_not_asked_for(tiny_space: Space) -> None:
    def reason(genome: Genome) -> str:
        return "too plain" if "sin" not in str(genome) else ""

    steps = stepped(started(tiny_space, 6, feasible=reason), NKLandscape(tiny_space), 3)
    texts = [r.request.individual.genome for step in steps for r in step.results]
    assert len(texts) == 24
    assert all("sin" in text for text in texts)
    assert sum(step.log["infeasible"] for step in steps) > 0


def test_lineage_parents_exist_and_were_born_before(tiny_space: Space) -> None:
    steps = stepped(started(tiny_space, 9), Noisy(NKLandscape(tiny_space)), 6)
    known: dict[int, Any] = {}
    bred = 0
    for step in steps:
        for r in step.results:
            one = r.request.individual
            if r.request.repeat:
                assert known[one.id] == one
                continue
            assert one.id not in known
            assert one.born == step.generation
            assert len(one.parents) == {"sample": 0, "mutate": 1, "mate": 2, "mate+mutate": 2}[one.origin]
            assert all(known[parent].born < one.born for parent in one.parents)
            bred += bool(one.parents)
            known[one.id] = one
    assert sorted(known) == list(range(len(known)))
    assert len({one.key for one in known.values()}) == len(known)
    assert bred > 20


# --- Where it begins ------------------------------------------------------------------------------------------------


def test_starters_come_first_once_each_and_no_more_than_fit(tiny_space: Space) -> None:
    drawn = [tiny_space.sample(np.random.default_rng(seed)) for seed in range(5)]
    requests = started(tiny_space, 4, starters=[drawn[0], drawn[0], *drawn[1:3]]).ask()
    assert [r.individual.origin for r in requests] == ["seed", "seed", "seed", "sample"]
    assert [r.individual.genome for r in requests[:3]] == [str(g) for g in drawn[:3]]
    assert [r.individual.genome for r in started(tiny_space, 3, starters=drawn).ask()] == [str(g) for g in drawn[:3]]


# --- Where it ends --------------------------------------------------------------------------------------------------

SIX = Alphabet(unary=("x", "sin"), binary=("add", "mul"))
"""x+x, x+sin x, sin x+sin x, x x, x sin x, sin x sin x: with commuting arguments ordered, six functions."""


@pytest.fixture
def six(tiny_space: Space) -> Space:
    cells = tiny_space.sample(np.random.default_rng(3)).cells
    assert "conv" in str(Genome(cells))
    fixed = Genome(cells, (("reduction", parse_genome("@net = x").expression_by_site["net"]),))
    return replace(tiny_space, alphabet=SIX, frozen=fixed)


@pytest.mark.parametrize("repeats", [1, 2])
def test_a_space_of_six_is_searched_to_the_end(six: Space, repeats: int) -> None:
    steps: list[Step] = []
    search = started(six, 4, repeats=repeats)
    with pytest.raises(SpaceExhausted, match=r"joint space\. It is exhausted"):
        run(search, NKLandscape(six), steps.append, 50)
    asked = pairs(steps)
    assert len({name for name, _ in asked}) == 6
    assert len(set(asked)) == len(asked)
    assert len([pair for pair in asked if pair[1] == 0]) == 6
    assert search.generation == steps[-1].generation < 10
    again = started(six, 4, repeats=repeats)
    again.restore(steps)
    with pytest.raises(SpaceExhausted):
        again.ask()


def test_a_space_without_one_feasible_genome_is_exhausted_at_once(six: Space) -> None:
    with pytest.raises(SpaceExhausted):
        started(six, 4, feasible=lambda genome: "never").ask()


def test_frozen_parts_never_change(six: Space) -> None:
    requests = started(six, 6).ask()
    assert len(requests) == 6
    for request in requests:
        genome = six.parse(request.individual.genome)
        assert genome.cells == six.frozen.cells
        assert str(genome.expression_by_site["reduction"]) == "x"


def test_run_stops_where_it_is_told_to(tiny_space: Space) -> None:
    steps: list[Step] = []
    search = started(tiny_space, 3)
    run(search, NKLandscape(tiny_space), steps.append, 10, stop=lambda: len(steps) == 4)
    assert search.generation == 3
    run(search, NKLandscape(tiny_space), steps.append, 3)
    assert len(steps) == 4


# --- Going on -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
def test_from_every_generation_it_goes_on_as_if_it_had_not_stopped(tiny_space: Space, strategy: str) -> None:
    evaluate = Noisy(NKLandscape(tiny_space), failing=0.25)

    def fresh() -> Search:
        settings: Any = {
            "indicators": lambda points: {"sum": sum(map(sum, points))},
            "bounds": evaluate.landscape.bounds,
        }
        return Search(tiny_space, STRATEGIES[strategy](population=9), ("error", "ops"), 5, **settings)

    whole = fresh()
    steps = stepped(whole, evaluate, 7)
    looked = 0
    for stopped in (0, 3, 7, 8):  # at each generation, with every strategy: test_conformance.py
        search = fresh()
        search.restore(steps[:stopped])
        later: list[Step] = []
        run(search, evaluate, later.append, 7)
        assert later == steps[stopped:]
        assert list(search.logbook) == list(whole.logbook) == [step.log for step in steps]
        assert [one.values for one in search.archive.feasible()] == [one.values for one in whole.archive.feasible()]
        looked += 1
    assert looked == 4


def test_two_seeds_ask_for_different_genomes(tiny_space: Space) -> None:
    first, again, other = ([r.individual.key for r in started(tiny_space, 8, seed=s).ask()] for s in (1, 1, 2))
    assert first == again
    assert not set(first) & set(other)


def test_global_generators_stay_where_they_were_and_do_not_matter(tiny_space: Space) -> None:
    histories = []
    for seed in (1, 2):
        random.seed(seed)
        np.random.seed(seed)
        before = random.getstate(), np.random.get_state()[1].tolist()
        histories.append(stepped(started(tiny_space, 6), Noisy(NKLandscape(tiny_space)), 4))
        assert (random.getstate(), np.random.get_state()[1].tolist()) == before
    assert histories[0] == histories[1]


# --- DEAP's selections ----------------------------------------------------------------------------------------------

SELECTIONS: dict[str, dict[str, Any]] = {
    "selAutomaticEpsilonLexicase": {},
    "selBest": {},
    "selEpsilonLexicase": {"epsilon": 0.1},
    "selLexicase": {},
    "selNSGA2": {"nd": "log"},
    "selNSGA3": {"ref_points": tools.uniform_reference_points(2, 8)},
    "selRandom": {},
    "selRoulette": {},
    "selSPEA2": {},
    "selStochasticUniversalSampling": {},
    "selTournament": {"tournsize": 2},
    "selTournamentDCD": {},
    "selWorst": {},
}


def test_every_selection_of_deap_is_tried() -> None:
    """But the two that do not have the signature select(individuals, k): one measures trees, one is a factory."""
    known = {name for name in dir(tools) if name.startswith("sel") and callable(getattr(tools, name))}
    assert known == set(SELECTIONS) | {"selDoubleTournament", "selNSGA3WithMemory"}


@pytest.mark.parametrize("name", sorted(SELECTIONS))
def test_any_selection_of_deap_drops_in(tiny_space: Space, name: str) -> None:
    evaluate = Noisy(NKLandscape(tiny_space), failing=0.0)  # 8 and 16 candidates: selTournamentDCD wants fours
    histories = []
    for stopped in (0, 3):
        search = started(tiny_space, 8, seed=2)
        search.toolbox.register("select", getattr(tools, name), **SELECTIONS[name])
        if stopped:
            search.restore(histories[0][:stopped])
        histories.append(histories[0][:stopped] if stopped else [])
        run(search, evaluate, histories[-1].append, 6)
        assert len(search.population) == 8
    assert histories[0] == histories[1]
    asked = pairs(histories[0])
    assert len(set(asked)) == len(asked) == 7 * 8


def test_key_is_what_identity_means_here(tiny_space: Space) -> None:
    looked = 0
    for request in started(tiny_space, 5).ask():
        assert key(tiny_space, tiny_space.parse(request.individual.genome)) == request.individual.key
        looked += 1
    assert looked == 5
