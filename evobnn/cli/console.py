"""Where text goes: at most 100 columns wide, no markup, the same in a pipe as in a terminal."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, OverflowMethod, RenderableType
from rich.status import Status
from rich.table import Column, Table
from rich.text import Text

from evobnn.cli.streams import spelt

WIDTH = 100
LEAST = 16
"""To so many characters the text in a column is cut before other columns are left out; to half of it for the second."""


class _Spelling(Console):
    """A console that writes stand-ins before it measures: `+-` is wider than ±, and columns are to be straight."""

    def render_str(self, text: str, **how: Any) -> Text:
        return super().render_str(spelt(text, self.encoding), **how)

    def status(self, status: RenderableType, **how: Any) -> Status:
        return _OneLine(status, console=self, **how)


class _OneLine(Status):
    """What is going on, in one line of the terminal."""

    def update(self, status: RenderableType | None = None, **how: Any) -> None:
        if isinstance(status, str):
            status = Text(line(spelt(status, self.console.encoding), self.console.width - 2))
        super().update(status, **how)


class Fitted(Table):
    """A table that leaves columns out, those of least importance first, before it folds a cell to a tower.

    In a pipe all columns are there, as wide as they must be, and only long text goes on in the next line.
    """

    order: Sequence[int] = ()

    def show(self, out: Console, whole: str = "") -> None:
        """Print it, and below it which columns were left out, and what shows the `whole`."""
        widths, gap = [_width(column, out.encoding) for column in self.columns], 1 + self.padding[1] + self.padding[3]
        kept = self._kept(widths, gap, out.width) if out.is_terminal else list(range(len(widths)))
        texts = [number for number in kept if self.columns[number].justify == "left"]
        excess = _total([widths[number] for number in kept], gap) - out.width
        _shorten(widths, texts, excess, 1 if out.is_terminal else LEAST // 2)
        made = Table(box=self.box, padding=self.padding, pad_edge=False, show_edge=False, header_style="bold")
        for number in kept:
            column = self.columns[number]
            cut = column.no_wrap and out.is_terminal
            how: OverflowMethod = "ellipsis" if cut else "fold"
            made.add_column(column.header, justify=column.justify, no_wrap=cut, overflow=how, width=widths[number])
        cells = [list(self.columns[number].cells) for number in kept]
        for number, row in enumerate(self.rows):
            made.add_row(*(column[number] for column in cells), end_section=row.end_section)
        before = out.width
        out.width = max(before, _total([widths[number] for number in kept], gap))
        out.print(made)
        out.width = before
        if gone := [str(self.columns[number].header) for number in self.order if number not in kept]:
            names = "; ".join(dict.fromkeys(" ".join(name.split()) for name in gone))
            out.print(f"Left out for want of room: {names}. Widen the terminal{f', or see {whole}' if whole else ''}.")

    def _kept(self, widths: Sequence[int], gap: int, width: int) -> list[int]:
        """Return the numbers of the columns for which there is room, in their order; two if it can be."""
        kept = list(self.order)
        for least, few in ((LEAST, 2), (LEAST // 2, 1)):
            while len(kept) > few and _total([self._least(n, widths, least) for n in kept], gap) > width:
                kept.pop()
        return sorted(kept)

    def _least(self, number: int, widths: Sequence[int], least: int) -> int:
        return min(widths[number], least) if self.columns[number].justify == "left" else widths[number]


def _width(column: Column, encoding: str) -> int:
    """Return the width of the widest cell of a column."""
    lines = (part for cell in [column.header, *column.cells] for part in str(cell).split("\n"))
    return max((cell_len(spelt(part, encoding)) for part in lines), default=0)


def _total(widths: Sequence[int], gap: int) -> int:
    return sum(widths) + gap * (len(widths) - 1)


def _shorten(widths: list[int], texts: Sequence[int], excess: int, least: int) -> None:
    """Take an excess of width off the columns of text, from the widest first, down to the least."""
    for _ in range(excess):
        widest = max(texts, key=lambda number: widths[number], default=None)
        if widest is None or widths[widest] <= least:
            return
        widths[widest] -= 1


def console(*, stderr: bool = False) -> Console:
    """Return a console on the present stdout or stderr; what is printed is plain text, never markup."""
    found = _Spelling(stderr=stderr, highlight=False, markup=False, emoji=False)
    columns = shutil.get_terminal_size().columns if found.is_dumb_terminal else found.width
    found.width = min(columns, WIDTH) if found.is_terminal else WIDTH
    return found


def line(text: str, width: int) -> str:
    """Return a line that fits: parts between commas go, those before the last first, then the first word."""
    first, *parts = text.split(", ")
    while parts[1:] and len(", ".join([first, *parts])) > width:
        del parts[-2]
    fits = ", ".join([first, *parts])
    if parts and len(fits) > width:
        fits = fits.partition(" ")[2]
    return fits if len(fits) <= width else f"{fits[: max(1, width - 1)]}…"


def table(*columns: str, left: int = 1, first: Sequence[int] = (), prose: int | None = None) -> Fitted:
    """Return an empty table; its first `left` columns are flush left, the others flush right.

    Arguments:
        columns: their heads.
        left: text, which may be cut where there is no room for it; numbers never are.
        first: numbers of the columns in the order of their importance, those left out last.
        prose: number of the column whose text goes on in the next line.
    """
    made = Fitted(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        made.add_column(column, justify="left" if number < left else "right", no_wrap=number != prose)
    made.order = list(dict.fromkeys([*(number for number in first if number < len(columns)), *range(len(columns))]))
    return made


def note(sentence: str) -> None:
    """Print a sentence that a person should know on stderr."""
    print(f"note: {sentence}", file=sys.stderr, flush=True)
