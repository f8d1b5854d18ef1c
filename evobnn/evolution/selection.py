"""The bridge to DEAP: fitness, candidates, ranks, tournament. Nothing that is not finite crosses it.

An individual whose objectives are all NaN is dominated by nobody and would sit on DEAP's first front.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from deap import base, tools
from deap.tools.emo import assignCrowdingDist

from evobnn._seeding import Generator, pick
from evobnn.errors import SearchError, message
from evobnn.genome import Genome


@cache
def minimising(count: int) -> type[Any]:
    """Return DEAP's fitness for `count` objectives, all minimised; a plain subclass, no `creator`."""
    return type(f"Minimise{count}", (base.Fitness,), {"weights": (-1.0,) * count})


class Candidate:
    """A small mutable shell for DEAP, never stored: genome, key, id and fitness."""

    __slots__ = ("fitness", "genome", "id", "key", "repeats")

    def __init__(self, id: int, genome: Genome, key: str, values: Sequence[float], repeats: int = 1) -> None:
        self.id, self.genome, self.key, self.repeats = id, genome, key, repeats
        if not values or not all(math.isfinite(value) for value in values):
            raise SearchError(message("finite objectives", str(list(values)), "Report the evaluation as diverged."))
        self.fitness = minimising(len(values))(tuple(values))

    @property
    def values(self) -> tuple[float, ...]:
        """The objectives, in order, to be minimised."""
        return tuple(self.fitness.values)


def candidate(
    id: int, genome: Genome, key: str, objectives: Mapping[str, float], names: Sequence[str], repeats: int
) -> Candidate:
    """Return the shell of an evaluated genome with its objectives in the order of `names`."""
    return Candidate(id, genome, key, [objectives[name] for name in names], repeats)


def fronts(candidates: Sequence[Candidate]) -> list[list[Candidate]]:
    """Return the non-dominated fronts, best first, each with crowding distances assigned."""
    if not candidates:
        return []
    found: list[list[Candidate]] = tools.sortNondominated(list(candidates), len(candidates))
    for front in found:
        assignCrowdingDist(front)
    return found


def ranks(candidates: Sequence[Candidate]) -> dict[int, tuple[int, float, str]]:
    """Return (rank, minus crowding distance, key) by id: smaller is better, and no two are equal."""
    return {
        one.id: (rank, -one.fitness.crowding_dist, one.key)
        for rank, front in enumerate(fronts(candidates))
        for one in front
    }


def tournament(
    candidates: Sequence[Candidate], order: Mapping[int, tuple[int, float, str]], rng: Generator, size: int = 2
) -> Candidate:
    """Return the best by `order` of `size` candidates drawn with replacement; any number of candidates will do."""
    return min((pick(rng, candidates) for _ in range(size)), key=lambda one: order[one.id])
