"""NSGA-III: Deb and Jain, "An evolutionary many-objective optimization algorithm using reference-point-based
nondominated sorting approach, part I", IEEE Transactions on Evolutionary Computation 18(4), 2014. Ranks decide; within
the last front that fits, directions of the objective space take turns (DEAP's `selNSGA3`, which keeps no memory of the
ideal and the extreme points).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from deap import tools

from evobnn._checks import check_at_least
from evobnn._seeding import Generator, pick
from evobnn.errors import SearchError, message
from evobnn.evolution.selection import Candidate, Order
from evobnn.evolution.strategies.base import pool
from evobnn.evolution.strategies.nsga2 import NSGA2
from evobnn.evolution.view import Bounds, View
from evobnn.spaces import Space


@dataclass(frozen=True)
class NSGA3(NSGA2):
    """Settings of NSGA-III. Parents are drawn uniformly, as in the paper (section IV-F); where a pressure adds to the
    crowding distance, which no niche reads, they win binary tournaments by rank and that sum.

    Attributes:
        divisions: p of the C(p + m - 1, m - 1) reference points of m objectives; 0 for as many points as there are
            survivors, or the next smaller number that a p gives.
    """

    divisions: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least("strategy.divisions", self.divisions, 0)

    def check(self, space: Space, objectives: Sequence[str], bounds: Bounds | None = None) -> None:
        """Raise SearchError for fewer than two objectives: there is no direction to tell apart."""
        if len(objectives) < 2:
            raise SearchError(
                message("two objectives or more for nsga3", str(list(objectives)), "Add one, or take nsga2.")
            )

    def points(self, objectives: int) -> int:
        """Return p for so many objectives."""
        divisions = max(1, self.divisions)
        while not self.divisions and math.comb(divisions + objectives, objectives - 1) <= self.population:
            divisions += 1
        return divisions

    def prepare(self, view: View) -> Order | None:
        """Return ranks where a pressure has something to say about them."""
        return view.order(view.population) if view.spread else None

    def parent(self, view: View, prepared: Any, toolbox: Any, rng: Generator) -> Candidate:
        """Return a uniformly drawn survivor, or the winner of a tournament."""
        return pick(rng, view.population) if prepared is None else super().parent(view, prepared, toolbox, rng)

    def survive(self, view: View, offspring: Sequence[Candidate], toolbox: Any) -> list[Candidate]:
        """Return whole fronts, then of the last one a member for each direction with the fewest (algorithms 1 to 4)."""
        candidates = pool(view, offspring)
        if not candidates:
            return []
        count = len(view.objectives)
        directions = tools.uniform_reference_points(count, self.points(count))
        return list(tools.selNSGA3(candidates, min(self.population, len(candidates)), directions))
