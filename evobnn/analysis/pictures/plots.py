"""Pictures of a run. Each function draws tables or arrays on the Axes it is given, or on new ones, and returns them.

Nothing here touches pyplot, so nothing depends on a display or on what was drawn before. What matters is told by
position, label, marker or line style; colour only repeats it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import ArrayLike, NDArray

from evobnn.analysis.pictures.canvas import log_ticks, new_axes, new_figure, nothing, rule, save
from evobnn.analysis.pictures.style import (
    BLUE,
    COLOURS,
    DASHES,
    FRESH,
    GREY,
    INK,
    MARKERS,
    MEASURED,
    NOTE,
    ORANGE,
    SHADE,
    styled,
    written,
)
from evobnn.pareto import nondominated

SHARES = ("error",)
"""Objectives in [0, 1] that pictures show in percent, as tables do."""
UNITS = {
    "error": "%",
    "ops": "for one image",
    "elementwise": "operations for one image",
    "bits": "kept for inference",
    "latency": "ms for one image",
}
"""What an axis says behind the name of an objective."""
OPERATION_COLOURS = {
    "zero": "#757575", "max3": "#B57600", "avg3": "#7A6A00", "conv3": BLUE, "conv5": "#00407A",
    "dil3": "#009E73", "dil5": "#00583F",
}  # fmt: skip


@styled
def plot_front(
    front: pd.DataFrame,
    archive: pd.DataFrame | None = None,
    objectives: tuple[str, str] = ("error", "ops"),
    ax: Axes | None = None,
) -> Axes:
    """Draw a front over its cost on a log axis.

    Circles are the search's own measurements, joined by a staircase. Where there are fresh scores, squares with bars
    of one standard deviation show them; a square is hollow if another member dominates it by fresh scores. What lies
    far above the front is left out and counted in the corner.

    Args:
        front: table of `front_frame`.
        archive: table of `individuals_frame`, drawn as small dots behind.
        objectives: (vertical, horizontal); the horizontal one is a cost above 0, or else its axis is linear.
        ax: where to draw.

    >>> from evobnn.analysis import plot_front
    >>> run = evobnn.load_run("populations/digits")
    >>> ax = plot_front(run.front(), run.individuals())
    >>> ax.get_ylabel()
    'error (%)'
    """
    ax = ax or new_axes()
    vertical, horizontal = objectives
    if archive is not None and len(archive):
        rest = archive[~archive["on_front"].astype(bool)].dropna(subset=[vertical, horizontal])
        ax.plot(rest[horizontal], rest[vertical], ".", color=GREY, ms=5, alpha=0.6, label="evaluated", zorder=1)
    points = front[[vertical, horizontal]].to_numpy(float).reshape(-1, 2)
    cost, value = points[nondominated(points)].T[::-1]  # without what was only measured afresh beside the front
    label = "front, as the search measured it"
    ax.step(cost, value, where="post", color=MEASURED, lw=1.2, alpha=0.7, zorder=2)
    ax.plot(cost, value, "o", color=MEASURED, ms=9, mfc="none", mew=1.5, label=label, zorder=5)
    _draw_rescored(ax, front, vertical, horizontal)
    log = len(front) > 0 and bool((cost > 0).all())
    if log:
        ax.set_xscale("log")
        plain_log_ticks(ax, horizontal)
    elif not len(front):
        nothing(ax, "no front yet")
    _crop_above(ax, front, archive, vertical)
    _name_axis(ax.xaxis, horizontal, "log scale" if log else "")
    _name_axis(ax.yaxis, vertical)
    rule(ax, every=True)
    ax.legend(fontsize=9, ncols=2, frameon=False, loc="lower left", bbox_to_anchor=(-0.02, 1.0), borderaxespad=0.2)
    return ax


def _crop_above(ax: Axes, front: pd.DataFrame, archive: pd.DataFrame | None, vertical: str) -> None:
    """Keep the bad individuals from flattening the front: end the axis above it and say how many lie higher."""
    if archive is None or len(front) == 0:
        return
    scores = front[[name for name in (vertical, f"{vertical}_rescored") if name in front]]
    worst, best = float(np.nanmax(scores.to_numpy(float))), float(np.nanmin(scores.to_numpy(float)))
    limit = worst + max(0.75 * (worst - best), 0.1 * abs(worst))
    higher = int((archive[vertical] > limit).sum())
    if higher:
        ax.set_ylim(top=limit, bottom=best - 0.08 * (limit - best))
        ax.text(0.99, 0.98, f"{higher} more above", transform=ax.transAxes, ha="right", va="top", color=NOTE,
                fontsize=9)  # fmt: skip


def _draw_rescored(ax: Axes, front: pd.DataFrame, vertical: str, horizontal: str) -> None:
    column = f"{vertical}_rescored"
    if column not in front or front[column].isna().all():
        return
    scored = front.dropna(subset=[column])
    n = scored["n_rescored"]
    counts = f"{n.min()}" if n.min() == n.max() else f"{n.min()} to {n.max()}"
    what = "1 training" if n.max() == 1 else f"mean of {counts} ± sd"
    still = scored["still_nondominated"].fillna(False).astype(bool)
    for mask, face, text in ((still, FRESH, ""), (~still, "white", ", dominated")):
        part = scored[mask]
        if len(part):
            ax.errorbar(
                part[horizontal], part[column], yerr=part[f"{column}_sd"].fillna(0.0), fmt="s", color=FRESH, mfc=face,
                ms=5, mew=1.3, lw=1.3, capsize=3, zorder=4, label=f"re-scored{text}: {what}",
            )  # fmt: skip


def _name_axis(axis: Axis, name: str, scale: str = "") -> None:
    """Label the axis of an objective with its unit; errors are shares and shown in percent."""
    more = ", ".join(part for part in (UNITS.get(name, ""), scale) if part)
    axis.set_label_text(f"{name} ({more})" if more else name)
    if name in SHARES and not scale:
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g}"))


def plain_log_ticks(ax: Axes, name: str) -> None:
    """Label a log axis with few round numbers, such as 200k, also where it spans less than a decade."""
    low, high = ax.get_xlim()
    if high > 4 * low and ax.dataLim.x0 == ax.dataLim.x1:  # one point only
        low, high = ax.set_xlim(ax.dataLim.x0 / 2, ax.dataLim.x0 * 2)
    factor = 100.0 if name in SHARES else 1.0
    log_ticks(ax.xaxis, lambda value: short(factor * value))


def short(value: float) -> str:
    """Return a number in three digits with k, M or G: 1234567 is 1.23M."""
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= 0.9995 * size:
            return f"{value / size:.3g}{suffix}"
    return f"{value:.3g}"


@styled
def plot_hypervolume(log: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the columns `generation` and `hypervolume` (part of the box, 0 to 1) of a logbook.

    >>> from evobnn.analysis import plot_hypervolume
    >>> plot_hypervolume(evobnn.load_run("populations/digits").log()).get_xlabel()
    'generation'
    """
    ax = ax or new_axes(6.0, 3.5)
    ax.plot(log["generation"], log["hypervolume"].astype(float), "o-", color=MEASURED, ms=5, lw=1.6)
    ax.set_xlabel("generation")
    ax.set_ylabel("hypervolume of the archive (0 to 1)")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    rule(ax)
    return ax


