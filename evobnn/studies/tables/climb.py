"""One training that is scored at every rung on its way: what a table holds so that a search on it can halve."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from evobnn.evaluation import Job, Stretch, run_job
from evobnn.records import Evaluation, Status


def early_error(rung: int) -> str:
    """Return the name of the measure that says what the error was after so many epochs."""
    return f"error_after_{rung}"


def is_climbed(evaluation: Evaluation, rungs: Sequence[int]) -> bool:
    """Tell whether an evaluation has a score at each of these rungs, or failed."""
    return evaluation.status is not Status.OK or all(early_error(rung) in evaluation.measures for rung in rungs[:-1])


def run_climb(job: Job, rungs: Sequence[int]) -> Evaluation:
    """Train to the last rung and return what came of it, with the errors at the rungs before among the measures; the
    function that workers import.

    Scores are those of a training that is stopped at a rung, and whatever fails at one of them has failed.

    Arguments:
        job: with the file in which the trunk waits from rung to rung; it is gone afterwards.
        rungs: epochs, rising; the last one is the whole training.
    """
    errors: dict[str, float] = {}
    seconds = 0.0
    try:
        for rung in rungs[:-1]:
            found = run_job(replace(job, twin=False, stretch=Stretch(rung, job.stretch.file)))
            seconds += found.seconds
            if found.status is not Status.PRUNED:
                return replace(found, measures={}, seconds=seconds)
            errors[early_error(rung)] = found.at_rung(("error",))["error"]
        found = run_job(job)
        return replace(found, measures={**found.measures, **errors}, seconds=seconds + found.seconds)
    finally:
        with suppress(OSError):
            Path(job.stretch.file).unlink()
