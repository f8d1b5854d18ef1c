"""What all rankers say of one genome, and how long each takes: a worker's part of `evobnn fidelity --rankers`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from evobnn._seeding import child_seed
from evobnn.evaluation import Bench, evaluate
from evobnn.records import Status
from evobnn.studies.fidelity.rankers import RANKERS


@dataclass(frozen=True)
class Looked:
    """What was measured of one genome: numbers and seconds by ranker, errors and seconds of its trainings; or why it
    failed.
    """

    values: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    errors: tuple[float, ...] = ()
    trained: tuple[float, ...] = ()
    failed: str = ""


@dataclass(frozen=True)
class LookJob:
    """One genome as it travels to a worker: root seed, and how often it is trained."""

    bench: Bench
    genome: str
    root: int
    trainings: int


def look(job: LookJob) -> Looked:
    """Return what all rankers say of a genome, and what its trainings came to; the function that workers import."""
    genome = job.bench.space.parse(job.genome)
    values, seconds, errors, trained = {}, {}, [], []
    try:
        for name, ranker in RANKERS.items():
            fresh = replace(job.bench)  # which keeps nothing that another ranker has worked out
            started = time.perf_counter()
            values[name] = ranker(fresh, genome, child_seed(job.root, "rankers"))
            seconds[name] = time.perf_counter() - started
    except Exception as error:
        return Looked(failed=f"{name}: {type(error).__name__}: {error}"[:500])
    for repeat in range(job.trainings):
        found = evaluate(replace(job.bench), genome, job.bench.seed(job.root, genome, repeat))
        if found.status is not Status.OK:
            return Looked(failed=f"{found.status}: {found.message}")
        errors.append(found.objectives["error"])
        trained.append(found.seconds)
    return Looked(values, seconds, tuple(errors), tuple(trained))
