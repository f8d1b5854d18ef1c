"""Early diversity (BNAS-like): who makes the choices of the others more various is preferred within a front, at first.

Kim, Singh, Choi, ECCV 2020, section 3.3 (section 2.4 of the fact sheet) add lambda * H * exp(-epoch / tau) to the
objective of the architecture, H being the mean entropy of the operation weights per edge, lambda = 1 and tau = 7.7 of
50 epochs. Here a population takes the place of the weights.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evobnn._checks import check_between
from evobnn.evolution.pressures.base import Pressure
from evobnn.evolution.selection import Candidate, z_scores
from evobnn.evolution.view import View
from evobnn.genome import Genome
from evobnn.spaces import Space
from evobnn.spaces.loci import edge_loci, loci, slot_loci

ABSENT = ""
"""The choice at a place that a genome does not have: an edge that is not there is a choice as well."""


@dataclass(frozen=True)
class Diversity(Pressure):
    """Settings of early diversity.

    The z-scored contribution of `contributions` times strength * exp(-generation / tau) is added to the crowding
    distance, which is z-scored as well where this pressure is on. It decides within a front, never between fronts. With
    one objective a front is everything of one value, so that it decides ties and no more.

    Attributes:
        strength: lambda, the weight at the beginning; 0 for none at all.
        fade: tau in shares of the horizon; the published 7.7 of 50 epochs are 0.154.
    """

    strength: float = 1.0
    fade: float = 0.154

    def __post_init__(self) -> None:
        check_between("pressures.diversity.strength", self.strength, 0.0, 1e6)
        check_between("pressures.diversity.fade", self.fade, 1e-6, 1e6)

    def weight(self, view: View) -> float:
        """Return strength * exp(-generation / tau), tau = fade * horizon."""
        return self.strength * math.exp(-view.generation / (self.fade * max(view.horizon, 1)))

    def spread(self, view: View, candidates: Sequence[Candidate]) -> Mapping[int, float]:
        """Return what is added to the crowding distances of these candidates, by id."""
        if not candidates or not self.strength:
            return {}
        found = z_scores(contributions(view.space, [one.genome for one in candidates]))
        weight = self.weight(view)
        return {one.id: weight * float(score) for one, score in zip(candidates, found, strict=True)}

    def log(self, view: View) -> Mapping[str, float]:
        """Return the weight and the population's mean entropy per place in nats."""
        return {"weight": self.weight(view), "entropy": entropy(view.space, [one.genome for one in view.population])}


def contributions(space: Space, genomes: Sequence[Genome]) -> NDArray[np.float64]:
    """Return by how much each genome raises the entropy of the choices: with it less without it, mean over places.

    Places are the edges, with operations and `absent` as choices, and the slots of expressions, with forms as choices;
    only what is searched counts. Shares of choices among the genomes are the probabilities; no genome has entropy 0.

    Returns:
        In nats, one for each genome; negative for one that repeats what most have.
    """
    found = np.zeros(len(genomes))
    columns = _columns(space, genomes)
    for column in columns:
        counts = Counter(column)
        total, n = sum(map(_term, counts.values())), len(column)
        gains = {
            choice: _nats(total, n) - _nats(total - _term(count) + _term(count - 1), n - 1)
            for choice, count in counts.items()
        }
        found += [gains[choice] for choice in column]
    return found / max(len(columns), 1)


def entropy(space: Space, genomes: Sequence[Genome]) -> float:
    """Return the entropy of the choices in nats, mean over the places of `contributions`."""
    columns = _columns(space, genomes)
    found = (_nats(sum(map(_term, Counter(column).values())), len(column)) for column in columns)
    return math.fsum(found) / max(len(columns), 1)


def _columns(space: Space, genomes: Sequence[Genome]) -> list[list[str]]:
    """Return, place by place, what every genome chose there."""
    rows = [dict(loci(space, genome)) for genome in genomes]
    return [[row.get(place, ABSENT) for row in rows] for place in (*edge_loci(space), *slot_loci(space))]


def _term(count: int) -> float:
    """Return n ln n, 0 for n = 0."""
    return count * math.log(count) if count else 0.0


def _nats(total: float, n: int) -> float:
    """Return the entropy -sum(c/n ln c/n) of counts c that add up to n, from total = sum(c ln c)."""
    return math.log(n) - total / n if n else 0.0
