"""Regularised evolution: Real, Aggarwal, Huang, Le, "Regularized evolution for image classifier architecture search",
AAAI 2019 (arXiv 1802.01548), algorithm 1. Nobody survives by merit: the oldest dies, however good.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from evobnn._checks import check_at_least
from evobnn._seeding import Generator
from evobnn.evolution.selection import Candidate, Order
from evobnn.evolution.strategies.base import Proposal, Strategy
from evobnn.evolution.view import View


@dataclass(frozen=True)
class Aging(Strategy):
    """Settings of regularised evolution. Several objectives become one by weights drawn anew for every generation; a
    queue that forgets by age can follow them.

    Attributes:
        population: P, members of the queue, which survivors are listed in: the oldest first.
        sample: S, drawn with replacement; the best of them is the parent.
        children: evaluations asked for in a generation, all bred from one queue: the lag of the paper's parallel
            workers, made a constant. 1 is its sequential order.
    """

    population: int = 20
    sample: int = 5
    children: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least("strategy.sample", self.sample, 1)
        check_at_least("strategy.children", self.children, 1)

    @property
    def batch(self) -> int:
        """Children of a generation."""
        return self.children

    @property
    def unfit_for_halving(self) -> str:
        """Merit has no say in who stays."""
        return "every child enters the queue, however briefly it was trained"

    def prepare(self, view: View) -> Order:
        """Return (score, minus spread, key) by id under this generation's weights."""
        return view.scores(view.population, view.weights("strategy", view.generation))

    def propose(self, view: View, prepared: Order, toolbox: Any, rng: Generator) -> Proposal:
        """Return a mutant of the best of a sample."""
        parent = toolbox.tournament(view.population, prepared, rng, self.sample)
        return toolbox.mutate(parent.genome, rng=rng), "mutate", (parent.id,)

    def survive(self, view: View, offspring: Sequence[Candidate], toolbox: Any) -> list[Candidate]:
        """Return the youngest, the oldest of them first; children of one generation age in the order of asking."""
        return [*view.population, *offspring][-self.population :]
