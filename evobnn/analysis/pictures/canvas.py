"""What every picture begins and ends with: a figure outside of pyplot, a grid behind the curves, a PNG file."""

from __future__ import annotations

import io
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from evobnn.snapshot import write_bytes


def new_figure(width: float, height: float) -> Figure:
    """Return a figure of this size in inches, outside pyplot's bookkeeping."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def new_axes(width: float = 7.0, height: float = 4.5) -> Axes:
    """Return the Axes of a new figure of this size in inches."""
    return new_figure(width, height).add_subplot()


def rule(ax: Axes, *, every: bool = False) -> None:
    """Draw a grid behind what is drawn, at minor ticks too where `every` says so."""
    ax.grid(True, which="both" if every else "major", color="#E3E3E3", lw=0.7)
    ax.set_axisbelow(True)


def save(figure: Figure, path: Path, dpi: int = 130) -> None:
    """Replace a PNG file by a figure; raises RunError if it cannot be written."""
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=dpi)
    write_bytes(path, image.getvalue(), lasting=False)
