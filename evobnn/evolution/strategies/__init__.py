"""Evolutionary algorithms. A strategy proposes genomes from a population and says who survives; the search around it
keeps the archive, refuses duplicates, measures the front again and counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from evobnn._seeding import Generator
from evobnn.evolution.selection import Candidate
from evobnn.evolution.strategies.nsga2 import NSGA2
from evobnn.evolution.strategies.random import RandomSampling
from evobnn.genome import Genome


class Strategy(Protocol):
    """What the search asks of an algorithm."""

    @property
    def population(self) -> int:
        """Survivors of a generation, and evaluations asked for in one."""

    def prepare(self, population: Sequence[Candidate]) -> Any:
        """Return what proposals of one generation have in common, such as ranks."""

    def propose(
        self, population: Sequence[Candidate], prepared: Any, toolbox: Any, rng: Generator
    ) -> tuple[Genome, str, tuple[int, ...]]:
        """Return (genome, origin, ids of the parents)."""

    def survive(self, candidates: Sequence[Candidate], toolbox: Any) -> list[Candidate]:
        """Return at most `population` of the candidates, best first where there is an order."""


STRATEGIES: dict[str, Callable[..., Strategy]] = {"nsga2": NSGA2, "random": RandomSampling}
"""Strategy by name; each takes its settings as keyword arguments."""

__all__ = ["NSGA2", "STRATEGIES", "RandomSampling", "Strategy"]
