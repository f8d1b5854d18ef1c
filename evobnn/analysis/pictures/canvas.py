"""What every picture begins and ends with: a figure outside of pyplot, a grid behind the curves, a PNG file."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.textpath import TextPath
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from evobnn.analysis.pictures.style import GREY, GRID, styled
from evobnn.snapshot import write_bytes


@styled
def new_figure(width: float, height: float, *, arranged: bool = True) -> Figure:
    """Return a figure of this size in inches, outside pyplot's bookkeeping; `arranged` by matplotlib, or by hand."""
    figure = Figure(figsize=(width, height), layout="constrained" if arranged else None)
    FigureCanvasAgg(figure)
    return figure


@styled
def new_axes(width: float = 7.0, height: float = 4.5) -> Axes:
    """Return the Axes of a new figure of this size in inches."""
    return new_figure(width, height).add_subplot()


def rule(ax: Axes, *, every: bool = False, axis: Literal["both", "x", "y"] = "both") -> None:
    """Draw a grid behind what is drawn, at minor ticks too where `every` says so."""
    ax.grid(True, which="both" if every else "major", axis=axis, color=GRID, lw=0.7)
    ax.set_axisbelow(True)


def log_ticks(axis: Axis, written: Callable[[float], str], most: int = 8) -> None:
    """Label a log axis with few round numbers, also where it spans less than a decade.

    Args:
        axis: with its limits set, both above 0.
        written: what a label says.
        most: labels; the decades alone where 1, 2 and 5 of each would be more.
    """
    low, high = sorted(axis.get_view_interval())
    decades = np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    for steps in ((1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
        ticks = [step * 10.0**decade for decade in decades for step in steps if low <= step * 10.0**decade <= high]
        if len(ticks) <= most:
            break
    if len(ticks) > 2:
        axis.set_ticks(ticks)
    else:
        axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: written(value)))
    axis.set_minor_locator(NullLocator())


@lru_cache(maxsize=1000)
def wide(line: str, size: float) -> float:
    """Return the width in inches of a line of text of this size in points."""
    return float(TextPath((0, 0), line, size=size).get_extents().width) / 72.0 if line.strip() else 0.0


@lru_cache(maxsize=1000)
def wrapped(text: str, inches: float, size: float) -> str:
    """Return a text in lines that are no wider than `inches`, broken at spaces and hyphens as far as possible."""
    letters = max(len(text), 1)
    lines = [text]
    while letters > 1 and max(wide(line, size) for line in lines) > inches:
        letters = max(1, min(letters - 1, int(letters * inches / max(wide(line, size) for line in lines))))
        lines = textwrap.wrap(text, letters)
    return "\n".join(lines)


def nothing(ax: Axes, why: str) -> None:
    """Say in the middle of Axes why they are empty."""
    ax.text(0.5, 0.5, why, transform=ax.transAxes, ha="center", va="center", color=GREY, fontsize=12)


@styled
def save(figure: Figure, path: Path, dpi: int = 130) -> None:
    """Replace a PNG file by a figure; raises RunError if it cannot be written."""
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=dpi)
    write_bytes(path, image.getvalue(), lasting=False)
