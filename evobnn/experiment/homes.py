"""Where each setting of an experiment lives, for messages about one that was looked for in another place."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evobnn.errors import closest, message
from evobnn.evolution import PRESSURES, STRATEGIES

MOST = 3
"""A name that lives in more places is not pointed at: `name` says nothing."""


def homes(kind: Any) -> dict[str, tuple[str, ...]]:
    """Return by its last part every path of a setting of the dataclass `kind`, an experiment, strategies and pressures
    included.
    """
    found: dict[str, list[str]] = {}
    parts = [("", kind), *(("strategy.", one) for one in STRATEGIES.values())]
    parts += [(f"pressures.{name}.", one) for name, one in PRESSURES.items()]
    for path in dict.fromkeys(path for prefix, one in parts for path in _paths(one, prefix)):
        found.setdefault(path.rpartition(".")[2], []).append(path)
    return {name: tuple(paths) for name, paths in found.items()}


def _paths(kind: Any, prefix: str) -> Iterator[str]:
    for one in dataclasses.fields(kind):
        if dataclasses.is_dataclass(one.default):
            yield from _paths(type(one.default), f"{prefix}{one.name}.")
        else:
            yield f"{prefix}{one.name}"


def unknown_setting(path: str, name: str, value: Any, known: Sequence[str], at: Mapping[str, Sequence[str]]) -> str:
    """Return the message for a setting that its section lacks.

    Arguments:
        path: of the section, with its dot; empty at the top.
        name: what is not known there.
        value: what it was to be; may be a section of settings.
        known: settings of the section.
        at: where settings live, see `homes`.
    """
    listed = ", ".join(sorted(f"{path}{one}" for one in known))
    got, hint = _hint(path, name, value, known, at)
    return message("the name of a known setting", f"'{got}'", f"{hint} Known: {listed}.")


def _hint(path: str, name: str, value: Any, known: Sequence[str], at: Mapping[str, Sequence[str]]) -> tuple[str, str]:
    """Return what was not known, and where it is, or else what of the section or elsewhere is near."""
    got = f"{path}{name}"
    if owners := [one for one, kind in STRATEGIES.items() if path == "strategy." and got in _paths(kind, path)]:
        return got, f"It is a setting of {_either(owners)}; choose that with strategy.name."
    inside = next((key for key in value if key in at), "") if isinstance(value, Mapping) else ""
    near, elsewhere = closest(name, known), closest(name, at)
    found = [(got, at.get(name)), (got, [f"{path}{near}"] if near else None)]
    found += [(f"{got}.{inside}", at.get(inside)), (got, at.get(elsewhere or ""))]
    for what, meant in found:
        if meant and len(meant) <= MOST:
            return what, f"Did you mean {_either(meant)}?"
    return got, "Choose one of these."


def _either(names: Sequence[str]) -> str:
    *first, last = (f"'{one}'" for one in names)
    return f"{', '.join(first)} or {last}" if first else last
