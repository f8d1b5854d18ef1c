"""Pictures of counts against times hold what they are handed. (Whether they look good was judged by eye.)"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evobnn.analysis.pictures.predictions import Predictor, plot_predictor, save_predictors
from evobnn.errors import RunError

OPS = Predictor("OPs", [1e6, 3e6, 2e6], (1 / 3, -0.5, 1.0))
LAYERS = Predictor("sum over layers (ms)", [0.1, 0.2, 0.6], (1.0, 0.9, 1.0), same=True)
TOOK = [0.11, 0.25, 0.5]


def test_times_stand_over_what_predicts_them_with_tau_and_interval() -> None:
    ax = plot_predictor(OPS, TOOK)
    (points,) = ax.lines
    assert np.asarray(points.get_xydata()) == pytest.approx(np.array([(1e6, 0.11), (3e6, 0.25), (2e6, 0.5)]))
    assert ax.get_title() == "Kendall's tau 0.33 (95 %: -0.50 to 1.00)" and ax.get_xlabel() == "OPs"
    assert ax.get_xlim()[0] == ax.get_ylim()[0] == 0.0
    assert ax.xaxis.get_major_formatter()(2e6, 0) == "2M"


def test_a_line_marks_what_is_the_same() -> None:
    ax = plot_predictor(LAYERS, TOOK)
    line, points = ax.lines
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["equal"]
    assert np.asarray(line.get_xydata()).tolist() == [[0.0, 0.0], [0.6, 0.6]]
    assert len(points.get_xydata()) == 3


def test_files(tmp_path: Path) -> None:
    save_predictors(tmp_path / "honest.png", [OPS, OPS, LAYERS], TOOK, "measured (ms)")
    with Image.open(tmp_path / "honest.png") as picture:
        assert picture.size[0] > 1400
        assert len(np.unique(np.asarray(picture.convert("L")))) > 20
    with pytest.raises(RunError, match="to write"):
        save_predictors(tmp_path / "nowhere" / "honest.png", [OPS], TOOK, "measured (ms)")
