"""Pictures of how far brief trainings agree with long ones; arrays in, Axes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation
from numpy.typing import ArrayLike

from evobnn.analysis.pictures.canvas import log_ticks, new_axes, new_figure, rule, save
from evobnn.analysis.pictures.labels import move_apart
from evobnn.analysis.pictures.style import COLOURS, DASHES, FRESH, GREY, MARKERS, MEASURED, SHADE, styled, written

Ceiling = tuple[float, float, float]
"""A tau, and its interval from low to high."""


@dataclass(frozen=True)
class Series:
    """A line of protocols.

    Attributes:
        name: for the legend; series of one name share a colour, marker and entry.
        cost: seconds as a share of one long training's, above 0.
        tau, low, high: estimate and interval, NaN where there is none.
        labels: written beside each point; empty for none.
        means: whether these are means of 1, 2, … trainings, the first of them a point of another series.
    """

    name: str
    cost: Sequence[float]
    tau: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    labels: Sequence[str]
    means: bool = False


@styled
def plot_taus(series: Sequence[Series], ceiling: Ceiling, ax: Axes | None = None, title: str = "") -> Axes:
    """Draw tau over cost on a log axis, each point with its interval, above it the ceiling as a band.

    Full points are single trainings, labelled by their epochs, joined by width; hollow ones means of several.

    Args:
        series: see `Series`.
        ceiling: tau between two long trainings; its band is left out where it is NaN.
        ax: where to draw.
        title: written above.
    """
    ax = ax or new_axes(6.4, 4.8)
    _draw_taus(series, ceiling, ax, title)
    _clear(ax)
    return ax


def _draw_taus(series: Sequence[Series], ceiling: Ceiling, ax: Axes, title: str) -> None:
    if np.isfinite(ceiling).all():
        ax.axhline(ceiling[0], color=GREY, lw=1.2, ls="--", zorder=1, label="ceiling: long with long")
        ax.axhspan(ceiling[1], ceiling[2], color=SHADE, lw=0, zorder=0, label="its 95 % interval")
    families = list(dict.fromkeys(one.name.partition(",")[0] for one in series))
    told: set[str] = set()
    for one in series:
        place = families.index(one.name.partition(",")[0])
        colour, marker = COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]
        start = 1 if one.means else 0
        x, tau, low, high = (np.asarray(values, dtype=float) for values in (one.cost, one.tau, one.low, one.high))
        ax.plot(x, tau, color=colour, lw=1.2, ls=DASHES[2] if one.means else DASHES[0], alpha=0.8, zorder=2)
        reach = np.maximum([tau - low, high - tau], 0.0)[:, start:]
        ax.errorbar(
            x[start:], tau[start:], yerr=reach, fmt=marker, color=colour, mfc="white" if one.means else colour, ms=6,
            mew=1.3, lw=1.0, capsize=2.5, zorder=3, label="_" if one.name in told else one.name,
        )  # fmt: skip
        told.add(one.name)
        for across, height, text in zip(x, tau, one.labels, strict=True):
            if text and np.isfinite(height):
                ax.annotate(
                    text, (across, height), xytext=(5, 5), textcoords="offset points", fontsize=9, zorder=4,
                    color=written(colour), path_effects=[withStroke(linewidth=2.5, foreground="white")],
                    arrowprops={"arrowstyle": "-", "color": colour, "lw": 0.7, "shrinkA": 0, "shrinkB": 2},
                )  # fmt: skip
    ax.set_xscale("log")
    ax.margins(x=0.1)
    log_ticks(ax.xaxis, lambda value: f"{100 * value:.3g}")
    ax.set_xlabel(
        "median time, in % of one long training's (log scale)\n"
        "labels: epochs; 3x2: mean of 2 trainings of 3 epochs; bars: 95 % intervals"
    )
    ax.set_ylabel("Kendall's tau with one long training")
    rule(ax)
    if title:
        ax.set_title(title)


def _clear(*axes: Axes) -> None:
    """Move the labels of points off lines, bars and each other, in Axes of one figure that is otherwise finished."""
    axes[0].get_figure(root=True).draw_without_rendering()  # type: ignore[union-attr]  # places are known after it
    for ax in axes:
        move_apart(ax, [text for text in ax.texts if isinstance(text, Annotation)])


def _scale(name: str) -> str:
    return ", log scale" if name == "log" else ""


@styled
def plot_errors(
    brief: ArrayLike, long: ArrayLike, better: ArrayLike, names: tuple[str, str], ax: Axes | None = None
) -> Axes:
    """Draw each genome's error in brief and in long training; the better half by the long one is full.

    Both axes are logarithmic, for good networks differ by less than bad ones; one with an error of 0 is linear.

    Args:
        brief: error in brief training in [0, 1], (n,).
        long: the same in long training.
        better: which genomes are in the better half, (n,).
        names: of the brief and the long protocol.
        ax: where to draw.
    """
    ax = ax or new_axes(5.6, 5.0)
    x, y = 100 * np.asarray(brief, dtype=float), 100 * np.asarray(long, dtype=float)
    half = np.asarray(better, dtype=bool)
    ax.plot(x[half], y[half], "o", color=MEASURED, ms=6, label="better half")
    ax.plot(x[~half], y[~half], "s", color=FRESH, mfc="none", ms=6, mew=1.3, label="worse half")
    if half.any():
        ax.axhline(float(y[half].max()), color=GREY, lw=0.9, ls=":", label="worst of the better half")
    for axis, scale, values in ((ax.xaxis, ax.set_xscale, x), (ax.yaxis, ax.set_yscale, y)):
        if len(values) and (values > 0).all():
            scale("log")
            log_ticks(axis, lambda value: f"{value:.3g}")
    ax.set_xlabel(f"error (%{_scale(ax.get_xscale())}): {names[0]}")
    ax.set_ylabel(f"error (%{_scale(ax.get_yscale())}): {names[1]}")
    rule(ax)
    ax.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), borderaxespad=0.2, ncols=3)
    return ax


@styled
def save_taus(path: Path, panels: Mapping[str, Sequence[Series]], ceilings: Sequence[Ceiling]) -> None:
    """Replace a PNG file by one picture of `plot_taus` for each panel, side by side on one scale.

    Raises:
        RunError: it cannot be written.
    """
    figure = new_figure(6.2 * len(panels), 5.2)
    first: Axes | None = None
    for number, ((title, series), ceiling) in enumerate(zip(panels.items(), ceilings, strict=True), 1):
        ax = figure.add_subplot(1, len(panels), number, sharey=first)
        _draw_taus(series, ceiling, ax, title)
        first = first or ax
    if first is not None:
        handles, names = first.get_legend_handles_labels()
        columns = min(len(names), 6 if len(panels) > 1 else 3) or 1
        figure.legend(handles, names, loc="outside upper center", ncols=columns)
        _clear(*figure.axes)
    save(figure, path)


@styled
def save_errors(path: Path, brief: ArrayLike, long: ArrayLike, better: ArrayLike, names: tuple[str, str]) -> None:
    """Replace a PNG file by the picture of `plot_errors`; raises RunError if it cannot be written."""
    figure = new_figure(5.8, 5.2)
    plot_errors(brief, long, better, names, figure.add_subplot())
    save(figure, path)
