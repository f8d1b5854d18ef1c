"""A comparison of searches as its folder holds it: tables of finals and curves, and medians as small multiples."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from evobnn import _jsonl
from evobnn.analysis.pictures.canvas import new_axes, new_figure, nothing, rule, save, wrapped
from evobnn.analysis.pictures.style import GREY, INK, MEASURED, styled
from evobnn.errors import RunError, message

RESULTS, REPORT = "results.jsonl", "report.json"
FORMAT, VERSION = "evobnn-comparison", 2
LABELS = {
    "regret": "regret of the best (percentage points of error); less is better",
    "error": "error of the best, as the search saw it (%); less is better",
    "hypervolume": "hypervolume of the front (part of the box, 0 to 1); more is better",
}
"""What stands above the panels, by measure; regret and error are shares, drawn in percent."""
SHORT = {"regret": "regret (points)", "error": "error (%)", "hypervolume": "hypervolume (0 to 1)"}
"""What an axis says, by measure."""
MOST = 4
"""Panels beside each other."""
SIZE = 9.5
"""Of an arm's name in points."""
LEFT, WIDE, TALL, BETWEEN, HEAD, FOOT, LEGEND = 0.75, 2.5, 1.75, 0.16, 0.3, 0.55, 0.55
"""Inches: left of the panels, of a panel and between two; above and below those of a measure, and of the legend."""

_MEND = "Take the line out; its search is then run again."


