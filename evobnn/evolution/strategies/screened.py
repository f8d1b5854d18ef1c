"""Any strategy, screened by a model of scores: of many genomes that it proposes the model picks those that are trained,
and one draw of the model's posterior says who survives. By the mean alone what was never seen would die out: Thompson,
"On the likelihood that one unknown probability exceeds another", Biometrika 25, 1933.

A batch is picked one by one, each time as if the errors believed of those before were known: Ginsbourger, Le Riche,
Carraro, "Kriging is well-suited to parallelize optimization", 2010, section 3 (the kriging believer).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evobnn._seeding import Generator, generator
from evobnn.errors import SearchError, message
from evobnn.evolution.learnt import ERROR, Learnt
from evobnn.evolution.selection import Candidate
from evobnn.evolution.strategies.base import Proposal, Strategy, pool
from evobnn.evolution.view import Bounds, View
from evobnn.genome import Genome
from evobnn.scores import Incumbents, believed_best
from evobnn.spaces import Space, key

BRED = 20
"""Proposals that the model looks at for each that is trained."""
UNSCREENED = 5
"""Every fifth proposal is the strategy's own, whatever the model says."""


@dataclass
class Screening:
    """What the proposals of one generation have in common.

    Attributes:
        learnt: from everything before.
        view: with the errors that are believed of the population.
        inner: what the proposals of the strategy itself have in common.
        waiting: what the model has picked, the best first; None before it was asked.
        asked: number of proposals so far.
    """

    learnt: Learnt
    view: View
    inner: Any
    waiting: deque[Proposal] | None = None
    asked: int = 0


@dataclass(frozen=True)
class Screened(Strategy):
    """A strategy behind a model of scores.

    Attributes:
        population: that of the strategy.
        inner: the strategy.
    """

    inner: Strategy = field(default_factory=Strategy)

    @property
    def first(self) -> int:
        """Those of the strategy."""
        return self.inner.first

    @property
    def batch(self) -> int:
        """That of the strategy."""
        return self.inner.batch

    @property
    def unfit_for_halving(self) -> str:
        """What makes the strategy unfit."""
        return self.inner.unfit_for_halving

    def check(self, space: Space, objectives: Sequence[str], bounds: Bounds | None = None) -> None:
        """Raise SearchError where the strategy, or the model, cannot honour these."""
        self.inner.check(space, objectives, bounds)
        if reason := self.inner.unfit_for_screening:
            got = f"{type(self.inner).__name__.lower()}, in which {reason}"
            expected = "a strategy whose proposals a model can pick from, with screen = model"
            raise SearchError(message(expected, got, "Set screen = none, or another strategy."))
        if ERROR not in objectives:
            got, do = ", ".join(objectives), "Set screen = none."
            raise SearchError(message("error among the objectives, with screen = model", got, do))

    def check_counted(self, objectives: Sequence[str], counted: Sequence[str]) -> None:
        """Raise SearchError for an objective beside the error that only an evaluation tells."""
        unknown = [name for name in objectives if name != ERROR and name not in counted]
        if unknown:
            expected = "objectives that are counted before an evaluation, with screen = model"
            raise SearchError(message(expected, unknown[0], "Set screen = none, or other objectives."))

    def shortfall(self, view: View) -> int:
        """Return that of the strategy."""
        return self.inner.shortfall(view)

    def prepare(self, view: View) -> Screening | None:
        """Return what was learnt, and what the strategy prepares for a population of which errors are believed; nothing
        where nothing was trained.
        """
        if not view.archive:
            return None
        learnt = view.learnt()
        seen = replace(view, population=tuple(learnt.believed(view.population)))
        return Screening(learnt, seen, self.inner.prepare(seen))

    def propose(self, view: View, prepared: Screening | None, toolbox: Any, rng: Generator) -> Proposal:
        """Return the next pick of the model; every fifth time, and when there are none left, one of the strategy."""
        if prepared is None:
            return self.inner.propose(view, self.inner.prepare(view), toolbox, rng)
        prepared.asked += 1
        if prepared.waiting is None:
            prepared.waiting = deque(self._picked(prepared, toolbox, rng))
        if prepared.asked % UNSCREENED and prepared.waiting:
            return prepared.waiting.popleft()
        return self.inner.propose(prepared.view, prepared.inner, toolbox, rng)

    def _picked(self, prepared: Screening, toolbox: Any, rng: Generator) -> list[Proposal]:
        """Return as many proposals as a generation has, chosen from `BRED` times as many."""
        view, learnt = prepared.view, prepared.learnt
        bred: dict[str, Proposal] = {}
        seen: set[Genome] = set()
        for _ in range(BRED * self.batch):
            proposal = self.inner.propose(view, prepared.inner, toolbox, rng)
            genome = proposal[0]
            if genome in seen or view.tried(genome):
                continue
            seen.add(genome)
            if toolbox.feasible(genome) == "":
                bred.setdefault(key(view.space, genome), proposal)
        offered = list(bred.values())
        if not offered:
            return []
        archive = [one for one in learnt.believed(view.archive) if not one.violation]
        incumbents = Incumbents(
            np.array([one.values[learnt.at] for one in archive]), _costs(view, [one.values for one in archive])
        )
        points = [self._point(view, genome) for genome, _, _ in offered]
        worst = view.bounds.get(ERROR, (0.0, 1.0, ""))[1]
        genes = [learnt.model.genes(genome) for genome, _, _ in offered]
        picks = believed_best(learnt.process, genes, _costs(view, points), incumbents, worst, self.batch)
        return [offered[at] for at in picks]

    def _point(self, view: View, genome: Genome) -> list[float]:
        counts = view.counts(genome)
        return [0.0 if name == ERROR else counts[name] for name in view.objectives]

    def survive(self, view: View, offspring: Sequence[Candidate], toolbox: Any) -> list[Candidate]:
        """Return who survives in the strategy when one draw of the posterior is taken for the truth."""
        inner = replace(self.inner, population=self.population)
        if not view.archive:
            return inner.survive(view, offspring, toolbox)
        rng = generator(view.seed, "drawn", view.generation)
        candidates = {one.id: one for one in pool(view, offspring)}
        drawn = {one.id: one for one in view.learnt().drawn(list(candidates.values()), rng)}
        seen = replace(view, population=tuple(drawn[one.id] for one in view.population))
        found = inner.survive(seen, [drawn[one.id] for one in offspring], toolbox)
        return [candidates[one.id] for one in found]

    def remember(self, view: View, survivors: Sequence[Candidate], offspring: Sequence[Candidate]) -> Mapping[str, Any]:
        """Return what the strategy remembers when what is believed is taken for the truth."""
        if not view.archive:
            return self.inner.remember(view, survivors, offspring)
        learnt = view.learnt()
        seen = replace(view, archive=learnt.believed(view.archive))
        return self.inner.remember(seen, learnt.believed(survivors), learnt.believed(offspring))


def _costs(view: View, points: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """Return the objectives of n genomes but for the error, of shape (n, k), each in [0, 1]."""
    given = view.unit(np.array(points, dtype=float).reshape(len(points), len(view.objectives)))
    return np.asarray(np.clip(np.delete(given, view.objectives.index(ERROR), axis=1), 0.0, 1.0))
