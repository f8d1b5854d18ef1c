"""A Gaussian process on the logarithm of the error (Rasmussen and Williams, "Gaussian processes for machine learning",
MIT Press 2006, chapters 2 and 5).

    log(error + 0.001) = m + f(genes) + own(genome) + noise of a training
    cov f = s exp(-sum over groups g of d_g / l_g),  d_g the number of genes of the group in which two genomes differ
    var own = w,  var noise = t / trainings

On this scale the noise of brief trainings is the same from good to bad genomes but for those that guess: 0.16 to 0.19
on the table joint-digits, 0.13 to 0.18 on gaaf1-mnist14. Where nothing was trained twice, `own` and noise cannot be
told apart, so the noise has a narrow prior around that; trainings of one genome against each other soon outweigh it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from evobnn._seeding import Generator
from evobnn.errors import SearchError, message
from evobnn.scores.genes import Distances, Genes

Numbers = NDArray[np.float64]
_P = ParamSpec("_P")
_T = TypeVar("_T")

OFFSET = 0.001
"""Added to an error before its logarithm is taken: an error of 0 is a number, too."""
NOISE = 0.165
"""Standard deviation that is expected of the log error of one training."""
_SPREADS = {"signal": 1.5, "noise": 0.5, "own": 1.0, "length": 1.0}
"""Standard deviations of the normal priors on the logarithms of s, t, w and each l."""
_JITTER = 1e-8

_DIGITS = 2
"""Of the logarithms of what was learnt: last bits of a sum decide nothing."""


def one_thread(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """Return the function with one BLAS thread: quicker for these sizes, and sums have one order whatever there is."""
    limited: Callable[_P, _T] = threadpool_limits.wrap(limits=1, user_api="blas")(function)
    return limited


@dataclass(frozen=True)
class Process:
    """What was learnt from n genomes.

    Attributes:
        noise: standard deviation of the log error of one training.
        own: standard deviation of what a genome has for itself, beside its genes.
        lengths: by group, how many different genes take the correlation to 1/e.
    """

    noise: float
    own: float
    lengths: dict[str, float]
    _distances: Distances
    _fitted: _Fitted
    _centre: float
    _scale: float

    def predict(self, genes: Sequence[Genes]) -> tuple[Numbers, Numbers]:
        """Return mean and standard deviation, each of shape (m,), of the log error of m genomes, without the noise of a
        training. Whoever has the genes of a known one is that one.
        """
        mean, variance = self._fitted.predict(self._distances(genes))
        return self._centre + self._scale * mean, self._scale * np.sqrt(variance)

    def joint(self, genes: Sequence[Genes]) -> tuple[Numbers, Numbers]:
        """Return mean, of shape (m,), and covariance, of shape (m, m), of the log errors of m genomes, noise apart."""
        mean, covariance = self._fitted.joint(self._distances(genes), Distances(genes)(genes))
        return self._centre + self._scale * mean, self._scale**2 * covariance

    @one_thread
    def drawn(self, genes: Sequence[Genes], rng: Generator) -> Numbers:
        """Return the errors, of shape (m,), in [0, 1], of one draw from the posterior of m genomes, to six digits."""
        means, covariance = self.joint(genes)
        lower = cholesky(covariance + _JITTER * np.eye(len(means)), lower=True)
        errors = np.exp(means + lower @ rng.standard_normal(len(means))) - OFFSET
        return np.asarray(np.clip(errors, 0.0, 1.0).round(6))

    @one_thread
    def errors(self, genes: Sequence[Genes]) -> Numbers:
        """Return the errors to believe, of shape (m,), in [0, 1]: medians, to six digits."""
        mean, _ = self.predict(genes)
        return np.asarray(np.clip(np.exp(mean) - OFFSET, 0.0, 1.0).round(6))


@one_thread
def fit(genes: Sequence[Genes], errors: Sequence[Sequence[float]]) -> Process:
    """Return the process learnt from n genomes and their trainings: s, t, w and l at the maximum of the posterior.

    Arguments:
        genes: of each genome, all of one space.
        errors: in [0, 1], of each genome's trainings, one at least.

    Raises:
        SearchError: no genome, one without trainings, or an error outside [0, 1].
    """
    if not genes or not all(errors):
        do = "Train some first."
        raise SearchError(message("genomes with a training each", f"{len(genes)}, some without", do))
    if bad := [one for row in errors for one in row if not 0.0 <= one <= 1.0]:
        raise SearchError(
            message("errors in [0, 1] to learn from", repr(bad[0]), "Set choose = score and screen = none.")
        )
    logs = [np.log(np.asarray(row, dtype=float) + OFFSET) for row in errors]
    means = np.array([row.mean() for row in logs])
    centre, scale = float(means.mean()), float(means.std()) or 1.0
    within = sum(float(((row - row.mean()) ** 2).sum()) for row in logs) / scale**2
    distances = Distances(genes)
    data = _Data((means - centre) / scale, np.array([len(row) for row in logs], dtype=float), within, distances(genes))
    typical = [math.log(max(1.0, float(one.mean()))) for one in data.distances]
    expected = np.array([0.0, 2.0 * math.log(NOISE / scale), math.log(0.1), *typical])
    spreads = np.array([*(_SPREADS[name] for name in ("signal", "noise", "own")), *[_SPREADS["length"]] * len(typical)])

    def objective(x: Numbers) -> tuple[float, Numbers]:
        value, gradient = data.loss(x)
        z = (x - expected) / spreads
        return value + 0.5 * float(z @ z), gradient + z / spreads

    bounds = [(middle - 6.0 * spread, middle + 6.0 * spread) for middle, spread in zip(expected, spreads, strict=True)]
    found = minimize(objective, expected, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 60})
    x = np.round(found.x, _DIGITS)
    noise, own = scale * math.exp(x[1] / 2), scale * math.exp(x[2] / 2)
    lengths = {group: math.exp(one) for group, one in zip(distances.groups, x[3:], strict=True)}
    return Process(noise, own, lengths, distances, _Fitted(data, x), centre, scale)


@dataclass(frozen=True)
class _Data:
    """Mean log errors of n genomes, how many trainings each rests on, their sum of squares around these means, and the
    distances of shape (groups, n, n).
    """

    means: Numbers
    counts: Numbers
    within: float
    distances: Numbers

    def loss(self, x: Numbers) -> tuple[float, Numbers]:
        """Return the negative log likelihood of all trainings, up to a constant, and its gradient in x = log (s, t, w,
        l); the mean m is integrated out under a flat prior.
        """
        known = _Fitted(self, x)
        signal, count = known.signal, len(self.means)
        gained = known.solve(np.eye(count)) - np.outer(known.weights, known.weights)
        gained -= np.outer(known.of_ones, known.of_ones) / known.sum_of_ones
        diagonal, noise = np.diag(gained), math.exp(x[1]) / self.counts
        more = float(self.counts.sum()) - count  # trainings beside the first of each genome
        value = 0.5 * float((self.means - known.mean) @ known.weights) + float(np.log(np.diag(known.lower)).sum())
        value += 0.5 * math.log(known.sum_of_ones) + 0.5 * (more * x[1] + self.within / math.exp(x[1]))
        by_signal = gained * signal
        parts = [
            0.5 * by_signal.sum(),
            0.5 * float(diagonal @ noise) + 0.5 * (more - self.within / math.exp(x[1])),
            0.5 * math.exp(x[2]) * diagonal.sum(),
            *(0.5 * (by_signal * d).sum() / math.exp(one) for d, one in zip(self.distances, x[3:], strict=True)),
        ]
        return value, np.array(parts, dtype=float)


class _Fitted:
    """The process with x = log (s, t, w, l) given the data, on their scale."""

    def __init__(self, data: _Data, x: Numbers) -> None:
        self._x = x
        self.signal = self._covariance(data.distances)
        own = math.exp(x[2]) + math.exp(x[1]) / data.counts + _JITTER
        self.lower = cholesky(self.signal + np.diag(own), lower=True)
        self.of_ones = self.solve(np.ones(len(data.means)))
        self.sum_of_ones = float(self.of_ones.sum())
        self.mean = float(self.of_ones @ data.means) / self.sum_of_ones
        self.weights = self.solve(data.means - self.mean)

    def _covariance(self, distances: Numbers) -> Numbers:
        return np.asarray(np.exp(self._x[0] - np.tensordot(np.exp(-self._x[3:]), distances, 1)))

    def solve(self, values: Numbers) -> Numbers:
        return np.asarray(cho_solve((self.lower, True), values))

    def _prior(self, distances: Numbers) -> Numbers:
        """Return covariances before any training, of shape (m, n), at distances of shape (groups, m, n)."""
        return np.asarray(self._covariance(distances) + math.exp(self._x[2]) * (distances.sum(axis=0) == 0.0))

    def _posterior(self, distances: Numbers) -> tuple[Numbers, Numbers, Numbers]:
        """Return means of shape (m,), and of what shape (n, m) and (m,) the squares are taken from the prior variance
        and, in units of the precision of the common mean, added to it.
        """
        crossed = self._prior(distances)
        explained = solve_triangular(self.lower, crossed.T, lower=True)
        return self.mean + crossed @ self.weights, explained, 1.0 - crossed @ self.of_ones

    def predict(self, distances: Numbers) -> tuple[Numbers, Numbers]:
        """Return mean and variance, of shape (m,), at distances of shape (groups, m, n)."""
        mean, explained, rest = self._posterior(distances)
        prior = math.exp(self._x[0]) + math.exp(self._x[2])
        variance = prior - (explained**2).sum(axis=0) + rest**2 / self.sum_of_ones
        return mean, np.maximum(variance, 0.0)

    def joint(self, distances: Numbers, between: Numbers) -> tuple[Numbers, Numbers]:
        """Return mean and covariance of m genomes: `distances` as above, `between` them of shape (groups, m, m)."""
        mean, explained, rest = self._posterior(distances)
        covariance = self._prior(between) - explained.T @ explained + np.outer(rest, rest) / self.sum_of_ones
        return mean, covariance
