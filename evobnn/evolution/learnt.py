"""What a search has learnt of its errors: candidates with errors that a model of scores believes, or draws."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evobnn._seeding import Generator
from evobnn.evolution.selection import Candidate
from evobnn.genome import Genome
from evobnn.scores import Model, Process

ERROR = "error"
"""The objective that is noisy; all others are known of a genome before any training."""

Trainings = Callable[[str], Sequence[Mapping[str, float]]]
"""From a key to each objective's value in every evaluation that ended `ok`."""


@dataclass(frozen=True)
class Learnt:
    """What was learnt.

    Attributes:
        model: reads genes.
        process: what it has learnt from everything that was measured.
        at: place of the error among the objectives.
    """

    model: Model
    process: Process
    at: int

    def errors(self, genomes: Sequence[Genome]) -> NDArray[np.float64]:
        """Return the errors that are believed, of shape (n,)."""
        return self.model.believed(self.process, genomes)

    def believed(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Return the candidates with the errors that are believed; what was trained briefly keeps its own."""
        return self._with(candidates, self.errors)

    def drawn(self, candidates: Sequence[Candidate], rng: Generator) -> list[Candidate]:
        """Return the candidates with the errors of one draw from the posterior of them all; what was trained briefly
        keeps its own.
        """
        return self._with(candidates, lambda whole: self.process.drawn([self.model.genes(g) for g in whole], rng))

    def _with(
        self, candidates: Sequence[Candidate], errors: Callable[[Sequence[Genome]], NDArray[np.float64]]
    ) -> list[Candidate]:
        whole = [one for one in candidates if not one.short]
        found = errors([one.genome for one in whole]) if whole else np.zeros(0)
        by_id = {one.id: float(error) for one, error in zip(whole, found, strict=True)}
        return [one if one.short else one.holding(self._values(one, by_id[one.id])) for one in candidates]

    def _values(self, one: Candidate, error: float) -> list[float]:
        return [error if at == self.at else value for at, value in enumerate(one.values)]


def learnt(model: Model, objectives: Sequence[str], measured: Sequence[Candidate], trainings: Trainings) -> Learnt:
    """Return what is learnt from everything that was measured, the oldest first, one at least."""
    trained = {one.genome: [each[ERROR] for each in trainings(one.key)] for one in measured}
    return Learnt(model, model.learn(trained), objectives.index(ERROR))
