"""What is done with an experiment: a search in a folder (`setup`, `search`, `derived`), where populations come from
(`reseed`), runs by name (`named`) and what is in them (`subject`), and a network trained to its end (`final`).

Importing the package is light; each public name is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evobnn._lazy import lazily

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
__getattr__, __dir__ = lazily(__name__, _WHERE)
