"""An estimate with its interval over resampled seeds."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from evobnn._checks import check_between
from evobnn._seeding import Generator
from evobnn.errors import EvobnnError
from evobnn.studies.statistics.samples import Floats, paired

Statistic = Callable[..., Any]

CONFIDENCE = 0.95
RESAMPLES = 2000


@dataclass(frozen=True)
class Interval:
    """An estimate from n observations or pairs and its confidence interval from `low` to `high`."""

    estimate: float
    low: float
    high: float
    n: int
    confidence: float = CONFIDENCE


def bootstrap(
    statistic: Statistic,
    samples: Sequence[Floats],
    rng: Generator,
    confidence: float = CONFIDENCE,
    *,
    vectorized: bool = True,
) -> Interval:
    """Return a statistic with its BCa interval over resampled seeds (Efron, Journal of the American Statistical
    Association 82, 1987; `scipy.stats.bootstrap`); where BCa is undefined, the percentile interval.

    In a simulation (normal differences, mean) an interval of 95 % covered 84 % with 5 pairs, 91 % with 10, 94 % with
    200: below 10 pairs prefer `paired_t` for a mean.

    Arguments:
        statistic: of as many arrays as `samples` has; takes `axis` if `vectorized`.
        samples: arrays of equal length; entry i of all of them is drawn together.
        rng: for the 2,000 resamples.
        confidence: the share of such intervals that is to hold the truth.
        vectorized: whether the statistic works on many resamples at once.

    Raises:
        EvobnnError: fewer than 2 entries, or a confidence outside 0.5 to 0.9999.
    """
    check_between("confidence", confidence, 0.5, 0.9999, EvobnnError)
    data = paired(2, *samples)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of degenerate data: what they warn of is handled here
        found = stats.bootstrap(
            data, statistic, paired=True, vectorized=vectorized, n_resamples=RESAMPLES, batch=100,
            confidence_level=confidence, method="BCa", rng=rng,
        )  # fmt: skip
        low, high = (float(end) for end in found.confidence_interval)
        if not (np.isfinite(low) and np.isfinite(high)):
            tail = (1.0 - confidence) / 2.0
            low, high = (float(end) for end in np.nanquantile(found.bootstrap_distribution, [tail, 1.0 - tail]))
        return Interval(float(statistic(*data)), low, high, len(data[0]), confidence)
