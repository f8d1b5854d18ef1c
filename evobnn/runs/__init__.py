"""What is done with an experiment: a search in a folder (`setup`, `search`, `derived`), where populations come from
(`reseed`), runs by name (`named`) and what is in them (`subject`), and a network trained to its end (`final`).

Importing the package is light; each public name is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evobnn.runs.progress import Progress
    from evobnn.runs.reseed import starters
    from evobnn.runs.search import Session
    from evobnn.runs.setup import Options, create

_WHERE: dict[str, str] = {
    "Options": "setup",
    "Progress": "progress",
    "Session": "search",
    "create": "setup",
    "starters": "reseed",
}
"""In which module each public name stands."""

__all__ = ["Options", "Progress", "Session", "create", "starters"]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(f"evobnn.runs.{_WHERE[name]}"), name)
    raise AttributeError(f"module 'evobnn.runs' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
