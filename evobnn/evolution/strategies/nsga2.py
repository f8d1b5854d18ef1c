"""NSGA-II: Deb, Pratap, Agarwal, Meyarivan, "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE
Transactions on Evolutionary Computation 6(2), 2002. Rank and crowding distance decide; parents and children compete.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from evobnn._checks import check_between
from evobnn._seeding import Generator
from evobnn.evolution.selection import Candidate
from evobnn.evolution.strategies.base import Proposal, Strategy
from evobnn.evolution.view import View


@dataclass(frozen=True)
class NSGA2(Strategy):
    """Settings of NSGA-II.

    Attributes:
        population: survivors of a generation, and evaluations asked for in one.
        crossover: probability that a child has two parents.
        mutation: probability that a child of two parents is mutated as well; a child of one always is.
    """

    crossover: float = 0.7
    mutation: float = 0.7

    def __post_init__(self) -> None:
        super().__post_init__()
        check_between("strategy.crossover", self.crossover, 0.0, 1.0)
        check_between("strategy.mutation", self.mutation, 0.0, 1.0)

    def parent(self, view: View, prepared: Any, toolbox: Any, rng: Generator) -> Candidate:
        """Return the winner of a binary tournament (section III-B of the paper)."""
        winner: Candidate = toolbox.tournament(view.population, prepared, rng)
        return winner

    def propose(self, view: View, prepared: Any, toolbox: Any, rng: Generator) -> Proposal:
        """Return a child of one or two parents."""
        mother = self.parent(view, prepared, toolbox, rng)
        if rng.random() >= self.crossover:
            return toolbox.mutate(mother.genome, rng=rng), "mutate", (mother.id,)
        father = self.parent(view, prepared, toolbox, rng)
        child, _ = toolbox.mate(mother.genome, father.genome, rng=rng)
        if rng.random() >= self.mutation:
            return child, "mate", (mother.id, father.id)
        return toolbox.mutate(child, rng=rng), "mate+mutate", (mother.id, father.id)
