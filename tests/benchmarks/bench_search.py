"""Where the wall time of a search goes, as shares of what all workers could have done in it.

A search of the digits runs in a temporary folder, through the same `Session` as `evobnn evolve`. With N workers and T
seconds there are N T worker-seconds, split without rest:

training            in `train`, scoring included, but for what is listed next
decoding            checking a genome, building its network, counting its costs, fingerprinting its expressions
data                opening the set, picking batches, making them float
rest                of an evaluation: reading its genome, moving the network, what the clock itself costs
transport           from a call of the workers to each one's first evaluation, between the evaluations of a worker, and
                    from the last one's end to the parent: pickling, pipes, waiting for the parent
starting workers    the same before a worker's very first evaluation: a process, and importing torch
preparing           before the first generation the parent reads the data and counts what a space costs, once
bookkeeping         no evaluation is asked for: the parent breeds, selects, writes and draws while all workers wait
idle                a worker has nothing left to do and another is not yet done

How each is had: workers run `timed.timed_job`, which wraps the library's functions while it evaluates and charges
every moment to the innermost; it returns its process, begin and end on the clock that all processes share. The parent
notes when it calls `Workers.run` and when the last outcome comes back. With one worker evaluations run in the parent,
and what the parent does between two of them is bookkeeping. Importing evobnn in the parent is not counted.

The range behind a share is that over the generations; the rounds of fresh scores at the end count as such.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from figures import Spread, heading, write
from timed import REST, Clock, Timed, called, job_bytes, timed_job

from evobnn.evaluation import run_job
from evobnn.evolution import Search
from evobnn.experiment import preset_table
from evobnn.experiment.presets import override
from evobnn.experiment.text import from_table
from evobnn.machine.workers import Outcome, Workers, default_jobs
from evobnn.runs import Options, Session, create, evaluator
from evobnn.runs import search as session
from evobnn.runs.derived import Derived
from evobnn.snapshot import Journal

PARTS = ("training", "decoding", "data", REST, "transport", "starting workers", "preparing", "bookkeeping", "idle")
WAITING = "waiting for outcomes"
PARENT: tuple[tuple[str, Any, str], ...] = (
    ("breeding and selecting", Search, "ask"),
    ("breeding and selecting", Search, "tell"),
    ("journal", Journal, "append"),
    ("generations", session, "write_generation"),
    ("tables and picture", Derived, "follow"),
    ("tables and picture", Derived, "finish"),
    ("fresh scores", session, "write_rescored"),
)
"""What the parent does: part, where the function is looked up, its name."""


@dataclass(frozen=True)
class Batch:
    """One call of the workers: from when to when, the seconds in which the parent held outcomes, the evaluations."""

    began: float
    ended: float
    held: float
    timed: tuple[Timed, ...]


class TimedWorkers(Workers):
    """Workers whose evaluations are timed; what they hand out is what they always do."""

    batches: list[Batch]
    clock: Clock
    bytes = 0

    def run(self, function: Callable[[Any], Any], payloads: Sequence[Any]) -> Iterator[Outcome]:
        """Yield the outcomes, and note a batch when the last one is out."""
        if function is not run_job:
            raise ValueError(f"Expected run_job to be run by the workers, got {function}. Mend this benchmark.")
        timed: list[Timed] = []
        TimedWorkers.bytes = max([TimedWorkers.bytes, *map(job_bytes, payloads)])
        began = ended = time.monotonic()
        held = 0.0
        outcomes = iter(super().run(timed_job, payloads))
        for _ in payloads:
            with self.clock.within(WAITING):
                outcome = next(outcomes)
            ended = time.monotonic()
            if outcome.value is None:
                yield outcome
            else:
                timed.append(outcome.value)
                yield Outcome(outcome.index, outcome.value.evaluation)
            held += time.monotonic() - ended
        last = time.monotonic() - ended
        list(outcomes)
        if timed:
            self.batches.append(Batch(began, ended, held - last, tuple(timed)))


def split(batch: Batch, jobs: int, known: set[int]) -> Counter[str]:
    """Return the worker-seconds of a batch by part; `known` are the workers seen before, and grows."""
    found: Counter[str] = Counter({part: 0.0 for part in PARTS})
    lines: dict[int, list[Timed]] = {}
    for one in sorted(batch.timed, key=lambda one: one.began):
        lines.setdefault(one.worker, []).append(one)
        found.update(one.seconds)
    last = min(batch.ended - line[-1].ended for line in lines.values())
    for worker, line in lines.items():
        before = line[0].began - batch.began
        found["transport" if worker in known else "starting workers"] += before
        found["transport"] += sum(b.began - a.ended for a, b in pairwise(line)) + last
        found["idle"] += batch.ended - line[-1].ended - last
    if jobs == 1:
        found["transport"] -= batch.held
        found["bookkeeping"] += batch.held
    found["idle"] += (jobs - len(lines)) * (batch.ended - batch.began)
    known |= set(lines)
    return found


@dataclass(frozen=True)
class Measured:
    """Worker-seconds of a search by part, generation by generation, what came after the last, and the parent's own."""

    jobs: int
    wall: float
    evaluations: int
    generations: tuple[Counter[str], ...]
    after: float
    parent: dict[str, float]
    job_bytes: int

    def total(self, part: str) -> float:
        """Return the worker-seconds of a part in the whole search."""
        return sum(one[part] for one in self.generations) + (self.after if part == "bookkeeping" else 0.0)

    def shares(self, *parts: str) -> tuple[float, Spread]:
        """Return the share of parts in the whole search, and in each generation, in percent."""
        each = tuple(100.0 * sum(one[part] for part in parts) / sum(one.values()) for one in self.generations)
        return 100.0 * sum(map(self.total, parts)) / (self.jobs * self.wall), Spread(each)


