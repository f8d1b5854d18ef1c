"""What follows from the generations of a run: fresh scores as rows, the logbook, the front as table and picture."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from evobnn._jsonl import append, dump
from evobnn.analysis import front_csv, save_front
from evobnn.analysis.frames import front_of, measured_of
from evobnn.pareto import told, violation
from evobnn.records import Individual, Result, Status
from evobnn.snapshot import Generation, Rescored, latest_rescored, read_rescored, write_lines, write_text
from evobnn.snapshot.archive import Archive

SHARE = 0.05
"""Of the time of a search that pictures of it take at most."""
LEAST = 2.0
"""Seconds between two pictures at least."""


def fresh_scores(folder: Path) -> dict[int, Rescored]:
    """Return the newest fresh scores of a run by id."""
    path = latest_rescored(folder)
    return {row.id: row for row in read_rescored(path)} if path else {}


def rescored_row(individual: Individual, results: Sequence[Result]) -> Rescored:
    """Return mean, values and deviation of every objective over the fresh repeats that ended `ok`."""
    good = [result.evaluation for result in results if result.evaluation.status is Status.OK]
    values = {name: tuple(e.objectives[name] for e in good) for name in (good[0].objectives if good else {})}
    whole = len(good) == len(results)
    return Rescored(
        individual.id,
        individual.key,
        individual.genome,
        tuple(result.request.repeat for result in results),
        {name: fmean(row) for name, row in values.items()} if whole else {},
        values,
        {name: stdev(row) if len(row) > 1 else 0.0 for name, row in values.items()},
    )


def unmet(archive: Archive) -> str:
    """Return that nothing which was measured meets the bounds of the run, and what comes nearest; or an empty text."""
    bounds = archive.constraints
    if not bounds or len(archive.points()[0]):
        return ""
    members = [(i, one.objectives) for i, one in archive.members.items() if one.objectives is not None]
    if not members:
        return ""
    nearest, own = min(members, key=lambda one: (violation(one[1], bounds), one[0]))
    has = told({name: own[name] for name in bounds if name in own})
    return f"No network has at most {told(bounds)}, so the front is empty; the nearest, {nearest}, has {has}."


class Derived:
    """What follows from the generations of a run, kept up to date while it grows: `log.jsonl`, `front.csv` and
    `front.png`.

    A generation adds a row to the log and changes the table only where it changes the front. A picture of everything
    takes longer the more there is: it is renewed as often as `SHARE` of the time allows, and where the search ends.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._logged, self._due = -1, -math.inf
        self._shown: list[tuple[int, int]] | None = None

    def follow(self, generations: Sequence[Generation], archive: Archive) -> None:
        """Bring the files up to the newest generation."""
        log = self._folder / "log.jsonl"
        if self._logged >= 0 and log.is_file() and log.stat().st_size == self._logged:
            append(log, dump(dict(generations[-1].log)))
            self._logged = log.stat().st_size
        else:
            self._log(generations)
        shown = [(number, len(archive.members[number].evaluations)) for number in archive.front]
        due = time.monotonic() >= self._due
        if shown != self._shown or due:
            front = front_of(archive)
            self._table(front)
            self._shown = shown
            if due:
                self._picture(front, archive)

    def finish(
        self, generations: Sequence[Generation], archive: Archive, rescored: Mapping[int, Rescored] = {}
    ) -> None:
        """Write all of them as they are where a search ends, with the fresh scores."""
        self._log(generations)
        front = front_of(archive, rescored)
        self._table(front)
        self._picture(front, archive)

    def _log(self, generations: Sequence[Generation]) -> None:
        path = self._folder / "log.jsonl"
        write_lines(path, [dict(generation.log) for generation in generations], lasting=False)
        self._logged = path.stat().st_size

    def _table(self, front: Any) -> None:
        write_text(self._folder / "front.csv", front_csv(front), lasting=False)

    def _picture(self, front: Any, archive: Archive) -> None:
        began = time.monotonic()
        if len(archive.names) > 1:
            save_front(self._folder / "front.png", front, measured_of(archive), (archive.names[0], archive.names[1]))
        now = time.monotonic()
        self._due = now + max(LEAST, (now - began) / SHARE)
