"""One genome in one picture: its cells in the upper row, its expressions in the lower."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from evobnn.analysis.pictures.canvas import new_figure, save
from evobnn.analysis.pictures.plots import plot_cell, plot_expression
from evobnn.analysis.pictures.style import styled

Curve = tuple[ArrayLike, ArrayLike, ArrayLike]


@styled
def save_portrait(
    path: Path,
    cells: Mapping[str, Sequence[tuple[int, int, str]]],
    expressions: Mapping[str, Curve],
    title: str = "",
) -> None:
    """Write a PNG file with every cell and every expression; raises RunError if it cannot be written.

    Args:
        path: of the picture.
        cells: edges (source, target, operation) by the title of the cell.
        expressions: (x, a(x), surrogate gradient) by the title of the expression.
        title: written above everything.
    """
    upper, lower = (5.0 if cells else 0.0), (3.4 if expressions else 0.0)
    width = max(9.0 * len(cells), 6.0 * len(expressions), 7.0)
    figure = new_figure(width, upper + lower + 0.5)
    rows: Any = figure.subfigures(2, 1, height_ratios=[upper or 1e-3, lower or 1e-3], squeeze=False)[:, 0]
    for ax, (name, edges) in zip(_axes(rows[0], len(cells)), cells.items(), strict=True):
        plot_cell(edges, ax, name)
    for ax, (name, (x, a, gradient)) in zip(_axes(rows[1], len(expressions)), expressions.items(), strict=True):
        plot_expression(x, a, gradient, name, ax)
    if title:
        figure.suptitle(title, fontsize=13)
    save(figure, path, dpi=100)


def _axes(row: Any, count: int) -> list[Axes]:
    """Return `count` Axes next to each other in a row of the figure."""
    return list(row.subplots(1, count, squeeze=False)[0]) if count else []
