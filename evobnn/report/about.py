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
        "data": settings.get("dataset", {}).get("name"),
        "space": settings.get("space", {}).get("name"),
        "strategy": settings.get("strategy", {}).get("name"),
        "seed": settings.get("seed"),
        "epochs": settings.get("recipe", {}).get("epochs"),
        "table": settings.get("table") or None,
    }
    return {name: value for name, value in found.items() if value is not None}
