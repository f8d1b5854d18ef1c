"""The process beside one that takes every training as a row of its own, and what it has to learn."""

from __future__ import annotations

import math

import numpy as np
import pytest

from evobnn._seeding import generator
from evobnn.errors import SearchError
from evobnn.scores import NOISE, Genes, fit
from evobnn.scores.genes import Distances
from evobnn.scores.process import OFFSET, _Data, _Fitted


def drawn(count: int, seed: int = 0) -> list[Genes]:
    """Return different genomes of four cells' and three forms' genes."""
    rng = generator(seed, "process")
    found = {(tuple(rng.integers(0, 3, 4)), tuple(rng.integers(0, 4, 3))): None for _ in range(4 * count)}
    return [
        {
            "normal": frozenset(f"{at} {value}" for at, value in enumerate(cells)),
            "forms": frozenset(f"{at} {value}" for at, value in enumerate(forms)),
        }
        for cells, forms in list(found)[:count]
    ]


class Plain:
    """All trainings as rows, the mean under a flat prior, by matrices written out."""

    def __init__(self, genes: list[Genes], rows: list[list[float]], x: np.ndarray) -> None:
        self.x, self.genes = x, [one for one, row in zip(genes, rows, strict=True) for _ in row]
        y = np.array([value for row in rows for value in row])
        covariance = self.between(self.genes) + math.exp(x[1]) * np.eye(len(y))
        inverse, ones = np.linalg.inv(covariance), np.ones(len(y))
        precision = ones @ inverse @ ones
        self.mean = (ones @ inverse @ y) / precision
        self.inverse, self.ones, self.precision, self.rest = inverse, ones, precision, y - self.mean
        self.loss = 0.5 * (self.rest @ inverse @ self.rest + np.linalg.slogdet(covariance)[1] + math.log(precision))

    def between(self, others: list[Genes]) -> np.ndarray:
        def one(a: Genes, b: Genes) -> float:
            far = sum(len(a[g] ^ b[g]) / math.exp(length) for g, length in zip(a, self.x[3:], strict=True))
            return math.exp(self.x[0] - far) + (math.exp(self.x[2]) if a == b else 0.0)

        return np.array([[one(a, b) for b in self.genes] for a in others])

    def predict(self, others: list[Genes]) -> tuple[np.ndarray, np.ndarray]:
        k = self.between(others)
        rest = 1.0 - k @ self.inverse @ self.ones
        prior = math.exp(self.x[0]) + math.exp(self.x[2])
        variance = prior - np.einsum("ij,jk,ik->i", k, self.inverse, k) + rest**2 / self.precision
        return self.mean + k @ self.inverse @ self.rest, variance


@pytest.fixture(scope="module")
def measured() -> tuple[list[Genes], list[list[float]], _Data]:
    genes, rng = drawn(9), generator(1, "process")
    rows = [rng.normal(size=count).tolist() for count in (1, 3, 1, 2, 1, 1, 2, 1, 1)]
    within = sum(float(((np.array(row) - np.mean(row)) ** 2).sum()) for row in rows)
    counts = np.array([len(row) for row in rows], dtype=float)
    return genes, rows, _Data(np.array([np.mean(row) for row in rows]), counts, within, Distances(genes)(genes))


POINTS = (np.array([0.3, -1.2, -2.0, 0.5, 1.1]), np.array([-0.4, 0.2, -0.7, 1.5, 0.2]))


def test_the_loss_is_that_of_all_trainings_but_for_a_constant(measured):
    genes, rows, data = measured
    (a, _), (b, _) = (data.loss(x) for x in POINTS)
    plain = [Plain(genes, rows, x).loss for x in POINTS]
    assert a - b == pytest.approx(plain[0] - plain[1], rel=1e-6)


