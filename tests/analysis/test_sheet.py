"""The sheet of forms in docs: every form is on it, once, with what `show` draws of it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from evobnn.analysis.pictures import sheet
from evobnn.genome import BINARY, FORMS, UNARY, parse_expression
from evobnn.runs.portrait import curve

SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "draw_forms.py"


def test_a_sheet_has_a_picture_for_each_curve_and_one_legend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[Figure] = []
    monkeypatch.setattr(sheet, "save", lambda figure, path: kept.append(figure))
    curves = {text: curve(parse_expression(text)) for text in ("x", "sin(x)", "mul(x, x)")}
    sheet.save_sheet(tmp_path / "sheet.png", curves, columns=2)
    (figure,) = kept
    assert [ax.get_title() for ax in figure.axes] == list(curves)
    assert all(ax.get_legend() is None for ax in figure.axes) and len(figure.legends) == 1
    drawn = figure.axes[1].get_lines()[1]
    assert np.allclose(drawn.get_ydata(), np.sin(drawn.get_xdata()))


def test_the_gradient_is_that_of_the_surrogate() -> None:
    x, a, gradient = (np.array(values) for values in curve(parse_expression("square(x)")))
    assert np.allclose(a, x**2)
    assert np.allclose(gradient, np.where(x**2 < 1, 2 * x, 0))
    assert np.allclose(curve(parse_expression("x"), clip=2.0)[2], abs(x) < 2)


def test_every_form_is_drawn_once() -> None:
    spec = importlib.util.spec_from_file_location("draw_forms", SCRIPT)
    assert spec is not None and spec.loader is not None
    script: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    drawn = [str(script.shown(one)) for one in FORMS.values()]
    assert len(set(drawn)) == len(UNARY) + len(BINARY) == 33
    assert [parse_expression(text).form for text in drawn] == list(FORMS)
