"""How a data set says what a person should know although nothing failed: one sentence, once in each process."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from evobnn._processes import EvobnnWarning

_NAMED = 5


def say(sentence: str) -> None:
    """Say a sentence as an EvobnnWarning; the command line shows it as a note, and the same one once."""
    warnings.warn(sentence, EvobnnWarning, stacklevel=1)


def some(names: Sequence[str], most: int = _NAMED) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"
