"""The best of each cost: the evolutionary search of Lin et al., "NAS-BNN: neural architecture search for binary neural
networks", 2024 (arXiv 2408.15484), which keeps the best candidate in every bin of operations; MAP-Elites (Mouret and
Clune, arXiv 1504.04909) with one descriptor.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from evobnn._checks import check_at_least, check_between
from evobnn._seeding import Generator, pick
from evobnn.errors import SearchError, message
from evobnn.evolution.selection import Candidate
from evobnn.evolution.strategies.base import Proposal, Strategy, pool
from evobnn.evolution.view import Bounds, View
from evobnn.spaces import Space


@dataclass(frozen=True)
class OpsBins(Strategy):
    """Settings of the search by bins. Published: 512 starters, 256 children a generation, bins of 2 million operations.

    Attributes:
        population: evaluations asked for in a generation; survivors are as many as there are occupied bins.
        bins: of equal width in the logarithm of the operations, between the bounds of `ops` (the cheapest and the
            dearest genome of the space); what lies outside is in the bin at that end. Where the bounds are equal,
            there is one bin.
        crossover: probability that a child has two parents; the others are mutants of one.
    """

    population: int = 20
    bins: int = 20
    crossover: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least("strategy.bins", self.bins, 1)
        check_between("strategy.crossover", self.crossover, 0.0, 1.0)

    @property
    def unfit_for_halving(self) -> str:
        """Who is pruned may be the only one of a bin."""
        return "each bin keeps its least error, so that all need comparable scores"

    def check(self, space: Space, objectives: Sequence[str], bounds: Bounds | None = None) -> None:
        """Raise SearchError without `error` and `ops` among the objectives, or without bounds of `ops` above 0."""
        if not {"error", "ops"} <= set(objectives):
            raise SearchError(
                message("error and ops among the objectives for opsbins", str(list(objectives)), "Add what is missing.")
            )
        if bounds is not None and not bounds.get("ops", (0.0, 0.0, ""))[0] > 0.0:
            raise SearchError(
                message("bounds of ops above 0 for opsbins", str(bounds.get("ops")), "Give the space's extremes.")
            )

    def shortfall(self, view: View) -> int:
        """Return 0: empty bins are no lack."""
        return 0

    def bin(self, view: View, candidate: Candidate) -> int:
        """Return the number of the candidate's bin, the cheapest 0."""
        low, high, _ = view.bounds["ops"]
        ops = candidate.values[view.objectives.index("ops")]
        if ops <= low or high <= low:
            return 0
        return min(self.bins - 1, math.floor(self.bins * math.log(ops / low) / math.log(high / low)))

    def prepare(self, view: View) -> None:
        """Return nothing: every occupied bin is as good as another."""

    def propose(self, view: View, prepared: None, toolbox: Any, rng: Generator) -> Proposal:
        """Return a mutant of one, or a crossover of two, of the bins' best, drawn uniformly."""
        mother = pick(rng, view.population)
        if rng.random() >= self.crossover:
            return toolbox.mutate(mother.genome, rng=rng), "mutate", (mother.id,)
        father = pick(rng, view.population)
        child, _ = toolbox.mate(mother.genome, father.genome, rng=rng)
        return child, "mate", (mother.id, father.id)

    def survive(self, view: View, offspring: Sequence[Candidate], toolbox: Any) -> list[Candidate]:
        """Return the candidate with the least error of every occupied bin, the cheapest bin first."""
        error = view.objectives.index("error")
        best: dict[int, Candidate] = {}
        by_error = lambda one: (one.violation, one.values[error], -view.spread.get(one.id, 0.0), one.key)  # noqa: E731
        for one in sorted(pool(view, offspring), key=by_error):
            best.setdefault(self.bin(view, one), one)
        return [best[number] for number in sorted(best)]
