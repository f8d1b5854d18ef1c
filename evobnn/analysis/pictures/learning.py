"""The picture of final trainings: loss and error of every seed over the epochs, drawn from arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from evobnn.analysis.pictures.canvas import log_ticks, new_axes, new_figure, nothing, rule, save
from evobnn.analysis.pictures.style import COLOURS, GREY, INK, styled

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Learning:
    """The learning curve of one seed, arrays of one length; NaN where nothing was measured.

    Attributes:
        training_loss, validation_loss: in nats, mean over the images.
        validation_error: in [0, 1].
    """

    training_loss: ArrayLike
    validation_loss: ArrayLike
    validation_error: ArrayLike

    @property
    def epochs(self) -> Floats:
        """1, 2, ... for every point."""
        return np.arange(1.0, len(np.asarray(self.training_loss)) + 1.0)


@styled
def plot_losses(curves: Mapping[str, Learning], ax: Axes | None = None, stages: Sequence[int] = ()) -> Axes:
    """Draw training loss (dotted) and validation loss (solid) of every seed on a log axis.

    Args:
        curves: by name of the seed.
        ax: where to draw.
        stages: epochs after which another stage of the recipe begins; a thin line stands there.
    """
    ax = ax or new_axes(6.0, 4.2)
    for place, (name, curve) in enumerate(curves.items()):
        colour = COLOURS[place % len(COLOURS)]
        if len(curves) > 1:
            ax.plot([], [], color=colour, lw=4.0, label=f"seed {name}")
        ax.plot(curve.epochs, np.asarray(curve.training_loss, float), ls=":", color=colour, lw=1.3)
        ax.plot(curve.epochs, np.asarray(curve.validation_loss, float), ls="-", color=colour, lw=1.5)
    ax.plot([], [], ls=":", color=INK, label="training")
    if _validated(curves):
        ax.plot([], [], ls="-", color=INK, label="validation")
    if any((np.asarray(curve.training_loss, float) > 0).any() for curve in curves.values()):
        ax.set_yscale("log")
        log_ticks(ax.yaxis, lambda value: f"{value:g}")
    _finish(ax, "loss (nats, log scale)", stages)
    return ax


@styled
def plot_errors(curves: Mapping[str, Learning], ax: Axes | None = None, stages: Sequence[int] = ()) -> Axes:
    """Draw the validation error of every seed in percent, with its last value in the legend; arguments as above."""
    ax = ax or new_axes(6.0, 4.2)
    drawn = False
    for place, (name, curve) in enumerate(curves.items()):
        error = 100.0 * np.asarray(curve.validation_error, float)
        if np.isfinite(error).any():
            drawn = True
            label = f"seed {name}: {error[-1]:.2f} %" if np.isfinite(error[-1]) else f"seed {name}"
            ax.plot(curve.epochs, error, color=COLOURS[place % len(COLOURS)], lw=1.5, label=label)
    if not drawn:
        nothing(ax, "no image was set apart to validate")
    _finish(ax, "validation error (%)", stages)
    return ax


@styled
def save_learning(path: Path, curves: Mapping[str, Learning], stages: Sequence[int] = ()) -> None:
    """Replace a PNG file by both pictures side by side, the second only where there are validation errors; raises
    RunError if it cannot be written.
    """
    both = _validated(curves)
    figure = new_figure(11.0 if both else 6.0, 4.4)
    if both:
        left, right = figure.subplots(1, 2)
        plot_errors(curves, right, stages)
    else:
        left = figure.subplots()
    plot_losses(curves, left, stages)
    save(figure, path)


def _validated(curves: Mapping[str, Learning]) -> bool:
    return any(np.isfinite(np.asarray(curve.validation_error, float)).any() for curve in curves.values())


def _finish(ax: Axes, label: str, stages: Sequence[int]) -> None:
    for number, epoch in enumerate(stages):
        said = "_" if number else "next stage of the recipe"
        ax.axvline(epoch + 0.5, color=GREY, lw=0.8, ls="--", zorder=0, label=said)
    ax.set_xlabel("epoch")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_ylabel(label)
    rule(ax)
    if ax.get_legend_handles_labels()[0]:
        ax.legend()
