"""The quantities that a search minimises, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from evobnn.nn import NetworkCost
from evobnn.training import TrainResult


@dataclass(frozen=True)
class Measured:
    """What an objective may look at."""

    result: TrainResult
    cost: NetworkCost


@dataclass(frozen=True)
class Objective:
    """A quantity to be minimised.

    Attributes:
        name: as written in experiments and files.
        unit: for people.
        measure: from a finished training to the value.
        axis: `linear` or `log10`: how hypervolume measures it.
        counted: known from the genome, before any training.
    """

    name: str
    unit: str
    measure: Callable[[Measured], float]
    axis: str = "log10"
    counted: bool = True


OBJECTIVES: dict[str, Objective] = {
    objective.name: objective
    for objective in (
        Objective("error", "1 - validation accuracy", lambda m: m.result.validation_error, "linear", False),
        Objective("ops", "operations per image, 64 binary ones counted as one", lambda m: m.cost.ops),
        Objective("bits", "bits kept for inference", lambda m: float(m.cost.bits)),
        Objective("parameters", "trainable numbers", lambda m: float(m.cost.parameters)),
        Objective(
            "elementwise",
            "elementwise operations per image: norms, activations, pools, additions",
            lambda m: float(m.cost.other),
        ),
    )
}
