"""Agreement of two rankings."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from evobnn._seeding import Generator
from evobnn.errors import EvobnnError, message
from evobnn.studies.statistics.interval import CONFIDENCE, Interval, bootstrap
from evobnn.studies.statistics.samples import Floats, paired


def kendall(x: ArrayLike, y: ArrayLike, rng: Generator, confidence: float = CONFIDENCE) -> Interval:
    """Return Kendall's tau-b of n items scored twice, with its bootstrap interval over items.

    tau-b = (C - D) / sqrt((P - T_x) (P - T_y)), C and D the concordant and discordant of all P = n (n - 1) / 2 pairs,
    T the pairs tied in one score (Kendall, Biometrika 33(3), 1945).

    Raises:
        EvobnnError: fewer than 3 items, or a score that is the same for all.
    """
    return bootstrap(_tau, _ranked(x, y), rng, confidence, vectorized=False)


def kendall_difference(
    x: ArrayLike, y: ArrayLike, target: ArrayLike, rng: Generator, confidence: float = CONFIDENCE
) -> Interval:
    """Return tau-b(x, target) - tau-b(y, target) with its bootstrap interval over items; raises as `kendall` does."""
    a, b = _ranked(x, target)
    c, _ = _ranked(y, target)
    return bootstrap(lambda p, q, t: _tau(p, t) - _tau(q, t), [a, c, b], rng, confidence, vectorized=False)


def spearman(x: ArrayLike, y: ArrayLike) -> float:
    """Return the correlation of the (mean) ranks of n items scored twice (Spearman, American Journal of Psychology
    15(1), 1904); raises as `kendall` does.
    """
    a, b = (stats.rankdata(values) for values in _ranked(x, y))
    return float(np.corrcoef(a, b)[0, 1])


def _tau(x: Floats, y: Floats) -> float:
    return float(stats.kendalltau(x, y, variant="b").statistic)


def _ranked(x: ArrayLike, y: ArrayLike) -> list[Floats]:
    found = paired(3, x, y)
    if any(np.ptp(values) == 0.0 for values in found):
        raise EvobnnError(message("scores that differ", "the same score for all items", "There is nothing to rank."))
    return found
