"""Resampling against closed forms and against an independent computation in fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from evobnn.data.resample import axis_weights, resize


def area(row: list[int], new: int) -> list[Fraction]:
    """Average a row over `new` equal stretches, by definition."""
    step = Fraction(len(row), new)
    sums = []
    for i in range(new):
        low, high = i * step, (i + 1) * step
        pieces = [value * max(Fraction(0), min(high, j + 1) - max(low, j)) for j, value in enumerate(row)]
        sums.append(sum(pieces, Fraction(0)) / step)
    return sums


def bilinear(row: list[int], new: int) -> list[Fraction]:
    """Interpolate a row between pixel centres, the outermost values held, by definition."""
    values = []
    for i in range(new):
        position = (Fraction(2 * i + 1, 2)) * Fraction(len(row), new) - Fraction(1, 2)
        position = min(max(position, Fraction(0)), Fraction(len(row) - 1))
        left = math.floor(position)
        right = min(left + 1, len(row) - 1)
        values.append(row[left] + (row[right] - row[left]) * (position - left))
    return values


def along_width(row: list[int], new: int) -> list[int]:
    """Resize a square image whose rows are all `row`; rows stay equal, so one of them tells."""
    image = np.tile(np.array(row, dtype=np.uint8), (1, 1, len(row), 1))
    out = resize(image, new)
    assert np.all(out == out[:, :, :1])
    return [int(value) for value in out[0, 0, 0]]


def test_doubling_repeats_pixels() -> None:
    image = np.array([[[[1, 2], [3, 4]]]], dtype=np.uint8)
    assert resize(image, 4)[0, 0].tolist() == [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]


def test_halving_averages_squares_and_rounds_half_up() -> None:
    image = np.array([[[[0, 1], [0, 1]]], [[[255, 255], [255, 254]]], [[[0, 0], [0, 1]]]], dtype=np.uint8)
    assert resize(image, 1).ravel().tolist() == [1, 255, 0]


@pytest.mark.parametrize(("old", "new"), [(3, 2), (8, 5), (32, 28), (28, 8)])
def test_reduction_is_the_area_average(old: int, new: int) -> None:
    row = np.random.default_rng(old).integers(0, 256, old).tolist()
    assert along_width(row, new) == [math.floor(value + Fraction(1, 2)) for value in area(row, new)]


@pytest.mark.parametrize(("old", "new"), [(2, 3), (8, 12), (28, 32), (1, 1), (5, 9)])
def test_other_enlargement_is_bilinear(old: int, new: int) -> None:
    row = np.random.default_rng(old).integers(0, 256, old).tolist()
    assert along_width(row, new) == [math.floor(value + Fraction(1, 2)) for value in bilinear(row, new)]


def test_weights_are_whole_and_sum_to_the_denominator() -> None:
    looped = 0
    for old in range(1, 13):
        for new in range(1, 25):
            weights, unit = axis_weights(old, new)
            assert weights.shape == (new, old)
            assert np.all(weights == np.round(weights)) and np.all(weights >= 0)
            assert np.all(weights.sum(axis=1) == unit)
            looped += 1
    assert looped == 12 * 24


def test_same_size_and_constant_images_stay() -> None:
    image = np.random.default_rng(0).integers(0, 256, (3, 2, 7, 7), dtype=np.uint8)
    assert np.array_equal(resize(image, 7), image)
    assert np.all(resize(np.full((1, 1, 7, 7), 255, np.uint8), 11) == 255)


def test_oblong_images_become_square_axis_by_axis() -> None:
    image = np.array([[[[0, 100, 200, 40]]]], dtype=np.uint8)
    assert resize(image, 2)[0, 0].tolist() == [[50, 120], [50, 120]]


def test_chunks_join_without_a_seam() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2050, 1, 3, 3), dtype=np.uint8)
    assert np.array_equal(resize(images, 2)[2045:], resize(images[2045:], 2))
