"""Pictures hold what they should, and no text lies on another. (Whether they look good was judged by eye.)"""

from __future__ import annotations

import io
import math
import os
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.text import Text
from PIL import Image

from evobnn.analysis.pictures import plots
from evobnn.analysis.pictures.canvas import new_axes
from evobnn.errors import RunError

FRONT = pd.DataFrame(
    {
        "error": [0.3, 0.2, 0.1],
        "ops": [1e5, 2e5, 9e5],
        "error_rescored": [0.32, 0.21, math.nan],
        "error_rescored_sd": [0.02, math.nan, math.nan],
        "n_rescored": [5, 4, 0],
        "still_nondominated": pd.array([True, False, pd.NA], dtype="boolean"),
    }
)
ARCHIVE = pd.DataFrame(
    {"error": [0.3, 0.4, 0.95, math.nan], "ops": [1e5, 3e5, 3e5, math.nan], "on_front": [True, False, False, False]}
)
CELL = [(0, 2, "conv3"), (1, 2, "max3"), (0, 3, "dil5"), (2, 3, "zero"), (1, 4, "avg3"), (3, 4, "conv5"),
        (0, 5, "dil3"), (4, 5, "conv3")]  # fmt: skip


def pixels(ax: Axes) -> np.ndarray:
    file = io.BytesIO()
    ax.get_figure().savefig(file, format="png")
    return np.asarray(Image.open(file).convert("RGB"))


def looks_drawn(ax: Axes) -> bool:
    shades, counts = np.unique(pixels(ax).reshape(-1, 3), axis=0, return_counts=True)
    return len(shades) > 20 and counts.max() < 0.995 * counts.sum()