def read_results(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the first line of a `results.jsonl`, which says what was asked, and the finished searches, one a line.

    A line that is torn by a kill is skipped.

    Raises:
        RunError: no such file, or the first line is not that of a comparison.
    """
    header, rows = _jsonl.read_alone(path, FORMAT, VERSION, "Name the folder of a comparison.", _MEND)
    found = []
    for number, row in rows:
        with _jsonl.line(path, number, _MEND):
            kinds: dict[str, type] = {"arm": str, "settings": str, "seed": int}
            rest = {"failed": str} if "failed" in row else {"epochs": list, "curves": dict, "final": dict,
                                                            "start": dict, "fixed": dict, "best": str}  # fmt: skip
            found.append(_jsonl.take(row, **kinds, **rest))
    return header, found


def compare_frame(folder: str | Path) -> pd.DataFrame:
    """Return one row for each finished search of a comparison.

    Columns: arm, seed, epochs (trained), what was measured at the end (`regret`, or `error` on fresh seeds; and
    `hypervolume`; both where there are several objectives), start_ and the same after generation 0 as far as it is
    known, fixed_ and the same of the network in which nothing is searched, `repeated` and `invalid` (trainings), best
    (the genome it would return), failed (why there is nothing else).
    """
    rows = []
    for row in read_results(Path(folder) / RESULTS)[1]:
        entry: dict[str, Any] = {"arm": row["arm"], "seed": row["seed"]}
        if "failed" in row:
            entry["failed"] = row["failed"]
        else:
            entry |= {"epochs": row["epochs"][-1], **row["final"]}
            entry |= {f"{at}_{name}": value for at in ("start", "fixed") for name, value in row[at].items()}
            entry |= {"best": row["best"], "failed": ""}
        rows.append(entry)
    first = ["arm", "seed", "epochs"]
    frame = pd.DataFrame(rows)
    return frame[[*first, *(name for name in frame if name not in first)]] if len(frame) else frame


def curves_frame(folder: str | Path) -> pd.DataFrame:
    """Return one row for each generation of each finished search: arm, seed, epochs, and each measure after it."""
    rows = [
        {"arm": row["arm"], "seed": row["seed"], "epochs": epochs, **{n: c[at] for n, c in row["curves"].items()}}
        for row in read_results(Path(folder) / RESULTS)[1]
        for at, epochs in enumerate(row.get("epochs", ()))
    ]
    return pd.DataFrame(rows)


def bands_frame(folder: str | Path) -> pd.DataFrame:
    """Return the medians and quartiles of a comparison's report: measure, arm, epochs, median, lower, upper."""
    path = Path(folder) / REPORT
    if not path.is_file():
        raise RunError(message(f"a comparison with {REPORT}", f"{folder}", "Name its folder, or finish it first."))
    return as_bands(json.loads(_jsonl.read_bytes(path))["curves"])


def as_bands(curves: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return the rows of `bands_frame` from the part `curves` of a report."""
    parts = [pd.DataFrame(dict(curve)) for curve in curves]
    columns = ["measure", "arm", "epochs", "median", "lower", "upper"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


@styled
def plot_curves(bands: pd.DataFrame, measure: str, arm: str, reference: str = "", ax: Axes | None = None) -> Axes:
    """Draw the median of one arm as a step curve over trained epochs, with a band from quartile to quartile, over the
    reference's in grey.

    Args:
        bands: table of `bands_frame`.
        measure: `regret`, `error` or `hypervolume`.
        arm: its colour is the same whatever its name; that of the reference is grey.
        reference: left out where it is empty or the arm itself.
        ax: where to draw.
    """
    ax = ax or new_axes(4.4, 3.2)
    behind = reference if reference != arm else ""
    grey = arm == reference
    for name, colour, shade, order in ((behind, GREY, 0.22, 1), (arm, GREY if grey else MEASURED, 0.22, 2)):
        rows = bands[(bands["measure"] == measure) & (bands["arm"] == name)] if name else bands.iloc[:0]
        if len(rows):
            x = rows["epochs"].to_numpy(float)
            scale = 1.0 if measure == "hypervolume" else 100.0
            median, lower, upper = (scale * rows[column].to_numpy(float) for column in ("median", "lower", "upper"))
            said = "reference" if order == 1 or grey else "arm"
            ax.fill_between(x, lower, upper, step="post", color=colour, alpha=shade, lw=0, zorder=order,
                            label=f"{said}: quartile to quartile")  # fmt: skip
            ax.step(x, median, where="post", color=colour, lw=1.8, zorder=order + 2, label=f"{said}: median")
    ax.set_title(_named(arm, reference), fontsize=SIZE, loc="left")
    ax.set_xlabel("trained epochs")
    ax.set_ylabel(SHORT.get(measure, measure))
    ax.margins(x=0.02)
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    ax.yaxis.set_major_locator(MaxNLocator(5))
    rule(ax)
    return ax


def draw_curves(bands: pd.DataFrame, reference: str = "") -> Figure:
    """Return a figure with a panel of `plot_curves` for each measure and arm, at most `MOST` beside each other.

    Panels of a measure share both axes.

    Args:
        bands: table of `bands_frame`.
        reference: drawn in grey behind every arm; the first arm where it is empty.
    """
    arms = list(dict.fromkeys(bands["arm"]))
    measures = list(dict.fromkeys(bands["measure"]))
    if not arms:
        figure = new_figure(5.0, 1.6)
        ax = figure.add_subplot()
        ax.set_axis_off()
        nothing(ax, "no search came to its end")
        return figure
    reference = reference or arms[0]
    rows = math.ceil(len(arms) / MOST)
    columns = math.ceil(len(arms) / rows)
    lines = max(_named(arm, reference).count("\n") + 1 for arm in arms)
    above = 0.17 + 0.17 * lines
    block = HEAD + rows * (TALL + above) + FOOT
    width, height = LEFT + columns * (WIDE + BETWEEN) + 0.1, LEGEND + len(measures) * block
    figure = new_figure(width, height, arranged=False)
    for number, measure in enumerate(measures):
        top = height - LEGEND - number * block
        figure.text(0.12 / width, (top - 0.05) / height, LABELS.get(measure, measure), va="top", fontsize=11,
                    weight="bold", color=INK)  # fmt: skip
        first: Axes | None = None
        for place, arm in enumerate(arms):
            row, column = divmod(place, columns)
            left, bottom = LEFT + column * (WIDE + BETWEEN), top - HEAD - (row + 1) * (TALL + above)
            corner = (left / width, bottom / height, WIDE / width, TALL / height)
            ax = _panel(figure, corner, first)
            plot_curves(bands, measure, arm, reference, ax)
            lowest = place + columns >= len(arms)
            ax.tick_params(labelleft=column == 0, labelbottom=lowest)
            if column:
                ax.set_ylabel("")
            if not lowest:
                ax.set_xlabel("")
            first = first or ax
    _legend(figure, reference, bool(len(arms) > 1))
    return figure


def _named(arm: str, reference: str) -> str:
    """Return the title of a panel."""
    return wrapped(f"{arm} (reference)" if arm == reference else arm, WIDE, SIZE)


@styled
def _panel(figure: Figure, corner: tuple[float, float, float, float], first: Axes | None) -> Axes:
    return figure.add_axes(corner, sharex=first, sharey=first)


@styled
def _legend(figure: Figure, reference: str, several: bool) -> None:
    """Say above everything what lines and bands are."""
    entries = [(MEASURED, "the arm named above its panel")] if several else []
    entries.append((GREY, wrapped(f"{reference} (reference)", 3.0, 9.0)))
    handles: list[Any] = [
        (Patch(color=colour, alpha=0.22, lw=0), Line2D([], [], color=colour, lw=1.8)) for colour, _ in entries
    ]
    names = [f"{name}: median, quartile to quartile" for _, name in entries]
    figure.legend(handles, names, loc="upper left", ncols=2 if figure.get_figwidth() > 8.5 else 1, borderaxespad=0.4)


def save_curves(path: Path, bands: pd.DataFrame, reference: str = "") -> None:
    """Replace a PNG file by the picture of `draw_curves`; raises RunError if it cannot be written."""
    save(draw_curves(bands, reference), path, dpi=110)


__all__ = [
    "FORMAT",
    "REPORT",
    "RESULTS",
    "VERSION",
    "as_bands",
    "bands_frame",
    "compare_frame",
    "curves_frame",
    "draw_curves",
    "plot_curves",
    "read_results",
    "save_curves",
]
