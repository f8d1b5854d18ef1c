"""Random sampling of the space: the baseline without which no claim about a search stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from evobnn._seeding import Generator
from evobnn.evolution.strategies.base import Proposal, Strategy
from evobnn.evolution.view import View


@dataclass(frozen=True)
class RandomSampling(Strategy):
    """Settings of random sampling.

    Attributes:
        population: evaluations asked for in a generation; the best so far are kept as survivors.
    """

    def prepare(self, view: View) -> None:
        """Return nothing: proposals do not look at the population."""

    def propose(self, view: View, prepared: None, toolbox: Any, rng: Generator) -> Proposal:
        """Return a fresh random genome."""
        return toolbox.sample(rng), "sample", ()
