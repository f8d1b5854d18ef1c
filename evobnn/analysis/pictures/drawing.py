"""Cells and curves as plain text, for terminals: boxes of box-drawing characters, curves of braille dots."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import zip_longest

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evobnn.analysis.pictures.plots import short

Edges = Sequence[tuple[int, int, str]]
Floats = NDArray[np.float64]

_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""Bit of each of the 2 x 4 dots of a braille character, by column and row."""


def draw_cell(edges: Edges, dropped: Collection[tuple[int, int, str]] = ()) -> list[str]:
    """Return a cell as lines of text, one for each edge; those in `dropped`, which do nothing, are dashed.

    input 0 ─ conv3 ─┐
    input 1 ╌ zero ╌╌┴─ node 2
    """
    last = max((target for _, target, _ in edges), default=1)
    longest = max((len(operation) for _, _, operation in edges), default=0)
    lines = []
    for node in range(2, last + 1):
        arriving = [edge for edge in edges if edge[1] == node]
        for place, edge in enumerate(arriving):
            source, _, operation = edge
            line = "╌" if edge in dropped else "─"
            joint = "┐" if place == 0 else "┤"
            if place == len(arriving) - 1:
                joint = f"{'┴' if place else line}─ node {node}"
            name = f"input {source}" if source < 2 else f"node {source}"
            lines.append(f"{name:<7} {line} {operation} {line * (longest - len(operation) + 1)}{joint}")
        if not arriving:
            lines.append(f"{'nothing':<7} {'':{longest + 4}}── node {node}")
    return lines


def draw_curve(x: ArrayLike, y: ArrayLike, width: int = 38, height: int = 9) -> list[str]:
    """Return a curve as `height + 2` lines of text: braille dots above a scale, with dotted lines at both zeros.

    The vertical range follows the bulk of the curve, as in `plots.plot_expression`, so that a pole does not flatten
    everything else; what lies outside it is left out.
    """
    points, values = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    low, high = _bounds(values)
    columns = _scaled(points, float(points.min()), float(points.max()), 2 * width)
    rows = _scaled(-values, -high, -low, 4 * height)
    dots = np.zeros((height, width), dtype=int)
    before: tuple[int, int] | None = None
    for column, row in zip(columns.tolist(), rows.tolist(), strict=True):
        inside = 0 <= row < 4 * height
        if before is not None and abs(row - before[1]) < 4 * height and (inside or 0 <= before[1] < 4 * height):
            step = 1 if row >= before[1] else -1
            for between in range(before[1], row, step):
                _dot(dots, column, between)
        if inside:
            _dot(dots, column, row)
        before = (column, row) if row > -(10**6) else None
    zero_row = int(_scaled(np.zeros(1), -high, -low, 4 * height)[0]) // 4
    zero_column = int(_scaled(np.zeros(1), float(points.min()), float(points.max()), 2 * width)[0]) // 2
    lines = []
    for number in range(height):
        label = _label(high) if number == 0 else _label(low) if number == height - 1 else ""
        label = "0" if number == zero_row else label
        text = ""
        for place in range(width):
            empty = "┈" if number == zero_row else "┊" if place == zero_column else " "
            text += chr(0x2800 + int(dots[number, place])) if dots[number, place] else empty
        lines.append(f"{label:>6} {'┼' if label else '│'}{text}")
    start, end = _label(float(points.min())), _label(float(points.max()))
    scale = f"{start}{'0':>{zero_column - len(start) + 1}}"
    lines.append(f"{'':7}└{'─' * width}")
    lines.append(f"{'':8}{scale}{end:>{width - len(scale)}}")
    return lines


def draw_signs(values: ArrayLike, width: int = 38) -> str:
    """Return one line under a curve: full where its sign is +1 (0 included), shaded where it is -1, blank for NaN."""
    given = np.asarray(values, dtype=float)
    chosen = given[np.linspace(0, len(given) - 1, width).round().astype(int)]
    marks = ["█" if value >= 0 else "░" if value < 0 else " " for value in chosen.tolist()]
    return f"{'sign':>6}  {''.join(marks)}"


def side_by_side(left: Sequence[str], right: Sequence[str], gap: int = 4, most: int = 10_000) -> list[str]:
    """Return two blocks of text next to each other, or one below the other where that is wider than `most`."""
    width = max((len(line) for line in left), default=0) + gap
    if left and width + max((len(line) for line in right), default=0) > most:
        return [*left, "", *right]
    return [f"{one:<{width}}{other}".rstrip() for one, other in zip_longest(left, right, fillvalue="")]


def _dot(dots: NDArray[np.int_], column: int, row: int) -> None:
    if 0 <= row < 4 * dots.shape[0]:
        dots[row // 4, column // 2] |= _DOTS[column % 2][row % 4]


def _scaled(values: Floats, low: float, high: float, count: int) -> NDArray[np.int_]:
    """Return the number of the dot, 0 to count - 1 within [low, high], for each value; far outside for NaN."""
    place = (values - low) / (high - low) * (count - 1)
    return np.nan_to_num(np.clip(place, -(10.0**5), 10.0**5), nan=-(10.0**7)).round().astype(int)


def _bounds(values: Floats) -> tuple[float, float]:
    """Return the vertical range: the bulk of the finite values, with 0 inside."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return -1.0, 1.0
    low, high = np.percentile(finite, [5, 95])
    reach = max(0.6 * (high - low), 0.1)
    least, most = max(float(finite.min()), float(low) - reach), min(float(finite.max()), float(high) + reach)
    least, most = min(least, 0.0), max(most, 0.0)
    return (least, most) if most - least > 1e-9 else (-1.0, 1.0)


def _label(value: float) -> str:
    if abs(value) < 1e-9:
        return "0"
    return short(value) if abs(value) < 1e10 else f"{value:.0e}"
