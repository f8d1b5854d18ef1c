"""In which order evaluations are sent to the workers: the longest first, so that none of them idles at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from evobnn.fitness import Job
from evobnn.parallel import Outcome, Workers
from evobnn.records import Evaluation

ELEMENTWISE = 30.0
"""Multiply-accumulates in the time of one elementwise operation, which waits for memory: roughly, of small networks."""


def longest_first(costs: Sequence[float]) -> list[int]:
    """Return the indices of `costs` from the largest to the smallest; equal ones stay in their order."""
    return sorted(range(len(costs)), key=lambda index: -costs[index])


def work(job: Job) -> float:
    """Return how long an evaluation takes beside others of its run, by what its network computes; 0 if untrained."""
    bench = job.bench
    try:
        genome = bench.space.parse(job.genome)
        if bench.infeasible(genome):
            return 0.0
        cost = bench.cost(genome)
    except Exception:  # of any kind: in a worker it becomes the status `error`
        return 0.0
    epochs = job.stretch.epochs or bench.protocol.recipe.epochs
    return (cost.binary_macs + cost.real_macs + ELEMENTWISE * cost.other) * epochs * (2 if job.twin else 1)


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
