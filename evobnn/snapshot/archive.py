"""Everything that a run evaluated, by individual, and its front. Without pandas: a running search asks, too."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from evobnn.pareto import nondominated, violation
from evobnn.records import Evaluation, Individual, Status, mean_objectives
from evobnn.snapshot.generations import Generation
from evobnn.snapshot.rescored import Rescored


@dataclass(frozen=True)
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


def archive(generations: Sequence[Generation]) -> dict[int, Member]:
    """Return everything that was ever evaluated, by id in rising order, all evaluations of an id taken together."""
    who: dict[int, Individual] = {}
    what: dict[int, list[Evaluation]] = {}
    for generation in generations:
        for survivor in generation.survivors:
            who.setdefault(survivor.individual.id, survivor.individual)
        for result in generation.results:
            individual = result.request.individual
            who.setdefault(individual.id, individual)
            what.setdefault(individual.id, []).append(result.evaluation)
    found = {}
    for number in sorted(who):
        evaluations = tuple(what.get(number, ()))
        found[number] = Member(who[number], evaluations, mean_objectives(evaluations))
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


def front_ids(members: Mapping[int, Member], names: Sequence[str], constraints: Mapping[str, float] = {}) -> list[int]:
    """Return the ids on the archive's front, sorted by the second objective, then the first, then the id; who exceeds
    a bound is not on it.
    """
    found = {i: m.objectives for i, m in members.items() if m.objectives is not None}
    candidates = {i: [own[n] for n in names] for i, own in found.items() if not violation(own, constraints)}
    mask = nondominated(np.array(list(candidates.values())).reshape(len(candidates), len(names)))
    return ordered({n for n, on_front in zip(candidates, mask, strict=True) if on_front}, members, names)


def ordered(ids: set[int], members: Mapping[int, Member], names: Sequence[str]) -> list[int]:
    """Return ids by the second objective of the search's means, then by all of them, then by the id."""

    def order(number: int) -> tuple[list[float], list[float], int]:
        means = members[number].objectives or {}
        values = [means.get(name, math.inf) for name in names]
        return values[1:2], values, number

    return sorted(ids, key=order)


def unconfirmed(
    generations: Sequence[Generation], rescored: Mapping[int, Rescored], believed: Mapping[int, float] = {}
) -> list[int]:
    """Return the ids to be measured on fresh seeds next, sorted as the front; empty when the front is settled.

    With no fresh scores that is the archive's front. After that it is what the search's luck may have hidden: of the
    members not measured afresh whose search mean no fresh mean dominates, those that do not dominate each other.
    Errors that are `believed`, by id, stand in the place of search means.
    """
    names, constraints = objective_names(generations), constraints_in(generations)
    members = archive(generations)
    for number, error in believed.items():
        members[number] = replace(members[number], objectives={**(members[number].objectives or {}), "error": error})
    fresh = of_members(members, rescored)
    scored = {i: row.objectives for i, row in fresh.items() if set(names) <= set(row.objectives)}
    whole = {i: [own[n] for n in names] for i, own in scored.items() if not violation(own, constraints)}
    left = {}
    for number, member in members.items():
        if member.objectives is not None and number not in fresh:
            own = [member.objectives[n] for n in names]
            if not any(_dominates(other, own) for other in whole.values()):
                left[number] = member
    return front_ids(left, names, constraints)


def _dominates(a: Sequence[float], b: Sequence[float]) -> bool:
    return all(x <= y for x, y in zip(a, b, strict=True)) and any(x < y for x, y in zip(a, b, strict=True))


def of_members(members: Mapping[int, Member], rescored: Mapping[int, Rescored]) -> dict[int, Rescored]:
    """Return the fresh scores that belong to members of this archive."""
    return {i: r for i, r in rescored.items() if i in members and members[i].individual.key == r.key}
