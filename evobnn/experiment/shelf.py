"""What is experimental, and says so whenever it runs."""

from __future__ import annotations

from collections.abc import Iterable


def experimental(what: str) -> str:
    """Return the sentence that says so."""
    return f"{what}: experimental, it may change or go in a later version."


def experimental_pressures(names: Iterable[str]) -> str:
    """Return the sentence on the pressures that are on; an empty text without any."""
    on = ", ".join(dict.fromkeys(names))
    return experimental(f"pressure {on}") if on else ""
