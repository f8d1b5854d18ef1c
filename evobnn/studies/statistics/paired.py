"""Two samples, paired by seed: tests, effect sizes, differences, and the effects of two factors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from evobnn._seeding import Generator
from evobnn.errors import EvobnnError, message
from evobnn.studies.statistics.interval import CONFIDENCE, Interval, bootstrap
from evobnn.studies.statistics.samples import Floats, finite, paired

EXACT = 50
"""Up to this many non-zero differences the signed-rank test counts all signs; above, it takes the normal curve."""


@dataclass(frozen=True)
class SignedRank:
    """Outcome of the signed-rank test.

    Attributes:
        n: pairs, of which `zeros` do not differ.
        statistic: the smaller of the rank sums of positive and negative differences.
        p: two-sided.
        note: what a reader of `p` must know, or empty.
    """

    n: int
    zeros: int
    statistic: float
    p: float
    note: str = ""


def signed_rank(x: ArrayLike, y: ArrayLike) -> SignedRank:
    """Test whether the differences x - y of n pairs are symmetric about 0; two-sided.

    W = min(sum of the ranks of |d| where d > 0, the same where d < 0) (Wilcoxon, Biometrics Bulletin 1(6), 1945); zero
    differences are ranked and then left out (Pratt, Journal of the American Statistical Association 54, 1959); ties
    share their mean rank. With up to 50 non-zero differences p = 2 P(W' <= W) over all 2^m equally likely signs,
    exact under ties and zeros, where `scipy.stats.wilcoxon` would approximate; above it is scipy's normal curve.
    Differences that agree to 12 digits of the largest value are ties, so that rounding does not rank.

    Raises:
        EvobnnError: lengths differ, no pair, or a value that is not finite.
    """
    a, b = paired(1, x, y)
    scale = float(max(np.abs(a).max(), np.abs(b).max())) or 1.0
    d = np.round((a - b) / scale, 12)
    n, m = len(d), int(np.count_nonzero(d))
    if m == 0:
        return SignedRank(n, n, 0.0, 1.0, f"none of the {n} pairs differs")
    ranks = stats.rankdata(np.abs(d))
    w = float(min(ranks[d > 0].sum(), ranks[d < 0].sum()))
    p = _exact(ranks[d != 0], w) if m <= EXACT else float(stats.wilcoxon(d, zero_method="pratt").pvalue)
    note = f"{m} pairs that differ cannot give p below {2.0 ** (1 - m):.4g}" if m < 6 else ""
    return SignedRank(n, n - m, w, p, note)


def _exact(ranks: Floats, w: float) -> float:
    """Return min(1, 2 P(W+ <= w)), every rank being added with probability 1/2."""
    steps = np.rint(2.0 * ranks).astype(int)  # mean ranks are multiples of 1/2
    chance = np.zeros(int(steps.sum()) + 1)
    chance[0] = 1.0
    for step in steps:
        chance[step:] = (chance[step:] + chance[:-step]) / 2.0
        chance[:step] /= 2.0
    return min(1.0, 2.0 * float(chance[: round(2.0 * w) + 1].sum()))


def holm(p: ArrayLike) -> list[float]:
    """Return p values corrected for their number m, in the order given; reject where they are below the level.

    Sorted upwards, p_(i) becomes max over j <= i of min(1, (m - j + 1) p_(j)) (Holm, Scandinavian Journal of
    Statistics 6(2), 1979). The chance of any false rejection stays below the level whatever the tests' dependence.
    """
    values = finite(np.asarray(p, dtype=float))
    if np.any((values < 0.0) | (values > 1.0)):
        raise EvobnnError(message("p values from 0 to 1", str(values.tolist()), "Give the p values of the tests."))
    order = np.argsort(values, kind="stable")
    steps = np.minimum(1.0, values[order] * np.arange(len(values), 0, -1))
    found = np.empty_like(values)
    found[order] = np.maximum.accumulate(steps)
    return [float(value) for value in found]


def a12(x: ArrayLike, y: ArrayLike, axis: int = -1) -> Any:
    """Return the chance that a value of x exceeds one of y, a tie counting one half; 0.5 is no difference.

    A = (R / m - (m + 1) / 2) / n, R the rank sum of the m values of x among all m + n (Vargha and Delaney, Journal
    of Educational and Behavioral Statistics 25(2), 2000). A float for two vectors, an array over the other axes
    otherwise.
    """
    a, b = (np.moveaxis(np.asarray(values, dtype=float), axis, -1) for values in (x, y))
    m, n = a.shape[-1], b.shape[-1]
    ranks = stats.rankdata(np.concatenate([a, b], axis=-1), axis=-1)[..., :m].sum(axis=-1)
    found = (ranks / m - (m + 1) / 2.0) / n
    return float(found) if np.ndim(found) == 0 else found


def a12_interval(x: ArrayLike, y: ArrayLike, rng: Generator, confidence: float = CONFIDENCE) -> Interval:
    """Return `a12` of paired samples with its bootstrap interval; pairs are drawn together, so seeds stay paired.

    Where the samples do not overlap it is [1, 1] or [0, 0]: the sample then tells of no smaller effect.
    """
    return bootstrap(a12, paired(2, x, y), rng, confidence)


def paired_difference(x: ArrayLike, y: ArrayLike, rng: Generator, confidence: float = CONFIDENCE) -> Interval:
    """Return mean(x - y) over pairs with its bootstrap interval; see `bootstrap` for what it covers with few pairs."""
    a, b = paired(2, x, y)
    return bootstrap(np.mean, [a - b], rng, confidence)


def paired_t(x: ArrayLike, y: ArrayLike, confidence: float = CONFIDENCE) -> Interval:
    """Return mean(x - y) over pairs with Student's interval: mean ± t sd / sqrt(n), t the quantile for n - 1 degrees
    of freedom (Student, Biometrika 6(1), 1908). Holds its level from 2 pairs on if differences are about normal.
    """
    a, b = paired(2, x, y)
    d = a - b
    half = float(stats.t.ppf(0.5 + confidence / 2.0, len(d) - 1) * d.std(ddof=1) / np.sqrt(len(d)))
    return Interval(float(d.mean()), float(d.mean()) - half, float(d.mean()) + half, len(d), confidence)


@dataclass(frozen=True)
class Factorial:
    """Effects of a 2x2 design in the unit of the scores: of either factor, averaged over the other, and of both."""

    first: Interval
    second: Interval
    interaction: Interval


def factorial(
    neither: ArrayLike, first: ArrayLike, second: ArrayLike, both: ArrayLike, rng: Generator,
    confidence: float = CONFIDENCE,
) -> Factorial:  # fmt: skip
    """Return the effects of two factors, each on or off, with bootstrap intervals over n paired seeds.

    first = mean of [(first - neither) + (both - second)] / 2, second likewise; interaction = mean of (both - second) -
    (first - neither), the difference of differences (Yates, The Design and Analysis of Factorial Experiments, 1937,
    who halves it). It is 0 where the effects add. `neither`, `first`, `second`, `both`: n scores each, by seed, named
    after the factors that are on.
    """
    o, a, b, c = paired(2, neither, first, second, both)
    contrasts = ((a - o + c - b) / 2.0, (b - o + c - a) / 2.0, (c - b) - (a - o))
    return Factorial(*(bootstrap(np.mean, [contrast], rng, confidence) for contrast in contrasts))
