"""The picture of a search by relaxation: how the shares of operations moved, and the errors along the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from evobnn.analysis.pictures.canvas import new_axes, new_figure, rule, save
from evobnn.analysis.pictures.style import COLOURS, DASHES, styled

Floats = NDArray[np.float64]
HEAD_ROOM = 1.45
"""Height of the axes over the highest value, for the legend above the lines."""


@dataclass(frozen=True)
class Moves:
    """What moved.

    Attributes:
        unit: of the horizontal axis, such as `epoch`.
        at: (n,), where shares are told.
        shares: by kind of cell and operation, (n,) in [0, 1]: mean over the edges.
        errors: by name, (m, 2): where, and the error in percent.
    """

    unit: str
    at: Floats
    shares: Mapping[str, Mapping[str, Floats]]
    errors: Mapping[str, Floats]


@styled
def plot_shares(
    shares: Mapping[str, Floats], at: Floats, title: str, unit: str, ax: Axes | None = None, names: Sequence[str] = ()
) -> Axes:
    """Draw the share of each operation, with its last value in the legend; `names` are those of all kinds of cell, so
    that an operation looks the same in each.
    """
    ax = ax or new_axes(5.0, 4.0)
    order = list(names or shares)
    for name, values in shares.items():
        place = order.index(name)
        colour, dash = COLOURS[place % len(COLOURS)], DASHES[place // len(COLOURS) % len(DASHES)]
        ax.plot(at, 100.0 * values, color=colour, ls=dash, label=f"{name}: {100.0 * values[-1]:.0f} %")
    _finish(ax, title, unit, "mean share over the edges (%)")
    _make_room(ax, 100.0 * max(float(values.max()) for values in shares.values()))
    return ax


@styled
def plot_moving_errors(errors: Mapping[str, Floats], unit: str, ax: Axes | None = None) -> Axes:
    """Draw the errors on the second half of the images."""
    ax = ax or new_axes(5.0, 4.0)
    for place, (name, points) in enumerate(errors.items()):
        ax.plot(points[:, 0], points[:, 1], color=COLOURS[place % len(COLOURS)], label=name, lw=1.2)
    _finish(ax, "error on the second half", unit, "error (%)")
    _make_room(ax, max(float(points[:, 1].max(initial=1.0)) for points in errors.values()))
    return ax


@styled
def save_moves(path: Path, moves: Moves) -> None:
    """Replace a PNG file by a panel for each kind of cell and one for the errors; raises RunError if it cannot be
    written.
    """
    figure = new_figure(4.4 * (len(moves.shares) + 1), 4.0)
    *panels, last = np.atleast_1d(figure.subplots(1, len(moves.shares) + 1))
    names = list(dict.fromkeys(name for shares in moves.shares.values() for name in shares))
    for (kind, shares), ax in zip(moves.shares.items(), panels, strict=True):
        plot_shares(shares, moves.at, f"{kind} cell", moves.unit, ax, names)
    plot_moving_errors(moves.errors, moves.unit, last)
    save(figure, path)


def _finish(ax: Axes, title: str, unit: str, label: str) -> None:
    ax.set_title(title)
    ax.set_xlabel(unit)
    ax.set_ylabel(label)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    rule(ax)
    ax.legend(loc="upper left", ncols=2)


def _make_room(ax: Axes, highest: float) -> None:
    """Leave room for the legend above the lines, without ticks beyond 100 %."""
    ax.set_ylim(0.0, HEAD_ROOM * highest)
    ax.set_yticks([tick for tick in ax.get_yticks() if tick <= min(100.0, HEAD_ROOM * highest)])
