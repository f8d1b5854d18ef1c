"""What a model of scores needs of an experiment to pick what is trained (`screen`) or to name the best (`choose`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evobnn.errors import ExperimentError, message
from evobnn.evaluation import OBJECTIVES

if TYPE_CHECKING:
    from evobnn.experiment.settings import Experiment

AUTO = "auto"
"""In the place of `model`: only where nothing speaks against it."""


def counted(name: str) -> bool:
    """Tell whether a quantity is known before any training; of a user's own objectives nobody has said so."""
    return name in OBJECTIVES and OBJECTIVES[name].counted


def against_model(experiment: Experiment, setting: str) -> tuple[str, str, str] | None:
    """Return what was expected, what is there and what to do, or None where a model can `screen` or `choose`."""
    others = [name for name in experiment.objectives if name != "error"]
    known = [name for name in others if counted(name)]
    if setting == "screen":  # of hundreds of genomes; a user's function may say otherwise
        known = [name for name in known if name != "latency" and not experiment.evaluation.name]
    unknown = [name for name in others if name not in known]
    if unknown or "error" not in experiment.objectives:
        got = unknown[0] if unknown else "no error"
        return "error among the objectives, and others that are counted at once", got, "Name other objectives"
    if setting == "choose" and not experiment.noise.rescore:
        return "noise.rescore of at least 1, which says what is measured afresh", "0", "Raise it"
    return None


def check_model(experiment: Experiment, setting: str, without: str) -> None:
    """Raise ExperimentError where a model is asked for that cannot `screen` or `choose`; `without` does without it."""
    reason = against_model(experiment, setting) if getattr(experiment, setting) == "model" else None
    if reason is not None:
        expected, got, do = reason
        raise ExperimentError(
            message(f"{expected}, with {setting} = model", got, f"{do}, or set {setting} = {without}.")
        )
