"""Where a search stands, from its files alone. Nothing is locked, not even for the moment that a question takes, and
what was read once is not read again: a generation's file does not change, and the journal only grows.
"""

from __future__ import annotations

import math
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from evobnn import _jsonl
from evobnn.errors import RunError, message
from evobnn.experiment.presets import read_toml
from evobnn.records import Individual
from evobnn.report.about import about, number_in, section
from evobnn.snapshot import (
    Generation,
    Rescored,
    generation_path,
    latest_rescored,
    read_generation,
    read_rescored,
    read_starts,
)
from evobnn.snapshot.archive import Archive, constraints_in, objective_names

LATELY = 40
"""Evaluations of which the rate is taken."""
QUIET = 60.0
"""Seconds after its last file from which on a search that nobody is seen to write counts as stopped, at least."""
LOCKS = Path("/proc/locks")


@dataclass(frozen=True)
class FrontMember:
    """A member of the front: the search's means, and the fresh score where there is one."""

    id: int
    origin: str
    born: int
    n: int
    objectives: Mapping[str, float]
    fresh: Rescored | None = None


@dataclass(frozen=True)
class Standing:
    """Where a search stands.

    Attributes:
        path: the run's folder.
        state: `running`, `finished` (all generations and fresh scores are there) or `stopped`.
        generation: the last finished one; -1 before there is one.
        generations: the total to reach; None where no start tells it.
        done, planned: evaluations, those on fresh seeds included; how many there will be is an estimate.
        volumes: hypervolume after each generation.
        objectives: their names.
        front: the archive's, by the first objective.
        failed: how many evaluations ended in each other way than `ok`.
        seconds_each: of wall clock for one evaluation, lately; NaN where fewer than two are known.
        seconds_left: to the end; NaN where it is not known.
        last: what finished last, as a sentence; empty where nothing did.
        quiet: seconds since a file of the run was last written.
        about: words for the experiment by name.
    """

    path: Path
    state: str
    generation: int
    generations: int | None
    done: int
    planned: int
    volumes: tuple[float, ...] = ()
    objectives: tuple[str, ...] = ()
    front: tuple[FrontMember, ...] = ()
    failed: Mapping[str, int] = field(default_factory=dict)
    seconds_each: float = math.nan
    seconds_left: float = math.nan
    last: str = ""
    quiet: float = 0.0
    about: Mapping[str, Any] = field(default_factory=dict)


def standing_of(folder: str | Path) -> Standing:
    """Return where the search in a folder stands; errors as those of `Follower.look`.

    >>> from evobnn.report import standing_of
    >>> found = standing_of("populations/digits")
    >>> found.state, found.generation, found.done
    ('finished', 7, 178)
    """
    return Follower(Path(folder)).look()


