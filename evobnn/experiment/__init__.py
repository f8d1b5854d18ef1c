"""An experiment is a text file: TOML <-> frozen dataclasses (`settings`), where populations come from (`reseed`), and a
session that runs it in a folder (`setup`, `session`, `derived`): what joins search, workers, journal and snapshots.
"""

from evobnn.experiment.reseed import starters
from evobnn.experiment.session import Progress, Session
from evobnn.experiment.settings import Experiment, from_text, load, preset_names, preset_table, to_text
from evobnn.experiment.setup import Options, create

__all__ = [
    "Experiment",
    "Options",
    "Progress",
    "Session",
    "create",
    "from_text",
    "load",
    "preset_names",
    "preset_table",
    "starters",
    "to_text",
]
