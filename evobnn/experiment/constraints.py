"""Bounds on what a network may cost or miss: `bits=200k` in words, a table from name to bound in an experiment."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from evobnn.errors import ExperimentError, message

SUFFIXES = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9}
"""What may stand behind a number."""

_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?(?:nan|inf))([a-zA-Z]*)")
_WRITE = "Write for example bits=200k, ops=1.5M or error=0.2."


def parse_bounds(texts: Sequence[str], option: str = "--at-most", do: str = _WRITE) -> dict[str, float]:
    """Return the bound by name of texts such as `bits=200k`; the suffixes are k, M and G, powers of 1000.

    Raises:
        ExperimentError: a text without name or number, a number that is no bound, or a name with two bounds.
    """
    found: dict[str, float] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals and value):
            raise ExperimentError(message(f"{option} NAME=NUMBER", f"'{text}'", do))
        number = _NUMBER.fullmatch(value)
        if number is None or number[2] not in SUFFIXES:
            raise ExperimentError(message(f"a number, with k, M or G behind it, in {option} {text}", value, do))
        bound = checked_bound(f"{option} {name}", float(number[1]) * SUFFIXES[number[2]], value, do)
        if found.setdefault(name, bound) != bound:
            raise ExperimentError(
                message(f"one bound on {name}", f"{found[name]:,g} and {bound:,g}", "Give the smaller one alone.")
            )
    return found


def checked_bound(what: str, bound: Any, written: str = "", do: str = _WRITE) -> float:
    """Return the bound as a float; raise ExperimentError unless it is a finite number above 0."""
    number = isinstance(bound, int | float) and not isinstance(bound, bool)
    if not number or not math.isfinite(bound) or bound <= 0:
        raise ExperimentError(message(f"{what} as a number above 0", written or repr(bound), do))
    return float(bound)
