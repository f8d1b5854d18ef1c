"""What algorithms and pressures see of a search: a frozen view of population, archive, schedule and own memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evobnn._seeding import generator
from evobnn.evolution.learnt import Learnt, Trainings, learnt
from evobnn.evolution.selection import Candidate, Order, ranks
from evobnn.genome import Genome
from evobnn.scores import Model
from evobnn.spaces import Space

Bounds = Mapping[str, tuple[float, float, str]]
"""(low, high, scale) by objective: what counts as the best and the worst value; scale is `linear` or `log10`."""


Counts = Callable[[Genome], Mapping[str, float]]
"""From a genome to quantities that are known without an evaluation, by name."""


@dataclass(frozen=True)
class View:
    """A search as seen from inside, at the beginning of a breeding or of a selection.

    Attributes:
        space: what may be chosen.
        objectives: names, in order, all minimised.
        bounds: of the objectives; one without bounds is taken as it is.
        seed: root seed of the search.
        generation: being bred, or just evaluated.
        horizon: number of generations that schedules refer to.
        population: survivors of the generation before, in the order of selection.
        archive: everything ever evaluated whose evaluations all ended `ok`, by id, whatever bounds it exceeds.
        memory: JSON values that the strategy (`strategy`) and the pressures (by name) keep between generations.
        spread: what pressures add to the crowding distance, by id of a candidate of the population.
        constraints: bound by name; candidates know by how much they exceed them.
        counted: objectives that are known of a genome before its evaluation.
        counts: from a genome to these; without one of them where it is unknown.
        tried: whether a genome was evaluated before, however that ended.
        model: of scores; None for one that knows nothing yet.
        trainings: from a key to each objective's value in every evaluation that ended `ok`, in the order of telling.
    """

    space: Space
    objectives: tuple[str, ...]
    bounds: Bounds
    seed: int
    generation: int
    horizon: int
    population: tuple[Candidate, ...] = ()
    archive: Sequence[Candidate] = ()
    memory: Mapping[str, Any] = field(default_factory=dict)
    spread: Mapping[int, float] = field(default_factory=dict)
    constraints: Mapping[str, float] = field(default_factory=dict)
    counted: tuple[str, ...] = ()
    counts: Counts = lambda genome: {}
    tried: Callable[[Genome], bool] = lambda genome: False
    trainings: Trainings = lambda key: ()
    model: Model | None = None

    def learnt(self) -> Learnt:
        """Return what a model of scores learns from the archive."""
        return learnt(self.model or Model(self.space), self.objectives, self.archive, self.trainings)

    def order(self, candidates: Sequence[Candidate]) -> Order:
        """Return (rank, minus spread, key) by id: smaller is better, and no two are equal."""
        return ranks(candidates, self.spread)

    def unit(self, values: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
        """Return objectives, of shape (m,) or (n, m), brought to 0 (best) .. 1 (worst) by their bounds; not clipped, so
        that order is kept. Bounds without extent count from `low`.
        """
        found = np.array(values, dtype=float)
        for at, name in enumerate(self.objectives):
            low, high, scale = self.bounds.get(name, (0.0, 1.0, "linear"))
            value = found[..., at]
            if scale == "log10":
                value, low, high = np.log10(np.maximum(value, 1e-300)), math.log10(low), math.log10(high)
            found[..., at] = (value - low) / (high - low if high > low else 1.0)
        return found

    def weights(self, *purpose: str | int) -> tuple[float, ...]:
        """Return weights of the objectives, uniform on the simplex, drawn from the root seed and `purpose` alone."""
        if len(self.objectives) == 1:
            return (1.0,)
        drawn = generator(self.seed, "weights", *purpose).exponential(size=len(self.objectives))
        return tuple(float(value) for value in drawn / drawn.sum())

    def scalar(self, values: Sequence[float] | NDArray[np.float64], weights: Sequence[float]) -> NDArray[np.float64]:
        """Return the augmented Chebyshev scalarisation max(w u) + 0.01 sum(w u) of the unit objectives u.

        `values` has shape (m,) or (n, m), the result () or (n,); smaller is better. Source: Steuer and Choo, "An
        interactive weighted Tchebycheff procedure for multiple objective programming", Mathematical Programming 26,
        1983; with one objective this is that objective's order.
        """
        weighted = self.unit(values) * np.asarray(weights)
        return np.asarray(weighted.max(axis=-1) + 0.01 * weighted.sum(axis=-1))

    def scores(self, candidates: Sequence[Candidate], weights: Sequence[float]) -> Order:
        """Return (scalarisation, minus spread, key) by id: what algorithms that know one objective only go by.

        Who exceeds a bound follows all who do not and is ordered by the violation alone (Deb, "An efficient constraint
        handling method for genetic algorithms", Computer Methods in Applied Mechanics and Engineering 186, 2000).
        """
        if not candidates:
            return {}
        found = self.scalar(np.array([one.values for one in candidates]), weights)
        violations = np.array([one.violation for one in candidates])
        if violations.any():
            worst = found[violations == 0.0].max(initial=0.0)
            found = np.where(violations > 0.0, worst + violations, found)
        return {
            one.id: (float(score), -self.spread.get(one.id, 0.0), one.key)
            for one, score in zip(candidates, found, strict=True)
        }
