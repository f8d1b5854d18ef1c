"""What algorithms see: objectives on one scale, weights drawn from the seed alone, one number from many."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from evobnn.evolution.selection import Candidate
from evobnn.evolution.view import View
from evobnn.genome import Genome

BOUNDS = {"error": (0.1, 0.9, "linear"), "ops": (100.0, 10000.0, "log10")}


def view(objectives: tuple[str, ...] = ("error", "ops"), **settings: Any) -> View:
    known = {"space": None, "bounds": BOUNDS, "seed": 1, "generation": 0, "horizon": 5}
    return View(**{**known, **settings}, objectives=objectives)


def test_objectives_on_a_common_scale() -> None:
    found = view().unit([[0.1, 100.0], [0.9, 10000.0], [0.5, 1000.0], [1.7, 1e6], [-0.7, 1.0]])
    assert found.tolist() == pytest.approx(np.array([[0, 0], [1, 1], [0.5, 0.5], [2, 2], [-1, -1]]))
    assert view().unit((0.5, 1000.0)).tolist() == pytest.approx([0.5, 0.5])
    assert view(("ops", "error")).unit((1000.0, 0.9)).tolist() == pytest.approx([0.5, 1.0])


def test_bounds_without_extent_and_no_bounds() -> None:
    flat = view(bounds={"error": (0.3, 0.3, "linear"), "ops": (100.0, 100.0, "log10")})
    assert flat.unit((0.3, 100.0)).tolist() == [0.0, 0.0]
    assert flat.unit((0.5, 1000.0)).tolist() == pytest.approx([0.2, 1.0])
    assert view(bounds={}).unit((0.3, 100.0)).tolist() == [0.3, 100.0]


def test_weights_are_on_the_simplex_and_depend_on_seed_and_purpose_alone() -> None:
    drawn = [view(generation=number % 7).weights("strategy", number) for number in range(400)]
    assert drawn == [view().weights("strategy", number) for number in range(400)]
    assert np.sum(drawn, axis=1) == pytest.approx(np.ones(400))
    # Uniform on the simplex of two: the first weight is uniform in [0, 1].
    assert np.sort([first for first, _ in drawn]) == pytest.approx((np.arange(400) + 0.5) / 400, abs=0.09)
    assert len({*drawn, view(seed=2).weights("strategy", 0), view().weights("other", 0)}) == 402
    assert view(("error",)).weights("strategy", 3) == (1.0,)
    assert len(view(("error", "ops", "bits")).weights("x")) == 3


def test_one_number_from_many() -> None:
    """u = (0.5, 1): max(0.8 * 0.5, 0.2 * 1) + 0.01 * (0.4 + 0.2)."""
    assert float(view().scalar((0.5, 10000.0), (0.8, 0.2))) == pytest.approx(0.406)
    assert view().scalar(np.array([[0.5, 10000.0], [0.1, 100.0]]), (0.8, 0.2)).tolist() == pytest.approx([0.406, 0.0])


def test_whoever_dominates_scores_less_under_all_weights() -> None:
    rng = np.random.default_rng(1)
    looked = 0
    for number in range(200):
        worse = rng.uniform([0.1, 100.0], [0.9, 10000.0])
        better = worse - rng.uniform(0.0, 0.01) * np.array([1.0, 1000.0]) * (rng.random(2) < 0.5)
        if (better < worse).any():
            weights = view().weights("test", number)
            assert view().scalar(better, weights) < view().scalar(worse, weights)
            looked += 1
    assert looked > 100


def test_scores_are_total_and_the_spread_decides_among_equals() -> None:
    points = [(0.5, 1000.0), (0.5, 1000.0), (0.5, 1000.0), (0.3, 500.0)]
    candidates = [Candidate(number, Genome(), f"key{number}", point) for number, point in enumerate(points)]
    order = view(spread={2: 0.1}).scores(candidates, (0.5, 0.5))
    assert sorted(order, key=lambda number: order[number]) == [3, 2, 0, 1]
    assert len(set(order.values())) == 4
    assert view().scores([], (0.5, 0.5)) == {}
