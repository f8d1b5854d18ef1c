"""Arms of a comparison against its reference: one row an arm, the paired difference with its interval."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from evobnn import _jsonl
from evobnn.analysis.pictures.canvas import new_axes, new_figure, nothing, rule, save, wide, wrapped
from evobnn.analysis.pictures.curves import REPORT
from evobnn.analysis.pictures.style import GREY, INK, MEASURED, NOTE, YARDSTICK, styled
from evobnn.errors import RunError, message

COLUMNS = ("measure", "arm", "reference", "estimate", "low", "high", "n", "yardstick")
MEASURES = {
    "regret": ("regret of the best", "percentage points of error", True, 100.0, 2),
    "error": ("error of the best", "percentage points", True, 100.0, 2),
    "hypervolume": ("hypervolume of the front", "part of the box", False, 1.0, 3),
    "epochs": ("trained epochs", "epochs", True, 1.0, 1),
}
"""By measure: its title, the unit of a difference, whether less is better, factor and digits as they are shown."""

ROW, NAME, SIZE = 0.31, 2.3, 10.0
"""Inches of a row, and of an arm's name at most; size of names in points."""
PANEL, NUMBERS, COUNT, ABOVE, BELOW = 3.3, 1.85, 0.5, 0.35, 0.9
"""Inches of a panel, of the numbers at its right, where n differs, and of what stands above and below."""


def differences_frame(folder: str | Path) -> pd.DataFrame:
    """Return what each arm of a comparison differs from the reference by, one row for each measure and arm.

    Columns: measure, arm, reference, estimate, low and high (of the mean paired difference, 95 %; NaN where fewer than
    two seeds are common), n (pairs), yardstick (whether it is no search but the row `dearest`).

    Raises:
        RunError: the folder holds no report.
    """
    path = Path(folder) / REPORT
    if not path.is_file():
        raise RunError(message(f"a comparison with {REPORT}", f"{folder}", "Name its folder, or finish it first."))
    return as_differences(json.loads(_jsonl.read_bytes(path)))


def as_differences(report: Mapping[str, Any]) -> pd.DataFrame:
    """Return the rows of `differences_frame` from a report in plain values."""
    apart = [report["dearest"]] if report.get("dearest") else []
    rows = [*report["arms"], *apart]
    found = []
    for measure in (name for name in MEASURES if any(name in row["versus"] for row in rows)):
        for row in rows:
            if row["name"] == report["reference"]:
                continue
            versus = row["versus"].get(measure, {})
            interval = versus.get("difference", {})
            values = [np.nan if interval.get(key) is None else interval[key] for key in ("estimate", "low", "high")]
            found.append(
                (measure, row["name"], report["reference"], *values, versus.get("n", 0), any(row is a for a in apart))
            )
    return pd.DataFrame(found, columns=list(COLUMNS))


@styled
def plot_forest(differences: pd.DataFrame, measure: str, ax: Axes | None = None) -> Axes:
    """Draw one row an arm, downwards: the mean paired difference to the reference with its interval, and as numbers.

    A line stands at 0, where the reference is. A yardstick is set apart below the arms.

    Args:
        differences: table of `differences_frame`.
        measure: one of it.
        ax: where to draw.
    """
    chosen = differences[differences["measure"] == measure]
    ax = ax or new_axes(PANEL + NUMBERS + 1.5, ABOVE + BELOW + ROW * (len(chosen) + 1))
    title, unit, less, factor, digits = MEASURES[measure]
    places = row_places(chosen)
    counts = chosen["n"].to_numpy(int)
    most = int(counts.max(initial=0))
    ax.axvline(0.0, color=INK, lw=1.0, zorder=1)
    for place, row in zip(places, chosen.to_dict("records"), strict=True):
        estimate, low, high = (factor * float(row[key]) for key in ("estimate", "low", "high"))
        text = f"{estimate:+.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
        if not np.isfinite(estimate):
            text = "too few common seeds"
        elif np.isfinite([low, high]).all():
            colour, marker = (YARDSTICK, "D") if row["yardstick"] else (MEASURED, "o")
            ax.plot([low, high], [place, place], color=colour, lw=2.0, solid_capstyle="butt", zorder=2)
            ax.plot(estimate, place, marker, color=colour, ms=6.5, zorder=3)
        few = f", n = {row['n']}" if 0 < row["n"] < most else ""
        ax.text(
            1.02, place, f"{text}{few}".replace("-", "\N{MINUS SIGN}"), transform=ax.get_yaxis_transform(),
            va="center", fontsize=9, color=INK if np.isfinite(estimate) else NOTE,
        )  # fmt: skip
    if chosen["yardstick"].any() and not chosen["yardstick"].all():
        ax.axhline(float(places[-1]) - 0.85, color=GREY, lw=0.8, ls=":")
    ax.set_yticks(places, [shown(row) for row in chosen.to_dict("records")])
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(float(places[-1]) + 0.7 if len(places) else 1.0, -0.7)
    low, high = _limits(chosen, factor)
    ax.set_xlim(low, high)
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.set_title(f"{title}, n = {most}", loc="left")
    better = "← better: less" if less else "better: more →"
    ax.set_xlabel(f"{_against(chosen)}\n({unit}; {better})")
    ax.spines["left"].set_visible(False)
    rule(ax, axis="x")
    return ax