@styled
def plot_operations(shares: pd.DataFrame, ax: Axes | None = None, most: int = 8) -> Axes:
    """Draw shares per generation, as `operation_shares` and `form_shares` return them, one line with its name a column.

    Of more than `most` columns those with the greatest mean are kept; the others are summed up as `others`.

    >>> from evobnn.analysis import operation_shares, plot_operations
    >>> run = evobnn.load_run("populations/digits")
    >>> plot_operations(operation_shares(run.generations)).get_ylabel()
    'share among survivors (%)'
    """
    ax = ax or new_axes(7.0, 4.2)
    kept = shares
    if shares.shape[1] > most:
        best = set(shares.mean().sort_values(ascending=False, kind="stable").index[: most - 1])
        kept = shares[[name for name in shares if name in best]]
        kept = kept.assign(others=shares.sum(axis=1) - kept.sum(axis=1))
    generations = kept.index.to_numpy(float)
    ends = []
    for place, name in enumerate(kept):
        values = 100 * kept[name].to_numpy(float)
        colour = {"others": GREY, **OPERATION_COLOURS}.get(str(name), COLOURS[place % len(COLOURS)])
        marker, dash = MARKERS[place % len(MARKERS)], DASHES[place % len(DASHES)]
        ax.plot(generations, values, color=colour, marker=marker, ls=dash, ms=5, lw=1.6)
        ends.append((values[-1] if len(values) else 0.0, str(name), colour))
    ax.set_ylim(bottom=0)
    ax.set_xlabel("generation")
    ax.set_ylabel("share among survivors (%)")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    rule(ax)
    label_ends(ax, float(generations[-1]) if len(generations) else 0.0, ends)
    return ax


