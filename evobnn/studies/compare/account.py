"""What a search has spent and what it has found, generation by generation: the same account for every arm.

The unit is the trained epoch; a budget may count evaluations instead. A training costs the recipe's epochs and those of
each branch on which it is scored; what was stopped early costs what it came to, and a real-valued twin as much as a
whole training. What is `invalid` untrained costs nothing, but for an algorithm that sends such genomes to training, as
published code does. Nothing is paid twice under one (key, repeat); what goes further than before pays for the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evobnn._checks import check_name
from evobnn.errors import SearchError, message
from evobnn.evolution import Strategy
from evobnn.evolution.halving import WITHOUT, Halving
from evobnn.experiment.settings import Experiment
from evobnn.pareto import Axis, hypervolume, nondominated, told, violation
from evobnn.records import Evaluation, Result, Status, mean_objectives
from evobnn.runs.believed import Believe

EPOCHS, EVALUATIONS = "epochs", "evaluations"
Place = tuple[str, int, bool]
"""A training: key, repeat, and whether it is that of the twin."""
Afresh = Callable[[str, int], float]
"""From a key and the number of its evaluations to its error as the search has not seen it, in [0, 1]."""


@dataclass(frozen=True)
class Prices:
    """The costs of an arm's trainings.

    Attributes:
        whole: epochs of a training of full length, scored once, its branch included.
        branch: epochs of the branch on which a network is scored; 0 where there is none.
        halving: by which new genomes are stopped early.
        unit: what a budget counts: `epochs` as they were trained, or `evaluations`, each as one however early it was
            stopped.
    """

    whole: float
    branch: float = 0
    halving: Halving = WITHOUT
    unit: str = EPOCHS

    def __post_init__(self) -> None:
        check_name("unit of a budget", self.unit, (EPOCHS, EVALUATIONS))

    @property
    def each(self) -> float:
        """What a whole training costs a budget."""
        return 1 if self.unit == EVALUATIONS else self.whole

    def trained(self, result: Result) -> float:
        """Return the epochs that a network was trained for; its twin's, if it has one, are as many again."""
        covered = self.halving.covers(result.request)
        return self.halving.trained(result, self.branch) if covered else self.whole

    def charged(self, result: Result) -> float:
        """Return what a budget has to pay for a result, its twin included."""
        once = self.each if self.unit == EVALUATIONS else self.trained(result)
        return once * (1 + result.request.twin)

    def planned(self, count: int) -> float:
        """Return what a budget has to pay for so many new genomes, none of which fails."""
        if self.unit == EVALUATIONS or not self.halving:
            return self.each * count
        return self.halving.planned(count, self.branch)


def prices_of(experiment: Experiment, unit: str = EPOCHS) -> Prices:
    """Return the costs of an experiment's trainings."""
    recipe = experiment.recipe
    branch = recipe.decay if recipe.branches else 0
    return Prices(recipe.epochs + branch, branch, experiment.halving, unit)


@dataclass(frozen=True)
class Trace:
    """One search of an arm with one seed.

    Attributes:
        epochs: trained after each generation, never falling.
        curves: by measure, a value after each generation: `regret` or `error` of the genome that the search would
            return then, `hypervolume` of its front (several objectives only), `repeated` and `invalid` trainings.
        final: `regret` or `error` and `hypervolume` at the end, and the counts.
        start: these measures after generation 0, taken like `final`; or empty.
        fixed: these measures of the one network in which nothing was searched, where it was measured; or empty.
        best: the genome that the search would return, as text.
    """

    epochs: tuple[float, ...]
    curves: Mapping[str, tuple[float, ...]]
    final: Mapping[str, float]
    start: Mapping[str, float]
    fixed: Mapping[str, float]
    best: str


