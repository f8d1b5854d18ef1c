"""NSGA-II: Deb, Pratap, Agarwal, Meyarivan, "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE
Transactions on Evolutionary Computation 6(2), 2002. Rank and crowding distance decide; parents and children compete.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evobnn._checks import check_at_least, check_between
from evobnn._seeding import Generator
from evobnn.evolution.selection import Candidate, ranks
from evobnn.genome import Genome

Order = Mapping[int, tuple[int, float, str]]


@dataclass(frozen=True)
class NSGA2:
    """Settings of NSGA-II.

    Attributes:
        population: survivors of a generation, and evaluations asked for in one.
        crossover: probability that a child has two parents.
        mutation: probability that a child of two parents is mutated as well; a child of one always is.
    """

    population: int = 20
    crossover: float = 0.7
    mutation: float = 0.7

    def __post_init__(self) -> None:
        check_at_least("strategy.population", self.population, 1)
        check_between("strategy.crossover", self.crossover, 0.0, 1.0)
        check_between("strategy.mutation", self.mutation, 0.0, 1.0)

    def prepare(self, population: Sequence[Candidate]) -> Order:
        """Return the order by rank, crowding distance and key (section III-B of the paper)."""
        return ranks(population)

    def propose(
        self, population: Sequence[Candidate], prepared: Order, toolbox: Any, rng: Generator
    ) -> tuple[Genome, str, tuple[int, ...]]:
        """Return a child of one or two winners of binary tournaments."""
        mother = toolbox.tournament(population, prepared, rng)
        if rng.random() >= self.crossover:
            return toolbox.mutate(mother.genome, rng=rng), "mutate", (mother.id,)
        father = toolbox.tournament(population, prepared, rng)
        child, _ = toolbox.mate(mother.genome, father.genome, rng=rng)
        if rng.random() >= self.mutation:
            return child, "mate", (mother.id, father.id)
        return toolbox.mutate(child, rng=rng), "mate+mutate", (mother.id, father.id)

    def survive(self, candidates: Sequence[Candidate], toolbox: Any) -> list[Candidate]:
        """Return the best by front and, in the last front that fits in part, by crowding distance."""
        return list(toolbox.select(list(candidates), min(self.population, len(candidates))))
