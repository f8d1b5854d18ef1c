"""What a second worker brings: the same evaluations by one worker and by several, in turns.

A list of random genomes of the digits preset is evaluated by one worker, which is this very process, then by `--jobs`
worker processes that are warm already, and so on; each pair gives a ratio of wall times. `bound` is the ratio that the
list itself allows: its evaluations, as long as one worker took for each, handed out in order to workers that cost
nothing. Both sides must yield the same objectives, to the last bit.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from draws import drawn
from figures import Spread, heading, write

from evobnn._seeding import generator
from evobnn.errors import SearchError, message
from evobnn.evaluation import Job, run_job
from evobnn.experiment import preset_table
from evobnn.experiment.presets import override
from evobnn.experiment.text import from_table
from evobnn.machine.workers import Workers
from evobnn.records import Evaluation
from evobnn.runs import Options
from evobnn.runs.setup import make_bench


def listed(assignments: Sequence[str], count: int) -> list[Job]:
    """Return the evaluations: random genomes that can be trained, each with its own seed."""
    bench = make_bench(from_table(override(preset_table("digits"), assignments), "digits"), Options(jobs=1))
    genomes = drawn(bench, generator(1, "scaling"), count)
    return [Job(bench, text, bench.seed(1, genome, 0)) for text, genome in genomes.items()]


def evaluated(workers: Workers, jobs: Sequence[Job]) -> tuple[float, list[Evaluation]]:
    """Return the seconds and the evaluations, in the order of the list."""
    began = time.perf_counter()
    found = {outcome.index: outcome.value for outcome in workers.run(run_job, jobs)}
    return time.perf_counter() - began, [found[index] for index in range(len(jobs))]


def bound(seconds: Sequence[float], workers: int) -> float:
    """Return sum over makespan of these tasks, each begun in order by whoever is free first."""
    free = [0.0] * workers
    for one in seconds:
        free[free.index(min(free))] += one
    return sum(seconds) / max(free)


def check_same(one: Sequence[Evaluation], other: Sequence[Evaluation]) -> None:
    """Raise SearchError where the number of workers changed a result."""
    for left, right in zip(one, other, strict=True):
        if (left.status, left.objectives) != (right.status, right.objectives):
            got = f"{left.status} {dict(left.objectives)} and {right.status} {dict(right.objectives)}"
            raise SearchError(message("the same result from any number of workers", got, "This is a bug."))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=2, help="workers beside one (default: 2)")
    parser.add_argument("--evaluations", type=int, default=16, help="on the list (default: 16)")
    parser.add_argument("--repeats", type=int, default=5, help="pairs of timings (default: 5)")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="change the preset")
    parser.add_argument("--json", type=Path, help="write all figures here")
    given = parser.parse_args(arguments)
    print(heading())
    jobs = listed(given.set, given.evaluations)
    rows: list[dict[str, Any]] = []
    with Workers(given.jobs) as several:
        alone = Workers(1)
        evaluated(several, jobs[: 2 * given.jobs])
        evaluated(alone, jobs[:1])
        print(f"\n{'repeat':>6}  1 worker, s  {given.jobs} workers, s  ratio  bound")
        for repeat in range(given.repeats):
            single, first = evaluated(alone, jobs)
            shared, second = evaluated(several, jobs)
            check_same(first, second)
            limit = bound([one.seconds for one in first], given.jobs)
            row = {"single_seconds": single, "shared_seconds": shared, "ratio": single / shared, "bound": limit}
            rows.append({"repeat": repeat, **row})
            print(f"{repeat:>6}  {single:>11.2f}  {shared:>12.2f}  {single / shared:>5.2f}  {limit:>5.2f}", flush=True)
    ratio, limit = (Spread(tuple(row[name] for row in rows)) for name in ("ratio", "bound"))
    print(f"\n{given.jobs} workers are {ratio} times as fast as one; the list allows {limit}")
    write(given.json, vars(given), [*rows, {"workers": given.jobs, "ratio": ratio.plain(), "bound": limit.plain()}])


if __name__ == "__main__":
    main()
