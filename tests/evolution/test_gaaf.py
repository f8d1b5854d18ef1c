"""GAAF's algorithm, step by step against what the paper's code does; its defects only where they are asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from evobnn.evolution import Search, Step, make_toolbox, run
from evobnn.evolution.selection import Candidate
from evobnn.evolution.strategies import GAAF
from evobnn.evolution.strategies.gaaf import MODES, Ranking, proportions, selected
from evobnn.evolution.view import View
from evobnn.genome import Genome
from evobnn.records import Evaluation, Request, Result, Status
from evobnn.spaces import Choice, Space, Template, gaaf
from evobnn.testing import NKLandscape, Noisy, genes


@pytest.fixture
def residual() -> Space:
    """Expressions of encoding 1 for a small residual network: three genes."""
    network = Template(cells=2, width=4, reductions=1, skip="none", scale="none", stem=1, macro="resnet")
    return gaaf(network, 8, None, Choice(sites="net"))


def made(*errors: float, first: int = 0) -> tuple[Candidate, ...]:
    return tuple(Candidate(first + n, Genome(), f"key{first + n}", (error,)) for n, error in enumerate(errors))


def view(population: Sequence[Candidate], **settings: Any) -> View:
    known = {"space": None, "bounds": {}, "seed": 1, "generation": 3, "horizon": 5, "objectives": ("error",)}
    return View(**{**known, **settings}, population=tuple(population))


def ids(candidates: Sequence[Candidate]) -> list[int]:
    return [one.id for one in candidates]


# --- Selection ------------------------------------------------------------------------------------------------------


def drawn(ranking: Ranking, times: int = 20000) -> dict[tuple[int, int], float]:
    rng = np.random.default_rng(7)
    found = Counter(tuple(ids(selected(ranking, rng))) for _ in range(times))
    return {pair: count / times for pair, count in found.items()}  # type: ignore[misc]


def test_elitism_takes_the_two_best() -> None:
    assert drawn(Ranking("elitism", made(0.1, 0.2, 0.3), ()), 20) == {(0, 1): 1.0}
    assert drawn(Ranking("elitism", made(0.1), ()), 20) == {(0, 0): 1.0}


def test_the_tournament_walks_down_the_ranking() -> None:
    """From rank 0 of 3: the next with 1/2, the one after with 1/4, else the best; and so on from ranks 1 and 2."""
    third = 1 / 3
    wanted = {
        (0, 1): third / 2,
        (0, 2): third / 4,
        (0, 0): third / 4,
        (1, 2): third / 2,
        (1, 0): third / 2,
        (2, 0): third,
    }
    assert drawn(Ranking("tournament", made(0.1, 0.2, 0.3), ())) == pytest.approx(wanted, abs=0.015)


def test_proportionate_selection_is_exact() -> None:
    chances = proportions([0.6, 0.3, 0.1, -0.2])
    assert chances == pytest.approx([0.6, 0.3, 0.1, 0.0])
    wanted = {(a, b): chances[a] * chances[b] for a in range(3) for b in range(3)}
    found = drawn(Ranking("proportionate", made(0.4, 0.7, 0.9, 1.2), chances))
    assert found == pytest.approx(wanted, abs=0.015)
    assert proportions([0.0, 0.0]) == (0.5, 0.5)


def test_truncated_tickets_make_it_almost_uniform() -> None:
    """Accuracies 0.50, 0.51, ... 0.79 give exact chances of 2.6 to 4.1 percent, and 2, 3 or 4 tickets."""
    errors = [0.5 - 0.01 * number for number in range(30)]
    exact, cut = (GAAF(truncated=truncated).prepare(view(made(*errors))) for truncated in (False, True))
    assert exact.tickets == ()
    assert exact.chances == cut.chances == pytest.approx(sorted([(1 - e) / 19.35 for e in errors], reverse=True))
    assert sorted(set(Counter(cut.tickets).values())) == [2, 3, 4]
    assert Counter(cut.tickets) == {at: int(100 * (1 - e) / 19.35) for at, e in enumerate(sorted(errors))}
    # Two different tickets: a member with one ticket is never both parents.
    lone = Ranking("proportionate", made(0.1, 0.9), (0.99, 0.01), tickets=(0,) * 3 + (1,))
    assert (1, 1) not in drawn(lone)


def test_the_three_modes_are_equally_frequent_and_last_for_ten_children() -> None:
    population = made(0.1, 0.2, 0.3)
    seen = [GAAF().prepare(view(population, generation=generation)).mode for generation in range(1, 301)]
    assert [seen.count(mode) / 300 for mode in MODES] == pytest.approx([1 / 3] * 3, abs=0.09)
    for children, lasting in ((1, 10), (5, 2), (10, 1), (20, 1)):
        epochs = [GAAF(children=children).epoch(generation) for generation in range(1, 41)]
        assert epochs == [number // lasting for number in range(40)]


def test_one_of_the_two_parents_by_a_fair_coin(tiny_space: Space) -> None:
    toolbox, rng = make_toolbox(tiny_space), np.random.default_rng(3)
    toolbox.register("mutate_one", lambda genome, rng: genome)
    ranking = Ranking("elitism", made(0.1, 0.2, 0.3), ())
    parents = Counter(GAAF().propose(view(()), ranking, toolbox, rng)[2] for _ in range(4000))
    assert set(parents) == {(0,), (1,)}
    assert parents[(0,)] / 4000 == pytest.approx(0.5, abs=0.03)


def test_exactly_one_gene_changes(residual: Space) -> None:
    steps: list[Step] = []
    run(Search(residual, GAAF(population=8), ("error",), 1), NKLandscape(residual), steps.append, 20)
    known = {
        r.request.individual.id: genes(residual, residual.parse(r.request.individual.genome))
        for step in steps
        for r in step.results
    }
    looked = 0
    for step in steps[1:]:
        for one in (r.request.individual for r in step.results if r.request.individual.origin == "mutate"):
            (parent,) = one.parents
            # below a constant there are no genes, so that a constant put in or taken out can hide one
            assert sum(a != b for a, b in zip(known[one.id], known[parent], strict=True)) in (1, 2)
            looked += 1
    assert looked > 60


# --- Replacement ----------------------------------------------------------------------------------------------------


def test_a_child_replaces_the_worst_only_if_strictly_better_in_the_order_of_asking() -> None:
    strategy, population = GAAF(population=3), made(0.2, 0.4, 0.3)
    children = made(0.4, 0.35, 0.1, 0.3, 0.25, first=10)
    # 0.4 equals the worst; 0.35 replaces 0.4; 0.1 replaces 0.35; 0.3 equals the worst; 0.25 replaces 0.3
    assert ids(strategy.survive(view(population), children, None)) == [12, 0, 14]
    assert ids(strategy.survive(view(population), children[:2], None)) == [0, 2, 11]
    assert ids(strategy.survive(view(population), children[:1], None)) == [0, 2, 1]
    assert ids(strategy.survive(view(population), (), None)) == [0, 2, 1]


def test_admission_while_the_population_is_filled() -> None:
    """Accuracy must exceed 0.11; a population that is full knows no limit."""
    starters = made(0.9, 0.89, 0.88, 0.5)
    assert ids(GAAF(population=4).survive(view(()), starters, None)) == [3, 2]
    assert ids(GAAF(population=4, admission=0.0).survive(view(()), starters, None)) == [3, 2, 1, 0]
    assert ids(GAAF(admission=0.5).survive(view(()), made(0.5, 0.4375), None)) == [1]
    full = made(0.99, 0.98, first=10)
    assert ids(GAAF(population=2).survive(view(full), starters[:1], None)) == [0, 11]
    other = [Candidate(0, Genome(), "key", (5.0,))]
    assert ids(GAAF().survive(view((), objectives=("ops",)), other, None)) == [0]


def test_what_is_not_admitted_is_drawn_again(tiny_space: Space) -> None:
    def evaluate(requests: Sequence[Request]) -> list[Result]:
        """The first six are at chance."""
        return [
            Result(r, Evaluation(Status.OK, {"error": 0.9 if r.individual.id < 6 else 0.5 - 0.001 * r.individual.id}))
            for r in requests
        ]

    search = Search(tiny_space, GAAF(population=8, children=4), ("error",), 1, repeats=1)
    steps: list[Step] = []
    run(search, evaluate, steps.append, 3)
    assert [len(step.survivors) for step in steps] == [2, 6, 8, 8]
    origins = [[r.request.individual.origin for r in step.results] for step in steps]
    assert origins == [["sample"] * 8, ["sample"] * 4, ["sample"] * 2 + ["mutate"] * 2, ["mutate"] * 4]


def test_one_child_at_a_time_is_the_sequential_algorithm(residual: Space) -> None:
    steps: list[Step] = []
    landscape = NKLandscape(residual)
    run(Search(residual, GAAF(population=6, children=1), ("error",), 1, repeats=1), landscape, steps.append, 60)
    replaced = 0
    for before, step in pairwise(steps):
        (result,) = step.results
        child, error = result.request.individual.id, result.evaluation.objectives["error"]
        old = list(before.state.survivors)
        worst = max(values["error"] for _, values, _ in before.survivors)
        if error < worst:
            assert set(step.state.survivors) == {*old[:-1], child}
            replaced += 1
        else:
            assert list(step.state.survivors) == old
    assert replaced > 5


def test_several_objectives_keep_one_weighing_for_ten_children() -> None:
    ends = [Candidate(1, Genome(), "a", (0.1, 0.9)), Candidate(2, Genome(), "b", (0.9, 0.1))]
    best = []
    for generation in range(1, 601):
        order = GAAF(children=1).order(view(ends, objectives=("error", "ops"), generation=generation), ends)
        best.append(min(order, key=lambda number: order[number]))
    tens = [set(best[start : start + 10]) for start in range(0, 600, 10)]
    assert all(len(ten) == 1 for ten in tens)
    assert 15 < sum(ten == {1} for ten in tens) < 45


# --- Defects on demand ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("forgets", [False, True])
def test_forgetting_trains_again_what_is_not_in_the_population(forgets: bool, residual: Space) -> None:
    steps: list[Step] = []
    evaluate = Noisy(NKLandscape(residual), noise=0.8, failing=0.2)
    strategy = GAAF(population=5, forgets=forgets)
    run(Search(residual, strategy, ("error",), 2, repeats=1), evaluate, steps.append, 40)
    seen: Counter[str] = Counter()
    last: dict[int, float] = {}
    again = 0
    before: set[str] = set()
    for step in steps:
        for result in step.results:
            one = result.request.individual
            assert result.request.repeat == seen[one.key]
            assert one.key not in before  # the current population is never asked for
            again += seen[one.key] > 0
            seen[one.key] += 1
            last[one.id] = result.evaluation.objectives.get("error", 9.0)
        assert all(values["error"] == last[one.id] for one, values, _ in step.survivors)
        before = {one.key for one, _, _ in step.survivors}
    assert (again > 10) == forgets
    half = Search(residual, strategy, ("error",), 2, repeats=1)
    half.restore(steps[:20])
    later: list[Step] = []
    run(half, evaluate, later.append, 40)
    assert later == steps[20:]


@pytest.mark.parametrize("unfiltered", [False, True])
def test_unfiltered_sends_what_is_known_to_be_invalid(unfiltered: bool, residual: Space) -> None:
    steps: list[Step] = []
    search = Search(
        residual,
        GAAF(population=10, unfiltered=unfiltered),
        ("error",),
        1,
        feasible=lambda genome: "constant" if "zero" in str(genome) else "",
    )
    run(search, NKLandscape(residual), steps.append, 10)
    sent = sum("zero" in r.request.individual.genome for step in steps for r in step.results)
    assert (sent > 0) == unfiltered
    assert (sum(step.log["infeasible"] for step in steps) > 0) == (not unfiltered)
