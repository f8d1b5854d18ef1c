"""Optuna's samplers, with a categorical parameter for each gene.

`optuna` is imported here and nowhere else, by the functions that need it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from evobnn.studies.compare.peers.genes import Gene, Vector


def tpe(genes: Sequence[Gene], objectives: int, seed: int) -> Study:
    """Return the tree-structured Parzen estimator."""
    from optuna.samplers import TPESampler

    return Study(genes, objectives, TPESampler(multivariate=True, seed=seed))


def nsga2(genes: Sequence[Gene], objectives: int, seed: int, population: int) -> Study:
    """Return NSGA-II."""
    from optuna.samplers import NSGAIISampler

    return Study(genes, objectives, NSGAIISampler(population_size=population, seed=seed))


class Study:
    """A study in memory as `evobnn.studies.compare.peers.strategies.Optimiser`; what failed or was refused is a failed
    trial.
    """

    def __init__(self, genes: Sequence[Gene], objectives: int, sampler: Any) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._failed = optuna.trial.TrialState.FAIL
        self._study = optuna.create_study(directions=["minimize"] * objectives, sampler=sampler)
        of = optuna.distributions.CategoricalDistribution
        self._genes = {gene.name: of(range(len(gene.options))) for gene in genes}
        self._asked: deque[Any] = deque()

    def ask(self, given: Vector | None = None) -> Vector:
        if given is not None:
            self._study.enqueue_trial(dict(zip(self._genes, given, strict=True)))
        trial = self._study.ask(self._genes)
        self._asked.append(trial)
        return tuple(trial.params[name] for name in self._genes)

    def refuse(self) -> None:
        self._study.tell(self._asked.pop(), state=self._failed)

    def tell(self, values: Sequence[float] | None) -> None:
        trial = self._asked.popleft()
        if values is None:
            self._study.tell(trial, state=self._failed)
        else:
            self._study.tell(trial, list(values))