def label_ends(ax: Axes, x: float, ends: list[tuple[float, str, str]]) -> None:
    """Write names right of the axes at the height of their lines' ends, pushed apart where they would overlap."""
    low, high = ax.get_ylim()
    gap = 0.058 * (high - low)
    ends = sorted(ends)
    heights: list[float] = []
    for value, _, _ in ends:
        heights.append(max(value, heights[-1] + gap) if heights else value)
    if heights and heights[-1] > high:  # too high: push down from the top
        limit = high - gap / 2
        for i in range(len(heights) - 1, -1, -1):
            heights[i] = min(heights[i], limit)
            limit = heights[i] - gap
    for (value, name, colour), height in zip(ends, heights, strict=True):
        ax.annotate(
            name, (x, value), xytext=(1.04, height), textcoords=ax.get_yaxis_transform(), color=written(colour),
            fontsize=9.5, va="center", annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "lw": 1.0, "relpos": (0, 0.5), "shrinkA": 1, "shrinkB": 3},
        )  # fmt: skip


@styled
def plot_cell(
    edges: Sequence[tuple[int, int, str]], ax: Axes | None = None, title: str = "", size: float = 10.0
) -> Axes:
    """Draw a cell as a staircase: each node a step below the one before, its operations in boxes on its left.

    A line goes down from a node and right to each box that reads it; all own nodes lead to the output, where they are
    concatenated. So names of up to a dozen letters lie neither on each other nor on a line, whatever the edges.

    Args:
        edges: (source, target, operation) with 0 and 1 for the inputs.
        ax: where to draw.
        title: written above.
        size: of the names of operations in points; others are larger by one.

    >>> from evobnn.analysis import plot_cell
    >>> plot_cell([(0, 2, "conv3"), (1, 2, "max3")], title="normal").get_title()
    'normal'
    """
    last = max((target for _, target, _ in edges), default=1)
    into = {node: [edge for edge in edges if edge[1] == node] for node in range(2, last + 1)}
    heights = {0: 0.0, 1: -1.0}
    for node, arriving in into.items():
        above = max(len(into.get(node - 1, ())), 1)
        heights[node] = heights[node - 1] - 0.28 * (above + max(len(arriving), 1)) - 0.25
    floor = heights[last] - 0.28 * max(len(into.get(last, ())), 1) - 0.15
    ax = ax or new_axes(1.4 * last + 2.6, 0.4 - 0.75 * floor + (0.35 if title else 0))
    pitch, lead = 1.9, 0.95
    places = {node: pitch * node for node in heights}
    end = pitch * last + 1.3
    lowest: dict[int, float] = {}
    for node, arriving in into.items():
        for place, (source, _, operation) in enumerate(arriving):
            y = heights[node] + 0.56 * ((len(arriving) - 1) / 2 - place)
            colour = OPERATION_COLOURS.get(operation, INK)
            style = ":" if operation == "zero" else "-"
            lowest[source] = min(lowest.get(source, y), y)
            ax.plot([places[source], places[node] - lead], [y, y], color=colour, lw=1.8, ls=style, zorder=1)
            ax.plot([places[node] - lead, places[node]], [y, heights[node]], color=colour, lw=1.8, ls=style, zorder=1)
            ax.plot(places[source], y, "o", color=colour, ms=4, zorder=2)
            ax.text(
                places[node] - lead, y, operation, ha="center", va="center", fontsize=size, color=colour, zorder=3,
                bbox={"boxstyle": "round,pad=0.28", "fc": "white", "ec": colour, "lw": 1.3, "ls": style},
            )  # fmt: skip
        ax.plot([places[node], end], [heights[node]] * 2, color=INK, lw=1.0, zorder=1)
    for node, y in lowest.items():
        ax.plot([places[node]] * 2, [heights[node], y], color=GREY, lw=1.2, zorder=0)
    for node, y in heights.items():
        box = {"boxstyle": "circle,pad=0.3" if node > 1 else "round,pad=0.35", "fc": "#F0F0F0", "ec": INK, "lw": 1.2}
        text = str(node) if node > 1 else f"input {node}"
        ax.text(places[node], y, text, ha="center", va="center", fontsize=size + 1, color=INK, zorder=4, bbox=box)
    top, bottom = heights[min(2, last)] + 0.42, heights[last] - 0.42
    ax.add_patch(Rectangle((end, bottom), 0.5, top - bottom, fc="#F0F0F0", ec=INK, lw=1.2, zorder=3))
    ax.text(
        end + 0.25, (top + bottom) / 2, "output", rotation=90, ha="center", va="center", fontsize=size + 1, zorder=4
    )
    ax.set_xlim(-0.8, end + 0.7)
    ax.set_ylim(min(floor, bottom - 0.05), 0.42)
    ax.set_axis_off()
    if title:
        ax.set_title(title, fontsize=12)
    return ax


