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
    """Return the known name most like `name`, or None where nothing is near.

    Near is what a slip of the keys makes: at most one letter in three is another, missing, too many or swapped with
    its neighbour; or what begins alike, as a name cut short does.
    """
    lowered = {known_name.lower(): known_name for known_name in reversed(sorted(known))}
    given = name.lower()
    near = [
        other for other in lowered if _begins_alike(given, other) or _slips(given, other) <= _longer(given, other) // 3
    ]
    found = difflib.get_close_matches(given, near, n=1, cutoff=0.0)
    return lowered[found[0]] if found else None


def _longer(a: str, b: str) -> int:
    return max(len(a), len(b))


def _begins_alike(a: str, b: str) -> bool:
    """Tell whether both begin with the same three letters or more, which are all of `a` or half of the longer name."""
    alike = next((at for at, (one, other) in enumerate(zip(a, b, strict=False)) if one != other), min(len(a), len(b)))
    return alike >= 3 and (alike == len(a) or 2 * alike >= _longer(a, b))


def _slips(a: str, b: str) -> int:
    """Return the least number of letters to change, leave out, add or swap with a neighbour (optimal string alignment)
    that makes `a` into `b`.
    """
    before: list[int] = []
    last = list(range(len(b) + 1))
    for i, letter in enumerate(a, 1):
        row = [i]
        for j, other in enumerate(b, 1):
            best = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (letter != other))
            if i > 1 and j > 1 and (letter, a[i - 2]) == (b[j - 2], other):
                best = min(best, before[j - 2] + 1)
            row.append(best)
        before, last = last, row
    return last[-1]


def unknown_name(kind: str, name: str, known: Iterable[str]) -> str:
    """Return the message for a misspelt name: the kind, the name, the closest match, all that are known."""
    names = sorted(known)
    near = closest(name, names)
    hint = f"Did you mean '{near}'?" if near else "Choose one of these."
    return message(f"the name of a known {kind}", f"'{name}'", f"{hint} Known: {', '.join(names)}.")
