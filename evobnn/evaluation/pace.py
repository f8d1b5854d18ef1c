"""How long a list of trainings takes, by those that have ended: numbers in, seconds out, no clock.

A training's size is given in units, 1 for a typical one. Seconds per unit come from the recent trainings, as their
workers measured them, without the first of each worker, which also loads and compiles. A batch is what is sent together
and waited for; it takes as long as its units need on so many workers, the longest first.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from heapq import heapreplace
from statistics import median

RECENT = 24
"""Trainings that the pace is taken from."""
OUTLIER = 4.0
"""Times the median: trainings beyond it were stopped for something else, such as compiling."""
KEPT = 0.5
"""Share that what earlier batches told keeps with each further one."""
FIXED = 0.4
"""Share of a typical training that does not depend on what its network computes."""
START = 0.2
"""The part of that share that does not depend on how long it is trained either."""


def units_of(work: float, typical: float, share: float = 1.0) -> float:
    """Return the size of a training whose network computes `work` in an epoch, where others compute `typical`, and that
    has this share of a whole training's epochs.
    """
    whole = FIXED + (1.0 - FIXED) * work / typical if typical > 0.0 else 1.0
    return START + share * (whole - START)


def makespan(units: Sequence[float], workers: int) -> float:
    """Return the units that pass until all are done, each begun, the longest first, by whoever is free first."""
    free = [0.0] * workers
    for one in sorted(units, reverse=True):
        heapreplace(free, free[0] + one)
    return max(free)


class Pace:
    """Seconds that trainings take and will take.

    Arguments:
        workers: how many run side by side.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._ended = 0
        self._recent: deque[tuple[float, float]] = deque(maxlen=RECENT)
        self._open: list[float] = []
        self._batch: list[float] = []
        self._batches = 0
        self._began = self._finished = math.nan
        self._wall, self._expected, self._gap = 0.0, 0.0, math.nan

    def begin(self, units: Sequence[float], now: float) -> None:
        """Note that a batch is sent at this time, in seconds of any clock that does not stop."""
        if math.isfinite(self._finished):
            gap = max(0.0, now - self._finished)
            self._gap = gap if math.isnan(self._gap) else KEPT * self._gap + (1.0 - KEPT) * gap
        self._batch, self._open, self._began = list(units), sorted(units, reverse=True), now

    def ended(self, units: float, seconds: float | None, now: float) -> None:
        """Note that a training of the batch has ended after so many seconds; None where nobody knows."""
        self._open.remove(units)
        if seconds is not None:
            self.note(units, seconds)
        if not self._open:
            self._finish(now)

    def note(self, units: float, seconds: float) -> None:
        """Note what a training took, wherever it belongs."""
        self._ended += 1
        if self._ended == self.workers + 1:
            self._recent.clear()
        self._recent.append((units, seconds))

    def _finish(self, now: float) -> None:
        self._finished = now
        self._batches += 1
        if self._batches > 1:  # the first one has waited for the workers to start
            expected = makespan(self._batch, self.workers) * self.per_unit()
            if expected > 0.0:
                self._wall = KEPT * self._wall + now - self._began
                self._expected = KEPT * self._expected + expected

    def per_unit(self) -> float:
        """Return the seconds of a unit by the recent trainings; NaN before the first."""
        if not self._recent:
            return math.nan
        limit = OUTLIER * median(seconds / units for units, seconds in self._recent)
        near = [(units, seconds) for units, seconds in self._recent if seconds / units <= limit]
        return math.fsum(seconds for _, seconds in near) / math.fsum(units for units, _ in near)

    def seconds(self, span: float = 0.0, batches: float = 0.0) -> float:
        """Return the seconds until the batch and what comes behind it are done; NaN before anything has ended.

        Arguments:
            span: what comes behind it, as `makespan` counts.
            batches: in how many batches.
        """
        left = self.rest() + span
        if left == 0.0 and batches == 0.0:
            return 0.0
        beside = self._wall / self._expected if self._expected else 1.0
        gaps = 0.0 if math.isnan(self._gap) else batches * self._gap
        return left * self.per_unit() * beside + gaps

    def rest(self) -> float:
        """Return the units that pass until the batch is done; of those in training, one has just begun, and the others
        count as half done.
        """
        running = self.workers - 1 if len(self._open) < len(self._batch) else 0
        return makespan([*(one / 2.0 for one in self._open[:running]), *self._open[running:]], self.workers)
