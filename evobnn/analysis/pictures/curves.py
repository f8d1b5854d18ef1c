"""A comparison of searches as its folder holds it: tables of finals and curves, a picture of medians."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from evobnn import _jsonl
from evobnn.analysis.pictures.canvas import new_axes, new_figure, rule, save
from evobnn.analysis.pictures.plots import COLOURS, DASHES, label_ends
from evobnn.errors import RunError, message

RESULTS, REPORT = "results.jsonl", "report.json"
FORMAT, VERSION = "evobnn-comparison", 2
LABELS = {
    "regret": "regret of the best (percentage points of error)",
    "error": "error of the best, as the search saw it (%)",
    "hypervolume": "hypervolume of the front (0 to 1)",
}
"""What an axis says, by measure; regret and error are shares, drawn in percent."""

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


def plot_curves(bands: pd.DataFrame, measure: str, ax: Axes | None = None) -> Axes:
    """Draw the median of each arm as a step curve over trained epochs, with a band from quartile to quartile.

    Args:
        bands: table of `bands_frame`.
        measure: `regret`, `error` or `hypervolume`.
        ax: where to draw.
    """
    ax = ax or new_axes(7.0, 4.4)
    chosen = bands[bands["measure"] == measure].dropna(subset=["median"])
    scale = 1.0 if measure == "hypervolume" else 100.0
    ends: list[tuple[float, str, str]] = []
    faint = 0.12 if chosen["arm"].nunique() <= 4 else 0.07
    for place, (arm, rows) in enumerate(chosen.groupby("arm", sort=False)):
        colour, dash = COLOURS[place % len(COLOURS)], DASHES[place // 2 % len(DASHES)]
        x = rows["epochs"].to_numpy(float)
        median, lower, upper = (scale * rows[name].to_numpy(float) for name in ("median", "lower", "upper"))
        ax.fill_between(x, lower, upper, step="post", color=colour, alpha=faint, lw=0)
        ax.step(x, median, where="post", color=colour, ls=dash, lw=1.8)
        ends.append((float(median[-1]), str(arm), colour))
    ax.set_xlabel("trained epochs")
    ax.set_ylabel(LABELS.get(measure, measure))
    rule(ax)
    ax.margins(x=0.01)
    if ends:
        label_ends(ax, float(chosen["epochs"].max()), ends)
    return ax


def save_curves(path: Path, bands: pd.DataFrame) -> None:
    """Replace a PNG file by one picture for each measure, side by side; raises RunError if it cannot be written."""
    measures = list(dict.fromkeys(bands["measure"])) or ["hypervolume"]
    figure = new_figure(7.4 * len(measures), 5.0)
    for number, measure in enumerate(measures, 1):
        plot_curves(bands, measure, figure.add_subplot(1, len(measures), number))
    save(figure, path)


__all__ = [
    "FORMAT",
    "REPORT",
    "RESULTS",
    "VERSION",
    "as_bands",
    "bands_frame",
    "compare_frame",
    "curves_frame",
    "plot_curves",
    "read_results",
    "save_curves",
]
