"""Heritability: the intraclass correlation in closed form, and the four samples of a tiny experiment."""

import math

import numpy as np
import pytest

from evobnn.errors import EvobnnError
from evobnn.experiment.presets import override, preset_table
from evobnn.experiment.text import from_table
from evobnn.runs import Options
from evobnn.studies.fidelity.heritability import heritability, intraclass, mean_squares


def test_icc_of_shrout_and_fleiss():
    # The example of Shrout and Fleiss (1979), table 2: six targets, four judges; ICC(1, 1) = 0.17.
    scores = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    between, within = mean_squares(scores)
    assert (between, within) == (pytest.approx(11.24, abs=0.005), pytest.approx(6.26, abs=0.005))
    icc, low, high = intraclass(scores)
    assert icc == pytest.approx(0.17, abs=0.005)
    assert low < icc < high
    assert (low, high) == (pytest.approx(-0.13, abs=0.01), pytest.approx(0.72, abs=0.01))


def test_icc_at_its_ends():
    assert intraclass([[0.1, 0.1], [0.5, 0.5]])[0] == 1.0
    assert intraclass([[0.0, 1.0], [0.0, 1.0]])[0] == -1.0  # nothing between, all within: -1 / (k - 1)
    assert all(math.isnan(value) for value in intraclass([[0.1, 0.2]]))


def test_interval_covers_the_truth():
    # Between 3, within 1: ICC = 9 / 10. The 95 % interval should hold it in about 95 of 100 samples.
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(200):
        scores = 3.0 * rng.normal(size=(30, 1)) + rng.normal(size=(30, 3))
        _, low, high = intraclass(scores.tolist())
        held += low < 0.9 < high
    assert 180 <= held <= 199


def test_four_samples():
    sizes = {"network.width": 2, "dataset.train_limit": 60, "dataset.validation_limit": 40}
    tiny = [f"{name}={value}" for name, value in {**sizes, "recipe.epochs": 1, "recipe.batch": 30}.items()]
    seen: list[tuple[str, int, int]] = []
    rows = heritability(
        from_table(override(preset_table("digits"), tiny), "test"),
        Options(jobs=1),
        genomes=2,
        seeds=2,
        report=lambda *what: seen.append(what),
    )
    names = ["random genomes", "expressions fixed to x", "cells fixed", "pool-only cells"]
    assert [row.name for row in rows] == names
    assert all(row.genomes + row.failed == 2 and row.seeds == 2 and 0.0 < row.mean < 1.0 for row in rows)
    assert len(seen) == 16
    assert seen[-1] == ("pool-only cells", 4, 4)


def test_too_few_genomes():
    with pytest.raises(EvobnnError, match="genomes to be a whole number of at least 2, got 1"):
        heritability(from_table(preset_table("digits"), "test"), Options(jobs=1), genomes=1)