@pytest.mark.parametrize("x", POINTS)
def test_the_gradient_is_that_of_the_loss(measured, x):
    _, _, data = measured
    _, gradient = data.loss(x)
    step = 1e-5
    for at in range(len(x)):
        aside = step * np.eye(len(x))[at]
        slope = (data.loss(x + aside)[0] - data.loss(x - aside)[0]) / (2 * step)
        assert gradient[at] == pytest.approx(slope, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("x", POINTS)
def test_what_is_believed_is_the_posterior_of_all_trainings(measured, x):
    genes, rows, data = measured
    others = [*genes[:3], *drawn(5, seed=7)]
    mean, variance = _Fitted(data, x).predict(Distances(genes)(others))
    wanted, spread = Plain(genes, rows, x).predict(others)
    assert mean == pytest.approx(wanted, rel=1e-6)
    assert variance == pytest.approx(spread, rel=1e-5)


def test_a_genome_trained_often_is_believed_and_one_lucky_training_is_not():
    genes = drawn(40)
    bad = [[0.5 + 0.001 * at] for at in range(40)]
    lucky = fit(genes, [[0.1], *bad[1:]]).errors(genes)[0]
    often = fit(genes, [[0.1] * 30, *bad[1:]]).errors(genes)[0]
    assert 0.095 < often < 0.105
    assert lucky > often + 0.02


def simulated(noise: float, repeats: int, count: int = 60) -> tuple[list[Genes], list[list[float]]]:
    """Return genomes whose log error is a sum over genes, and noisy trainings of each."""
    genes, rng = drawn(count), generator(3, "process")
    worth = {
        gene: rng.normal(scale=0.2) for gene in sorted({g for one in genes for group in one.values() for g in group})
    }
    levels = [-1.5 + sum(worth[gene] for group in one.values() for gene in sorted(group)) for one in genes]
    rows = [[math.exp(level + rng.normal(scale=noise)) for _ in range(repeats)] for level in levels]
    return genes, [[min(error, 1.0) for error in row] for row in rows]


@pytest.mark.parametrize("noise", [0.06, 0.4])
def test_repeats_tell_the_noise_whatever_was_expected(noise):
    assert fit(*simulated(noise, repeats=6)).noise == pytest.approx(noise, rel=0.2)


def test_without_repeats_the_noise_stays_near_what_is_expected():
    for noise in (0.03, 0.4):
        assert NOISE / 3 < fit(*simulated(noise, repeats=1)).noise < 3 * NOISE


def test_a_gene_that_decides_is_told_of_genomes_never_trained():
    genes, rows = simulated(0.05, repeats=1, count=120)
    process = fit(genes[:80], rows[:80])
    believed, seen = process.errors(genes[80:]), np.array([row[0] for row in rows[80:]])
    assert np.corrcoef(np.log(believed), np.log(seen))[0, 1] > 0.8
    _, known = process.predict(genes[:80])
    _, unknown = process.predict(genes[80:])
    assert known.mean() < 0.7 * unknown.mean()


def test_the_order_of_genomes_decides_nothing():
    genes, rows = simulated(0.15, repeats=2)
    forward = fit(genes, rows).errors(genes)
    backward = fit(genes[::-1], rows[::-1]).errors(genes)
    assert forward == pytest.approx(backward, abs=2e-6)


@pytest.mark.parametrize("errors", [[[0.3]], [[0.0], [0.0]], [[0.2], [0.2], [0.2]], [[0.0], [1.0]]])
def test_few_or_equal_errors_are_no_fault(errors):
    genes = drawn(len(errors))
    believed = fit(genes, errors).errors(genes)
    assert np.all((believed >= 0.0) & (believed <= 1.0))
    if len({row[0] for row in errors}) == 1:
        assert believed == pytest.approx(errors[0][0], abs=1e-6)


def test_no_searched_genes_at_all_leave_the_means():
    assert fit([{}, {}], [[0.2], [0.2]]).errors([{}])[0] == pytest.approx(0.2, abs=1e-6)


@pytest.mark.parametrize(
    ("genes", "errors"), [([], []), (drawn(2), [[0.1], []]), (drawn(1), [[1.5]]), (drawn(1), [[math.nan]])]
)
def test_what_cannot_be_learnt_from_is_said(genes, errors):
    with pytest.raises(SearchError, match="Expected"):
        fit(genes, errors)


def test_the_offset_keeps_an_error_of_nothing():
    genes = drawn(2)
    assert fit(genes, [[0.0] * 40, [0.5] * 40]).errors(genes) == pytest.approx([0.0, 0.5], abs=20 * OFFSET)


def test_jointly_believed_is_what_is_believed_one_by_one_and_draws_have_its_moments():
    genes, rows = simulated(0.15, repeats=1)
    process = fit(genes[:40], rows[:40])
    others = [*genes[35:], genes[50]]
    mean, covariance = process.joint(others)
    alone, deviation = process.predict(others)
    assert mean == pytest.approx(alone)
    assert np.sqrt(np.diag(covariance)) == pytest.approx(deviation, rel=1e-6)
    assert covariance[-1, 15] == pytest.approx(covariance[15, 15])  # the same genome twice
    rng = generator(4, "process")
    logs = np.log(np.array([process.drawn(others[:3], rng) for _ in range(300)]) + OFFSET)
    assert logs.mean(axis=0) == pytest.approx(mean[:3], abs=4 * deviation.max() / math.sqrt(300))
    assert np.abs(np.cov(logs.T) - covariance[:3, :3]).max() < 0.35 * covariance.max()
