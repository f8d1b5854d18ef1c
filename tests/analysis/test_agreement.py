"""Pictures of brief against long trainings hold what they are handed. (Whether they look good was judged by eye.)"""

from __future__ import annotations

import math
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.text import Text
from PIL import Image

from evobnn.analysis.pictures.agreement import Series, plot_errors, plot_taus, save_errors, save_taus
from evobnn.errors import RunError

SINGLE = Series("width 12", [0.1, 0.2, 0.5], [0.2, 0.5, 0.7], [0.0, 0.4, 0.6], [0.4, 0.6, 0.8], ["1", "3", "8"])
MEANS = Series("width 12, means", [0.2, 0.4], [0.5, 0.6], [0.4, 0.5], [0.6, 0.7], ["", "3x2"], True)
OTHER = Series("width 6", [0.05, 0.1, 0.3], [math.nan, 0.1, 0.3], [math.nan, 0.0, 0.2], [math.nan, 0.2, 0.5],
               ["1", "3", "8"])  # fmt: skip
CEILING = (0.8, 0.7, 0.9)


def bars(ax: Axes) -> list[np.ndarray]:
    """Return x, low and high of each interval that is drawn, by series: arrays (intervals, 3)."""
    found = []
    for one in ax.containers:
        rows = np.array([(s[0][0], s[0][1], s[1][1]) for s in one[2][0].get_segments() if len(s)], dtype=float)
        found.append(rows[np.isfinite(rows).all(axis=1)])
    return found


def test_taus_stand_at_their_cost_with_interval_and_label() -> None:
    ax = plot_taus([SINGLE, MEANS, OTHER], CEILING, title="all genomes")
    single, means, other = bars(ax)
    assert single == pytest.approx(np.array([(0.1, 0.0, 0.4), (0.2, 0.4, 0.6), (0.5, 0.6, 0.8)]))
    assert means == pytest.approx(np.array([(0.4, 0.5, 0.7)]))  # the mean of one is a point of the other series already
    assert other == pytest.approx(np.array([(0.1, 0.0, 0.2), (0.3, 0.2, 0.5)]))
    assert [text.get_text() for text in ax.texts] == ["1", "3", "8", "3x2", "3", "8"]
    assert ax.get_xscale() == "log"
    assert ax.get_title() == "all genomes"
    names = ax.get_legend_handles_labels()[1]
    assert names == ["ceiling: long with long", "its 95 % interval", "width 12", "width 12, means", "width 6"]


def test_labels_lie_on_no_other_and_on_no_bar_where_there_is_room() -> None:
    crowd = [
        Series(f"width {n}", [0.1 + 0.01 * n, 0.2, 0.21], [0.5, 0.51, 0.5], [0.4] * 3, [0.6] * 3, ["1", "3x2", "3x3"])
        for n in range(3)
    ]
    ax = plot_taus(crowd, CEILING)
    ax.figure.draw_without_rendering()
    boxes = [Text.get_window_extent(text) for text in ax.texts]
    assert len(boxes) == 9
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    alone = plot_taus([SINGLE], CEILING)
    alone.figure.draw_without_rendering()
    bar = alone.transData.transform(np.column_stack([np.full(101, 0.2), np.linspace(0.4, 0.6, 101)]))
    (label,) = [text for text in alone.texts if text.get_text() == "3"]
    box = Text.get_window_extent(label)
    assert not any(box.contains(*point) for point in bar)


def test_the_ceiling_is_a_band() -> None:
    (band,) = plot_taus([SINGLE], CEILING).patches
    box = band.get_extents().transformed(band.axes.transData.inverted())  # type: ignore[union-attr]
    assert (box.y0, box.y1) == (pytest.approx(0.7), pytest.approx(0.9))
    assert not plot_taus([SINGLE], (math.nan, math.nan, math.nan)).patches


def test_colour_and_marker_go_by_width() -> None:
    ax = plot_taus([SINGLE, MEANS, OTHER], CEILING)
    single, means, other = (one[0] for one in ax.containers)
    assert single.get_marker() == means.get_marker() != other.get_marker()
    assert single.get_color() == means.get_color() != other.get_color()
    assert means.get_markerfacecolor() == "white" != single.get_markerfacecolor()


def test_errors_are_drawn_by_half_in_percent() -> None:
    brief, long, better = [0.3, 0.2, 0.5, 0.4], [0.1, 0.2, 0.3, 0.4], [True, True, False, False]
    ax = plot_errors(brief, long, better, ("3 epochs", "15 epochs"))
    points = {str(line.get_label()): line.get_xydata() for line in ax.lines[:2]}
    assert np.asarray(points["better half"]) == pytest.approx(np.array([[30, 10], [20, 20]]))
    assert np.asarray(points["worse half"]) == pytest.approx(np.array([[50, 30], [40, 40]]))
    assert ("3 epochs" in ax.get_xlabel(), "15 epochs" in ax.get_ylabel()) == (True, True)
    assert plot_errors([], [], [], ("a", "b")).lines
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "better half", "worse half", "worst of the better half",
    ]  # fmt: skip


def test_errors_have_log_axes_where_they_can() -> None:
    ax = plot_errors([0.3, 0.02], [0.1, 0.5], [True, False], ("a", "b"))
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert ax.get_xlabel() == "error (%, log scale): a"
    ax.figure.draw_without_rendering()
    shown = [tick.label1.get_text() for tick in ax.xaxis.get_major_ticks()]
    assert {"5", "10", "20"} <= set(shown)
    flawless = plot_errors([0.0, 0.02], [0.1, 0.5], [True, False], ("a", "b"))
    assert (flawless.get_xscale(), flawless.get_yscale()) == ("linear", "log")
    assert flawless.get_xlabel() == "error (%): a"


def test_files(tmp_path: Path) -> None:
    save_taus(tmp_path / "taus.png", {"all": [SINGLE, MEANS], "half": [OTHER]}, [CEILING, CEILING])
    save_errors(tmp_path / "errors.png", [0.1, 0.2], [0.2, 0.3], [True, False], ("a", "b"))
    for name, width in (("taus.png", 1500), ("errors.png", 700)):
        with Image.open(tmp_path / name) as picture:
            assert picture.size[0] > width
            assert len(np.unique(np.asarray(picture.convert("L")))) > 20
    with pytest.raises(RunError, match="to write"):
        save_errors(tmp_path / "nowhere" / "errors.png", [0.1], [0.2], [True], ("a", "b"))
