"""The quantities that a search minimises, by name."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from evobnn.errors import ExperimentError, message
from evobnn.evaluation.latency import LATENCY
from evobnn.nn import NetworkCost
from evobnn.training import TrainResult


def _none() -> nn.Module:
    raise ValueError("no network was built")


def _no_times() -> float:
    raise ValueError("no table of layer times")


@dataclass(frozen=True)
class Measured:
    """What an objective may look at.

    Attributes:
        result: of the training.
        cost: counts of the network, for one image.
        build: returns the network as the genome decodes to it, its weights drawn anew.
        latency: returns the milliseconds that the network takes for one image, by a table of layers.
    """

    result: TrainResult
    cost: NetworkCost
    build: Callable[[], nn.Module] = _none
    latency: Callable[[], float] = _no_times


@dataclass(frozen=True)
class Objective:
    """A quantity to be minimised.

    Attributes:
        name: as written in experiments and files.
        unit: for people.
        measure: from a finished training to the value; None for what an evaluation function gives.
        axis: `linear` or `log10`: how hypervolume measures it.
        bounds: between which values hypervolume measures it; None where it is known without a training, so that the
            cheapest and the dearest network of a space tell.

    Raises:
        ExperimentError: a scale that is none, or bounds that do not rise or have no logarithm.

    >>> energy = evobnn.Objective("mJ", "mJ for one image", axis="linear", bounds=(0, 60))
    >>> energy.unit
    'mJ for one image'
    """

    name: str
    unit: str
    measure: Callable[[Measured], float] | None = None
    axis: str = "log10"
    bounds: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.axis not in ("linear", "log10"):
            raise ExperimentError(
                message(f"objective {self.name} on 'linear' or 'log10'", repr(self.axis), "Take one.")
            )
        if self.bounds is not None and not (self.bounds[0] < self.bounds[1] and math.isfinite(sum(self.bounds))):
            wanted = f"bounds of objective {self.name} that rise"
            raise ExperimentError(message(wanted, str(self.bounds), "Write (low, high)."))
        if self.bounds is not None and self.axis == "log10" and self.bounds[0] <= 0:
            wanted = f"bounds of objective {self.name} above 0 for a logarithm"
            raise ExperimentError(message(wanted, str(self.bounds), "Raise the lower one, or take axis='linear'."))

    def of(self, measured: Measured) -> float:
        """Return the value; raises ValueError for one that is no finite number."""
        if self.measure is None:
            raise ValueError(f"objective {self.name} has no measure")
        value = float(self.measure(measured))
        if not math.isfinite(value):
            raise ValueError(f"objective {self.name} is {value}, which is no finite number")
        return value

    @property
    def counted(self) -> bool:
        """Whether it is known from the genome, before any training."""
        return self.bounds is None and self.name != "error"


OBJECTIVES: dict[str, Objective] = {
    objective.name: objective
    for objective in (
        Objective("error", "1 - validation accuracy", lambda m: m.result.validation_error, "linear"),
        Objective("ops", "operations per image, 64 binary ones counted as one", lambda m: m.cost.ops),
        Objective("bits", "bits kept for inference", lambda m: float(m.cost.bits)),
        Objective("parameters", "trainable numbers", lambda m: float(m.cost.parameters)),
        Objective(
            "elementwise",
            "elementwise operations per image: norms, activations, pools, additions",
            lambda m: float(m.cost.other),
        ),
        Objective(LATENCY, "milliseconds for one image, one thread, by a table of layers", lambda m: m.latency()),
    )
}