class Account:
    """Takes results, generation by generation and phase by phase, and keeps the account of one arm and seed.

    Arguments:
        objectives: names, in order; `error` is one of them.
        axes: of the hypervolume, those of the whole space for every arm.
        prices: of the arm.
        afresh: how a member of the front is scored; by what the search has seen where there is none.
        constraints: bound by name; what exceeds one is no find.
        believe: by what front and best are named in place of the errors that were seen.

    Attributes:
        epochs: trained so far.
        spent: of the budget, in its unit.
    """

    def __init__(
        self,
        objectives: Sequence[str],
        axes: Sequence[Axis],
        prices: Prices,
        afresh: Afresh | None = None,
        constraints: Mapping[str, float] = {},
        believe: Believe | None = None,
    ) -> None:
        self.objectives, self.axes, self.prices, self._afresh = tuple(objectives), tuple(axes), prices, afresh
        self._constraints, self._believe = constraints, believe
        self._believed: dict[str, tuple[float, ...]] | None = None
        self._error = self.objectives.index("error")
        self._evaluations: dict[str, dict[int, Evaluation]] = {}
        self._paid: dict[Place, float] = {}
        self._values: dict[str, tuple[float, ...]] = {}
        self._genomes: dict[str, str] = {}
        self.epochs: float = 0
        self.spent: float = 0
        self.repeated = self.invalid = 0
        self._points: list[tuple[float, dict[str, float]]] = []

    def cost(self, results: Sequence[Result], strategy: Strategy) -> float:
        """Return what these results cost the budget."""
        return sum(self._charge(self._bill(result, strategy)) for result in results)

    def _charge(self, bill: Mapping[Place, float]) -> float:
        """Return what a budget is charged for the epochs in a bill."""
        if self.prices.unit == EVALUATIONS:
            return self.prices.each * sum(place not in self._paid for place in bill)
        return sum(bill.values())

    def _bill(self, result: Result, strategy: Strategy) -> dict[Place, float]:
        """Return the epochs of the trainings behind a result that are not paid yet."""
        request, status = result.request, result.evaluation.status
        if status is Status.INVALID and not strategy.unfiltered:
            return {}
        who = request.individual.key
        took = {(who, request.repeat, False): self.prices.trained(result)}
        took |= {(who, request.repeat, True): self.prices.whole} if request.twin else {}
        left = {place: epochs - self._paid.get(place, 0) for place, epochs in took.items()}
        return {place: epochs for place, epochs in left.items() if epochs > 0}

    def take(self, results: Sequence[Result], strategy: Strategy) -> None:
        """Note a finished generation."""
        for result in results:
            request, evaluation = result.request, result.evaluation
            bill = self._bill(result, strategy)
            self.spent += self._charge(bill)
            self.epochs += sum(bill.values())
            self.repeated += bool(bill) and request.repeat > 0
            self.invalid += bool(bill) and evaluation.status is Status.INVALID
            self._paid |= {place: self._paid.get(place, 0) + epochs for place, epochs in bill.items()}
            who = request.individual.key
            self._genomes.setdefault(who, request.individual.genome)
            known = self._evaluations.setdefault(who, {})
            if evaluation.status is not Status.PRUNED or request.repeat not in known:
                known[request.repeat] = evaluation
            counting = list(known.values())[-1:] if strategy.repeats_known else list(known.values())
            means = mean_objectives(counting)
            if means is not None and not violation(means, self._constraints):
                self._values[who] = tuple(means[name] for name in self.objectives)
            else:
                self._values.pop(who, None)
        self._believed = None
        self._points.append((self.epochs, self._measured() | self._counts()))

    def _counts(self) -> dict[str, float]:
        return {"repeated": self.repeated, "invalid": self.invalid}

    @property
    def _standing(self) -> Mapping[str, tuple[float, ...]]:
        """The objectives by which keys are named."""
        if self._believe is None:
            return self._values
        if self._believed is None:
            seen = {
                self._genomes[who]: [one.objectives["error"] for one in known.values() if one.status is Status.OK]
                for who, known in self._evaluations.items()
                if who in self._values
            }
            errors = self._believe(seen)
            self._believed = {
                who: self._with_error(values, errors[self._genomes[who]]) for who, values in self._values.items()
            }
        return self._believed

    def _with_error(self, values: tuple[float, ...], error: float) -> tuple[float, ...]:
        return (*values[: self._error], error, *values[self._error + 1 :])

    def front(self) -> list[str]:
        """Return the keys that no other dominates by what the search has seen, or by what is believed of it, in the
        order in which they came.
        """
        standing = self._standing
        keys = list(standing)
        mask = nondominated(np.array([standing[who] for who in keys]).reshape(len(keys), len(self.objectives)))
        return [who for who, first in zip(keys, mask, strict=True) if first]

    def best(self, among: Sequence[str]) -> str:
        """Return the key with the least error seen or believed; of equals the one with the lesser other
        objectives, then the one that was measured most often, then the first.
        """
        standing = self._standing

        def order(who: str) -> tuple[float, tuple[float, ...], int]:
            values = standing[who]
            return values[self._error], values, -len(self._evaluations[who])

        return min(among, key=order)

    def genome(self, who: str) -> str:
        """Return the text of the genome with this key as it was first bred."""
        return self._genomes[who]

    def values(self, who: str) -> tuple[float, ...]:
        """Return the objectives of a key as the search has seen them."""
        return self._values[who]

    def _measured(self) -> dict[str, float]:
        front = self.front()
        return self.scored({who: self._scored(who) for who in front}) if front else {}

    def _scored(self, who: str) -> tuple[float, ...]:
        """Return the objectives of a key with its error afresh."""
        values = self._values[who]
        if self._afresh is None:
            return values
        return self._with_error(values, self._afresh(who, len(self._evaluations[who])))

    def scored(self, scores: Mapping[str, Sequence[float]]) -> dict[str, float]:
        """Return `error` of the best and `hypervolume` of all by these objectives, given by key of the front."""
        found = {"error": float(scores[self.best(list(scores))][self._error])}
        if len(self.objectives) > 1:
            found["hypervolume"] = hypervolume([list(row) for row in scores.values()], self.axes)
        return found

    def trace(
        self, fixed: str = "", start: Mapping[str, float] | None = None, final: Mapping[str, float] | None = None
    ) -> Trace:
        """Return the account.

        Arguments:
            fixed: key of the network in which nothing was searched; it was not chosen, so what was seen is no luck.
            start: in place of the first point, where it is known better.
            final: the same for the last point.
        """
        points = [(epochs, point) for epochs, point in self._points if "error" in point]  # something ended well
        if not points:
            got = f"none of {len(self._evaluations)} genomes"
            raise SearchError(message(f"a genome with at most {told(self._constraints)}", got, "Allow more."))
        first, last = points[0][1], points[-1][1]
        measures = [name for name in last if name not in self._counts()]
        return Trace(
            tuple(epochs for epochs, _ in points),
            {name: tuple(point[name] for _, point in points) for name in last},
            last | dict(final or {}),
            {name: first[name] for name in measures} if start is None else dict(start),
            self.scored({fixed: self._scored(fixed)}) if fixed in self._values else {},
            self.genome(self.best(self.front())),
        )
