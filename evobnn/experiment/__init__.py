"""An experiment is a text file: TOML (`text`) <-> frozen dataclasses (`settings`), with presets and recipes by name
(`presets`), and what decides a final training (`final`). Words only: what is done with them stands in `evobnn.runs`.

Importing the package is light; each public name is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evobnn._lazy import lazily

if TYPE_CHECKING:
    from evobnn.experiment.presets import preset_names, preset_table
    from evobnn.experiment.settings import Experiment
    from evobnn.experiment.text import from_table, from_text, load, to_text

_WHERE: dict[str, str] = {
    "Experiment": "settings",
    "from_table": "text",
    "from_text": "text",
    "load": "text",
    "preset_names": "presets",
    "preset_table": "presets",
    "to_text": "text",
}
"""In which module each public name stands."""

__all__ = [
    "Experiment",
    "from_table",
    "from_text",
    "load",
    "preset_names",
    "preset_table",
    "to_text",
]
__getattr__, __dir__ = lazily(__name__, _WHERE)
