"""What a reader wants to know of an experiment first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def about(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return preset, data, space, strategy, seed, epochs and table of an `experiment.toml`; only what it says.

    >>> from evobnn.report.about import about
    >>> about({"preset": "digits", "seed": 0, "table": ""})
    {'preset': 'digits', 'seed': 0}
    """
    found = {
        "preset": settings.get("preset"),
        "data": section(settings, "dataset").get("name"),
        "space": section(settings, "space").get("name"),
        "strategy": section(settings, "strategy").get("name"),
        "seed": settings.get("seed"),
        "epochs": section(settings, "recipe").get("epochs"),
        "table": settings.get("table") or None,
    }
    return {name: value for name, value in found.items() if value is not None}


def section(settings: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a section of settings; an empty one where it is missing, or no section in a file that somebody changed."""
    found = settings.get(name)
    return found if isinstance(found, Mapping) else {}


def number_in(settings: Mapping[str, Any], name: str, usual: float) -> float:
    """Return a number among settings, or the usual one where it is missing or none."""
    found = settings.get(name)
    return found if isinstance(found, int | float) else usual
