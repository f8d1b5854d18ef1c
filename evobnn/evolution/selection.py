"""The bridge to DEAP: fitness, candidates, ranks, tournament. Nothing that is not finite crosses it.

An individual whose objectives are all NaN is dominated by nobody and would sit on DEAP's first front.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from deap import base
from deap.tools.emo import assignCrowdingDist
from numpy.typing import NDArray

from evobnn._seeding import Generator, pick
from evobnn.errors import SearchError, message
from evobnn.genome import Genome

Order = Mapping[int, tuple[float, float, str]]
"""(rank or score, minus spread, key) by id; smaller is better, and no two are equal."""


class _Bounded(base.Fitness):  # type: ignore[misc]
    """DEAP's fitness with Deb's constrained domination; its own `ConstrainedFitness` knows no less and more."""

    violation = 0.0

    def dominates(self, other: Any, obj: slice = slice(None)) -> bool:
        if self.violation != other.violation:
            return bool(self.violation < other.violation)
        return bool(super().dominates(other, obj))


@cache
def minimising(count: int) -> type[Any]:
    """Return DEAP's fitness for `count` objectives, all minimised; a plain subclass, no `creator`. Its `violation`
    comes before all of them.
    """
    return type(f"Minimise{count}", (_Bounded,), {"weights": (-1.0,) * count})


class Candidate:
    """A small mutable shell for DEAP, never stored: genome, key, id and fitness, which are the objectives `values`, in
    order, to be minimised. `short` is by how many rungs its training was shorter than that of others, `violation` by
    how much it exceeds the bounds (see `evobnn.pareto`). In place of a genome it may have who returns it for an id.
    """

    __slots__ = ("_genome", "fitness", "id", "key", "repeats", "short", "values", "violation")

    def __init__(
        self,
        id: int,
        genome: Genome | Callable[[int], Genome],
        key: str,
        values: Sequence[float],
        repeats: int = 1,
        short: int = 0,
        violation: float = 0.0,
    ) -> None:
        self.id, self._genome, self.key, self.repeats, self.short = id, genome, key, repeats, short
        if not values or not all(math.isfinite(value) for value in values):
            raise SearchError(message("finite objectives", str(list(values)), "Report the evaluation as diverged."))
        self.values: tuple[float, ...] = tuple(values)
        self.violation = violation
        self.fitness = minimising(len(values))(self.values)
        if violation:
            self.fitness.violation = violation

    def holding(self, values: Sequence[float]) -> Candidate:
        """Return the same with other objectives."""
        return Candidate(self.id, self._genome, self.key, values, self.repeats, self.short, self.violation)

    @property
    def genome(self) -> Genome:
        """What was evaluated."""
        return self._genome if isinstance(self._genome, Genome) else self._genome(self.id)


def candidate(
    id: int,
    genome: Genome | Callable[[int], Genome],
    key: str,
    objectives: Mapping[str, float],
    names: Sequence[str],
    repeats: int,
    short: int = 0,
    violation: float = 0.0,
) -> Candidate:
    """Return the shell of an evaluated genome with its objectives in the order of `names`."""
    return Candidate(id, genome, key, [objectives[name] for name in names], repeats, short, violation)


def tiers(candidates: Iterable[Candidate]) -> list[list[Candidate]]:
    """Return the candidates by the length of their training, the longest first: only equals can be compared."""
    found: dict[int, list[Candidate]] = {}
    for one in candidates:
        found.setdefault(one.short, []).append(one)
    return [found[short] for short in sorted(found)]


def fronts(candidates: Sequence[Candidate]) -> list[list[Candidate]]:
    """Return the non-dominated fronts, best first, each with crowding distances assigned; those who exceed a bound
    follow all who do not, the lesser violation first.

    Members and order are those of `deap.tools.sortNondominated`, which compares pairs one by one and took most of a
    search's own time: candidates with equal objectives stand together where the first of them stood; those of a later
    front stand in the order in which the front before, walked through, sets them free.
    """
    if any(one.violation for one in candidates):
        levels: dict[float, list[Candidate]] = {}
        for one in candidates:
            levels.setdefault(one.violation, []).append(one)
        return [front for violation in sorted(levels) for front in _fronts(levels[violation])]
    return _fronts(candidates)


def _fronts(candidates: Sequence[Candidate]) -> list[list[Candidate]]:
    """Return the fronts of candidates of equal violation."""
    groups: dict[tuple[float, ...], list[Candidate]] = {}
    for one in candidates:
        groups.setdefault(one.fitness.wvalues, []).append(one)
    members = list(groups.values())
    found = [[one for at in front for one in members[at]] for front in _layers(np.array(list(groups)))]
    for front in found:
        assignCrowdingDist(front)
    return found


def _layers(points: NDArray[np.float64]) -> list[list[int]]:
    """Return the rows of each front of distinct points of shape (n, m), all maximised, in the order of DEAP."""
    if len(points) == 0:
        return []
    if points.shape[1] == 1:
        return [[int(at)] for at in np.argsort(-points[:, 0], kind="stable")]
    dominates = np.ones((len(points), len(points)), dtype=bool)
    for column in points.T:
        dominates &= column[:, None] >= column[None, :]
    np.fill_diagonal(dominates, False)
    left = dominates.sum(axis=0)
    current = np.flatnonzero(left == 0)
    found = []
    while len(current):
        found.append([int(at) for at in current])
        below = dominates[current]
        left[current] = -1
        left -= below.sum(axis=0)
        free = np.flatnonzero((left == 0) & below.any(axis=0))
        last = len(current) - 1 - np.argmax(below[::-1, free], axis=0)
        current = free[np.argsort(last, kind="stable")]
    return found


def select_nsga2(candidates: Sequence[Candidate], k: int) -> list[Candidate]:
    """Return the best `k` candidates by rank and crowding distance: `deap.tools.selNSGA2`, member for member, on the
    quicker `fronts`. All are returned where there are fewer.
    """
    k = min(k, len(candidates))
    chosen: list[Candidate] = []
    for front in fronts(candidates):
        if len(chosen) + len(front) >= k:
            by_distance = sorted(front, key=lambda one: one.fitness.crowding_dist, reverse=True)
            return chosen + by_distance[: k - len(chosen)]
        chosen += front
    return chosen


def ranks(candidates: Sequence[Candidate], spread: Mapping[int, float] = {}) -> dict[int, tuple[int, float, str]]:
    """Return (rank, minus spread, key) by id: smaller is better, and no two are equal.

    Ranks of shorter trainings follow the last rank of longer ones.
    The spread is the crowding distance; what `spread` adds by id changes who is preferred within a front, no more. Only
    where something is added are the finite distances made z-scores over all candidates, to be on the same scale; the
    ends of a front keep their infinite distance.
    """
    sorted_fronts = [front for tier in tiers(candidates) for front in fronts(tier)]
    distances = {one.id: float(one.fitness.crowding_dist) for one in candidates}
    if spread:
        finite = [number for number, distance in distances.items() if math.isfinite(distance)]
        scores = z_scores([distances[number] for number in finite])
        distances |= {number: float(score) for number, score in zip(finite, scores, strict=True)}
    return {
        one.id: (rank, -(distances[one.id] + spread.get(one.id, 0.0)), one.key)
        for rank, front in enumerate(sorted_fronts)
        for one in front
    }


def z_scores(values: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (value - mean) / standard deviation, of all the values and not of a sample; zeros where they are equal."""
    given = np.asarray(values, dtype=float)
    if not given.size:
        return given
    deviation = float(given.std())
    if deviation <= 1e-12 * float(np.abs(given).max()):  # equal but for the last bits
        return np.zeros_like(given)
    return np.asarray((given - given.mean()) / deviation)


def tournament(candidates: Sequence[Candidate], order: Order, rng: Generator, size: int = 2) -> Candidate:
    """Return the best by `order` of `size` candidates drawn with replacement; any number of candidates will do."""
    return min((pick(rng, candidates) for _ in range(size)), key=lambda one: order[one.id])
