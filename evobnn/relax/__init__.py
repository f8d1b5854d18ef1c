"""The searches of BNAS, BATS and CP-NAS as they were published, on the shared network of `evobnn.supernet`.

`formulas` has every formula, `derive` the one rule from what was found to a genome of the space, and `published` a file
for each search. `descent` is what the two by gradient share, on the mixed network of `mixed`. `session` runs a search
in its folder; `bnas`, `bats` and `cpnas` do so from Python.

Importing the package is light; each public name is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evobnn._lazy import lazily

if TYPE_CHECKING:
    from evobnn.relax.face import Relaxed, bats, bnas, cpnas, load, resume
    from evobnn.relax.settings import Bats, Bnas, Cpnas

_WHERE: dict[str, str] = {
    "Bats": "settings",
    "Bnas": "settings",
    "Cpnas": "settings",
    "Relaxed": "face",
    "bats": "face",
    "bnas": "face",
    "cpnas": "face",
    "load": "face",
    "resume": "face",
}
"""In which module each public name stands."""

__all__ = ["Bats", "Bnas", "Cpnas", "Relaxed", "bats", "bnas", "cpnas", "load", "resume"]
__getattr__, __dir__ = lazily(__name__, _WHERE)
