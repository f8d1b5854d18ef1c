"""Successive halving across a generation: everything new is trained a little, the better part of it further, and so on.

Jamieson and Talwalkar, "Non-stochastic best arm identification and hyperparameter optimization", AISTATS 2016 (arXiv
1502.07943); with fronts in place of one objective's order as in Schmucker et al., "Multi-objective asynchronous
successive halving" (arXiv 2106.12639). Scores of different lengths of training are never compared: archive, front and
hypervolume know those of full length only, and what was stopped early survives only where there are too few of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from evobnn._checks import check_at_least, check_between
from evobnn.errors import ExperimentError, SearchError, message
from evobnn.evolution.selection import Candidate, fronts, tiers
from evobnn.evolution.strategies import STRATEGIES, Strategy
from evobnn.evolution.strategies.base import pool
from evobnn.evolution.view import View
from evobnn.genome import Genome
from evobnn.records import Evaluation, Request, Result, Status

Measure = Callable[[Mapping[int, int]], Mapping[int, Evaluation]]
"""From places of requests, each with the epochs after which it is scored (0: all of them), to evaluations by place."""


@dataclass(frozen=True)
class Halving:
    """When new genomes are scored, and how many of them are trained on.

    Attributes:
        rungs: epochs, rising; the last one is the full length. Empty for no halving.
        keep: share of what was scored at a rung that goes on to the next one: ceil(keep n), at least 1.
    """

    rungs: tuple[int, ...] = ()
    keep: float = 0.5

    def __post_init__(self) -> None:
        object.__setattr__(self, "rungs", tuple(self.rungs))
        for rung in self.rungs:
            check_at_least("every one of halving.rungs", rung, 1)
        if list(self.rungs) != sorted(set(self.rungs)) or len(self.rungs) == 1:
            got = str(list(self.rungs))
            raise ExperimentError(message("halving.rungs that rise, two or more", got, "Write for example 1,2,4,8."))
        check_between("halving.keep", self.keep, 1e-3, 1.0)

    def __bool__(self) -> bool:
        """Tell whether there is any."""
        return bool(self.rungs)

    def covers(self, request: Request) -> bool:
        """Tell whether what is asked for may be stopped early: a first score, and no twin hangs on it."""
        return bool(self) and not request.repeat and not request.twin

    def short(self, evaluation: Evaluation) -> int:
        """Return by how many rungs an evaluation was stopped before full length."""
        return len(self.rungs) - 1 - self.rungs.index(evaluation.rung) if evaluation.rung else 0

    def promoted(self, evaluations: Sequence[Evaluation], names: Sequence[str]) -> list[int]:
        """Return the places of those that go on to the next rung, in rising order; what failed is not among them.

        The best by rank and crowding distance of these objectives; of equals the first.
        """
        scored = [at for at, one in enumerate(evaluations) if one.status is Status.PRUNED]
        values = {at: list(evaluations[at].at_rung(names).values()) for at in scored}
        shells = [Candidate(at, Genome(), str(at), values[at]) for at in scored]
        best: list[Candidate] = []
        for front in fronts(shells):
            best += sorted(front, key=lambda one: (-float(one.fitness.crowding_dist), one.id))
        return sorted(one.id for one in best[: self.kept(len(scored))])

    def kept(self, count: int) -> int:
        """Return how many of so many go on."""
        return max(1, math.ceil(self.keep * count - 1e-9))

    def climbed(self, requests: Sequence[Request], names: Sequence[str], measure: Measure) -> list[Result]:
        """Return the results of a generation: what may be stopped early is measured from rung to rung, and only the
        better part of it is taken on; everything else is measured whole, with the first of them.

        Arguments:
            requests: all of the generation.
            names: of the objectives.
            measure: evaluates those that it is asked for; what it is not asked for any more is done with.
        """
        climbing = [at for at, request in enumerate(requests) if self.covers(request)]
        wanted = {at: 0 for at, request in enumerate(requests) if not self.covers(request)}  # they take longest: first
        found: dict[int, Evaluation] = {}
        for rung in self.rungs[:-1]:
            found |= measure(wanted | dict.fromkeys(climbing, rung))
            best = self.promoted([found[at] for at in climbing], names)
            climbing, wanted = [climbing[at] for at in best], {}
        found |= measure(wanted | dict.fromkeys(climbing, 0))
        return [Result(request, found[at]) for at, request in enumerate(requests)]

    def planned(self, count: int, branch: float) -> float:
        """Return the epochs that so many new genomes take, those of their branches included, if none of them fails."""
        total, before = 0.0, 0
        for rung in self.rungs:
            total += count * (rung - before + branch)
            before, count = rung, self.kept(count)
        return total

    def trained(self, result: Result, branch: float) -> float:
        """Return the epochs that a result took, those of its branches (`branch` each) and of a twin included.

        What failed counts as if it had come to its next score, what was never trained not at all.
        """
        evaluation, request = result.evaluation, result.request
        if evaluation.status is Status.INVALID:
            return 0.0
        if not self.covers(request):
            return (1 + request.twin) * (self.rungs[-1] + branch)
        climbed = len(self.rungs) - self.short(evaluation)
        return self.rungs[climbed - 1] + climbed * branch


WITHOUT = Halving()
"""No halving."""


def check_halving(strategy: Strategy) -> None:
    """Raise SearchError for an algorithm that cannot keep scores of different lengths of training apart."""
    reason = strategy.unfit_for_halving
    if reason:
        fit = [name for name, kind in STRATEGIES.items() if not kind().unfit_for_halving]
        expected = f"a strategy that can leave trainings unfinished ({', '.join(fit)})"
        do = "Take one of these, or set halving.rungs = []."
        raise SearchError(message(expected, f"{type(strategy).__name__.lower()}, in which {reason}", do))


def whole(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Return those whose training had full length."""
    return [one for one in candidates if not one.short]


def survivors(strategy: Strategy, view: View, offspring: Sequence[Candidate], toolbox: Any) -> list[Candidate]:
    """Return whom the strategy lets survive among those of full length, and as long as these are fewer than its
    population, among those of the next shorter training, and so on.
    """
    found: list[Candidate] = []
    for tier in tiers(pool(view, offspring)):
        if len(found) >= strategy.population:
            break
        own = {one.id for one in tier}
        left = replace(strategy, population=strategy.population - len(found))
        seen = replace(view, population=tuple(one for one in view.population if one.id in own))
        found += left.survive(seen, [one for one in offspring if one.id in own], toolbox)
    return found
