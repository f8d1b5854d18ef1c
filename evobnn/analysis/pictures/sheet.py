"""Many expressions on one sheet, small and side by side, with one legend."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from evobnn.analysis.pictures.canvas import new_figure, save
from evobnn.analysis.pictures.plots import plot_expression
from evobnn.analysis.pictures.portrait import Curve


def save_sheet(path: Path, curves: Mapping[str, Curve], columns: int = 4) -> None:
    """Replace a PNG file by a small picture of `plot_expression` for each curve.

    Args:
        path: of the picture.
        curves: (x, a(x), surrogate gradient) by title, drawn row by row.
        columns: how many stand side by side.

    Raises:
        RunError: the file cannot be written.
    """
    rows = -(-len(curves) // columns)
    figure = new_figure(2.3 * columns, 1.65 * rows + 0.4)
    for number, (title, (x, a, gradient)) in enumerate(curves.items(), 1):
        ax = plot_expression(x, a, gradient, title, figure.add_subplot(rows, columns, number))
        handles, labels = ax.get_legend_handles_labels()
        ax.legend().remove()
        ax.set_xlabel("")
        ax.tick_params(labelsize=8)
        ax.locator_params(nbins=4)
        if number == len(curves):
            figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), fontsize=9, frameon=False)
    save(figure, path)
