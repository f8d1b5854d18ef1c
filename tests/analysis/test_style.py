"""Every picture has one style: colours that colour-blind readers tell apart, and settings that do not leak."""

from __future__ import annotations

import ast
from itertools import combinations
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from numpy.typing import NDArray

from evobnn.analysis.pictures import canvas, style

PICTURES = Path(style.__file__).parent
DEFICIENCIES = {
    "none": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
"""Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB."""
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(colour: str) -> NDArray[np.float64]:
    share = np.array(to_rgb(colour))
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def lab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return CIELAB (D65) of linear RGB."""
    t = XYZ @ np.clip(rgb, 0, 1) / np.array([0.9505, 1.0, 1.089])
    f = np.where(t > 216 / 24389, np.cbrt(t), (24389 / 27 * t + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def contrast(colour: str) -> float:
    """Return the contrast with white of WCAG 2."""
    return float(1.05 / (XYZ[1] @ linear(colour) + 0.05))


@pytest.mark.parametrize("kind", DEFICIENCIES)
def test_any_two_colours_stay_apart(kind: str) -> None:
    seen = {one: lab(np.array(DEFICIENCIES[kind]) @ linear(one)) for one in style.COLOURS}
    nearest = min(np.linalg.norm(seen[a] - seen[b]) for a, b in combinations(style.COLOURS, 2))
    assert nearest > 15  # two colours are just told apart at about 2; the palette before had 5


def test_lines_and_letters_are_dark_enough_on_white() -> None:
    assert all(contrast(one) > 2.2 for one in style.COLOURS)
    assert all(contrast(style.written(one)) > 4.0 for one in style.COLOURS)
    assert contrast(style.NOTE) > 4.5


def test_settings_hold_while_drawing_and_no_longer() -> None:
    before = dict(matplotlib.rcParams)
    ax = canvas.new_axes()
    assert not ax.spines["top"].get_visible()
    assert dict(matplotlib.rcParams) == before


def test_colours_have_their_names_in_one_file() -> None:
    """Only cells, whose operations have colours of their own, name any elsewhere; one pale grey is that of a node."""
    elsewhere = {}
    for path in sorted(PICTURES.glob("*.py")):
        if path.name not in ("style.py", "plots.py"):
            texts = [n.value for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Constant)]
            elsewhere[path.name] = [text for text in texts if isinstance(text, str) and text.startswith("#")]
    assert len(elsewhere) > 6
    assert not any(elsewhere.values()), elsewhere


def test_names_break_where_there_is_no_room() -> None:
    assert canvas.wrapped("short", 3.0, 10.0) == "short"
    lines = canvas.wrapped("topology-then-expressions-then-both", 1.5, 10.0).split("\n")
    assert "".join(lines) == "topology-then-expressions-then-both"
    assert lines[0].endswith("-")
    assert all(canvas.wide(line, 10.0) <= 1.5 for line in lines)
    assert all(canvas.wide(line, 10.0) <= 0.5 for line in canvas.wrapped("w" * 40, 0.5, 10.0).split("\n"))