class Follower:
    """Looks at a run folder again and again.

    Arguments:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._generations: list[Generation] = []
        self._known: dict[int, Individual] = {}
        self._archive: Archive | None = None
        self._journal = _Tail(folder / "journal.jsonl")
        self._entries: list[dict[str, Any]] = []

    def look(self, now: float | None = None) -> Standing:
        """Return where the search stands `now`, in seconds since 1970.

        Raises:
            RunError: the folder cannot be read, or a file in it is damaged.
        """
        now = time.time() if now is None else now
        self._read()
        settings = self._settings()
        generations, last = self._generations, len(self._generations) - 1
        starts = read_starts(self._folder)
        target = next((one["generations"] for one in reversed(starts) if isinstance(one.get("generations"), int)), None)
        fresh = self._fresh()
        repeats = int(number_in(section(settings, "noise"), "rescore", 0))
        names = objective_names(generations)
        front = self._front(fresh)
        scored, again = self._asked(last)
        done = sum(len(generation.results) for generation in generations) + scored + again
        whole = target is not None and last >= target and (bool(fresh) or not repeats)
        planned = done if whole else max(done, self._planned(settings, target, repeats, len(front)))
        quiet = now - self._written()
        each = self._seconds_each(_seconds(starts[-1].get("time")) if starts else None)
        busy = is_held(self._folder / ".lock") or (not whole and quiet < max(QUIET, 5 * each if each > 0 else 0))
        state = "running" if busy else "finished" if whole else "stopped"
        left = 0.0 if whole else (planned - done) * each if target is not None else math.nan
        return Standing(
            self._folder, state, last, target, done, planned, self._volumes(), names, front, self._failed(last), each,
            left, self._last(now), quiet, about(settings),
        )  # fmt: skip

    def _read(self) -> None:
        if self._generations and not generation_path(self._folder, len(self._generations) - 1).is_file():
            self._generations, self._known, self._archive = [], {}, None  # a resume set damage aside
        try:
            while (path := generation_path(self._folder, len(self._generations))).is_file():
                generation = read_generation(path, self._known)
                self._generations.append(generation)
                if self._archive is None:
                    self._archive = Archive(objective_names([generation]), constraints_in([generation]))
                self._archive.add(generation)
            self._entries += self._journal.more()
        except OSError as error:
            do = "Check your rights to the folder."
            raise RunError(message(f"to read {self._folder}", f"'{error.strerror or error}'", do)) from error

    def _settings(self) -> dict[str, Any]:
        path = self._folder / "experiment.toml"
        return read_toml(path) if path.is_file() else {}

    def _fresh(self) -> dict[int, Rescored]:
        """Return the fresh scores of the last generation, by id."""
        newest = latest_rescored(self._folder)
        if newest is None or not self._generations:
            return {}
        number = int(newest.stem.partition("-")[2])
        return {row.id: row for row in read_rescored(newest)} if number == self._generations[-1].number else {}

    def _front(self, fresh: Mapping[int, Rescored]) -> tuple[FrontMember, ...]:
        if self._archive is None:
            return ()
        found = []
        for number in self._archive.front:
            one = self._archive.members[number]
            who, objectives = one.individual, one.objectives or {}
            again = fresh.get(number)
            whole = again if again is not None and again.objectives else None
            found.append(FrontMember(number, who.origin, who.born, len(one.evaluations), objectives, whole))
        first = self._archive.names[:1]

        def order(one: FrontMember) -> tuple[list[float], int]:
            told = one.fresh.objectives if one.fresh else one.objectives
            return [told.get(name, math.inf) for name in first], one.id

        return tuple(sorted(found, key=order))

    def _asked(self, last: int) -> tuple[int, int]:
        """Return how many evaluations the journal tells beyond the last generation's file: of the next generation, and
        on fresh seeds.
        """
        beyond = {(e["individual"], e["repeat"]) for e in self._entries if _is(e, "search") and e["generation"] > last}
        fresh = {(e["individual"], e["repeat"]) for e in self._entries if _is(e, "rescore")}
        return len(beyond), len(fresh)

    def _planned(self, settings: Mapping[str, Any], target: int | None, repeats: int, front: int) -> int:
        """Return how many evaluations there will be in all: as many a generation as in the last one."""
        sizes = [len(generation.results) for generation in self._generations]
        usual = int(number_in(section(settings, "strategy"), "population", 0))
        total = target if target is not None else len(sizes) - 1
        missing = total + 1 - len(sizes)
        return sum(sizes) + max(0, missing) * (sizes[-1] if sizes else usual) + repeats * front

    def _volumes(self) -> tuple[float, ...]:
        logs = (generation.log.get("hypervolume", math.nan) for generation in self._generations)
        return tuple(float(value) for value in logs if isinstance(value, int | float) and math.isfinite(value))

    def _failed(self, last: int) -> dict[str, int]:
        ended = Counter(str(r.evaluation.status) for g in self._generations for r in g.results)
        ended.update(e["evaluation"]["status"] for e in self._entries if _is(e, "rescore") or e["generation"] > last)
        return {status: count for status, count in sorted(ended.items()) if status != "ok"}

    def _seconds_each(self, start: float | None) -> float:
        """Return the seconds between evaluations since the last start, of the last ones."""
        times = sorted(at for e in self._entries[-LATELY:] if (at := _moment(e)) is not None and at >= (start or 0.0))
        return (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else math.nan

    def _written(self) -> float:
        """Return when a file of the run was last written; of the journal the last line counts, not the file."""
        times = [at for e in self._entries[-1:] if (at := _moment(e)) is not None]
        for path in (self._folder / "journal.jsonl", self._folder / "starts.jsonl", *self._newest()):
            if path.is_file():
                times.append(path.stat().st_mtime)
        return max(times, default=0.0)

    def _newest(self) -> Iterator[Path]:
        if self._generations:
            yield generation_path(self._folder, self._generations[-1].number)

    def _last(self, now: float) -> str:
        if not self._entries:
            return ""
        entry = self._entries[-1]
        told = entry["evaluation"]
        found = [f"id {entry['individual']} {told['status']}"]
        found += [_quantity(name, value) for name, value in told["objectives"].items()]
        at = _moment(entry)
        found += [f"{_ago(now - at)} ago"] if at is not None else []
        return ", ".join(found)


class _Tail:
    """The lines of a file that only grows, each read once; a half line is left for the next time."""

    def __init__(self, path: Path) -> None:
        self._path, self._at = path, 0

    def more(self) -> list[dict[str, Any]]:
        if not self._path.is_file():
            return []
        with open(self._path, "rb") as file:
            file.seek(self._at)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._at += len(whole)
        return [row for one in whole.splitlines() if (row := _entry(one))]


def _entry(text: bytes) -> dict[str, Any]:
    """Return a journal's line; empty for one that is torn."""
    try:
        row: dict[str, Any] = _jsonl.parse(text)
        named = all(name in row for name in ("individual", "repeat", "generation", "purpose"))
        told = row.get("evaluation")
        return row if named and isinstance(told, dict) and {"status", "objectives"} <= told.keys() else {}
    except ValueError:
        return {}


def is_held(path: Path) -> bool:
    """Tell whether a process of this machine is seen to hold the lock in a file, as Linux lists them; no lock is
    touched, so a search that starts at this moment is not kept from it. False where there is no such list.
    """
    try:
        inode = os.stat(path).st_ino
        lines = LOCKS.read_text().splitlines()
    except OSError:
        return False
    return any(f":{inode} " in line and "FLOCK" in line and "->" not in line for line in lines)


def _is(entry: Mapping[str, Any], purpose: str) -> bool:
    return bool(entry["purpose"] == purpose)


def _moment(entry: Mapping[str, Any]) -> float | None:
    return _seconds(entry.get("finished"))


def _seconds(told: Any) -> float | None:
    """Return a time in ISO 8601 as seconds since 1970; None where it is none."""
    try:
        return datetime.fromisoformat(str(told)).timestamp()
    except ValueError:
        return None


def _quantity(name: str, value: float) -> str:
    if name == "error":
        return f"{name} {100 * value:.2f} %"
    return f"{name} {value:,.0f}" if abs(value) >= 1000 else f"{name} {value:.4g}"


def _ago(seconds: float) -> str:
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{max(0, int(seconds))} s"
