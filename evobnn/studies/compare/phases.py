"""How an arm runs, whoever evaluates: what all arms of a seed begin with, what a phase is given, what it may spend."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from evobnn._seeding import generator
from evobnn.errors import ExperimentError, SearchError, message
from evobnn.evaluation import Bench
from evobnn.evolution.search import RANDOM_TRIES
from evobnn.experiment.settings import Experiment, StartSettings
from evobnn.genome import Genome, X
from evobnn.runs.setup import constraints_of, infeasible_by
from evobnn.spaces import Space, adapt, key
from evobnn.studies.compare.account import EPOCHS, Account, prices_of
from evobnn.studies.compare.arms import Arm

FRONT = 5
"""Members of a front that the next phase takes over, at most."""
LEAST = 4
"""Trainings below which a search of a later phase is not begun."""

# --- What arms begin with -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Start:
    """What all arms of a seed begin with, genomes of the whole space.

    Attributes:
        given: those of the experiment, then the anchors.
        drawn: (genome, why it is not worth an evaluation or an empty text); the same for every arm of the seed, as
            many as the arm begins with.
    """

    given: tuple[Genome, ...]
    drawn: tuple[tuple[Genome, str], ...]

    @property
    def first(self) -> Genome:
        """The first drawn genome that is worth an evaluation."""
        return next(genome for genome, reason in self.drawn if not reason)


def shared_start(experiment: Experiment, bench: Bench, count: int) -> Start:
    """Return genomes drawn from the whole space with the experiment's seed, `count` of them feasible and different.

    Those of a smaller `count` are the first of these. Drawing ends early in a space that has not so many.

    Raises:
        ExperimentError: no feasible genome was drawn.
    """
    infeasible, constraints = infeasible_by(experiment, bench), constraints_of(experiment, bench)
    rng = generator(experiment.seed, "compare", "start")
    drawn: list[tuple[Genome, str]] = []
    keys: set[str] = set()
    for _ in range(RANDOM_TRIES * count):
        genome = bench.space.sample(rng)
        reason = infeasible(genome) or constraints.refused(genome)
        if reason or (name := key(bench.space, genome)) not in keys:
            drawn.append((genome, reason))
            keys |= set() if reason else {name}
        if len(keys) == count:
            break
    if not keys:
        got = f"none in {RANDOM_TRIES * count} draws; the last: {drawn[-1][1]}" if drawn else "none"
        raise ExperimentError(message(f"feasible genomes in the space {bench.space.name}", got, "Widen it."))
    given = [bench.space.parse(text) for text in experiment.start.genomes]
    return Start((*given, *(bench.anchors() if experiment.start.anchors else ())), tuple(drawn))


def begun(experiment: Experiment, space: Space, start: Start, own: Mapping[str, Any] = {}) -> Experiment:
    """Return the experiment with the shared start taken over into this space; what a space cannot hold is drawn anew,
    and what is known to be infeasible is left out unless the strategy sends it to training.
    """
    rng = generator(experiment.seed, "compare", "adapt")
    unfiltered = experiment.make_strategy(own).unfiltered
    genomes = [*start.given, *(genome for genome, reason in start.drawn if unfiltered or not reason)]
    texts = dict.fromkeys(str(adapt(space, genome, rng)) for genome in genomes)
    return replace(experiment, start=StartSettings(tuple(texts), anchors=False))


# --- Phases ---------------------------------------------------------------------------------------------------------


def frozen(experiment: Experiment, space: Space, given: str, genome: Genome | None) -> Experiment:
    """Return the experiment with cells or expressions given: those of a genome, or the plain sign without one.

    Arguments:
        experiment: with `space`'s settings.
        space: the whole one.
        given: `cells`, `expressions` or nothing.
        genome: of the whole space.

    Raises:
        ExperimentError: there is nothing to give, or nothing else to search.
    """
    if not given:
        return experiment
    if not (space.free_kinds and space.free_sites):
        missing = "cells" if space.free_sites else "expressions"
        got = f"{space.name} without {missing} to search"
        raise ExperimentError(message(f"a space of both cells and expressions to give {given}", got, "Take joint."))
    if given == "cells" and genome is not None:
        text = " ".join(f"{kind}[{genome.cell_by_kind[kind]}]" for kind in space.free_kinds)
    else:
        known = genome.expression_by_site if genome is not None else {}
        text = " ".join(f"@{site} = {known.get(site, 'x')}" for site in space.free_sites)
    freeze = f"{experiment.space.freeze} {text}".strip()
    return replace(experiment, space=replace(experiment.space, freeze=freeze))


def fitted(
    experiment: Experiment, budget: float, unit: str = EPOCHS, own: Mapping[str, Any] = {}, *, shrink: bool = False
) -> Experiment:
    """Return the experiment with the horizon that a budget in this unit allows; raise ExperimentError where it is less
    than one start population takes. With `shrink` the population is at most a quarter of the whole trainings that it
    pays for, and at least 2. `own` holds strategies by name beside the built-in ones.
    """
    prices = prices_of(experiment, unit)
    trainings = int(budget // prices.each)
    if shrink:
        population = min(int(experiment.strategy["population"]), max(2, trainings // 4))
        experiment = replace(experiment, strategy={**experiment.strategy, "population": population})
    strategy = experiment.make_strategy(own)
    left = budget - prices.planned(strategy.first)
    if left < 0:
        least = math.ceil(prices.planned(strategy.first) / prices.each)
        expected = f"a budget of at least one start population, {least} trainings"
        got = f"{trainings} for {experiment.strategy['name']}"
        raise ExperimentError(message(expected, got, "Raise --budget or lower strategy.population."))
    return replace(experiment, horizon=int(left // prices.planned(strategy.batch)))


# --- Running --------------------------------------------------------------------------------------------------------

Run = Callable[[Experiment, float, str], None]
"""`run(experiment, limit, part)` searches until what the account has spent would exceed the limit, and tells it."""


def run_phases(
    arm: Arm, experiment: Experiment, bench: Callable[[Experiment], Bench], start: Start, budget: int, account: Account,
    run: Run, own: Mapping[str, Any] = {},
) -> str:  # fmt: skip
    """Run an arm's phases one after another; return the key of the network in which nothing is searched, which has what
    the first phase may be given: the cells of the first drawn genome, and the plain sign.

    A phase has its share of the budget and what those before it left over. A later one is given what the front found
    so far has, of at most five members spread evenly over it by cost, in a search each; these get equal shares, and
    what one leaves over goes to the next; one that comes to nothing is passed over. Where an arm has several phases,
    populations shrink to a quarter of what a search may train.

    Arguments:
        arm: what to run.
        experiment: with the arm's settings and the seed.
        bench: of an experiment.
        start: shared by all arms of the seed.
        budget: of which the arm has its share for all phases, in the unit of the account.
        account: of this arm and seed.
        run: what searches; `part` names the search within the arm, empty where there is only one.
        own: strategies by name beside the built-in ones.
    """
    whole = bench(experiment).space
    plain = {**dict.fromkeys(whole.sites, X), **whole.frozen.expression_by_site}
    prices, several = account.prices, len(arm.phases) > 1
    shares = np.cumsum([phase.share for phase in arm.phases])
    for number, (phase, share) in enumerate(zip(arm.phases, shares, strict=True), 1):
        limit = round(budget * arm.share * float(share))
        genomes = _genomes(phase.given, whole, start, account, int((limit - account.spent) // prices.each), number)
        for at, genome in enumerate(genomes):
            allowed = (limit - account.spent) // (len(genomes) - at)
            if number > 1 and allowed < LEAST * prices.each:
                continue
            searched = frozen(experiment, whole, phase.given, genome)
            begins = begun(searched, bench(searched).space, start, own)
            part = f"{number}-{at + 1}" if several else ""
            try:
                run(fitted(begins, allowed, prices.unit, own, shrink=several), account.spent + allowed, part)
            except SearchError:
                if number == 1:
                    raise
    return key(whole, Genome.of(start.first.cell_by_kind, plain))


def _genomes(
    given: str, whole: Space, start: Start, account: Account, trainings: int, number: int
) -> list[Genome | None]:
    """Return whose cells or expressions the searches of a phase are given."""
    if not given:
        return [None]
    if number == 1:
        return [start.first if given == "cells" else None]
    front = sorted(account.front(), key=lambda who: account.values(who)[::-1])
    count = max(1, min(FRONT, len(front), trainings // LEAST))
    places = np.linspace(0, len(front) - 1, count).round().astype(int)
    return [whole.parse(account.genome(front[at])) for at in places]
