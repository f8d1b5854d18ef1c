"""Pictures of how well counts say what networks take on a machine; arrays in, Axes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import ArrayLike

from evobnn.analysis.pictures.canvas import new_axes, new_figure, rule, save
from evobnn.analysis.pictures.plots import short
from evobnn.analysis.pictures.style import GREY, MEASURED, styled


@dataclass(frozen=True)
class Predictor:
    """What says beforehand how long networks take.

    Attributes:
        name: with its unit.
        values: (n,), one a network.
        tau: Kendall's, and its interval from low to high.
        same: whether its unit is that of what was measured.
    """

    name: str
    values: Sequence[float]
    tau: tuple[float, float, float]
    same: bool = False


@styled
def plot_predictor(predictor: Predictor, milliseconds: ArrayLike, ax: Axes | None = None) -> Axes:
    """Draw what networks take over what says so, both from 0 on; a dashed line is where both are the same.

    Args:
        predictor: see `Predictor`.
        milliseconds: as they were measured, (n,).
        ax: where to draw.
    """
    ax = ax or new_axes(4.2, 4.2)
    x, y = np.asarray(predictor.values, dtype=float), np.asarray(milliseconds, dtype=float)
    if predictor.same:
        end = float(max(x.max(initial=0.0), y.max(initial=0.0)))
        ax.plot([0.0, end], [0.0, end], color=GREY, lw=1.0, ls="--", zorder=1, label="equal")
    ax.plot(x, y, "o", color=MEASURED, ms=5, alpha=0.8, zorder=2)
    ax.set_xlim(0.0, 1.05 * x.max(initial=0.0) or 1.0)
    ax.set_ylim(0.0, 1.05 * y.max(initial=0.0) or 1.0)
    ax.set_xlabel(predictor.name)
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    estimate, low, high = predictor.tau
    ax.set_title(f"Kendall's tau {estimate:.2f} (95 %: {low:.2f} to {high:.2f})", fontsize=10)
    rule(ax)
    if predictor.same:
        ax.legend(loc="upper left")
    return ax


@styled
def save_predictors(path: Path, predictors: Sequence[Predictor], milliseconds: ArrayLike, label: str) -> None:
    """Replace a PNG file by one picture of `plot_predictor` for each, side by side, what was measured as `label` says.

    Raises:
        RunError: it cannot be written.
    """
    figure = new_figure(4.0 * len(predictors), 4.2)
    first: Axes | None = None
    for number, predictor in enumerate(predictors, 1):
        ax = figure.add_subplot(1, len(predictors), number, sharey=first)
        plot_predictor(predictor, milliseconds, ax)
        first = first or ax
    if first is not None:
        first.set_ylabel(label)
    save(figure, path)
