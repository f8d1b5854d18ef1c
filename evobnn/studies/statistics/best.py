"""Many candidates: which differ from a baseline, which may be the best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from evobnn._checks import check_between
from evobnn.errors import EvobnnError, message
from evobnn.studies.statistics.interval import CONFIDENCE
from evobnn.studies.statistics.paired import holm
from evobnn.studies.statistics.samples import Floats, finite


@dataclass(frozen=True)
class Comparison:
    """A candidate against the baseline.

    Attributes:
        name: of the candidate; n its scores.
        difference: of means, candidate - baseline; `low` to `high` at the level at which Holm tests it, so 0 lies
            outside exactly where `differs`.
        p: two-sided; `adjusted` by Holm over all candidates.
        differs: at the level asked for; otherwise it is statistically indistinguishable from the baseline.
    """

    name: str
    n: int
    difference: float
    low: float
    high: float
    p: float
    adjusted: float
    differs: bool


def against_baseline(
    scores: Mapping[str, ArrayLike], baseline: ArrayLike, confidence: float = CONFIDENCE
) -> list[Comparison]:
    """Compare candidates with a baseline, each with replicates of its own; in the order of their means, upwards.

    Welch's t = (mean_i - mean_0) / sqrt(v_i / n_i + v_0 / n_0) with his degrees of freedom (Biometrika 34, 1947), p
    corrected by `holm`. The i-th smallest of m p values is met with an interval of confidence 1 - alpha / (m - i + 1),
    and those that Holm does not reach with that of the first one he keeps (Strassburger and Bretz, Statistics in
    Medicine 27(24), 2008). Choose the candidates on other replicates than are given here, or luck is tested as merit.

    Raises:
        EvobnnError: fewer than 2 scores of one of them, or one that is not finite.
    """
    check_between("confidence", confidence, 0.5, 0.9999, EvobnnError)
    names, mean, var, n = _moments(scores)
    _, mean0, var0, n0 = _moments({"the baseline": baseline})
    difference, se, df = _welch(mean, var, n, mean0, var0, n0)
    p = np.minimum(1.0, 2.0 * _tail(np.abs(difference), se, df))
    adjusted = holm(p)
    alpha = 1.0 - confidence
    left = len(p) - np.argsort(np.argsort(p, kind="stable"), kind="stable")  # m - i + 1
    kept = left[np.asarray(adjusted) >= alpha]
    left = np.maximum(left, kept.max() if len(kept) else 0)
    half = stats.t.isf(alpha / left / 2.0, df) * se
    rows = [
        Comparison(name, int(n[i]), float(difference[i]), float(difference[i] - half[i]),
                   float(difference[i] + half[i]), float(p[i]), adjusted[i], adjusted[i] < alpha)
        for i, name in enumerate(names)
    ]  # fmt: skip
    return sorted(rows, key=lambda row: row.difference)


def candidates_for_best(
    scores: Mapping[str, ArrayLike], confidence: float = CONFIDENCE, *, pooled: bool = False
) -> tuple[str, ...]:
    """Return the names that may have the smallest true mean, best first: the true best is among them in at least
    `confidence` of all experiments.

    Multiple comparison with the best (Gupta, Technometrics 7(2), 1965; Hsu, Annals of Statistics 12(3), 1984): i stays
    unless mean_i - mean_j > t se_ij for some j, t the one-sided quantile at (1 - confidence) / (k - 1) for k names
    (Bonferroni), with Welch's se and degrees of freedom.

    Arguments:
        scores: of all that compete, at least 2 each; not of a choice made by these same scores.
        confidence: see above.
        pooled: take one variance for all, the mean within names, as Hsu does. With 2 to 4 scores each a name's own is
            hardly known, and 0 wherever counted scores happen to agree.
    """
    check_between("confidence", confidence, 0.5, 0.9999, EvobnnError)
    names, mean, var, n = _moments(scores)
    total = float(np.sum(n - 1.0))
    if pooled:
        var = np.full_like(var, np.sum((n - 1.0) * var) / total)
    level = (1.0 - confidence) / max(1, len(names) - 1)
    stay = []
    for i in np.argsort(mean, kind="stable"):
        difference, se, df = _welch(mean[i], var[i], n[i], mean, var, n)
        if np.all((difference <= 0.0) | (_tail(difference, se, np.full_like(df, total) if pooled else df) >= level)):
            stay.append(names[i])
    return tuple(stay)


def _moments(scores: Mapping[str, ArrayLike]) -> tuple[list[str], Floats, Floats, Floats]:
    """Return names, means, sample variances and counts."""
    if not scores:
        raise EvobnnError(message("scores to compare", "none", "Give at least one candidate."))
    rows = [finite(np.asarray(row, dtype=float)) for row in scores.values()]
    for name, row in zip(scores, rows, strict=True):
        if row.ndim != 1 or len(row) < 2:
            raise EvobnnError(
                message("at least 2 scores of each candidate", f"{row.size} of {name}", "Measure it on more seeds.")
            )
    mean, var = np.array([row.mean() for row in rows]), np.array([row.var(ddof=1) for row in rows])
    return list(scores), mean, var, np.array([float(len(row)) for row in rows])


def _welch(mean: Any, var: Any, n: Any, mean0: Any, var0: Any, n0: Any) -> tuple[Floats, Floats, Floats]:
    """Return differences of means, their standard errors and Welch's degrees of freedom."""
    a, b = var / n, var0 / n0
    with np.errstate(invalid="ignore"):
        df = (a + b) ** 2 / (a**2 / (n - 1.0) + b**2 / (n0 - 1.0))
    return mean - mean0, np.sqrt(a + b), np.where(a + b > 0.0, df, n + n0 - 2.0)


def _tail(difference: Floats, se: Floats, df: Floats) -> Floats:
    """Return P(T >= difference / se); without any spread 0 above and 1/2 at no difference."""
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(difference == 0.0, 0.0, difference / se)
    return np.asarray(stats.t.sf(t, df), dtype=float)
