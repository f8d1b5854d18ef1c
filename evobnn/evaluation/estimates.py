"""In which order evaluations are sent to the workers: the longest first, so that none of them idles at the end."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from evobnn.evaluation import Job
from evobnn.evaluation.pace import units_of
from evobnn.machine.workers import Outcome, Workers
from evobnn.records import Evaluation

ELEMENTWISE = 30.0
"""Multiply-accumulates in the time of one elementwise operation, which waits for memory: roughly, of small networks."""


def longest_first(costs: Sequence[float]) -> list[int]:
    """Return the indices of `costs` from the largest to the smallest; equal ones stay in their order."""
    return sorted(range(len(costs)), key=lambda index: -costs[index])


def load(job: Job) -> float:
    """Return how long an epoch takes beside others of its run, by what its network computes; 0 if untrained."""
    try:
        one = job.bench.phenotype(job.bench.space.parse(job.genome))
        if one.infeasible:
            return 0.0
        cost = one.cost
    except Exception:  # of any kind: in a worker it becomes the status `error`
        return 0.0
    return cost.binary_macs + cost.real_macs + ELEMENTWISE * cost.other


def work(job: Job) -> float:
    """Return how long an evaluation takes beside others of its run; 0 if untrained."""
    return load(job) * _epochs(job)


def _epochs(job: Job) -> int:
    """Return the epochs of an evaluation, a twin's included."""
    return (job.stretch.epochs or job.bench.protocol.recipe.epochs) * (2 if job.twin else 1)


def sizes_of(jobs: Sequence[Job]) -> list[float]:
    """Return the units of each of these evaluations, as `evobnn.evaluation.pace` counts: 1 for one of them in mean."""
    loads, epochs = [load(job) for job in jobs], [_epochs(job) for job in jobs]
    typical, long = math.fsum(loads) / max(1, len(jobs)), math.fsum(epochs) / max(1, len(jobs))
    return [units_of(one, typical, many / long) for one, many in zip(loads, epochs, strict=True)]


def run_longest_first(
    workers: Workers, function: Callable[[Job], Evaluation], jobs: Sequence[Job]
) -> Iterator[Outcome]:
    """Yield what `workers.run` does, in any order, under the places that the jobs have in `jobs`.

    Where there is but one worker, or none of them gets a second job, nothing is counted and the order kept.
    """
    if not 1 < workers.jobs < len(jobs):
        yield from workers.run(function, jobs)
        return
    order = longest_first([work(job) for job in jobs])
    for outcome in workers.run(function, [jobs[index] for index in order]):
        yield replace(outcome, index=order[outcome.index])
