"""The errors a user can meet, and the one way in which they are worded.

Every message has three parts: what was expected, what was found, and what to do about it.
`message(expected, got, do)` puts them together; `unknown_name` adds the closest known name.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class EvobnnError(Exception):
    """Root of everything that evobnn raises on purpose; the command line prints it and exits with 2."""


class GenomeError(EvobnnError):
    """A genome, cell or expression that cannot be read or is not allowed in its space."""


class ExperimentError(EvobnnError):
    """An experiment file or option that is not understood or makes no sense."""


class DataError(EvobnnError):
    """A data set that is missing, truncated or not what it says it is."""


class NetworkError(EvobnnError):
    """A network that cannot be built from what was asked for."""


class RunError(EvobnnError):
    """A run folder that cannot be written, read or continued."""


class SearchError(EvobnnError):
    """A search that cannot go on: nothing worked, or nothing is left to try."""


class DeviceError(EvobnnError):
    """A device or backend that is not there."""


def message(expected: str, got: str, do: str) -> str:
    """Return the text in three parts: expected this, got that, do so."""
    return f"Expected {expected}, got {got}. {do}"


def closest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name most like `name`, or None where nothing is near."""
    names = sorted(known)
    lowered = {n.lower(): n for n in reversed(names)}
    found = difflib.get_close_matches(name.lower(), list(lowered), n=1, cutoff=0.5)
    return lowered[found[0]] if found else None


def unknown_name(kind: str, name: str, known: Iterable[str]) -> str:
    """Return the message for a misspelt name: the kind, the name, the closest match, all that are known."""
    names = sorted(known)
    near = closest(name, names)
    hint = f"Did you mean '{near}'?" if near else "Choose one of these."
    return message(f"the name of a known {kind}", f"'{name}'", f"{hint} Known: {', '.join(names)}.")
