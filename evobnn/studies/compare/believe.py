"""By what an arm's front and best are named."""

from __future__ import annotations

from evobnn.experiment.settings import Experiment
from evobnn.scores import Model
from evobnn.spaces import Space
from evobnn.studies.compare.account import Believe


def believing(experiment: Experiment, space: Space) -> Believe | None:
    """Return what errors an experiment believes, genomes being of the whole space; None where it takes what it saw."""
    return Model(space).errors if experiment.choose == "model" else None
