"""Thresholds in closed form; what a scan cannot vouch for is not folded; folded functions say what they said."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from evobnn.deploy.folding import BLURRED, MOST, Folded, floats, fold, fold_whole, keys
from evobnn.deploy.ops import Array
from evobnn.deploy.passes import composed
from evobnn.nn import TreeActivation, behaviour, constant_sign
from evobnn.spaces.gaaf import genotype_1

f32 = np.float32


def folded(function: Callable[[Array], Array], low: float, high: float) -> Folded:
    with np.errstate(all="ignore"):
        return fold(function, np.array([low], f32), np.array([high], f32))


def test_keys_are_in_the_order_of_numbers() -> None:
    line = np.array([-np.inf, -3.4e38, -1, -1e-45, -0.0, 0.0, 1e-45, 1, 3.4e38, np.inf], f32)
    found = keys(line)
    assert (np.diff(found) >= 0).all() and found[4] == found[5] == 0
    assert np.array_equal(floats(found), line)
    assert np.array_equal(floats(keys(f32([1.5])) + [0, 1]), [1.5, np.nextafter(f32(1.5), f32(2))])


def test_a_plain_sign_is_one_threshold_at_zero() -> None:
    found = folded(lambda x: x, -3, 7)
    assert found.reasons == ("",) and not found.first[0]
    assert found.thresholds[0].tolist() == [0.0]


def test_thresholds_of_a_parabola_and_of_a_jump() -> None:
    found = folded(lambda x: (x - 1) * (x + 2), -8, 8)
    assert found.first[0] and found.reasons == ("",)
    below, above = found.thresholds[0]
    assert below == np.nextafter(f32(-2), f32(8)) and above == 1  # at -2 itself it is 0, so +1
    jump = folded(lambda x: np.where(x < f32(0.1), f32(-5), f32(5)), -1, 1)
    assert jump.thresholds[0].tolist() == [f32(0.1)]


def test_functions_that_never_change_and_that_do_not_reach_their_zero() -> None:
    for function, first in ((np.exp, True), (lambda x: -np.exp(x), False), (lambda x: x * x, True)):
        found = folded(function, -3, 3)
        assert found.reasons == ("",) and len(found.thresholds[0]) == 0 and bool(found.first[0]) is first
    assert len(folded(lambda x: x, 1, 2).thresholds[0]) == 0


def test_waves_fold_up_to_sixteen_intervals() -> None:
    wave = folded(np.sin, -25, 20)
    assert wave.reasons == ("",) and len(wave.thresholds[0]) == 14
    assert np.allclose(wave.thresholds[0], np.arange(-7, 7) * np.pi, atol=2e-6)
    assert folded(np.sin, -50, 50).reasons == (f"more than {MOST} intervals",)


@pytest.mark.parametrize(
    "function, reason",
    [
        (lambda x: x * x * x - f32(3) * x * x + f32(3) * x - f32(1), BLURRED),
        (lambda x: f32(1e-3) / (x * x * x - f32(3) * x * x + f32(3) * x - f32(1)), BLURRED),
        (lambda x: -abs(x - f32(0.7317)), BLURRED),
        (lambda x: (x - f32(1.234)) ** 2 - f32(1e-9), BLURRED),
        (lambda x: np.sqrt(x - f32(0.5)), "no number"),
    ],
)
def test_what_is_not_folded(function: Callable[[Array], Array], reason: str) -> None:
    assert folded(function, -2, 2).reasons == (reason,)


def test_poles_fold_where_they_are_sharp() -> None:
    blurred = TreeActivation(("ratio", ("sin", ("x",)), ("neg", ("x",))), 1)  # sin(x) - x + 1e-8 passes 0 in steps
    assert folded(composed([blurred]), -3, 3).reasons == (BLURRED,)
    found = folded(lambda x: f32(1) / (x - f32(0.3)), -2, 2)  # at the pole it is infinite, so +1
    assert found.reasons == ("",) and found.thresholds[0].tolist() == [f32(0.3)] and not found.first[0]
    found = folded(np.tan, -2, 2)
    assert np.allclose(found.thresholds[0], [-np.pi / 2, 0, np.pi / 2]) and found.first[0]


def test_single_numbers_and_rounding_that_is_sharp_are_folded() -> None:
    found = folded(lambda x: -abs(x), -2, 2)  # +1 at 0 alone
    assert found.reasons == ("",) and found.thresholds[0].tolist() == [0.0, np.nextafter(f32(0), f32(1))]

    def dented(x: Array) -> Array:
        return np.where((x > f32(0.25)) & (x < f32(0.2500002)), f32(-1), x + f32(3))

    found = fold(dented, np.array([-2], f32), np.array([2], f32), (np.array([0.25], f32),))
    x = floats(keys(f32([0.25])) + np.arange(-99, 99))
    bits = found.first[0] ^ (np.searchsorted(found.thresholds[0], x, "right") % 2 == 1)
    assert found.reasons == ("",) and np.array_equal(bits, dented(x) >= 0)


def test_zeros_far_out_are_found_where_the_centre_is_known() -> None:
    """A bump of width 0.002 at 40.0003 between -1000 and 1000: the scan steps over it, the centre does not."""

    def bump(x: Array) -> Array:
        return f32(1e-6) - (x - f32(40)) ** 2

    low, high = np.array([-1000], f32), np.array([1000], f32)
    found = fold(bump, low, high, (np.array([40], f32),))
    assert found.reasons == ("",) and np.allclose(found.thresholds[0], [39.999, 40.001], atol=1e-4)


@pytest.mark.parametrize("inner", [None, f32([[-8], [8]])], ids=["once", "every point twice"])
def test_an_interval_between_two_points_is_not_overlooked(inner: Array | None) -> None:
    """A peak between two points, beside a slope in steps of rounding that is nearer to 0 than what is seen of it."""

    def peak(x: Array) -> Array:
        return np.where(x > 2, f32(0.0005) - abs(x - f32(3.00177)), f32(-1e-4) - (x + f32(8)) * f32(1e-6))

    low, high = np.array([-8], f32), np.array([8], f32)
    assert fold(peak, low, high, (), inner).reasons == (BLURRED,)


def test_channels_are_folded_apart() -> None:
    shift = np.array([[0.5], [-1.5], [9.0]], f32)
    found = fold(lambda x: x + shift, np.full(3, -4, f32), np.full(3, 4, f32))
    assert [values.tolist() for values in found.thresholds] == [[-0.5], [1.5], []]
    assert found.first.tolist() == [False, False, True] and found.reasons == ("",) * 3


def test_whole_numbers_are_tried_one_by_one() -> None:
    found = fold_whole(lambda x: np.sin(x * 2), 1, 4)
    line = np.arange(-4, 5)
    bits = found.first[0] ^ (np.searchsorted(found.thresholds[0], line, "right") % 2 == 1)
    assert found.reasons == ("",) and np.array_equal(bits, np.sin(line * 2) >= 0)
    odd = fold_whole(lambda x: x, 2, 3, 2)  # -3, -1, 1, 3
    assert [values.tolist() for values in odd.thresholds] == [[1.0], [1.0]]
    assert fold_whole(lambda x: np.cos(np.pi * x), 1, 20).reasons == (f"more than {MOST} intervals",)
    with np.errstate(all="ignore"):
        assert fold_whole(np.log, 1, 3).reasons == ("no number",)


def says_the_same(number: int, tree: tuple[object, ...], end: float, points: int) -> list[str]:
    """Fold a function with random learned parameters, compare it with itself, and return the reasons."""
    draw = torch.Generator().manual_seed(number)
    activation = TreeActivation(tree, 2)
    with torch.no_grad():
        for parameter in activation.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=draw) * 0.5)
    function = composed([activation])
    found = fold(function, np.full(2, -end, f32), np.full(2, end, f32))
    rng = np.random.default_rng(number)
    near = rng.standard_normal((2, points // 2)) * 10.0 ** rng.uniform(-7, 0.5, (2, points // 2))
    line = np.concatenate((rng.uniform(-end, end, (2, points // 2)), np.clip(near, -end, end)), 1).astype(f32)
    for channel in range(2):
        if found.reasons[channel]:
            continue
        edges = found.thresholds[channel]
        beside = floats(keys(edges)[:, None] + np.arange(-3, 4)).reshape(-1)
        for x in (line[channel], beside):
            bits = found.first[channel] ^ (np.searchsorted(edges, x, "right") % 2 == 1)
            assert np.array_equal(bits, function(np.stack((x, x)))[channel] >= 0), (tree, channel)
    whole = fold_whole(function, 2, 300)
    line = np.arange(-300, 301)
    wanted = function(np.stack((line, line)).astype(f32)) >= 0
    for channel in range(2):
        if not whole.reasons[channel]:
            turns = np.searchsorted(whole.thresholds[channel], line, "right") % 2 == 1
            assert np.array_equal(whole.first[channel] ^ turns, wanted[channel]), (tree, channel)
    return list(found.reasons)


@pytest.mark.parametrize("u1, u2, b", [(6, 0, 2), (2, 20, 0), (9, 3, 4), (21, 17, 7), (14, 5, 1), (19, 6, 10)])
def test_a_sample_of_the_functions_of_encoding_1(u1: int, u2: int, b: int) -> None:
    tree = genotype_1(u1, u2, b).nested()
    assert len(says_the_same(1, tree, 3.0, 4000)) == 2


@pytest.mark.slow
def test_every_function_of_encoding_1_that_changes_its_sign() -> None:
    trees = {}
    for number in range(22 * 22 * 11):
        tree = genotype_1(number % 22, number // 22 % 22, number // 484).nested()
        if not constant_sign(tree):
            trees.setdefault(behaviour(tree), tree)
    assert 1320 <= len(trees) <= 1335  # rounding decides about a few
    reasons = [why for number, tree in enumerate(trees.values()) for why in says_the_same(number, tree, 3.0, 100_000)]
    assert reasons.count("") >= 0.75 * len(reasons)
