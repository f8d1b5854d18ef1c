"""Children that begin with the trained weights of a parent: which parent that is, and the files with these weights.

The weights of a run's population lie in a folder of the run, a file for each member whose first training was kept. A
member counts from the generation in which it was born until it first leaves the population: an algorithm that lets it
come back does so without its weights. Who begins with whose weights follows from the committed generations alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from evobnn.evaluation import Bench
from evobnn.records import Individual, Request, Status
from evobnn.snapshot import Generation
from evobnn.training import ALONE, Heritage, shared

WEIGHTS = "weights"
"""Folder of a run in which the weights of its population lie; there where `inherit.weights` is on."""


def may_inherit(request: Request) -> bool:
    """Tell whether a training is a genome's first, and no twin hangs on it: repeats and fresh scores owe nobody."""
    return not request.repeat and not request.twin


def members_after(members: Mapping[int, Individual], generation: Generation) -> dict[int, Individual]:
    """Return whose weights children of the population after a generation may inherit, by id.

    Arguments:
        members: the same before the generation; none before the first.
        generation: a committed one.
    """
    born = {
        result.request.individual.id: result.request.individual
        for result in generation.results
        if may_inherit(result.request) and result.evaluation.status is Status.OK
    }
    there = {**members, **born}
    return {number: there[number] for number in generation.state["survivors"] if number in there}


def nearest_parent(bench: Bench, individual: Individual, members: Mapping[int, Individual]) -> Individual | None:
    """Return the parent among the members that shares most edges with an individual, of equals the first; or None."""
    parents = [members[number] for number in individual.parents if number in members]
    if len(parents) < 2:
        return next(iter(parents), None)
    own = bench.edges(bench.space.parse(individual.genome))
    return max(parents, key=lambda one: shared(own, bench.edges(bench.space.parse(one.genome))))


def weights_path(folder: Path, number: int) -> Path:
    """Return the place of an individual's weights in a run folder."""
    return folder.resolve() / WEIGHTS / f"{number}.weights"


def heritage_of(folder: Path, bench: Bench, seed: int, parent: Individual | None) -> Heritage:
    """Return what a child of a parent begins with, in a run of this root seed; nothing is kept of its own."""
    if parent is None:
        return ALONE
    first = bench.seed(seed, bench.space.parse(parent.genome), 0)
    return Heritage(parent.id, str(weights_path(folder, parent.id)), bench.training(first))


class Inheritance:
    """Who begins with whose weights in a run that goes on; nobody does where it is not wanted.

    Arguments:
        folder: of the run.
        bench: where its evaluations happen.
        seed: root seed of the experiment.
        wanted: whether weights are inherited at all.
    """

    def __init__(self, folder: Path, bench: Bench, seed: int, wanted: bool) -> None:
        self._folder, self._bench, self._seed, self._wanted = folder, bench, seed, wanted
        self._members: dict[int, Individual] = {}
        self._whole: set[int] = set()

    def parent_of(self, request: Request) -> int | None:
        """Return the id of the individual with whose weights a training begins, or None for weights of its own."""
        parent = self._parent(request)
        return None if parent is None else parent.id

    def heritage(self, request: Request) -> Heritage:
        """Return what a training begins with, and where its weights are kept.

        Raises:
            RunError: a parent's weights are not there, so that the run could only go on otherwise than it would have.
        """
        if not (self._wanted and may_inherit(request)):
            return ALONE
        found = heritage_of(self._folder, self._bench, self._seed, self._parent(request))
        if found.parent is not None and found.parent not in self._whole:
            found.weights()
            self._whole.add(found.parent)
        keep = str(weights_path(self._folder, request.individual.id))
        return Heritage(found.parent, found.file, found.training, keep)

    def follow(self, generation: Generation) -> None:
        """Take note of a committed generation: from now on children are bred from its survivors."""
        if self._wanted:
            self._members = members_after(self._members, generation)

    def tidy(self, generation: Generation) -> None:
        """Delete the weights of those who can have no more children.

        Whoever was asked for after the last committed generation stays: a run that was killed may know of it.
        """
        if not self._wanted:
            return
        for path in (self._folder / WEIGHTS).glob("*.weights"):
            number = int(path.stem) if path.stem.isdigit() else generation.state["next_id"]
            if number < generation.state["next_id"] and number not in self._members:
                with suppress(OSError):
                    path.unlink()

    def _parent(self, request: Request) -> Individual | None:
        if not (self._wanted and may_inherit(request)):
            return None
        return nearest_parent(self._bench, request.individual, self._members)
