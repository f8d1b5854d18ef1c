"""Numbers of a generation for the row of the logbook."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from deap import tools

from evobnn.evolution.selection import Candidate
from evobnn.records import Result, Status


def counts(results: Sequence[Result], *, halved: bool) -> dict[str, int]:
    """Return how many evaluations there were, how many of them again, and how they ended."""
    ended = Counter(result.evaluation.status for result in results)
    return {
        "evaluations": len(results),
        "again": sum(result.request.repeat > 0 for result in results),
        **{str(status): ended[status] for status in Status if halved or status is not Status.PRUNED},
    }


def objectives_over(population: Sequence[Candidate], objectives: Sequence[str]) -> dict[str, float]:
    """Return least and mean of each objective, as `least_error`; nothing for nobody."""
    statistics = tools.Statistics(lambda candidate: candidate.values)
    statistics.register("least", np.min, axis=0)
    statistics.register("mean", np.mean, axis=0)
    over = statistics.compile(population) if population else {}
    return {f"{kind}_{name}": float(row[at]) for at, name in enumerate(objectives) for kind, row in over.items()}