def texts_apart(ax: Axes) -> int:
    """Assert that no two texts overlap or leave the figure; return how many pairs were compared."""
    figure = ax.get_figure()
    figure.draw_without_rendering()
    shown: list[Text] = [*ax.texts, ax.title]
    if ax.axison:
        legend = ax.get_legend()
        shown += [ax.xaxis.label, ax.yaxis.label, *(legend.get_texts() if legend else ())]
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            shown += [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
    boxes = [(t.get_text(), Text.get_window_extent(t)) for t in shown if t.get_text()]
    pairs = list(combinations(boxes, 2))
    for (one, a), (other, b) in pairs:
        assert not a.padded(-1).overlaps(b.padded(-1)), (one, other)
    for text, box in boxes:
        assert figure.bbox.padded(1).contains(*box.min), text
        assert figure.bbox.padded(1).contains(*box.max), text
    return len(pairs)


def test_a_front_with_fresh_scores() -> None:
    ax = plots.plot_front(FRONT, ARCHIVE)
    assert ax.get_xscale() == "log"
    labels = ax.get_legend_handles_labels()[1]
    assert labels == [
        "evaluated", "front, as the search measured it", "re-scored: mean of 4 to 5 ± sd",
        "re-scored, dominated: mean of 4 to 5 ± sd",
    ]  # fmt: skip
    assert any(text.get_text() == "1 more above" for text in ax.texts)
    assert looks_drawn(ax)
    assert texts_apart(ax) > 10


def ticks(axis: Axis) -> list[str]:
    """Return the labels inside the axis as they are drawn."""
    axis.figure.draw_without_rendering()
    low, high = sorted(axis.get_view_interval())
    return [tick.label1.get_text() for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]


def test_errors_are_in_percent_on_either_axis() -> None:
    upright = plots.plot_front(FRONT, ARCHIVE)
    assert upright.get_ylabel() == "error (%)"
    shown = [float(text) for text in ticks(upright.yaxis)]
    low, high = upright.get_ylim()
    assert len(shown) > 2 and all(100 * low <= value <= 100 * high for value in shown)
    assert max(shown) > 1
    lying = plots.plot_front(FRONT, None, ("ops", "error"))
    assert (lying.get_xlabel(), lying.get_ylabel()) == ("error (%, log scale)", "ops (for one image)")
    low, high = lying.get_xlim()
    assert all(100 * low <= float(text) <= 100 * high for text in ticks(lying.xaxis))
    flat = plots.plot_front(FRONT.assign(ops=[0.0, 1.0, 2.0]), None, ("ops", "error"))
    assert flat.get_xlabel().startswith("error (%")


def test_costs_close_together_have_plain_ticks() -> None:
    ax = plots.plot_front(FRONT.assign(ops=[4100.0, 5200.0, 6500.0]))
    assert len(ticks(ax.xaxis)) > 1 and all(text.endswith("k") for text in ticks(ax.xaxis)), ticks(ax.xaxis)
    assert texts_apart(ax) > 10


def test_one_fresh_training_has_no_deviation() -> None:
    single = FRONT.assign(error_rescored_sd=math.nan, n_rescored=[1] * len(FRONT))
    labels = plots.plot_front(single).get_legend_handles_labels()[1]
    assert labels[1:] == ["re-scored: 1 training", "re-scored, dominated: 1 training"]


@pytest.mark.parametrize("rows", [0, 1, 2, 3])
def test_short_fronts(rows: int) -> None:
    bare = FRONT.iloc[:rows].assign(error_rescored=math.nan)
    ax = plots.plot_front(bare)
    assert looks_drawn(ax)
    assert ax.get_legend_handles_labels()[1] == ["front, as the search measured it"]
    assert texts_apart(ax) > 3


def test_costs_of_zero_have_no_log_axis() -> None:
    ax = plots.plot_front(FRONT.assign(ops=[0.0, 1.0, 2.0]))
    assert ax.get_xscale() == "linear"
    assert ax.get_xlabel() == "ops (for one image)"


def test_saving_replaces_the_picture_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "front.png"
    plots.save_front(path, FRONT, ARCHIVE)
    first = path.read_bytes()
    with Image.open(path) as image:
        assert image.size == (910, 585)
    plots.save_front(path, FRONT.iloc[:2])
    second = path.read_bytes()
    assert second != first

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(RunError, match="Free some space"):
        plots.save_front(path, FRONT, ARCHIVE)
    assert path.read_bytes() == second
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


def test_hypervolume_with_a_gap() -> None:
    ax = plots.plot_hypervolume(pd.DataFrame({"generation": [0, 1, 2], "hypervolume": [0.5, None, 0.6]}))
    assert looks_drawn(ax)
    assert texts_apart(ax) > 10


@pytest.mark.parametrize("columns", [0, 1, 7, 20])
@pytest.mark.parametrize("even", [True, False])
def test_shares_have_a_name_for_every_line(columns: int, even: bool) -> None:
    names = ["zero", "max3", "avg3", "conv3", "conv5", "dil3", "dil5", *(f"form{i}" for i in range(13))][:columns]
    values = np.full((4, columns), 1 / max(columns, 1))
    if not even and columns:
        values = np.random.default_rng(columns).dirichlet(np.ones(columns), 4)
    ax = plots.plot_operations(pd.DataFrame(values, columns=names))
    written = {text.get_text() for text in ax.texts}
    assert len(written) == len(ax.lines) == min(columns, 8)
    assert ("others" in written) == (columns > 8)
    assert texts_apart(ax) > 3


def test_others_take_up_the_rest() -> None:
    ax = plots.plot_operations(pd.DataFrame(np.full((2, 20), 0.05), columns=[f"f{i}" for i in range(20)]))
    assert sum(line.get_ydata()[0] for line in ax.lines) == pytest.approx(100)


def test_a_cell_names_every_operation_once_per_edge() -> None:
    ax = plots.plot_cell(CELL, title="normal")
    written = [text.get_text() for text in ax.texts]
    assert sorted(written) == sorted([*(op for _, _, op in CELL), "input 0", "input 1", "2", "3", "4", "5", "output"])
    assert looks_drawn(ax)
    assert texts_apart(ax) > 50


def test_random_cells_stay_legible() -> None:
    rng = np.random.default_rng(0)
    compared = 0
    for _ in range(30):
        edges = [
            (int(rng.integers(node)), node, str(rng.choice(list(plots.OPERATION_COLOURS))))
            for node in range(2, 2 + int(rng.integers(0, 6)))
            for _ in range(int(rng.integers(0, 5)))
        ]
        compared += texts_apart(plots.plot_cell(edges))
    assert compared > 500


def test_expressions() -> None:
    x = np.linspace(-3, 3, 601)
    drawn = 0
    with np.errstate(all="ignore"):
        for a in (np.sin(x) * x, np.tan(x), 1 / x, np.zeros_like(x), np.log(x)):
            ax = plots.plot_expression(x, a, np.gradient(a, x) * (np.abs(a) < 1), "the title")
            low, high = ax.get_ylim()
            assert low < 0 < high < 50
            assert looks_drawn(ax)
            assert texts_apart(ax) > 10
            drawn += 1
    assert drawn == 5


def test_functions_draw_on_the_axes_they_get() -> None:
    mine = new_axes()
    assert plots.plot_cell(CELL, mine) is mine
    assert plots.short(1234567) == "1.23M"
    assert plots.short(999.9) == "1k"
    assert plots.short(0.5) == "0.5"
