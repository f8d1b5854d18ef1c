"""The smallest searches that do all that large ones do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evobnn.relax.session import Progress, Session, ask
from evobnn.runs import Options

SETTINGS: dict[str, Any] = {"dataset.train_limit": 64, "network.width": 2, "recipe.kernels": "torch"}
OWN: dict[str, dict[str, Any]] = {
    "bnas": {"epochs": 3, "batch": 16},
    "bats": {"epochs": 3, "batch": 16},
    "cpnas": {"repeats": 1, "batch": 16},
}
OFFERED = {"bnas": ("zero", "max3", "conv3"), "bats": ("zero", "skip", "gconv3"), "cpnas": ("zero", "identity", "sep3")}


def session(search: str, out: Path | None, more: Mapping[str, Any] = {}, **own: Any) -> Session:
    """Return a small search of this kind in a folder."""
    given = {**SETTINGS, "space.offered": OFFERED[search], "space.nodes": 2, **more}
    return Session(ask(search, own={**OWN[search], **own}, settings=given), Options(jobs=1), out)


class KilledError(Exception):
    """Ends a search in the middle."""


def killed_after(steps: int):
    """Return what ends a search after so many steps."""

    def report(state: Progress) -> None:
        if state.done == steps and state.row is not None:
            raise KilledError

    return report
