"""What errors are believed where a model names: of genomes by their text, and of the members of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from evobnn.experiment.settings import Experiment
from evobnn.records import Status
from evobnn.scores import Model
from evobnn.snapshot.archive import Archive
from evobnn.spaces import Space

Believe = Callable[[Mapping[str, Sequence[float]]], Mapping[str, float]]
"""From the errors that were seen to those that are believed, both by a genome's text."""


def believing(experiment: Experiment, space: Space) -> Believe | None:
    """Return what an experiment believes of genomes of the space; None where it takes the scores."""
    return Model(space).errors if experiment.chooses else None


def believed(archive: Archive, believe: Believe | None) -> dict[int, float]:
    """Return by id the errors that are believed of every member of a run that may be named; none without beliefs."""
    if believe is None:
        return {}
    named = {number: archive.members[number] for number in sorted(archive.points()[0].tolist())}
    seen = {
        one.individual.genome: [e.objectives["error"] for e in one.evaluations if e.status is Status.OK]
        for one in named.values()
    }
    errors = believe(seen)
    return {number: errors[one.individual.genome] for number, one in named.items()}