def row_places(chosen: pd.DataFrame) -> list[float]:
    """Return the heights of rows, downwards: 1 apart, and 0.7 more before a yardstick."""
    yardsticks = chosen["yardstick"].to_numpy(bool)
    after = yardsticks & ~yardsticks.all()
    return [number + 0.7 * bool(apart) for number, apart in enumerate(after)]


def shown(row: Mapping[Any, Any]) -> str:
    """Return how the name of a row is written, in lines that are not too wide."""
    return wrapped(str(row["arm"]), NAME, SIZE) + ("\n(no search)" if row["yardstick"] else "")


def save_forest(path: Path, differences: pd.DataFrame) -> None:
    """Replace a PNG file by one picture of `plot_forest` for each measure, side by side.

    Raises:
        RunError: it cannot be written.
    """
    measures = list(dict.fromkeys(differences["measure"]))
    if not measures:
        ax = new_axes(5.0, 1.6)
        ax.set_axis_off()
        nothing(ax, "no two arms with common seeds")
        save(ax.figure, path)  # type: ignore[arg-type]
        return
    first = differences[differences["measure"] == measures[0]]
    lines = [shown(row).split("\n") for row in first.to_dict("records")]
    names = 0.25 + max(wide(line, SIZE) for one in lines for line in one)
    numbers = NUMBERS + COUNT * any(part["n"].nunique() > 1 for _, part in differences.groupby("measure"))
    tall = max(1.0, 0.55 * max(len(one) for one in lines))
    rows = ROW * tall * (max(row_places(first)) + 1.4)
    below = BELOW + 0.18 * _against(first).count("\n")
    width, height = names + len(measures) * (PANEL + numbers), ABOVE + rows + below
    figure = new_figure(width, height, arranged=False)
    for number, measure in enumerate(measures):
        left = names + number * (PANEL + numbers)
        ax = _add(figure, left / width, below / height, PANEL / width, rows / height)
        plot_forest(differences, measure, ax)
        if number:
            ax.tick_params(labelleft=False)
    if len(first) > 1:
        said = "Points: means; lines: 95 % intervals, each by itself, not corrected for the number of arms."
        figure.text(0.1 / width, 0.08 / height, said, fontsize=8, color=NOTE, ha="left", va="bottom")
    save(figure, path)


@styled
def _add(figure: Any, left: float, bottom: float, width: float, height: float) -> Axes:
    ax: Axes = figure.add_axes((left, bottom, width, height))
    return ax


def _against(chosen: pd.DataFrame) -> str:
    """Return what an axis says of the reference."""
    reference = chosen["reference"].iloc[0] if len(chosen) else "the reference"
    return wrapped(f"mean difference to {reference}", PANEL + 0.6, SIZE)


def _limits(chosen: pd.DataFrame, factor: float) -> tuple[float, float]:
    """Return the ends of the axis: all intervals and 0, with a margin."""
    known = factor * chosen[["low", "high"]].to_numpy(float)
    known = np.append(known[np.isfinite(known)], 0.0)
    low, high = float(known.min()), float(known.max())
    margin = 0.06 * (high - low) or 1.0
    return low - margin, high + margin


__all__ = ["as_differences", "differences_frame", "plot_forest", "row_places", "save_forest", "shown"]
