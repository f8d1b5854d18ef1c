"""Local search: White, Nolen, Savani, "Exploring the loss landscape in neural architecture search", UAI 2021 (first as
"Local search is state of the art for neural architecture search benchmarks", arXiv 2005.02960). Look at the
neighbours of where one stands, go to a better one, begin anew where there is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evobnn._checks import check_at_least
from evobnn._seeding import Generator
from evobnn.evolution.selection import Candidate
from evobnn.evolution.strategies.base import Proposal, Strategy
from evobnn.evolution.view import View


@dataclass(frozen=True)
class LocalSearch(Strategy):
    """Settings of local search. A neighbour differs in one gene. Several objectives become one by weights drawn anew
    for every climb.

    The survivors are the best so far by rank and crowding distance and take no part in the climb, which stands in the
    memory: the number of the climb, where it is (an individual's id, or none at a restart) and for how many evaluations
    nothing better was found.

    Attributes:
        population: random genomes of the first climb's start, of which the best is where it begins.
        children: neighbours asked for in a generation, all of the same genome; also random genomes at a restart.
        patience: evaluations of neighbours without a better one after which a climb ends. Neighbours that were
            evaluated before are not asked for again, so an exhausted neighbourhood runs out of patience too.
    """

    population: int = 20
    children: int = 10
    patience: int = 50

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least("strategy.children", self.children, 1)
        check_at_least("strategy.patience", self.patience, 1)

    @property
    def batch(self) -> int:
        """Neighbours of a generation."""
        return self.children

    def shortfall(self, view: View) -> int:
        """Return the whole batch at a restart, else 0."""
        return self.children if self.prepare(view) is None else 0

    def prepare(self, view: View) -> Candidate | None:
        """Return where the climb is; None at a restart, and where that genome has failed since."""
        at = view.memory.get("strategy", {}).get("at")
        return next((one for one in view.archive if one.id == at), None)

    def propose(self, view: View, prepared: Candidate, toolbox: Any, rng: Generator) -> Proposal:
        """Return a neighbour."""
        return toolbox.mutate_one(prepared.genome, rng=rng), "mutate", (prepared.id,)

    def remember(self, view: View, survivors: Sequence[Candidate], offspring: Sequence[Candidate]) -> Mapping[str, Any]:
        """Return the climb after the best of these offspring was held against where it is."""
        before = view.memory.get("strategy", {})
        climb, at = int(before.get("climb", 0)), self.prepare(view)
        order = view.scores([*offspring, *([at] if at else [])], view.weights("strategy", climb))
        best = min(offspring, key=lambda one: order[one.id], default=None)
        if best and (at is None or order[best.id][0] < order[at.id][0]):
            return {"climb": climb, "at": best.id, "idle": 0}
        if at is None:
            return {"climb": climb, "at": None, "idle": 0}
        idle = int(before["idle"]) + self.children
        if idle >= self.patience:
            return {"climb": climb + 1, "at": None, "idle": 0}
        return {"climb": climb, "at": at.id, "idle": idle}
