"""The front and a member in one picture: which members are named, and no text on another or on a line."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from evobnn.analysis.pictures import overview
from evobnn.analysis.pictures.canvas import new_axes
from tests.analysis.test_plots import ARCHIVE, CELL, texts_apart

X = np.linspace(-3, 3, 601)
FRONT = pd.DataFrame(
    {
        "id": [7, 3, 9, 4, 5],
        "error": [0.5, 0.22, 0.18, 0.15, 0.13],
        "ops": [1e4, 2e4, 3e4, 5e4, 9e4],
        "n": [1, 1, 2, 3, 3],
        "error_rescored": [0.52, 0.2, 0.25, 0.15, math.nan],
        "error_rescored_sd": [0.02, 0.01, 0.03, 0.01, math.nan],
        "n_rescored": [5, 5, 5, 5, 0],
        "still_nondominated": pd.array([True, True, False, True, pd.NA], dtype="boolean"),
    }
)
FRESHLESS = FRONT.assign(error_rescored=math.nan, error_rescored_sd=math.nan, n_rescored=0, still_nondominated=pd.NA)


def names(front: pd.DataFrame) -> dict[str, int]:
    held = overview.standing(front)
    held = held[held["held"]].reset_index(drop=True)
    return {word: int(held["id"][row]) for word, row in overview.named(held).items()}


def test_three_are_named_by_fresh_scores_and_what_fell_is_not() -> None:
    assert names(FRONT) == {"cheapest": 7, "knee": 3, "best": 4}
    assert names(FRESHLESS) == {"cheapest": 7, "knee": 3, "best": 5}  # ids as the search's own scores have it
    assert names(FRONT.iloc[[0, 3]]) == {"cheapest": 7, "best": 4}
    assert names(FRONT.iloc[[3]]) == {"best": 4}


def test_texts_lie_neither_on_each_other_nor_on_lines_nor_on_the_front() -> None:
    for lines in ({}, {"a": 0.12, "b": 0.135}, {"a": 0.1, "b": 0.14, "c": 0.3}):
        ax = overview.plot_named_front(new_axes(), FRONT, ARCHIVE.assign(ops=[2e4, 3e4, 4e4, 1e5]), lines=lines)
        figure = ax.get_figure()
        assert texts_apart(ax) > 20
        labels = [text for text in ax.texts if ", id " in text.get_text()]
        assert [text.get_text().split(",")[0] for text in labels] == ["cheapest", "knee", "best"]
        assert labels[0].get_text() == "cheapest, id 7\n52.0 %, 10k"
        points = ax.transData.transform(FRONT[["ops", "error_rescored"]].to_numpy())
        for text in labels:
            box = text.get_bbox_patch().get_window_extent(figure.canvas.get_renderer())
            for error in lines.values():
                y = ax.transData.transform((1e4, error))[1]
                assert not box.y0 + 2 < y < box.y1 - 2, (text.get_text(), error)
            assert not any(box.contains(*point) for point in points if np.isfinite(point).all()), text.get_text()
        assert len(ax.lines) >= len(lines) + 2
        assert ax.yaxis.get_major_formatter()(0.25, 0) == "25 %"


def test_a_picture_with_a_cell_and_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    function = ("sin(x)", (X, np.sin(X), np.cos(X)))
    overview.save_overview(tmp_path / "one.png", FRONT, ARCHIVE, ("normal", CELL), function, lines={"a": 0.1})
    with Image.open(tmp_path / "one.png") as image:
        assert image.size == (1430, 638)
    figures: list[Figure] = []
    monkeypatch.setattr(overview, "save", lambda figure, path, dpi: figures.append(figure))
    overview.save_overview(tmp_path / "none.png", FRONT, ARCHIVE, None, function)
    assert [ax.get_title("left") for ax in figures[0].axes] == ["", "sin(x)"]
