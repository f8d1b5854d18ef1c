"""An experiment is a text file: TOML <-> frozen dataclasses (`settings`), with presets and recipes by name (`presets`),
where populations come from (`reseed`), and a session that runs it in a folder (`setup`, `session`, `derived`): what
joins search, workers, journal and snapshots.

Importing the package is light; each public name is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evobnn.experiment.presets import preset_names, preset_table
    from evobnn.experiment.reseed import starters
    from evobnn.experiment.session import Progress, Session
    from evobnn.experiment.settings import Experiment, from_table, from_text, load, to_text
    from evobnn.experiment.setup import Options, create

_WHERE: dict[str, str] = {
    "Experiment": "settings",
    "Options": "setup",
    "Progress": "session",
    "Session": "session",
    "create": "setup",
    "from_table": "settings",
    "from_text": "settings",
    "load": "settings",
    "preset_names": "presets",
    "preset_table": "presets",
    "starters": "reseed",
    "to_text": "settings",
}
"""In which module each public name stands."""

__all__ = [
    "Experiment",
    "Options",
    "Progress",
    "Session",
    "create",
    "from_table",
    "from_text",
    "load",
    "preset_names",
    "preset_table",
    "starters",
    "to_text",
]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(f"evobnn.experiment.{_WHERE[name]}"), name)
    raise AttributeError(f"module 'evobnn.experiment' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
