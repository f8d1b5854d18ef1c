"""Strategies behind a model of scores: what is passed on, who survives, and that it helps."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from evobnn._seeding import generator
from evobnn.errors import SearchError
from evobnn.evolution import STRATEGIES, Screened, Search, Step, Strategy, make_toolbox, run
from evobnn.evolution.selection import Candidate, select_nsga2
from evobnn.evolution.strategies.screened import UNSCREENED
from evobnn.evolution.view import View
from evobnn.genome import Genome
from evobnn.pareto import Axis, hypervolume
from evobnn.records import Evaluation, Status
from evobnn.scores import Model, fit, genes
from evobnn.spaces import Space, key
from evobnn.testing import NKLandscape, Noisy


class Steep(NKLandscape):
    """Errors that differ as those of brief trainings do: from a tenth to the most."""

    def evaluate(self, genome: Genome) -> Evaluation:
        found = super().evaluate(genome)
        error = min(0.7, 0.3 * math.exp(12.0 * (found.objectives["error"] - 0.5)))
        return replace(found, objectives={**found.objectives, "error": error})


def counts_of(landscape: NKLandscape) -> Any:
    def counts(genome: Genome) -> dict[str, float]:
        return {name: value for name, value in landscape.evaluate(genome).objectives.items() if name != "error"}

    return counts


def view(space: Space, count: int = 24, drawn: int = 5, **settings: Any) -> View:
    """Return a search of `count` random genomes, the first eight of them the population."""
    landscape, rng = Steep(space, k=0), generator(drawn, "screened")
    names = settings.get("objectives", ("error", "ops"))
    archive: dict[str, Candidate] = {}
    while len(archive) < count:
        genome = space.sample(rng)
        values = landscape.evaluate(genome).objectives
        name = key(space, genome)
        archive.setdefault(name, Candidate(len(archive), genome, name, tuple(values[n] for n in names)))
    all_of = tuple(archive.values())

    def trainings(name: str) -> list[dict[str, float]]:
        return [{"error": archive[name].values[0]}] * (1 + archive[name].id % 2)

    known = {"space": space, "seed": 1, "generation": 3, "horizon": 5, "objectives": names, "bounds": landscape.bounds}
    known |= {"tried": lambda genome: key(space, genome) in archive, "counts": counts_of(landscape)}
    known |= {"trainings": trainings, "model": Model(space)}
    return View(**{**known, **settings}, archive=all_of, population=all_of[:8])


def toolbox_of(space: Space, feasible: Any = lambda genome: "") -> Any:
    toolbox = make_toolbox(space)
    toolbox.register("feasible", feasible)
    return toolbox


def screened(name: str = "nsga2", population: int = 8) -> Screened:
    return Screened(population, STRATEGIES[name](population=population))


def proposed(seen: View, count: int, feasible: Any = lambda genome: "") -> list[Genome]:
    strategy, rng = screened(), generator(1, "proposed")
    toolbox, prepared = toolbox_of(seen.space, feasible), strategy.prepare(seen)
    return [strategy.propose(seen, prepared, toolbox, rng)[0] for _ in range(count)]


@pytest.mark.parametrize("objectives", [("error", "ops"), ("error", "ops", "bits")])
def test_what_is_picked_adds_more_than_what_is_proposed(tiny_space: Space, objectives: tuple[str, ...]) -> None:
    landscape, strategy = Steep(tiny_space, k=0), STRATEGIES["nsga2"](population=8)
    axes, plain, picked = [Axis(name, *landscape.bounds[name]) for name in objectives], list[float](), list[float]()
    for seed in range(4):
        seen = view(tiny_space, 40, seed, objectives=objectives)
        known = [one.values for one in seen.archive]

        def gain(genome: Genome, known: Any = known) -> float:
            values = landscape.evaluate(genome).objectives
            return hypervolume([*known, [values[name] for name in objectives]], axes) - hypervolume(known, axes)

        toolbox, rng, order = toolbox_of(tiny_space), generator(1, "plain"), strategy.prepare(seen)
        plain += [gain(strategy.propose(seen, order, toolbox, rng)[0]) for _ in range(20)]
        picked += [gain(genome) for number, genome in enumerate(proposed(seen, 8), 1) if number % UNSCREENED]
    assert np.mean(picked) > 2.0 * np.mean(plain)


def test_without_costs_the_least_errors_are_picked(tiny_space: Space) -> None:
    seen, landscape = view(tiny_space, 40, objectives=("error",)), Steep(tiny_space, k=0)
    errors = [landscape.evaluate(genome).objectives["error"] for genome in proposed(seen, 8)]
    known = sorted(one.values[0] for one in seen.archive)
    assert sum(error < known[10] for error in errors) >= 6


def test_picks_are_new_can_be_trained_and_differ(tiny_space: Space) -> None:
    seen = view(tiny_space)
    picked = [
        genome
        for number, genome in enumerate(proposed(seen, 8, lambda g: "no" if "sin" in str(g) else ""), 1)
        if number % UNSCREENED
    ]
    assert not any(seen.tried(genome) or "sin" in str(genome) for genome in picked)
    assert len({key(tiny_space, genome) for genome in picked}) == len(picked) > 5
    again = proposed(seen, 8, lambda g: "no" if "sin" in str(g) else "")
    assert [genome for number, genome in enumerate(again, 1) if number % UNSCREENED] == picked


def test_where_nothing_can_be_trained_the_strategy_proposes_alone(tiny_space: Space) -> None:
    assert len(proposed(view(tiny_space), 3, lambda genome: "no")) == 3


def test_one_draw_of_the_posterior_says_who_survives(tiny_space: Space) -> None:
    seen = view(tiny_space)
    offspring = list(seen.archive[8:])
    kept = screened().survive(seen, offspring, make_toolbox(tiny_space))
    rows = [[each["error"] for each in seen.trainings(one.key)] for one in seen.archive]
    read = [genes(tiny_space, one.genome) for one in seen.archive]
    errors = fit(read, rows).drawn(read, generator(seen.seed, "drawn", seen.generation))
    drawn = [one.holding([float(e), *one.values[1:]]) for one, e in zip(seen.archive, errors, strict=True)]
    assert [one.id for one in kept] == [one.id for one in select_nsga2(drawn, 8)]
    assert all(one is seen.archive[one.id] for one in kept)
    other = screened().survive(replace(seen, generation=4), offspring, make_toolbox(tiny_space))
    assert [one.id for one in other] != [one.id for one in kept]


def covered(space: Space, strategy: Strategy, seed: int) -> float:
    """Return the hypervolume of everything that a search of 40 evaluations trained, as it is without noise."""
    landscape, steps = Steep(space, k=0), list[Step]()
    known = {"bounds": landscape.bounds, "counted": ("ops",), "counts": counts_of(landscape)}
    search = Search(space, strategy, ("error", "ops"), seed, repeats=1, **known)
    run(search, Noisy(landscape, failing=0.05), steps.append, 4)
    axes = [Axis(name, *landscape.bounds[name]) for name in ("error", "ops")]
    good = [r for step in steps for r in step.results if r.evaluation.status is Status.OK]
    true = [landscape.evaluate(space.parse(one.request.individual.genome)).objectives for one in good]
    return hypervolume([[one["error"], one["ops"]] for one in true], axes)


def test_a_search_finds_better_genomes_behind_a_model(tiny_space: Space) -> None:
    plain = STRATEGIES["nsga2"](population=8)
    gains = [covered(tiny_space, screened(), seed) - covered(tiny_space, plain, seed) for seed in range(4)]
    assert np.mean(gains) > 0.0
    assert sum(gain >= 0.0 for gain in gains) >= 3


def test_what_cannot_be_screened_is_refused(tiny_space: Space) -> None:
    for strategy, told in (
        (STRATEGIES["gaaf"](forgets=True), "gaaf, in which what should not be trained is evaluated again"),
        (STRATEGIES["surrogate"](), "surrogate, in which a forest picks already"),
    ):
        with pytest.raises(SearchError, match=told):
            Screened(20, strategy).check(tiny_space, ("error",))
    with pytest.raises(SearchError, match="got ops"):
        screened().check(tiny_space, ("ops",))
