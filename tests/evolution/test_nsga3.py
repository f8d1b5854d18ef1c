"""NSGA-III: directions take turns; parents are drawn uniformly unless a pressure speaks."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from evobnn.errors import SearchError
from evobnn.evolution import Search, make_toolbox
from evobnn.evolution.selection import Candidate
from evobnn.evolution.strategies import NSGA3
from evobnn.evolution.view import View
from evobnn.genome import Genome
from evobnn.spaces import Space


def view(*points: tuple[float, ...], **settings: Any) -> View:
    candidates = tuple(Candidate(number, Genome(), f"key{number}", point) for number, point in enumerate(points))
    names = ("error", "ops", "bits")[: len(points[0])]
    known = {"space": None, "bounds": {}, "seed": 1, "generation": 3, "horizon": 5, "population": candidates}
    return View(**{**known, **settings}, objectives=names)


@pytest.mark.parametrize(
    ("population", "objectives", "divisions"),
    [(20, 2, 19), (2, 2, 1), (1, 2, 1), (20, 3, 4), (21, 3, 5), (91, 3, 12), (20, 4, 3)],
)  # of p divisions: p + 1 points of 2 objectives, (p + 1)(p + 2) / 2 of 3, (p + 1)(p + 2)(p + 3) / 6 of 4
def test_as_many_directions_as_survivors_or_the_next_fewer(population: int, objectives: int, divisions: int) -> None:
    assert NSGA3(population=population).points(objectives) == divisions
    assert NSGA3(population=population, divisions=7).points(objectives) == 7


def test_directions_take_turns() -> None:
    """Three directions: to either end and between. Of the four in the upper left corner one is enough."""
    seen = view((0.0, 10.0), (0.1, 9.9), (0.2, 9.8), (0.3, 9.7), (5.0, 5.0), (10.0, 0.0), (10.0, 10.0))
    chosen = NSGA3(population=3).survive(seen, [], None)
    assert sorted(one.id for one in chosen) == [0, 4, 5]


def test_ranks_come_first() -> None:
    seen = view((0.0, 1.0), (1.0, 0.0), (5.0, 5.0), (0.5, 0.6))
    chosen = NSGA3(population=3, divisions=20).survive(seen, [], None)
    assert sorted(one.id for one in chosen) == [0, 1, 3]
    assert NSGA3().survive(view((0.0, 1.0), population=()), [], None) == []


def test_parents_are_uniform_and_with_a_spread_the_better_of_two(tiny_space: Space) -> None:
    toolbox, strategy, rng = make_toolbox(tiny_space), NSGA3(), np.random.default_rng(1)
    shares = []
    for spread in ({}, {0: 9.0}):
        seen = view((1.0, 1.0), (2.0, 2.0), (3.0, 3.0), spread=spread)
        prepared = strategy.prepare(seen)
        drawn = Counter(strategy.parent(seen, prepared, toolbox, rng).id for _ in range(3000))
        shares.append([drawn[number] / 3000 for number in range(3)])
    assert shares[0] == pytest.approx([1 / 3] * 3, abs=0.03)
    assert shares[1] == pytest.approx([5 / 9, 3 / 9, 1 / 9], abs=0.03)


def test_one_objective_has_no_directions(tiny_space: Space) -> None:
    with pytest.raises(
        SearchError, match=r"two objectives or more for nsga3, got \['error'\]\. Add one, or take nsga2"
    ):
        Search(tiny_space, NSGA3(), ("error",), 1)