@styled
def plot_expression(
    x: ArrayLike, a: ArrayLike, surrogate_gradient: ArrayLike, title: str = "", ax: Axes | None = None
) -> Axes:
    """Draw a(x), the derivative that training uses, and in grey where sign(a(x)) is +1; arrays of shape (n,).

    The vertical range follows the bulk of both curves, so that a pole (tan, 1/q) does not flatten everything else.

    >>> from evobnn.analysis import plot_expression
    >>> plot_expression([-1, 0, 1], [-1, 0, 1], [0, 1, 0], "x").get_xlabel()
    'x'
    """
    ax = ax or new_axes(5.0, 3.4)
    points, values = np.asarray(x, dtype=float), np.asarray(a, dtype=float)
    gradient = np.asarray(surrogate_gradient, dtype=float)
    finite = np.concatenate([values, gradient, [-1.0, 1.0]])
    finite = finite[np.isfinite(finite)]
    low, high = np.percentile(finite, [5, 95])
    bounds = np.clip([finite.min(), finite.max()], low - 0.6 * (high - low), high + 0.6 * (high - low))
    bounds = np.array([min(bounds[0], -1.0), max(bounds[1], 1.0)])
    margin = 0.06 * (bounds[1] - bounds[0])
    positive = ax.fill_between(
        points, 0, 1, where=list(values >= 0), transform=ax.get_xaxis_transform(), color=SHADE, lw=0, step="mid",
    )  # fmt: skip
    positive.set_label("sign = +1")
    ax.axhline(0, color=GREY, lw=0.8)
    ax.plot(points, _cut_poles(values, bounds[1] - bounds[0]), color=MEASURED, lw=2, label="a(x)")
    ax.plot(points, gradient, color=ORANGE, lw=1.6, ls="--", label="surrogate gradient")
    ax.set_xlim(points.min(), points.max())
    ax.set_ylim(bounds[0] - margin, bounds[1] + margin)
    ax.set_xlabel("x")
    ax.legend(fontsize=8.5, frameon=True, framealpha=0.95)
    if title:
        ax.set_title(title, fontsize=11, family="monospace")
    return ax


def _cut_poles(values: NDArray[np.float64], height: float) -> NDArray[np.float64]:
    """Return values with a gap where a curve leaps over the whole picture, so that no line joins the two branches."""
    leaps = np.abs(np.diff(values, prepend=values[:1])) > height
    return np.where(leaps, np.nan, values)


@styled
def save_front(
    path: Path,
    front: pd.DataFrame,
    archive: pd.DataFrame | None = None,
    objectives: tuple[str, str] = ("error", "ops"),
) -> None:
    """Replace a PNG file by the picture of a front; raises RunError if it cannot be written.

    >>> from pathlib import Path
    >>> from evobnn.analysis import save_front
    >>> save_front(Path("front.png"), evobnn.load_run("populations/digits").front())
    """
    figure = new_figure(7.0, 4.5)
    plot_front(front, archive, objectives, figure.add_subplot())
    save(figure, path)
