"""Bounds on what may be proposed and on what may win: known from the genome before any training, or measured by one.

Deb, "An efficient constraint handling method for genetic algorithms", Computer Methods in Applied Mechanics and
Engineering 186, 2000: who exceeds nothing before who does, of two who do the one that exceeds less. What is known
beforehand is not proposed at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from evobnn.errors import message
from evobnn.genome import Genome
from evobnn.pareto import told, violation

TRIES, RANDOM_TRIES = 500, 10000
"""Proposals and random genomes that may fail where bounds refuse most of them."""


class Constraints:
    """The bounds of a search.

    Arguments:
        bounds: by name, all above 0; those that are not counted are of objectives.
        counts: from a genome to its counted quantities, by names of `bounds`; None where nothing counted is bounded.
        cheapest: genomes to begin with where neither a starter nor a random one meets the bounds.

    Attributes:
        nearest: the counts of the refused genome that exceeds the bounds least; empty before there is one.
    """

    def __init__(
        self,
        bounds: Mapping[str, float] = {},
        counts: Callable[[Genome], Mapping[str, float]] | None = None,
        cheapest: Sequence[Genome] = (),
    ) -> None:
        self.bounds, self.counts, self.cheapest = dict(bounds), counts, tuple(cheapest)
        self.nearest: Mapping[str, float] = {}
        self._least = math.inf

    def violation(self, values: Mapping[str, float]) -> float:
        """Return by how much values exceed the bounds, see `evobnn.pareto.violation`."""
        return violation(values, self.bounds)

    def refused(self, genome: Genome) -> str:
        """Return which bounds the counts of a genome exceed, or an empty text."""
        if self.counts is None:
            return ""
        counts = self.counts(genome)
        excess = self.violation(counts)
        if 0.0 < excess < self._least:
            self._least, self.nearest = excess, counts
        over = {name: value for name, value in counts.items() if value > self.bounds[name]}
        return f"it has {told(over)}, more than {told({name: self.bounds[name] for name in over})}" if over else ""

    def unmet(self, draws: int, space: str) -> str:
        """Return the message for bounds that none of so many random genomes met, nor anything else that was tried."""
        bounds = {name: self.bounds[name] for name in self.nearest}
        return message(
            f"a genome that was not tried yet, of the {space} space, with at most {told(bounds)}",
            f"none in {draws:,} proposals",
            f"The nearest that was refused has {told(self.nearest)}. Allow as much, or take a larger space.",
        )
