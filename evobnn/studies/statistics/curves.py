"""Step curves on a common grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evobnn.errors import EvobnnError, message
from evobnn.studies.statistics.samples import Floats, paired


@dataclass(frozen=True)
class Band:
    """Median and quartiles of n curves at the points of `grid`; NaN where a curve has not begun."""

    grid: Floats
    median: Floats
    lower: Floats
    upper: Floats
    n: int


def on_grid(budgets: ArrayLike, values: ArrayLike, grid: ArrayLike) -> Floats:
    """Return a step curve at the points of `grid`: the value of the last point not later, NaN before the first.

    Arguments:
        budgets: where the curve has points, never falling; of points at the same place the last one counts.
        values: at those points, such as the best so far.
        grid: where it is wanted.
    """
    x, y = paired(1, budgets, values)
    if np.any(np.diff(x) < 0.0):
        raise EvobnnError(message("budgets that never fall", str(x.tolist()[:20]), "Sort the curve's points."))
    index = np.searchsorted(x, np.asarray(grid, dtype=float), side="right")
    return np.where(index > 0, y[np.maximum(index - 1, 0)], np.nan)


def band(curves: Sequence[tuple[ArrayLike, ArrayLike]], grid: ArrayLike) -> Band:
    """Return median and quartiles of curves given as (budgets, values), read by `on_grid` on a common grid.

    Quartiles are linear between order statistics (Hyndman and Fan, The American Statistician 50(4), 1996, type 7).
    """
    if not curves:
        raise EvobnnError(message("at least one curve", "none", "Run at least one seed."))
    places = np.asarray(grid, dtype=float)
    rows = np.stack([on_grid(budgets, values, places) for budgets, values in curves])
    lower, median, upper = (np.asarray(row, dtype=float) for row in np.quantile(rows, [0.25, 0.5, 0.75], axis=0))
    return Band(places, median, lower, upper, len(curves))
