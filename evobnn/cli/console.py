"""Where text goes: at most 100 columns wide, no markup, the same in a pipe as in a terminal."""

from __future__ import annotations

import sys
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from evobnn.cli.streams import spelt

WIDTH = 100


class _Spelling(Console):
    """A console that writes stand-ins before it measures: `+-` is wider than ±, and columns are to be straight."""

    def render_str(self, text: str, **how: Any) -> Text:
        return super().render_str(spelt(text, self.encoding), **how)


def console(*, stderr: bool = False) -> Console:
    """Return a console on the present stdout or stderr; what is printed is plain text, never markup."""
    found = _Spelling(stderr=stderr, highlight=False, markup=False, emoji=False)
    found.width = min(found.width, WIDTH) if found.is_terminal else WIDTH
    return found


def table(*columns: str, left: int = 1) -> Table:
    """Return an empty table; its first `left` columns are flush left, the others flush right."""
    made = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        made.add_column(column, justify="left" if number < left else "right")
    return made


def note(sentence: str) -> None:
    """Print a sentence that a person should know on stderr."""
    print(f"note: {sentence}", file=sys.stderr, flush=True)
