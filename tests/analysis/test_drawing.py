"""Cells and curves as text, against drawings that can be checked by eye."""

from __future__ import annotations

import numpy as np
import pytest

from evobnn.analysis.pictures.drawing import draw_cell, draw_curve, draw_signs, side_by_side

X = np.linspace(-3.0, 3.0, 601)


def test_a_cell() -> None:
    edges = [(0, 2, "conv3"), (1, 2, "zero"), (0, 4, "max3"), (1, 4, "conv3"), (2, 4, "dil3"), (4, 5, "avg3")]
    assert draw_cell(edges, {(1, 2, "zero")}) == [
        "input 0 ─ conv3 ─┐",
        "input 1 ╌ zero ╌╌┴─ node 2",
        "nothing          ── node 3",
        "input 0 ─ max3 ──┐",
        "input 1 ─ conv3 ─┤",
        "node 2  ─ dil3 ──┴─ node 4",
        "node 4  ─ avg3 ──── node 5",
    ]
    assert draw_cell([]) == []


def test_a_straight_line_runs_from_corner_to_corner() -> None:
    lines = draw_curve(X, X, width=20, height=5)
    assert [line[:8] for line in lines[:5]] == ["     3 ┼", "       │", "     0 ┼", "       │", "    -3 ┼"]
    assert lines[0].rstrip()[-1] != "┈" and ord(lines[0][-1]) > 0x2800
    assert ord(lines[4][8]) > 0x2800
    assert lines[5].strip() == "└" + "─" * 20
    assert lines[6].split() == ["-3", "0", "3"]
    places = [next(i for i, mark in enumerate(line[8:]) if ord(mark) > 0x2800) for line in lines[:5]]
    assert places == sorted(places, reverse=True)


def test_every_column_of_a_continuous_curve_has_a_dot() -> None:
    lines = draw_curve(X, np.sin(3 * X), width=30, height=7)
    columns = [any(ord(line[8 + column]) > 0x2800 for line in lines[:7]) for column in range(30)]
    assert len(columns) == 30 and all(columns)


@pytest.mark.parametrize("values", [np.zeros(601), np.full(601, np.nan), np.tan(X), 1.0 / (X + 1e-8), 1e30 * X**3])
def test_no_curve_breaks_the_frame(values: np.ndarray) -> None:
    lines = draw_curve(X, values, width=38, height=9)
    assert len(lines) == 11
    assert max(map(len, lines)) <= 8 + 38


def test_signs() -> None:
    assert draw_signs(X, width=4) == "  sign  ░░██"
    assert draw_signs(np.array([-1.0, np.nan, 0.0]), width=3) == "  sign  ░ █"


def test_two_blocks() -> None:
    assert side_by_side(["a", "bbb"], ["x"], 2) == ["a    x", "bbb"]
