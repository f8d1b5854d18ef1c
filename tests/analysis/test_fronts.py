"""Dominance against its definition, hypervolume against areas that can be worked out by hand."""

from __future__ import annotations

import math
import sys
from itertools import pairwise, product

import numpy as np
import pytest

from evobnn.errors import EvobnnError
from evobnn.pareto import Axis, GrowingFront, axes_of, hypervolume, nondominated

UNIT = (Axis("error", 0, 1), Axis("cost", 0, 1))
AWKWARD = (0.0, -0.0, 5e-324, -5e-324, 1.0, 1.0 + 2**-52, -1.0, 1e300, sys.float_info.max, -sys.float_info.max)


def dominates(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return all(x <= y for x, y in zip(a, b, strict=True)) and any(x < y for x, y in zip(a, b, strict=True))


def test_every_pair_of_awkward_points() -> None:
    points = list(product(AWKWARD, repeat=2))
    looped = 0
    for a, b in product(points, repeat=2):
        assert nondominated([a, b]).tolist() == [not dominates(b, a), not dominates(a, b)], (a, b)
        looped += 1
    assert looped == 100 * 100


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
def test_sets_with_many_ties(objectives: int) -> None:
    rng = np.random.default_rng(objectives)
    seen = set()
    for _ in range(200):
        points = rng.integers(0, 4, size=(int(rng.integers(1, 12)), objectives)).astype(float)
        rows = [tuple(row) for row in points.tolist()]
        expected = [not any(dominates(other, row) for other in rows) for row in rows]
        assert nondominated(points).tolist() == expected, rows
        seen |= set(expected)
    assert seen == {True, False}


def test_equal_points_are_all_kept_and_nothing_is_nothing() -> None:
    assert nondominated([[1, 2], [1, 2], [2, 2]]).tolist() == [True, True, False]
    assert nondominated([]).tolist() == []
    assert nondominated(np.empty((0, 2))).tolist() == []


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_refused(bad: float) -> None:
    with pytest.raises(EvobnnError, match="row 1"):
        nondominated([[1, 2], [1, bad]])
    with pytest.raises(EvobnnError, match="row 0"):
        hypervolume([[bad, 0]], UNIT)
    with pytest.raises(EvobnnError, match="shape"):
        nondominated([1.0, 2.0])


def test_simple_areas() -> None:
    assert hypervolume([], UNIT) == 0.0
    assert hypervolume(np.empty((0, 2)), UNIT) == 0.0
    assert hypervolume([[0, 0]], UNIT) == 1.0
    assert hypervolume([[0.5, 0.5]], UNIT) == 0.25
    assert hypervolume([[0.5, 0.5]] * 3, UNIT) == 0.25
    assert hypervolume([[0, 1], [1, 0], [2, -1]], UNIT) == 0.0
    assert hypervolume([[-5, 0.5]], UNIT) == 0.5  # better than the axis reaches counts as its end
    assert hypervolume([[0.25]], UNIT[:1]) == 0.75
    assert hypervolume([[0.5, 0.5, 0.5]], (*UNIT, Axis("bits", 0, 1))) == 0.125


@pytest.mark.parametrize("steps", [1, 2, 3, 10, 100])
def test_a_staircase_has_its_closed_form(steps: int) -> None:
    """The points (i/k, (k-1-i)/k) for i = 0..k-1 cover columns of width 1/k and heights 1/k, ..., k/k: (k+1)/(2k)."""
    points = [(i / steps, (steps - 1 - i) / steps) for i in range(steps)]
    assert hypervolume(points, UNIT) == pytest.approx((steps + 1) / (2 * steps), abs=1e-12)


def test_logarithmic_staircase() -> None:
    """Ten times the cost is one step of three from 1e3 to 1e6; error in tenths from 0 to 0.9."""
    axes = (Axis("error", 0.0, 0.9), Axis("ops", 1e3, 1e6, "log10"))
    points = [(0.6, 1e3), (0.3, 1e4), (0.0, 1e5)]
    assert hypervolume(points, axes) == pytest.approx((3 + 2 + 1) / 9, abs=1e-12)
    assert hypervolume([(0.0, 0.0)], axes) == 1.0
    assert hypervolume([(0.0, -3.0)], axes) == 1.0


def test_an_axis_without_extent_counts_as_reached() -> None:
    assert hypervolume([(0.5, 7.0)], (UNIT[0], Axis("ops", 5, 5))) == 0.5


def test_a_better_front_never_covers_less() -> None:
    rng = np.random.default_rng(0)
    volumes = []
    points = np.empty((0, 2))
    for _ in range(60):
        points = np.vstack([points, rng.random(2)])
        volumes.append(hypervolume(points, UNIT))
    assert all(a <= b + 1e-15 for a, b in pairwise(volumes))
    assert 0 < volumes[0] < volumes[-1] < 1


@pytest.mark.parametrize(
    "arguments", [(2, 1), (0, 10, "log10"), (math.nan, 1), (0, math.inf), (0, 1, "square")], ids=str
)
def test_bad_axes(arguments: tuple[float, float]) -> None:
    with pytest.raises(EvobnnError, match="bits"):
        Axis("bits", *arguments)


def test_axes_from_a_header() -> None:
    header = {"objectives": ["error", "ops"], "axes": {"ops": [10, 1000, "log10"], "error": [0.0, 0.9, "linear"]}}
    assert axes_of(header) == (Axis("error", 0.0, 0.9), Axis("ops", 10.0, 1000.0, "log10"))
    assert axes_of({"objectives": ["error"]}) == ()
    with pytest.raises(EvobnnError, match="bits"):
        axes_of({**header, "objectives": ["bits"]})
    with pytest.raises(EvobnnError, match="columns"):
        hypervolume([[1, 2]], UNIT[:1])


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
def test_a_front_that_grows_is_that_of_all_points_after_every_change(objectives: int) -> None:
    """Points come, change for the better and the worse, go and come back; values tie often."""
    rng = np.random.default_rng(objectives)
    growing, points = GrowingFront(objectives), dict[int, tuple[float, ...]]()
    order: list[int] = []
    sizes = set()
    for _ in range(300):
        changed: dict[int, tuple[float, ...] | None] = {}
        for number in rng.integers(0, 400, size=int(rng.integers(1, 6))).tolist():
            gone = rng.random() < 0.15
            changed[number] = None if gone else tuple(rng.integers(0, 9, size=objectives).astype(float).tolist())
        growing.put(changed)
        order += [number for number in changed if number not in order]
        points = {n: point for n, point in (points | changed).items() if point is not None}
        known = [number for number in order if number in points]
        mask = nondominated(np.array([points[number] for number in known]).reshape(len(known), objectives))
        assert growing.front == [number for number, best in zip(known, mask, strict=True) if best]
        assert len(growing) == len(points)
        sizes.add(len(growing.front))
    assert len(growing) > 200 and len(sizes) > 2
    half = set(known[::2])
    numbers, values = growing.points(without=half)
    assert numbers.tolist() == known[1::2]
    assert [tuple(row) for row in values.tolist()] == [points[number] for number in known[1::2]]


def test_an_empty_front_and_one_of_nothing_but_losses() -> None:
    growing = GrowingFront(2)
    growing.put({})
    growing.put({7: None})
    assert growing.front == [] and len(growing) == 0 and growing.points()[1].shape == (0, 2)
    with pytest.raises(EvobnnError, match="finite"):
        growing.put({8: (math.nan, 1.0)})


def test_the_hypervolume_of_two_objectives_has_the_same_bits_without_what_is_dominated() -> None:
    axes, rng = (Axis("error", 0.0, 0.9), Axis("ops", 1e3, 1e6, "log10")), np.random.default_rng(3)
    looked = 0
    for _ in range(200):
        points = rng.random((int(rng.integers(1, 200)), 2)) * (1.0, 1.5e6)
        assert hypervolume(points, axes) == hypervolume(points[nondominated(points)], axes)
        looked += 1
    assert looked == 200
