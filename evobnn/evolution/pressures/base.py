"""What the search asks of a pressure: by default nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evobnn._seeding import Generator
from evobnn.evolution.selection import Candidate
from evobnn.evolution.view import View
from evobnn.genome import Genome
from evobnn.records import Result
from evobnn.spaces import Choose, Space


@dataclass(frozen=True)
class Pressure:
    """Something that shapes selection or proposals beside the objectives: frozen settings and pure functions.

    It never touches recorded objectives, the front or the hypervolume. What it learns goes into its memory, JSON
    values that stand in every snapshot under its name: `view.memory[name]`.
    """

    def check(self, space: Space, objectives: Sequence[str], batch: int) -> None:
        """Raise SearchError where the pressure cannot work in this space or with so small a batch."""

    def spread(self, view: View, candidates: Sequence[Candidate]) -> Mapping[int, float]:
        """Return what is added to the crowding distances in selection, by id; an empty mapping for nothing."""
        return {}

    def chooser(self, view: View) -> Choose | None:
        """Return how mutation draws the operation of an edge in this generation, or None for the space's own way."""
        return None

    def block(self, view: View, toolbox: Any, rng: Generator) -> Sequence[Genome]:
        """Return genomes to be evaluated beside the population this generation, each with its real-valued twin."""
        return ()

    def repair(self, view: View, genome: Genome, rng: Generator) -> Genome:
        """Return a proposal without what the pressure does not allow any more."""
        return genome

    def remember(self, view: View, results: Sequence[Result]) -> Mapping[str, Any]:
        """Return the memory after a generation with these results."""
        return {}

    def log(self, view: View) -> Mapping[str, float]:
        """Return numbers for the logbook, after the generation."""
        return {}
