"""Whom a search names at its end: by a model of scores, which believes no single lucky training, and which may name
genomes that were never trained. These are trained in the last generations of the horizon, and then named or not as all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evobnn._seeding import Generator, pick
from evobnn.evolution.archive import Archive
from evobnn.evolution.learnt import ERROR, Learnt, learnt
from evobnn.evolution.selection import Candidate, fronts
from evobnn.genome import Genome
from evobnn.scores import Model

LAST = 2
"""Generations at the end of the horizon in which the model asks: what is trained in one is confirmed in the next."""
BRED = 20
"""Genomes that are bred for each that is trained."""
PARENTS = 10
"""Candidates of those with the best ranks that are mutated for them."""


@dataclass(frozen=True)
class Naming:
    """How a search names by a model.

    Attributes:
        objectives: names, in order; `error` is one of them.
        counts: from a genome to its other objectives.
    """

    objectives: tuple[str, ...]
    counts: Callable[[Genome], Mapping[str, float]]

    def before(self, generation: int, horizon: int, archive: Archive, model: Model) -> Beliefs | None:
        """Return what is believed before a generation in which the model asks; None before all others."""
        if not horizon - LAST < generation <= horizon or not archive.feasible():
            return None
        return self.believed(archive, model)

    def believed(self, archive: Archive, model: Model) -> Beliefs:
        """Return what is believed after all that was told."""
        measured = archive.feasible()
        known = learnt(model, self.objectives, measured, archive.trainings)
        return Beliefs(self, known, known.believed(measured))

    def point(self, genome: Genome, error: float) -> list[float]:
        """Return the objectives of a genome of which this error is believed."""
        counted = self.counts(genome)
        return [error if name == ERROR else counted[name] for name in self.objectives]


@dataclass(frozen=True)
class Beliefs:
    """What is believed of everything that was trained whole and well, and exceeds no bound.

    Attributes:
        naming: whose beliefs they are.
        learnt: from these.
        candidates: with the errors that are believed in place of those that were seen.
    """

    naming: Naming
    learnt: Learnt
    candidates: Sequence[Candidate]

    def front(self) -> list[Candidate]:
        """Return the front, the least error first."""
        return self._ranked(next(iter(fronts(self.candidates)), []))

    def untrained(
        self, count: int, fresh: Callable[[Genome], str], toolbox: Any, rng: Generator
    ) -> list[tuple[Genome, tuple[int, ...]]]:
        """Return up to `count` genomes never trained, each with the ids of its parents, in the order in which the model
        would name them: front by front, held against all candidates, the least error first.

        Arguments:
            count: of genomes wanted.
            fresh: the key of a genome that was never asked for and may be trained, else an empty text.
            toolbox: for `mutate`.
            rng: generator to draw from.
        """
        parents = self._in_order(self.candidates)[:PARENTS]
        bred: dict[str, tuple[Genome, tuple[int, ...]]] = {}
        for _ in range(BRED * count if parents else 0):
            parent = pick(rng, parents)
            genome = toolbox.mutate(parent.genome, rng=rng)
            if name := fresh(genome):
                bred.setdefault(name, (genome, (parent.id,)))
        if not bred:
            return []
        errors = self.learnt.errors([genome for genome, _ in bred.values()])
        offered = [
            Candidate(-1, genome, name, self.naming.point(genome, float(error)))
            for (name, (genome, _)), error in zip(bred.items(), errors, strict=True)
        ]
        ranked = self._in_order([*self.candidates, *offered])
        return [bred[one.key] for one in ranked if one.key in bred][:count]

    def _in_order(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        return [one for front in fronts(candidates) for one in self._ranked(front)]

    def _ranked(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        at = self.naming.objectives.index(ERROR)
        return sorted(candidates, key=lambda one: (one.values[at], one.key))
