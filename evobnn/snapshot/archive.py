"""Everything that a run evaluated, by individual, and its front. Without pandas: a running search asks, too."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evobnn.pareto import GrowingFront, nondominated, violation
from evobnn.records import Evaluation, Individual, Status, mean_objectives
from evobnn.snapshot.generations import Generation
from evobnn.snapshot.rescored import Rescored


@dataclass(frozen=True, slots=True)
class Member:
    """An individual of the archive with all its evaluations of the run.

    Attributes:
        individual: who it is.
        evaluations: in the order of asking.
        objectives: the mean of each over the evaluations; None for no candidate (nothing measured, or a failure).
    """

    individual: Individual
    evaluations: tuple[Evaluation, ...]
    objectives: Mapping[str, float] | None

    @property
    def status(self) -> Status | None:
        """`ok`, or how the first failed evaluation ended; None where nothing was measured."""
        failed = (one.status for one in self.evaluations if one.status is not Status.OK)
        return next(failed, Status.OK) if self.evaluations else None


class Archive:
    """Everything that a run evaluated, and its front; it grows by one generation at a time.

    Arguments:
        names: of the objectives, in order.
        constraints: bounds by name; who exceeds one is not on the front.

    Attributes:
        names: of the objectives, in order.
        constraints: bounds by name.
    """

    def __init__(self, names: Sequence[str], constraints: Mapping[str, float] = {}) -> None:
        self.names, self.constraints = tuple(names), dict(constraints)
        self._members: dict[int, Member] = {}
        self._evaluations: dict[int, list[Evaluation]] = {}
        self._points = GrowingFront(len(self.names))

    def add(self, *generations: Generation) -> None:
        """Take generations in, in order."""
        who: dict[int, Individual] = {}
        changed = set[int]()
        for generation in generations:
            for survivor in generation.survivors:
                who.setdefault(survivor.individual.id, survivor.individual)
            for result in generation.results:
                individual = result.request.individual
                who.setdefault(individual.id, individual)
                self._evaluations.setdefault(individual.id, []).append(result.evaluation)
                changed.add(individual.id)
        new = sorted(who.keys() - self._members.keys())
        late = bool(new and self._members) and new[0] < next(reversed(self._members))
        for number in [*new, *sorted(changed - set(new))]:
            individual = who[number] if number not in self._members else self._members[number].individual
            evaluations = tuple(self._evaluations.get(number, ()))
            self._members[number] = Member(individual, evaluations, mean_objectives(evaluations))
        if late:  # no search of ours numbers so
            self._members = dict(sorted(self._members.items()))
        self._points.put({number: self._point(self._members[number]) for number in sorted(changed)})

    @property
    def members(self) -> Mapping[int, Member]:
        """Everyone by id, in rising order, all evaluations of an id taken together."""
        return self._members

    @property
    def front(self) -> list[int]:
        """The ids on the front, sorted by the second objective, then the first, then the id."""
        return self.ordered(self._points.front)

    def ordered(self, ids: Iterable[int]) -> list[int]:
        """Return ids by the second objective of the search's means, then by all of them, then by the id."""

        def order(number: int) -> tuple[list[float], list[float], int]:
            means = self._members[number].objectives or {}
            values = [means.get(name, math.inf) for name in self.names]
            return values[1:2], values, number

        return sorted(ids, key=order)

    def points(self, without: Collection[int] = ()) -> tuple[NDArray[np.int_], NDArray[np.float64]]:
        """Return the ids of shape (n,) and the means of shape (n, m) of all who were measured and exceed no bound, but
        for those `without`.
        """
        return self._points.points(without)

    def _point(self, member: Member) -> list[float] | None:
        own = member.objectives
        return None if own is None or violation(own, self.constraints) else [own[name] for name in self.names]


def archive(generations: Sequence[Generation]) -> Archive:
    """Return the archive of a run, with the objectives and bounds of the newest header."""
    found = Archive(objective_names(generations), constraints_in(generations))
    found.add(*generations)
    return found


def objective_names(generations: Sequence[Generation]) -> tuple[str, ...]:
    """Return the names of the objectives: what the newest header says, else those of the first `ok` evaluation."""
    for generation in reversed(generations):
        if generation.header.get("objectives"):
            return tuple(generation.header["objectives"])
    evaluations = (r.evaluation for g in generations for r in g.results)
    return next((tuple(e.objectives) for e in evaluations if e.status is Status.OK), ())


def constraints_in(generations: Sequence[Generation]) -> Mapping[str, float]:
    """Return the bounds of the run by name, as the newest header says; empty where there are none."""
    return generations[-1].header.get("constraints", {}) if generations else {}


def unconfirmed(archive: Archive, rescored: Mapping[int, Rescored], believed: Mapping[int, float] = {}) -> list[int]:
    """Return the ids to be measured on fresh seeds next, sorted as the front; empty when the front is settled.

    With no fresh scores that is the archive's front. After that it is what the search's luck may have hidden: of the
    members not measured afresh whose search mean no fresh mean dominates, those that do not dominate each other.
    Errors that are `believed`, by id of everyone who may be on the front, stand in the place of search means.
    """
    names = archive.names
    fresh = of_members(archive.members, rescored)
    if not fresh and not believed:
        return archive.front
    scored = (row.objectives for row in fresh.values() if set(names) <= set(row.objectives))
    whole = [[own[name] for name in names] for own in scored if not violation(own, archive.constraints)]
    numbers, points = archive.points(without=fresh)
    if believed:
        points[:, names.index("error")] = [believed[number] for number in numbers.tolist()]
    mask = nondominated(np.concatenate([points, np.array(whole).reshape(len(whole), len(names))]))
    return archive.ordered(numbers[mask[: len(numbers)]].tolist())


def of_members(members: Mapping[int, Member], rescored: Mapping[int, Rescored]) -> dict[int, Rescored]:
    """Return the fresh scores that belong to members of this archive."""
    return {i: r for i, r in rescored.items() if i in members and members[i].individual.key == r.key}
