"""The statistics of comparisons: pure functions on arrays, each with its formula and source.

Paired data are two arrays of equal length n whose i-th entries share a seed. Nothing here knows what was measured; a
failed run is no number and is left out, by name and with its partner, before it comes here.
"""

from evobnn.studies.statistics.best import Comparison, against_baseline, candidates_for_best
from evobnn.studies.statistics.curves import Band, band, on_grid
from evobnn.studies.statistics.interval import Interval, bootstrap
from evobnn.studies.statistics.paired import (
    Factorial,
    SignedRank,
    a12,
    a12_interval,
    factorial,
    holm,
    paired_difference,
    paired_t,
    signed_rank,
)
from evobnn.studies.statistics.ranks import kendall, kendall_difference, spearman
from evobnn.studies.statistics.samples import Floats

__all__ = [
    "Band",
    "Comparison",
    "Factorial",
    "Floats",
    "Interval",
    "SignedRank",
    "a12",
    "a12_interval",
    "against_baseline",
    "band",
    "bootstrap",
    "candidates_for_best",
    "factorial",
    "holm",
    "kendall",
    "kendall_difference",
    "on_grid",
    "paired_difference",
    "paired_t",
    "signed_rank",
    "spearman",
]
