"""What of a session is still to come: one whole of evaluations, those on fresh seeds among them, and its seconds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from evobnn.evaluation import SCORES
from evobnn.evaluation.pace import Pace, makespan, units_of
from evobnn.evolution.halving import Halving
from evobnn.experiment.settings import Experiment
from evobnn.records import FRESH, Request

MOST_RESCORED = 10
"""Members measured on fresh seeds at a stop, unless the archive's own front is larger."""
FRONT = 8
"""Members that a front is expected to have before there is one."""
LUCKY = 3
"""Members that luck is expected to have pushed off the front, and that are measured on fresh seeds after it."""


def members(front: int) -> int:
    """Return how many members are expected to be measured on fresh seeds, by those on the front now."""
    return max(front, min(front + LUCKY, MOST_RESCORED))


class Outlook:
    """The trainings of a session to its end, counted and timed.

    Arguments:
        experiment: what is searched.
        workers: how many trainings run side by side.
        total: generations to reach.
        own: strategies by name beside the built-in ones.
    """

    def __init__(self, experiment: Experiment, workers: int, total: int, own: Mapping[str, Any] = {}) -> None:
        self.pace = Pace(workers)
        strategy = experiment.make_strategy(own)
        self._first, self._batch, self._total = strategy.first, strategy.batch, total
        self._inherits = experiment.score != SCORES[0]
        self._recipe, self._halving, self._rescore = experiment.recipe, experiment.halving, experiment.noise.rescore
        self._typical = math.nan
        self._taken: dict[str, list[float]] = {}
        self._fresh = 1.0
        self._spans: list[float] = []
        self._asked = self._sent = self._first
        self._generation = (math.nan, 0, self._first)  # span, batches and trainings of the last one

    def units(self, request: Request, epochs: int, load: float) -> float:
        """Return the size of a training to a rung (0: to its end) whose network computes `load` in an epoch: that of
        the same network's whole training where there was one, else by what it computes.
        """
        if request.repeat and not epochs and request.individual.key in self._taken:
            return self.whole(request.individual.key, load)
        last = epochs or self._recipe.epochs
        rungs: Sequence[int] = self._halving.rungs if self._halving.covers(request) else ()
        before = max((rung for rung in rungs if rung < last), default=0)
        branch = self._recipe.length - self._recipe.epochs
        share = (last - before + branch) / self._recipe.length
        return units_of(load, self._typical, share) * (2 if request.twin else 1)

    def whole(self, key: str, load: float) -> float:
        """Return the size of a whole training of a network: the mean of those that there were, else by its load."""
        taken = self._taken.get(key)
        return math.fsum(taken) / len(taken) if taken else units_of(load, self._typical)

    def ended(self, request: Request, size: float, seconds: float | None, now: float) -> None:
        """Note that a training of the batch has ended; one done in a single go says how long the next takes."""
        self.pace.ended(size, seconds, now)
        unit = self.pace.per_unit()
        partial = (self._halving.rungs and self._halving.covers(request)) or (self._inherits and request.repeat < FRESH)
        if seconds is not None and unit > 0.0 and not partial:
            self._taken.setdefault(request.individual.key, []).append(seconds / unit)

    def begin(self, jobs: Sequence[tuple[Request, int, float]], now: float) -> list[float]:
        """Note that these are sent (request, rung, load), and return the size of each."""
        loads = [load for _, _, load in jobs if load > 0.0]
        if math.isnan(self._typical) and loads:
            self._typical = math.fsum(loads) / len(loads)
        found = [self.units(*one) for one in jobs]
        self._sent = self._sent if self._spans else len(jobs)
        self.pace.begin(found, now)
        self._spans.append(makespan(found, self.pace.workers))
        return found

    def asked(self, count: int) -> None:
        """Note that a generation of so many evaluations begins."""
        self._spans, self._asked = [], count

    def committed(self) -> None:
        """Note that the generation is over: the next ones are expected to be like it, if it trained anything."""
        if self._spans:
            self._generation = math.fsum(self._spans), len(self._spans), self._sent

    def search(
        self, generation: int, found: int, front: Sequence[float] | None, climbing: tuple[int, int], room: float
    ) -> tuple[int, int, float]:
        """Return the evaluations that are done, those of the whole, and the seconds left, in a search.

        Arguments:
            generation: being evaluated.
            found: evaluations of it that are done.
            front: sizes of the members of the archive's front; None before there is one.
            climbing: how many new genomes are trained to which rung; (0, 0) for none or to the end.
            room: seconds until no further generation is begun.
        """
        span, batches, sent = self._generation
        later, steps = self._later(*climbing)
        if math.isnan(span):
            span, batches, sent = math.fsum(self._spans) + later, len(self._spans) + steps, self._sent
        span *= self._batch / max(1, sent)
        count = max(0, self._total - generation)
        here = self.pace.seconds(later, steps)
        each = self.pace.seconds(span, batches) - self.pace.seconds()
        if math.isfinite(room) and each > 0.0 and count:
            count = min(count, max(0, math.ceil((room - here) / each)))
        fresh = (members(len(front)) if front is not None else min(FRONT, self._first)) * self._rescore
        self._fresh = math.fsum(front) / len(front) if front else 1.0
        ahead = later + count * span + makespan([self._fresh] * fresh, self.pace.workers)
        before = self._first + (generation - 1) * self._batch if generation else 0
        planned = before + self._asked + count * self._batch + fresh
        return before + found, planned, self.pace.seconds(ahead, steps + count * batches + bool(fresh))

    def rescore(
        self, generation: int, settled: int, found: int, asked: int, seen: float = 0.0, lucky: int = 0
    ) -> tuple[int, int, float]:
        """Return the same while the front is measured on fresh seeds, after so many that are settled.

        Arguments:
            generation: number of generations there are.
            settled: evaluations of earlier rounds.
            found: evaluations of this one that are done.
            asked: evaluations to be made in this one.
            seen: share of this round's members whose fresh scores are complete, 0 to 1.
            lucky: members that luck had pushed off the front by those scores: the next round's.
        """
        before = self._first + (generation - 1) * self._batch if generation else 0
        known = (settled + asked) // max(1, self._rescore)
        guessed = members(known) - known if not settled else 0
        more = round((seen * lucky + (1.0 - seen) * guessed) * self._rescore)
        left = self.pace.seconds(more * self._fresh / self.pace.workers, bool(more))
        return before + settled + found, before + settled + asked + more, left

    def _later(self, count: int, rung: int) -> tuple[float, int]:
        """Return span and batches of the further rungs of so many genomes that are trained to one now."""
        halving: Halving = self._halving
        if not count or rung not in halving.rungs:
            return 0.0, 0
        branch = self._recipe.length - self._recipe.epochs
        span, rungs = 0.0, halving.rungs[halving.rungs.index(rung) :]
        for low, high in pairwise(rungs):
            count = halving.kept(count)
            size = units_of(0.0, 0.0, (high - low + branch) / self._recipe.length)
            span += makespan([size] * count, self.pace.workers)
        return span, len(rungs) - 1
