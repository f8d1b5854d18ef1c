"""Resampling levels in place of items, and taus of resamples: against SciPy, pair by pair, and in closed form."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from evobnn._seeding import generator
from evobnn.studies.statistics import interval
from evobnn.studies.statistics.crossed import percentile_interval, resampled, taus


def test_tau_is_that_of_scipy_with_ties_and_copies() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.integers(0, 6, (2, 12)).astype(float)
    weights = np.concatenate([np.ones((1, 12)), rng.integers(0, 4, (20, 12)).astype(float)])
    copies = [np.repeat(np.arange(12), row.astype(int)) for row in weights]
    expected = [stats.kendalltau(x[some], y[some]).statistic for some in copies]
    assert taus(x, y, weights) == pytest.approx(expected)


def test_tau_within_labels_counts_pairs_of_one_label() -> None:
    rng = np.random.default_rng(4)
    x, y = rng.integers(0, 9, (2, 14)).astype(float)
    labels = rng.integers(0, 3, 14).tolist()
    both = one = other = 0.0
    for i, j in combinations(range(14), 2):
        if labels[i] == labels[j]:
            s, t = np.sign(x[i] - x[j]), np.sign(y[i] - y[j])
            both, one, other = both + s * t, one + s * s, other + t * t
    assert taus(x, y, np.ones((1, 14)), labels)[0] == pytest.approx(both / math.sqrt(one * other))


def test_the_lowest_rank_and_nothing_to_rank() -> None:
    x = np.array([-math.inf, -math.inf, 1.0, 2.0])
    assert taus(x, np.array([1.0, 1.0, 2.0, 3.0]), np.ones((1, 4)))[0] == 1.0
    assert np.isnan(taus(np.ones(4), x, np.ones((1, 4)))[0])
    assert np.isnan(taus(x, np.arange(4.0), np.ones((1, 4)), range(4))[0])


def test_levels_are_drawn_together() -> None:
    rows, columns = np.divmod(np.arange(12), 4)
    weights = resampled([rows.tolist(), columns.tolist()], generator(1, "a"))
    table = weights.reshape(-1, 3, 4)
    assert table.shape[0] == 2000
    assert (table.sum(axis=(1, 2)) == 12).all()  # 3 drawn rows times 4 drawn columns
    assert np.array_equal(table[:, :1, :1] * table, table[:, :, :1] * table[:, :1, :])
    assert weights.mean(axis=0) == pytest.approx(np.ones(12), abs=0.15)
    assert weights.var(axis=0).mean() == pytest.approx((1 + 2 / 3) * (1 + 3 / 4) - 1, rel=0.1)


def test_a_factor_of_one_level_and_one_that_splits_alike() -> None:
    items = list("abcdef")
    alone = resampled([items], generator(1, "a"))
    assert (alone.sum(axis=1) == 6).all()
    assert alone.var() > 0.5
    for others in (["t"] * 6, [f"with {one}" for one in items]):
        assert np.array_equal(resampled([items, others], generator(1, "a")), alone)
    assert (resampled([["t"] * 6], generator(1, "a")) == 1.0).all()


def test_interval_of_the_middle() -> None:
    found = percentile_interval(0.5, np.array([*np.linspace(0.0, 1.0, 1001), math.nan]), 7)
    assert (found.estimate, found.n) == (0.5, 7)
    assert (found.low, found.high) == (pytest.approx(0.025), pytest.approx(0.975))
    assert math.isnan(percentile_interval(math.nan, np.ones(5), 7).low)
    assert math.isnan(percentile_interval(0.5, np.full(5, math.nan), 7).high)


def test_the_interval_over_levels_covers_where_that_over_items_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    # 8 expressions on 8 topologies; score and error have the expression's part in common, correlated by 0.5.
    monkeypatch.setattr(interval, "RESAMPLES", 200)
    rows, columns = (part.tolist() for part in np.divmod(np.arange(64), 8))
    draw, found = np.random.default_rng(5), []
    for number in range(60):
        one, noise = draw.normal(size=(2, 8))
        x = one[rows] + 0.2 * draw.normal(size=64)
        y = (0.5 * one + math.sqrt(0.75) * noise)[rows] + 0.2 * draw.normal(size=64)
        tau = taus(x, y, np.ones((1, 64)))[0]
        pair = [taus(x, y, resampled(f, generator(number, "a"))) for f in ([rows, columns], [range(64)])]
        found.append([percentile_interval(tau, values, 64) for values in pair])
    truth = np.mean([levels.estimate for levels, _ in found])
    held, naive = (sum(pair[n].low <= truth <= pair[n].high for pair in found) for n in (0, 1))
    assert held >= 50
    assert naive <= 40
