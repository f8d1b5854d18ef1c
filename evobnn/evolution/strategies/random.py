"""Random sampling of the space: the baseline without which no claim about a search stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from evobnn._checks import check_at_least
from evobnn._seeding import Generator
from evobnn.evolution.selection import Candidate
from evobnn.genome import Genome


@dataclass(frozen=True)
class RandomSampling:
    """Settings of random sampling.

    Attributes:
        population: evaluations asked for in a generation; the best so far are kept as survivors.
    """

    population: int = 20

    def __post_init__(self) -> None:
        check_at_least("strategy.population", self.population, 1)

    def prepare(self, population: Sequence[Candidate]) -> None:
        """Return nothing: proposals do not look at the population."""

    def propose(
        self, population: Sequence[Candidate], prepared: None, toolbox: Any, rng: Generator
    ) -> tuple[Genome, str, tuple[int, ...]]:
        """Return a fresh random genome."""
        return toolbox.sample(rng), "sample", ()

    def survive(self, candidates: Sequence[Candidate], toolbox: Any) -> list[Candidate]:
        """Return the best so far by front and crowding distance."""
        return list(toolbox.select(list(candidates), min(self.population, len(candidates))))
