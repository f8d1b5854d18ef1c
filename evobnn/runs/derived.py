"""What follows from the generations of a run: fresh scores as rows, the logbook, the front as table and picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev

from evobnn.analysis import front_csv, front_frame, individuals_frame, save_front
from evobnn.pareto import told, violation
from evobnn.records import Individual, Result, Status
from evobnn.snapshot import Generation, Rescored, latest_rescored, read_rescored, write_lines, write_text
from evobnn.snapshot.archive import archive, constraints_in


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


def unmet(generations: Sequence[Generation]) -> str:
    """Return that nothing which was measured meets the bounds of the run, and what comes nearest; or an empty text."""
    bounds = constraints_in(generations)
    members = [(i, one.objectives) for i, one in archive(generations).items() if one.objectives is not None]
    if not bounds or not members or any(not violation(own, bounds) for _, own in members):
        return ""
    nearest, own = min(members, key=lambda one: (violation(one[1], bounds), one[0]))
    has = told({name: own[name] for name in bounds if name in own})
    return f"No network has at most {told(bounds)}, so the front is empty; the nearest, {nearest}, has {has}."


def write_derived(folder: Path, generations: Sequence[Generation], rescored: Mapping[int, Rescored]) -> None:
    """Write what follows from the generations: `log.jsonl`, `front.csv` and `front.png`."""
    write_lines(folder / "log.jsonl", [dict(generation.log) for generation in generations])
    front = front_frame(generations, rescored)
    write_text(folder / "front.csv", front_csv(front))
    names = tuple(generations[-1].header["objectives"])
    if len(names) > 1:
        save_front(folder / "front.png", front, individuals_frame(generations), (names[0], names[1]))
