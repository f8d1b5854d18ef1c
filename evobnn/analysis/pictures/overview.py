"""A run in one picture: its front at the left, and the cell and the function of one member at the right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter
from matplotlib.transforms import blended_transform_factory

from evobnn.analysis.pictures.canvas import new_figure, rule, save
from evobnn.analysis.pictures.plots import plain_log_ticks, plot_cell, plot_expression, short
from evobnn.analysis.pictures.portrait import Curve
from evobnn.analysis.pictures.style import BLUE, DASHES, GREY, GRID, INK, ORANGE, styled

WORDS = {"ops": "operations for one image", "bits": "bits kept for inference"}
"""What axes say for the names of costs; others say the name itself."""


@styled
def save_overview(
    path: Path,
    front: pd.DataFrame,
    archive: pd.DataFrame,
    cell: tuple[str, Sequence[tuple[int, int, str]]] | None,
    function: tuple[str, Curve],
    *,
    cost: str = "ops",
    lines: Mapping[str, float] = {},
) -> None:
    """Write a PNG file with a front of error over a cost, and beside it one of its members.

    Args:
        path: of the picture; raises RunError if it cannot be written.
        front: table of `front_frame`, with the objectives `error` (a share) and `cost`.
        archive: table of `individuals_frame`.
        cell: title and edges (source, target, operation) of the member's cell; None where it has none.
        function: title, and x, a(x) and surrogate gradient, of the member's function.
        cost: an objective above 0.
        lines: errors (shares) of what the front is held against, by name.
    """
    figure = new_figure(13.0, 5.8)
    halves: Any = figure.subfigures(1, 2, width_ratios=[1.15, 1.0], wspace=0.03)
    left, right = halves
    plot_named_front(left.add_subplot(), front, archive, cost, lines)
    rows: Any = right.subplots(2 if cell else 1, 1, height_ratios=[1.35, 1.0] if cell else [1.0], squeeze=False)[:, 0]
    if cell:
        plot_cell(cell[1], rows[0], size=9.0)
        rows[0].set_title(cell[0], fontsize=11.5, loc="left")
    plot_expression(*function[1], ax=rows[-1])
    rows[-1].set_title(function[0], fontsize=11.5, loc="left")
    _open(rows[-1])
    save(figure, path, dpi=110)


@styled
def plot_named_front(
    ax: Axes, front: pd.DataFrame, archive: pd.DataFrame, cost: str = "ops", lines: Mapping[str, float] = {}
) -> Axes:
    """Draw the front by the scores to be quoted, in percent over a log axis of costs, and name three members.

    These are fresh means with one standard deviation where there are any, else the search's own means. Who holds by
    them is joined by a staircase; what another dominates by them is hollow. Named are the cheapest, the one of least
    error, and the knee: the one that lies farthest below the straight line between these two.

    Args:
        ax: where to draw.
        front: table of `front_frame`.
        archive: table of `individuals_frame`, drawn as small dots behind.
        cost: an objective above 0.
        lines: errors of what the front is held against, by name, drawn across.
    """
    scored = standing(front, cost)
    tried = archive.dropna(subset=["error", cost])
    ax.set_xscale("log")
    higher = _set_limits(ax, scored, tried[cost], tried["error"], lines)
    label = f"tried by the search ({higher} more above)" if higher else "tried by the search"
    ax.plot(tried[cost], tried["error"], ".", color=GREY, alpha=0.6, ms=5, zorder=1, label=label)
    held, fallen = scored[scored["held"]], scored[~scored["held"]]
    n = int(scored["n"].min())
    fresh = bool(scored["sd"].notna().any())
    ax.step(held["cost"], held["error"], where="post", color=BLUE, lw=1.4, alpha=0.6, zorder=2)
    _draw_members(ax, held, BLUE, f"front, mean of {n} fresh seeds ± sd" if fresh else "front")
    _draw_members(ax, fallen, "white", "no longer on it by these")
    _draw_lines(ax, lines)
    _name_members(ax, held, lines)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g} %"))
    plain_log_ticks(ax, cost)
    ax.set_xlabel(f"{WORDS.get(cost, cost)} (log scale)", fontsize=11)
    ax.set_ylabel("error on validation images", fontsize=11)
    rule(ax)
    _open(ax)
    ax.legend(frameon=True, fontsize=9.5, loc="upper right", framealpha=0.95, edgecolor=GRID, handletextpad=0.4)
    return ax


def standing(front: pd.DataFrame, cost: str = "ops") -> pd.DataFrame:
    """Return id, cost, error, sd, n and held of a front, by cost: by fresh scores where there are any."""
    fresh = front.dropna(subset=["error_rescored"])
    if len(fresh):
        columns = {"id": "id", cost: "cost", "error_rescored": "error", "error_rescored_sd": "sd", "n_rescored": "n"}
        held = fresh["still_nondominated"].fillna(False).astype(bool)
    else:
        fresh = front.assign(error_rescored_sd=np.nan)
        columns = {"id": "id", cost: "cost", "error": "error", "error_rescored_sd": "sd", "n": "n"}
        held = fresh["id"].notna()
    kept = fresh[list(columns)].rename(columns=columns).assign(held=held)
    return kept.sort_values(["cost", "error"], ignore_index=True)


def named(held: pd.DataFrame) -> dict[str, int]:
    """Return the rows of the cheapest, the knee and the best in a table of `standing`; one row has one name only."""
    cost, error = np.log10(held["cost"].to_numpy(float)), held["error"].to_numpy(float)
    best = int(np.argmin(error))
    if best == 0:
        return {"best": 0}
    across, down = (cost - cost[0]) / (cost[best] - cost[0]), (error - error[best]) / (error[0] - error[best])
    knee = int(np.argmax((1 - across - down)[: best + 1]))
    return {"cheapest": 0, **({"knee": knee} if 0 < knee < best else {}), "best": best}


def _set_limits(ax: Axes, scored: pd.DataFrame, costs: pd.Series, errors: pd.Series, lines: Mapping[str, float]) -> int:
    """End the axes around front and lines, with room for names; return how many networks lie higher."""
    spread = scored["sd"].fillna(0.0)
    known = [*(scored["error"] - spread), *(scored["error"] + spread), *lines.values()]
    low, high = min(known), max(known)
    height = (high - low) or 0.1
    ax.set_ylim(max(0.0, low - 0.22 * height), high + 0.18 * height)
    shown = [*scored["cost"], *costs[errors <= high + 0.18 * height]]
    span = float(np.log10(max(shown) / min(shown))) or 1.0
    ax.set_xlim(min(shown) / 10 ** (0.05 * span), max(shown) * 10 ** (0.05 * span))
    return int((errors > high + 0.18 * height).sum())


def _draw_members(ax: Axes, part: pd.DataFrame, face: str, label: str) -> None:
    if len(part):
        ax.errorbar(
            part["cost"], part["error"], yerr=part["sd"].fillna(0.0), fmt="o", color=BLUE, mfc=face, ms=7, mew=1.4,
            lw=1.2, capsize=3, alpha=0.5 if face == "white" else 1.0, zorder=4, label=label,
        )  # fmt: skip


def _draw_lines(ax: Axes, lines: Mapping[str, float]) -> None:
    """Draw lines with their names at the left, where no front is: above the line, or below it if the next is near."""
    low, high = ax.get_ylim()
    place = blended_transform_factory(ax.transAxes, ax.transData)
    ordered = sorted(lines.items(), key=lambda one: one[1])
    for number, (name, value) in enumerate(ordered):
        near = number + 1 < len(ordered) and ordered[number + 1][1] - value < 0.07 * (high - low)
        ax.axhline(value, color=ORANGE, lw=1.4, ls=DASHES[1 + number % 3], zorder=3)
        ax.annotate(
            f"{name}: {100 * value:.1f} %", (0.012, value), xycoords=place, xytext=(0, -3 if near else 3),
            textcoords="offset points", ha="left", va="top" if near else "bottom", color=ORANGE, fontsize=10, zorder=5,
        ).set_in_layout(False)  # fmt: skip


def _name_members(ax: Axes, held: pd.DataFrame, lines: Mapping[str, float]) -> None:
    """Write id, error and cost of three members: of the cheapest right above it, of the others below, where no
    member of a front can lie.
    """
    costs, errors = held["cost"].to_numpy(float), held["error"].to_numpy(float)
    deviations = held["sd"].fillna(0.0).to_numpy(float)
    for word, row in named(held).items():
        cost, error = float(costs[row]), float(errors[row])
        text = f"{word}, id {held['id'].iloc[row]}\n{100 * error:.1f} %, {short(cost)}"
        offset, across, up = (12.0, 8.0), "left", "bottom"
        if word != "cheapest":
            place = float(ax.transLimits.transform((np.log10(cost), error))[0])
            across = "left" if place < 0.1 else "right" if place > 0.85 else "center"
            offset, up = (0.0, _free_below(ax, error, lines, deviations[row])), "top"
        ax.annotate(
            text, (cost, error), xytext=offset, textcoords="offset points", ha=across, va=up, fontsize=10, color=INK,
            zorder=6, arrowprops={"arrowstyle": "-", "color": GREY, "lw": 0.8, "shrinkA": 0, "shrinkB": 5},
            bbox={"fc": "white", "ec": "none", "pad": 1.0, "alpha": 0.85},
        ).set_in_layout(False)  # fmt: skip


def _free_below(ax: Axes, error: float, lines: Mapping[str, float], deviation: float) -> float:
    """Return the top of a text of two lines, in points below an error and its bar, far from lines."""
    low, high = ax.get_ylim()
    points = 72.0 * ax.bbox.height / ax.get_figure().dpi / (high - low)  # type: ignore[union-attr]
    marks = [points * (value - error) for value in lines.values()]

    def room(top: float) -> float:
        return min([16.0, *(max(mark - top, top - 30.0 - mark) for mark in marks)])

    first = min(-24.0, -6.0 - points * deviation)
    return max([first - 4.0 * step for step in range(11)], key=room)


def _open(ax: Axes) -> None:
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
