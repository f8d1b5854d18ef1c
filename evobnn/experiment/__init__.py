"""An experiment is a text file: TOML <-> frozen dataclasses (`settings`), where populations come from (`reseed`), and a
session that runs it in a folder (`session`): the one place that joins search, workers, journal and snapshots.
"""

from evobnn.experiment.reseed import starters
from evobnn.experiment.session import Options, Progress, Session, create
from evobnn.experiment.settings import Experiment, from_text, load, preset_names, preset_table, to_text

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