def measured(assignments: Sequence[str], generations: int | None, jobs: int) -> Measured:
    """Run one search in a temporary folder and return where its time went."""
    clock, batches = Clock("everything else"), list[Batch]()
    experiment = from_table(override(preset_table("digits"), assignments), "digits")
    options = Options(jobs=jobs, generations=generations)
    with TemporaryDirectory() as place, ExitStack() as stack:
        TimedWorkers.batches, TimedWorkers.clock = batches, clock
        stack.enter_context(patch.object(evaluator, "Workers", TimedWorkers))
        for part, where, name in PARENT:
            stack.enter_context(patch.object(where, name, called(clock, part, getattr(where, name))))
        began = time.monotonic()
        with clock.within("preparing"):
            search = Session(create(experiment, options, Path(place)), options)
        prepared = time.monotonic()
        search.proceed()
        ended = time.monotonic()
    known = {os.getpid()}
    found = []
    before = prepared
    for batch in batches:
        parts = split(batch, jobs, known)
        parts["preparing"] = 0.0 if found else jobs * (prepared - began)
        parts["bookkeeping"] += jobs * (batch.began - before)
        found.append(parts)
        before = batch.ended
    evaluations = sum(len(batch.timed) for batch in batches)
    after = jobs * (ended - before)
    return Measured(jobs, ended - began, evaluations, tuple(found), after, clock.stop(), TimedWorkers.bytes)


def show(found: Measured) -> None:
    """Print the split, then what the parent did."""
    pace = 60.0 * found.evaluations / found.wall
    print(f"{found.evaluations} evaluations in {found.wall:.1f} s with {found.jobs} workers: {pace:.1f} a minute")
    print(f"\n{'':<22} worker-s   share   over generations")
    for part in PARTS:
        share, each = found.shares(part)
        print(f"{part:<22} {found.total(part):>8.2f}  {share:>5.2f} %  {each} %")
    share, each = found.shares("bookkeeping", "transport")
    print(f"\nbookkeeping and transport: {share:.2f} %, over generations {each} %; a job is {found.job_bytes} bytes")
    print(f"\n{'the parent':<22}  seconds   beside running workers or not")
    for part, seconds in sorted(found.parent.items(), key=lambda row: -row[1]):
        print(f"{part:<22} {seconds:>8.2f}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure one search and print where its time went."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generations", type=int, help="default: the preset's")
    parser.add_argument("--jobs", type=int, default=0, help="workers (default: as evobnn chooses)")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="change the preset")
    parser.add_argument("--json", type=Path, help="write all figures here")
    given = parser.parse_args(arguments)
    print(heading())
    found = measured(given.set, given.generations, given.jobs or default_jobs())
    show(found)
    rows: list[dict[str, Any]] = []
    for part in PARTS:
        share, each = found.shares(part)
        rows.append({"part": part, "worker_seconds": found.total(part), "percent": share, **each.plain()})
    whole = {"wall_seconds": found.wall, "jobs": found.jobs, "evaluations": found.evaluations}
    rows.append({"part": "whole", **whole, "parent_seconds": found.parent, "job_bytes": found.job_bytes})
    write(given.json, vars(given), rows)


if __name__ == "__main__":
    main()
