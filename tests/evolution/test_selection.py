"""The bridge to DEAP: only what is finite crosses, ranks are total, a tournament takes any number of candidates."""

from __future__ import annotations

import math

import numpy as np
import pytest
from deap import tools
from hypothesis import given, settings
from hypothesis import strategies as st

from evobnn.errors import EvobnnError, SearchError
from evobnn.evolution.selection import (
    Candidate,
    candidate,
    fronts,
    minimising,
    ranks,
    select_nsga2,
    tournament,
)
from evobnn.genome import Genome
from evobnn.records import Evaluation, Status


def made(*points: tuple[float, ...]) -> list[Candidate]:
    return [Candidate(number, Genome(), f"key{number}", values) for number, values in enumerate(points)]


@pytest.mark.parametrize("values", [(math.nan, 1.0), (1.0, math.inf), (-math.inf, 1.0), ()])
def test_what_is_not_finite_does_not_cross(values: tuple[float, ...]) -> None:
    with pytest.raises(SearchError, match="finite objectives"):
        Candidate(0, Genome(), "key", values)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_nor_can_an_evaluation_carry_it(value: float) -> None:
    with pytest.raises(EvobnnError, match="finite objectives"):
        Evaluation(Status.OK, {"error": 0.5, "ops": value})


def test_objectives_come_in_the_order_of_their_names() -> None:
    one = candidate(3, Genome(), "key", {"ops": 9.0, "error": 0.5}, ("error", "ops"), repeats=2)
    assert (one.values, one.id, one.repeats) == ((0.5, 9.0), 3, 2)


def test_every_objective_is_minimised_whatever_their_number() -> None:
    looked = 0
    for count in (1, 2, 3):
        better, worse = (minimising(count)((value,) * count) for value in (1.0, 2.0))
        assert better.dominates(worse) and not worse.dominates(better)
        assert minimising(count) is minimising(count)
        looked += 1
    assert looked == 3


def test_fronts_and_ranks_of_points_that_a_reader_can_sort() -> None:
    # 0, 1, 2 are mutually non-dominated; 3 is dominated by 1; 4 by 3.
    candidates = made((1.0, 5.0), (2.0, 2.0), (5.0, 1.0), (3.0, 3.0), (4.0, 4.0))
    assert [[one.id for one in front] for front in fronts(candidates)] == [[0, 1, 2], [3], [4]]
    order = ranks(candidates)
    assert {number: place[0] for number, place in order.items()} == {0: 0, 1: 0, 2: 0, 3: 1, 4: 2}
    assert sorted(order, key=lambda number: order[number]) == [0, 2, 1, 3, 4]  # the ends of the front first
    assert order[1][1] == -1.0  # crowding: ((5 - 1) / (5 - 1) + (5 - 1) / (5 - 1)) / 2 objectives
    assert len(set(order.values())) == 5


def test_equal_points_are_told_apart_by_their_keys() -> None:
    order = ranks(made(*[(1.0, 1.0)] * 6))
    assert len(set(order.values())) == 6


@st.composite
def few_values(draw: st.DrawFn) -> list[tuple[float, ...]]:
    """Points of which many share a value, many are equal, and most are on several fronts."""
    count, high = draw(st.integers(1, 4)), draw(st.sampled_from([1, 3, 9]))
    return draw(st.lists(st.tuples(*[st.integers(-high, high).map(float)] * count), min_size=1, max_size=40))


@settings(deadline=None, max_examples=150)
@given(few_values(), st.integers(0, 45))
def test_fronts_and_selection_are_those_of_deap_to_the_last_place(points: list[tuple[float, ...]], k: int) -> None:
    ours, theirs = made(*points), made(*points)
    assert [[one.id for one in front] for front in fronts(ours)] == [
        [one.id for one in front] for front in tools.sortNondominated(theirs, len(theirs))
    ]
    chosen, wanted = select_nsga2(ours, k), tools.selNSGA2(theirs, min(k, len(theirs)))
    assert [one.id for one in chosen] == [one.id for one in wanted]
    distances = [[one.fitness.crowding_dist for one in found] for found in (chosen, wanted)]
    assert distances[0] == distances[1]


def test_nobody_has_no_front() -> None:
    assert fronts([]) == []
    assert select_nsga2([], 3) == []
    assert ranks([]) == {}


def test_a_tournament_with_one_candidate(rng: np.random.Generator) -> None:
    (only,) = made((1.0, 1.0))
    assert tournament([only], ranks([only]), rng) is only


def test_the_better_of_two_wins_and_sometimes_neither_was_the_best(rng: np.random.Generator) -> None:
    candidates = made((1.0, 1.0), (2.0, 2.0), (3.0, 3.0))
    order = ranks(candidates)
    won = [tournament(candidates, order, rng).id for _ in range(3000)]
    # Two draws with replacement out of three: the best wins with 5/9, the second with 3/9, the last with 1/9.
    assert [won.count(number) / 3000 for number in range(3)] == pytest.approx([5 / 9, 3 / 9, 1 / 9], abs=0.03)
