"""Do brief trainings rank genomes as long ones do? Rank correlations of errors, in numbers alone.

A brief training is set against one long training at a time, and its taus with all of them are averaged. The same
number between long trainings with different seeds is then what a brief protocol reaches that is as good as the long
one: the ceiling of a single training. The mean of several trainings may pass it, for it is less noisy than any one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evobnn._checks import check_at_least, check_between
from evobnn._seeding import generator
from evobnn.studies.statistics import Floats, Interval, bootstrap

DIGITS = 12
"""Decimals of a mean error; what differs by less is rounding, and must not rank."""

Statistic = Callable[..., Any]


@dataclass(frozen=True)
class Regime:
    """How a genome is trained: epochs, width of the network, and how often, each time with another seed."""

    epochs: int
    width: int
    repeats: int = 1

    def __post_init__(self) -> None:
        check_at_least("epochs", self.epochs, 1)
        check_at_least("width", self.width, 1)
        check_at_least("repeats", self.repeats, 1)
        check_between("repeats", self.repeats, 1, 9)  # all choices of some of them are looked at


@dataclass(frozen=True)
class Sample:
    """What the genomes yielded that trained well in every regime, `n` of them.

    Attributes:
        errors, seconds: (n, repeats) by regime; errors in [0, 1].
        long: the regime that the others are to predict.
        failed: number of genomes that failed, by regime; `lost` failed in one or more and were left out.
    """

    errors: Mapping[Regime, Floats]
    seconds: Mapping[Regime, Floats]
    long: Regime
    failed: Mapping[Regime, int]
    lost: int

    @property
    def target(self) -> Floats:
        """Mean error of the long trainings, (n,)."""
        return _mean(self.errors[self.long])

    @property
    def better(self) -> NDArray[np.bool_]:
        """Which genomes are in the better half by `target`; those tied with the median are."""
        target = self.target
        return np.asarray(target <= np.median(target))


@dataclass(frozen=True)
class Score:
    """How well the mean of `repeats` trainings ranks.

    Attributes:
        epochs, width, repeats: of the trainings.
        epochs_share: trained epochs, over those of one long training.
        seconds: median over genomes of one training's, times `repeats`; `seconds_share` is over one long training's.
        error: mean over genomes and trainings.
        tau, tau_better: Kendall's tau-b with one long training, over all genomes and within the better half; averaged
            over the long trainings, and over all choices of `repeats` out of the trainings there are.
        gain, gain_better: tau minus that of one training of the preset's own regime, over the same resampled genomes.
        failed: genomes that failed in this regime.
    """

    epochs: int
    width: int
    repeats: int
    epochs_share: float
    seconds: float
    seconds_share: float
    error: float
    tau: Interval
    tau_better: Interval
    gain: Interval
    gain_better: Interval
    failed: int


@dataclass(frozen=True)
class Agreement:
    """The answer.

    Attributes:
        question: what was asked, in plain values.
        genomes: that trained well everywhere; `failed` others were left out; `better` of them make the better half.
        own: epochs and width of the preset.
        long: the long regime; its tau is that of each of its trainings with each other one: the ceiling.
        scores: of every brief regime, with 1 to all of its repeats.
    """

    question: Mapping[str, Any]
    genomes: int
    failed: int
    better: int
    own: tuple[int, int]
    long: Score
    scores: tuple[Score, ...]


def sample(errors: Mapping[Regime, ArrayLike], seconds: Mapping[Regime, ArrayLike], long: Regime) -> Sample:
    """Return the genomes without a failure.

    Arguments:
        errors: (genomes, repeats) by regime; NaN where a training failed.
        seconds: of the same trainings.
        long: one of the regimes.
    """
    given = {regime: np.asarray(values, dtype=float) for regime, values in errors.items()}
    lost = {regime: np.isnan(values).any(axis=1) for regime, values in given.items()}
    good = ~np.any(list(lost.values()), axis=0)
    return Sample(
        {regime: values[good] for regime, values in given.items()},
        {regime: np.asarray(values, dtype=float)[good] for regime, values in seconds.items()},
        long,
        {regime: int(found.sum()) for regime, found in lost.items()},
        int((~good).sum()),
    )


def judge(found: Sample, own: Regime, question: Mapping[str, Any], seed: int) -> Agreement:
    """Return what a sample says of its regimes.

    Arguments:
        found: the trainings.
        own: the preset's own regime, one of the sample's; gains are over one training of it.
        question: passed on.
        seed: of the bootstrap; the same resamples serve every regime, so that one more changes no other's numbers.
    """
    long, better = found.errors[found.long], found.better
    pairs = [(one, other) for one, other in combinations(long.T, 2)]
    against = {regime: _pairs(found.errors[regime], 1, long) for regime in found.errors}
    scores = []
    for regime, errors in found.errors.items():
        if regime == found.long:
            continue
        for repeats in range(1, regime.repeats + 1):
            chosen = _pairs(errors, repeats, long)
            scores.append(_score(found, regime, repeats, chosen, against[own], seed))
    return Agreement(
        dict(question),
        len(long),
        found.lost,
        int(better.sum()),
        (own.epochs, own.width),
        _score(found, found.long, 1, pairs, against[own], seed),
        tuple(scores),
    )


Pairs = Sequence[tuple[Floats, Floats]]


def _pairs(errors: Floats, repeats: int, long: Floats) -> list[tuple[Floats, Floats]]:
    """Return the means of all choices of `repeats` trainings, each with each long training."""
    means = [_mean(errors[:, list(chosen)]) for chosen in combinations(range(errors.shape[1]), repeats)]
    return [(mean, one) for mean in means for one in long.T]


def _mean(errors: Floats) -> Floats:
    return np.asarray(np.round(errors.mean(axis=1), DIGITS))


def _score(found: Sample, regime: Regime, repeats: int, pairs: Pairs, own: Pairs, seed: int) -> Score:
    long = found.long
    seconds = repeats * float(np.median(found.seconds[regime]))
    whole, half = np.ones(len(found.target), dtype=bool), found.better
    return Score(
        regime.epochs,
        regime.width,
        repeats,
        repeats * regime.epochs / long.epochs,
        seconds,
        seconds / max(float(np.median(found.seconds[long])), 1e-9),
        float(found.errors[regime].mean()),
        _interval(_within(pairs, whole), None, seed),
        _interval(_within(pairs, half), None, seed),
        _interval(_within(pairs, whole), _within(own, whole), seed),
        _interval(_within(pairs, half), _within(own, half), seed),
        found.failed[regime],
    )


def _within(pairs: Pairs, kept: NDArray[np.bool_]) -> list[tuple[Floats, Floats]]:
    return [(x[kept], y[kept]) for x, y in pairs]


def _interval(pairs: Pairs, minus: Pairs | None, seed: int) -> Interval:
    """Return the mean tau of the pairs, less that of others, with its interval; NaN where there is nothing to rank."""
    n = len(pairs[0][0])
    first, second = mean_tau(pairs), mean_tau(minus) if minus is not None else None

    def statistic(items: NDArray[Any], axis: int = -1) -> Any:
        return first(items, axis) if second is None else first(items, axis) - second(items, axis)

    items = np.arange(n)
    if n < 2 or not np.isfinite(statistic(items)):
        return Interval(np.nan, np.nan, np.nan, n)
    return bootstrap(statistic, [items.astype(float)], generator(seed, "fidelity", "bootstrap"))


def mean_tau(pairs: Pairs) -> Statistic:
    """Return the function from numbers of items to Kendall's tau-b between both scores of a pair, averaged over pairs.

    The numbers may repeat, as a bootstrap draws them; with w_i copies of item i, s_ij = sign(x_i - x_j) and t_ij the
    same of y, tau-b = sum w_i w_j s_ij t_ij / sqrt(sum w_i w_j s_ij² · sum w_i w_j t_ij²), which is the formula of
    `evobnn.studies.statistics.kendall` for the drawn items. NaN where either score is the same for all.

    Arguments:
        pairs: scores (n,) and (n,).
    """
    n = len(pairs[0][0])
    signs = [tuple(np.sign(score[:, None] - score[None, :]) for score in pair) for pair in pairs]

    def statistic(items: NDArray[Any], axis: int = -1) -> Any:
        drawn = np.moveaxis(np.asarray(items), axis, -1).astype(int)
        rows = drawn.reshape(-1, drawn.shape[-1])
        places = rows + n * np.arange(len(rows))[:, None]
        weights = np.bincount(places.ravel(), minlength=n * len(rows)).reshape(-1, n).astype(float)
        taus = np.zeros(len(rows))
        with np.errstate(divide="ignore", invalid="ignore"):
            for s, t in signs:
                both, one, other = (((weights @ m) * weights).sum(axis=1) for m in (s * t, s * s, t * t))
                taus += both / np.sqrt(one * other)
        found = (taus / len(signs)).reshape(drawn.shape[:-1])
        return float(found) if found.ndim == 0 else found

    return statistic
