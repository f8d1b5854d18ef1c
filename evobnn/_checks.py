"""Checks of arguments, in the caller's words: each takes the argument's name and returns the value."""

from __future__ import annotations

import math
from collections.abc import Collection

from evobnn.errors import EvobnnError, ExperimentError, message, unknown_name


def check_at_least(name: str, value: int, least: int, error: type[EvobnnError] = ExperimentError) -> int:
    """Return `value` if it is a whole number >= `least`; raise `error` otherwise."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise error(message(f"{name} to be a whole number of at least {least}", repr(value), f"Give {least} or more."))
    return value


def check_between(
    name: str, value: float, low: float, high: float, error: type[EvobnnError] = ExperimentError
) -> float:
    """Return `value` if it is finite and low <= value <= high; raise `error` otherwise."""
    if isinstance(value, bool) or not math.isfinite(value) or not low <= value <= high:
        raise error(
            message(f"{name} between {low:g} and {high:g}", repr(value), f"Give a number from {low:g} to {high:g}.")
        )
    return value


def check_name(kind: str, value: str, known: Collection[str], error: type[EvobnnError] = ExperimentError) -> str:
    """Return `value` if it is one of `known`; raise `error` with the closest match otherwise."""
    if value not in known:
        raise error(unknown_name(kind, value, known))
    return value
