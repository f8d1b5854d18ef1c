"""Where a session stands, for whoever shows it."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evobnn.runs.fresh import FreshScores
from evobnn.runs.outlook import Outlook
from evobnn.snapshot import Generation


@dataclass(frozen=True)
class Progress:
    """Where a session stands, for whoever shows it.

    Attributes:
        stage: `search` or `rescore`.
        generation: being evaluated, and the total.
        done, planned: evaluations of the whole run, those of earlier sessions and those on fresh seeds included; how
            many of the latter there will be is an estimate.
        reused, failed: of `done`: taken from the journal; ended neither `ok` nor `pruned`.
        best_error, hypervolume: of the last finished generation; NaN before.
        seconds_left: estimate to the end of the run; NaN before the first result.
    """

    stage: str
    generation: int
    generations: int
    done: int
    planned: int
    reused: int
    failed: int
    best_error: float
    hypervolume: float
    seconds_left: float


class Standing:
    """Where a session stands.

    Arguments:
        outlook: what is still to come.
        fresh: how far the front is measured on fresh seeds.
        total: generations to reach.

    Attributes:
        reused, failed: see `Progress`.
        front: sizes of the members of the archive's front, see `Outlook.search`.
        until: reading of `time.monotonic` after which no further generation is begun.
    """

    def __init__(self, outlook: Outlook, fresh: FreshScores, total: int) -> None:
        self._outlook, self._fresh, self._total = outlook, fresh, total
        self.reused = self.failed = 0
        self.front: list[float] | None = None
        self.until = math.inf

    def progress(
        self, stage: str, generations: Sequence[Generation], found: int, asked: int, climbing: tuple[int, int]
    ) -> Progress:
        """Return the progress when `found` of `asked` evaluations of the generation behind these are done.

        `climbing`: see `Outlook.search`.
        """
        number = len(generations)
        if stage == "search":
            room = self.until - time.monotonic()
            done, planned, left = self._outlook.search(number, found, self.front, climbing, room)
        else:
            done, planned, left = self._outlook.rescore(number, self._fresh.settled, found, asked, *self._fresh.luck)
        log: Mapping[str, Any] = generations[-1].log if generations else {}
        best, volume = (log.get(name, math.nan) for name in ("least_error", "hypervolume"))
        reused, failed = self.reused, self.failed
        return Progress(stage, number, self._total, done, planned, reused, failed, best, volume, left)
