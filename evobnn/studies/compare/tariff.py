"""What a training costs a search: the epochs that it took, and what its budget is charged for it."""

from __future__ import annotations

from dataclasses import dataclass

from evobnn._checks import check_name
from evobnn.evolution.halving import WITHOUT, Halving
from evobnn.experiment.settings import Experiment
from evobnn.records import Result

EPOCHS, EVALUATIONS = "epochs", "evaluations"


@dataclass(frozen=True)
class Tariff:
    """The costs of an arm's trainings.

    Attributes:
        whole: epochs of a training of full length, scored once, its branch included.
        branch: epochs of the branch on which a network is scored; 0 where there is none.
        halving: by which new genomes are stopped early.
        unit: what a budget counts: `epochs` as they were trained, or `evaluations`, each as one however early it was
            stopped.
    """

    whole: float
    branch: float = 0
    halving: Halving = WITHOUT
    unit: str = EPOCHS

    def __post_init__(self) -> None:
        check_name("unit of a budget", self.unit, (EPOCHS, EVALUATIONS))

    @property
    def each(self) -> float:
        """What a whole training costs a budget."""
        return 1 if self.unit == EVALUATIONS else self.whole

    def trained(self, result: Result) -> float:
        """Return the epochs that a network was trained for; its twin's, if it has one, are as many again."""
        covered = self.halving.covers(result.request)
        return self.halving.trained(result, self.branch) if covered else self.whole

    def charged(self, result: Result) -> float:
        """Return what a budget has to pay for a result, its twin included."""
        once = self.each if self.unit == EVALUATIONS else self.trained(result)
        return once * (1 + result.request.twin)

    def planned(self, count: int) -> float:
        """Return what a budget has to pay for so many new genomes, none of which fails."""
        if self.unit == EVALUATIONS or not self.halving:
            return self.each * count
        return self.halving.planned(count, self.branch)


def tariff_of(experiment: Experiment, unit: str = EPOCHS) -> Tariff:
    """Return the costs of an experiment's trainings."""
    recipe = experiment.recipe
    branch = recipe.decay if recipe.branches else 0
    return Tariff(recipe.epochs + branch, branch, experiment.halving, unit)


__all__ = ["EPOCHS", "EVALUATIONS", "Tariff", "tariff_of"]
