"""The search: ask for evaluations, be told, select; a value after every generation from which it can go on.

Everything asked together sees the same told set and is told in the order of asking, so neither the number of workers
nor the order in which they finish can change what comes next.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
from deap import tools

from evobnn._seeding import Generator, child_seed, generator, generator_from, guarded, state_of
from evobnn.errors import SearchError, message
from evobnn.evolution import constraints as bounded
from evobnn.evolution.constraints import Constraints
from evobnn.evolution.halving import WITHOUT, Halving, check_halving, survivors, whole
from evobnn.evolution.pressures import Pressure
from evobnn.evolution.selection import Candidate, candidate, fronts, tiers
from evobnn.evolution.strategies import Strategy
from evobnn.evolution.strategies.base import pool
from evobnn.evolution.toolbox import make_toolbox
from evobnn.evolution.variation import mutate, mutate_one
from evobnn.evolution.view import Bounds, View
from evobnn.genome import Genome
from evobnn.records import Evaluation, Individual, Request, Result, Status, mean_objectives
from evobnn.spaces import Space, key

TRIES = 50
"""Proposals that may fail (known key, infeasible) before a random genome is taken instead."""
RANDOM_TRIES = 2000
"""Random genomes that may fail before the space counts as exhausted."""
REMEMBERED = 1 << 15
"""Genomes whose keys are kept at hand: a narrow neighbourhood proposes the same ones over and over."""

Indicators = Callable[[Sequence[tuple[float, ...]]], Mapping[str, float]]


class SpaceExhausted(SearchError):  # noqa: N818 - how a search may well end
    """No genome is left that was not tried."""


@dataclass(frozen=True)
class SearchState:
    """From where a search goes on.

    Attributes:
        generation: the last finished one, -1 before the first.
        rng: state of the generator.
        next_id: of the next individual.
        survivors: ids, in the order of selection.
        memory: JSON values that the strategy and the pressures keep, by `strategy` and by the pressure's name.
    """

    generation: int
    rng: Mapping[str, Any]
    next_id: int
    survivors: tuple[int, ...]
    memory: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """What one generation yielded.

    Attributes:
        generation: its number.
        state: from where the search goes on.
        survivors: (individual, mean objectives, repeats) in the order of selection; those in the state that are not
            among them were stopped early and fill the population up.
        results: everything evaluated in it, in the order of asking.
        log: the row of the logbook.
    """

    generation: int
    state: SearchState
    survivors: tuple[tuple[Individual, Mapping[str, float], int], ...]
    results: tuple[Result, ...]
    log: Mapping[str, Any]


class Search:
    """A search in progress: archive, population and generator.

    Arguments:
        space: what may be chosen.
        strategy: who proposes and who survives.
        objectives: names, in order, all minimised.
        seed: root seed; the generator's is derived from it.
        repeats: each generation, members of the first front with fewer evaluations than this are measured once more,
            within the constant number of evaluations asked for; they take at most half of it. 1 for never.
        feasible: why a genome is not worth an evaluation, or an empty text.
        indicators: numbers for the log from the objectives of all candidates of the archive.
        starters: genomes to begin with, best first; the rest of generation 0 is sampled.
        pressures: by name; what shapes selection and proposals beside the objectives.
        bounds: (low, high, scale) of the objectives, for scalarisations and bins.
        horizon: number of generations that schedules refer to.
        halving: what new genomes were stopped early by, if anything; whoever evaluates stops them.
        branch: epochs that each of its scores takes, for the log.
        constraints: what is counted above its bound is never asked for; what is measured above it follows all that
            meet theirs, and the archive is without it.

    Raises:
        SearchError: the strategy or a pressure cannot honour this space, these objectives, this batch or the halving.
    """

    def __init__(
        self,
        space: Space,
        strategy: Strategy,
        objectives: Sequence[str],
        seed: int,
        *,
        repeats: int = 3,
        feasible: Callable[[Genome], str] = lambda genome: "",
        indicators: Indicators = lambda points: {},
        starters: Sequence[Genome] = (),
        pressures: Mapping[str, Pressure] = {},
        bounds: Mapping[str, tuple[float, float, str]] = {},
        horizon: int = 10,
        halving: Halving = WITHOUT,
        branch: float = 0.0,
        constraints: Constraints | None = None,
    ) -> None:
        self.space, self.strategy, self.objectives, self.repeats = space, strategy, tuple(objectives), repeats
        self.feasible, self.indicators, self.starters = feasible, indicators, tuple(starters)
        self.pressures, self.horizon = dict(pressures), horizon
        self.halving, self.branch = halving, branch
        self.bounds: Bounds = dict(bounds)
        self.constraints = constraints or Constraints()
        strategy.check(space, self.objectives, self.bounds)
        if halving:
            check_halving(strategy)
        for pressure in self.pressures.values():
            pressure.check(space, self.objectives, strategy.batch)
        self.toolbox = make_toolbox(space)
        self.toolbox.register("feasible", lambda genome: feasible(genome) or self.constraints.refused(genome))
        self.logbook = tools.Logbook()
        self.individuals: dict[int, Individual] = {}
        self.evaluations: dict[str, list[Evaluation]] = {}
        self._genomes: dict[int, Genome] = {}
        self._shells: dict[int, Candidate | None] = {}  # of everyone evaluated, None for who has failed
        self._ids: dict[str, int] = {}
        self._key = lru_cache(REMEMBERED)(lambda genome: key(space, genome))
        self._seed = seed
        self._rng: Generator = generator(seed, "search")
        self._generation = -1
        self._next_id = 0
        self._population: list[Candidate] = []
        self._memory: Mapping[str, Any] = {}
        self._children: list[int] = []
        self._asked: list[Request] | None = None
        self._refused: Counter[str] = Counter()
        counted = self.constraints.counts is not None
        self._tries, self._draws = (bounded.TRIES, bounded.RANDOM_TRIES) if counted else (TRIES, RANDOM_TRIES)

    @property
    def generation(self) -> int:
        """The last finished generation, -1 before the first."""
        return self._generation

    @property
    def population(self) -> tuple[Candidate, ...]:
        """The survivors of the last generation."""
        return tuple(self._population)

    def archive(self) -> list[Candidate]:
        """Return every individual ever evaluated whose evaluations of full length all ended `ok`, and which exceeds no
        bound, by id.
        """
        return [one for one in self._measured() if not one.violation]

    def _measured(self) -> list[Candidate]:
        return whole(one for one in self._shells.values() if one is not None)

    def restore(self, steps: Iterable[Step]) -> None:
        """Take over finished generations, in order; the search goes on exactly as if it had not stopped."""
        last: Step | None = None
        for step in steps:
            for result in step.results:
                self._note(result)
            self.logbook.record(**step.log)
            last = step
        if last is not None:
            state = last.state
            self._generation, self._next_id, self._memory = state.generation, state.next_id, dict(state.memory)
            self._rng = generator_from(dict(state.rng))
            self._population = self._refreshed(state.survivors)

    def ask(self) -> list[Request]:
        """Return the evaluations of the next generation; asking twice without telling gives the same list."""
        if self._asked is None:
            self._refused, self._children = Counter(), []
            self._asked = self._first() if self._generation < 0 else self._next()
        return list(self._asked)

    def _view(self, generation: int) -> View:
        """Return what algorithms see; pressures have had their say about the spread of the population."""
        view = View(
            self.space,
            self.objectives,
            self.bounds,
            self._seed,
            generation,
            self.horizon,
            tuple(self._population),
            self._measured(),
            self._memory,
            constraints=self.constraints.bounds,
        )
        return self._spread(view, self._population)

    def _spread(self, view: View, candidates: Sequence[Candidate]) -> View:
        """Return the view with what the pressures add to the crowding distances of these candidates."""
        added: Counter[int] = Counter()
        for pressure in self.pressures.values():
            added.update(pressure.spread(view, candidates))
        return replace(view, spread=dict(added)) if added else view

    def _first(self) -> list[Request]:
        requests: list[Request] = []
        keys: set[str] = set()
        view = self._view(0)
        self._register(view)
        for genome in self.starters:
            if len(requests) < self.strategy.first:
                self._admit(requests, keys, genome, "seed", ())
        while len(requests) < self.strategy.first and self._fresh(requests, keys, view):
            pass
        for genome in () if requests else self.constraints.cheapest:
            self._admit(requests, keys, genome, "seed", ())
        if not requests:
            raise self._exhausted()
        return requests

    def _next(self) -> list[Request]:
        view = self._view(self._generation + 1)
        self._register(view)
        requests = self._block(view)
        room = self.strategy.batch - len(requests)
        blocked = {request.individual.id for request in requests}
        again = [one for one in self._to_measure_again(room // 2) if one.id not in blocked]
        requests += [Request(self.individuals[one.id], one.repeats) for one in again]
        keys = {self.individuals[number].key for number in blocked}
        missing = self.strategy.shortfall(view)
        prepared = self.strategy.prepare(view) if self._population else None
        while len(requests) < self.strategy.batch:
            found = False
            if self._population and len(self._children) >= missing:
                found = self._bred(requests, keys, view, prepared)
            if not found and not self._fresh(requests, keys, view):
                rare = self.constraints.counts and self._population and len(self._children) < missing
                if not (rare and self._bred(requests, keys, view, prepared)):
                    break
        if not self._children and not any(request.twin for request in requests):
            raise self._exhausted()
        return requests

    def _register(self, view: View) -> None:
        """Let the last pressure that wants to choose operations do so in this generation's mutations."""
        choosers = [pressure.chooser(view) for pressure in self.pressures.values()]
        choose = next((one for one in reversed(choosers) if one is not None), None)
        self.toolbox.register("mutate", mutate, space=self.space, choose=choose)
        self.toolbox.register("mutate_one", mutate_one, space=self.space, choose=choose)

    def _block(self, view: View) -> list[Request]:
        """Return what pressures want measured beside the population, each with its real-valued twin."""
        requests: list[Request] = []
        asked: Counter[str] = Counter()
        for pressure in self.pressures.values():
            for genome in pressure.block(view, self.toolbox, self._rng):
                if len(requests) == self.strategy.batch:
                    break
                if not self.feasible(genome) and self.constraints.refused(genome):
                    continue
                name = self._key(genome)
                if name in self._ids:
                    individual = self.individuals[self._ids[name]]
                else:
                    individual = self._individual(genome, name, "block", ())
                    self._ids[name], self.individuals[individual.id] = individual.id, individual
                requests.append(Request(individual, len(self.evaluations.get(name, ())) + asked[name], twin=True))
                asked[name] += 1
        return requests

    def _to_measure_again(self, most: int) -> list[Candidate]:
        """Return members of the first front with too few evaluations, the fewest first."""
        front = next(iter(fronts(whole(self._population))), [])
        few = {one.id: one for one in front if one.repeats < self.repeats}  # by id: some selections take one twice
        return sorted(few.values(), key=lambda one: (one.repeats, one.id))[:most]

    def _bred(self, requests: list[Request], keys: set[str], view: View, prepared: Any) -> bool:
        """Add one child with a new key; tell whether that worked within the tries."""
        for _ in range(self._tries):
            genome, origin, parents = self.strategy.propose(view, prepared, self.toolbox, self._rng)
            if self._admit(requests, keys, self._repaired(view, genome), origin, parents):
                return True
        return False

    def _fresh(self, requests: list[Request], keys: set[str], view: View) -> bool:
        """Add one random genome with a new key; tell whether one was found."""
        return any(
            self._admit(requests, keys, self._repaired(view, self.toolbox.sample(self._rng)), "sample", ())
            for _ in range(self._draws)
        )

    def _repaired(self, view: View, genome: Genome) -> Genome:
        for pressure in self.pressures.values():
            genome = pressure.repair(view, genome, self._rng)
        return genome

    def _admit(
        self, requests: list[Request], keys: set[str], genome: Genome, origin: str, parents: tuple[int, ...]
    ) -> bool:
        """Add a request for a genome unless it is known, asked for already or infeasible."""
        name = self._key(genome)
        known = name in self.evaluations
        if name in keys or (known and not self._may_repeat(name)):
            self._refused["duplicates"] += 1
            return False
        if self._refuses(genome):
            self._refused["infeasible"] += 1
            return False
        keys.add(name)
        individual = self.individuals[self._ids[name]] if known else self._individual(genome, name, origin, parents)
        self._children.append(individual.id)
        requests.append(Request(individual, len(self.evaluations.get(name, ()))))
        return True

    def _refuses(self, genome: Genome) -> bool:
        """Tell whether a genome is not worth an evaluation; bounds hold for algorithms that send all else, too."""
        if self.strategy.unfiltered and self.constraints.counts is None:
            return False
        if self.feasible(genome):
            return not self.strategy.unfiltered
        return bool(self.constraints.refused(genome))

    def _may_repeat(self, name: str) -> bool:
        """Tell whether a known genome may be evaluated as if it were new: some published algorithms forget."""
        return self.strategy.repeats_known and all(one.key != name for one in self._population)

    def _individual(self, genome: Genome, name: str, origin: str, parents: tuple[int, ...]) -> Individual:
        number = self._next_id
        self._next_id += 1
        if origin != "seed":  # a given genome may leave out what is frozen; its text, read again, does not
            self._genomes[number] = genome
        return Individual(number, str(genome), name, self._generation + 1, origin, parents)

    def tell(self, results: Sequence[Result]) -> Step:
        """Take the results of everything asked, in the order of asking, and return the finished generation.

        Raises:
            SearchError: the results are not those asked for, or the first generation has not one `ok`.
        """
        asked = self._asked
        if asked is None or [result.request for result in results] != asked:
            raise SearchError(
                message("the results of what was asked, in that order", f"{len(results)} others", "Call ask() first.")
            )
        self._asked = None
        for result in results:
            self._note(result)
        self._generation += 1
        view = self._view(self._generation)
        view = replace(view, population=tuple(self._refreshed(one.id for one in self._population)), spread={})
        offspring = self._refreshed(self._children)
        candidates = pool(view, offspring)
        if self._generation == 0 and not whole(candidates):
            raise self._nothing_worked(results)
        for tier in tiers(candidates):
            fronts(tier)  # some selections of DEAP read crowding distances and do not assign them
        view = self._spread(view, candidates)
        with guarded(child_seed(self._seed, "select", self._generation)):
            if self.halving:
                self._population = survivors(self.strategy, view, offspring, self.toolbox)
            else:
                self._population = self.strategy.survive(view, offspring, self.toolbox)
        self._memory = self._remembered(view, whole(offspring), results)
        log = self._log(results)
        self.logbook.record(**log)
        kept = tuple(
            (self.individuals[one.id], dict(zip(self.objectives, one.values, strict=True)), one.repeats)
            for one in whole(self._population)
        )
        state = SearchState(
            self._generation,
            state_of(self._rng),
            self._next_id,
            tuple(one.id for one in self._population),
            self._memory,
        )
        return Step(self._generation, state, kept, tuple(results), log)

    def _refreshed(self, numbers: Iterable[int]) -> list[Candidate]:
        """Return the shells of these individuals with their objectives as they are known now; failed ones left out."""
        found = (self._shells.get(number) for number in numbers)
        return [one for one in found if one is not None]

    def _remembered(
        self, view: View, offspring: Sequence[Candidate], results: Sequence[Result]
    ) -> dict[str, Mapping[str, Any]]:
        memories = {name: pressure.remember(view, results) for name, pressure in self.pressures.items()}
        memories["strategy"] = self.strategy.remember(view, whole(self._population), offspring)
        return {name: memory for name, memory in memories.items() if memory}

    def _note(self, result: Result) -> None:
        individual = result.request.individual
        self.individuals.setdefault(individual.id, individual)
        self.evaluations.setdefault(individual.key, []).append(result.evaluation)
        self._ids.setdefault(individual.key, individual.id)
        self._shells[individual.id] = self._shell(individual)

    def _shell(self, individual: Individual) -> Candidate | None:
        """Return the shell of an individual with its objectives as they are known now, or None where it has failed."""
        evaluations = self.evaluations.get(individual.key, [])
        counting = evaluations[-1:] if self.strategy.repeats_known else evaluations
        objectives, short = mean_objectives(counting), 0
        if objectives is None and counting and all(one.status is Status.PRUNED for one in counting):
            objectives, short = counting[-1].at_rung(self.objectives), self.halving.short(counting[-1])
        if objectives is None:
            return None
        if individual.id not in self._genomes:
            self._genomes[individual.id] = self.space.parse(individual.genome)
        genome = self._genomes[individual.id]
        excess = 0.0 if short else self.constraints.violation(objectives)
        return candidate(
            individual.id, genome, individual.key, objectives, self.objectives, len(evaluations), short, excess
        )

    def _log(self, results: Sequence[Result]) -> dict[str, Any]:
        archive = self.archive()
        statistics = tools.Statistics(lambda one: one.values)
        statistics.register("least", np.min, axis=0)
        statistics.register("mean", np.mean, axis=0)
        population = whole(self._population)
        over = statistics.compile(population) if population else {}
        ended = Counter(result.evaluation.status for result in results)
        row: dict[str, Any] = {
            "generation": self._generation,
            "evaluations": len(results),
            "again": sum(result.request.repeat > 0 for result in results),
            **{str(status): ended[status] for status in Status if self.halving or status is not Status.PRUNED},
            "duplicates": self._refused["duplicates"],
            "infeasible": self._refused["infeasible"],
            "archive": len(archive),
            "survivors": len(population),
        }
        if self.halving:
            row["epochs"] = sum(self.halving.trained(result, self.branch) for result in results)
        for index, name in enumerate(self.objectives):
            for kind, values in over.items():
                row[f"{kind}_{name}"] = float(values[index])
        if self.pressures:
            view = self._view(self._generation)
            for name, pressure in self.pressures.items():
                row |= {f"{name}_{what}": float(value) for what, value in pressure.log(view).items()}
        return row | dict(self.indicators([one.values for one in archive]))

    def _exhausted(self) -> SpaceExhausted:
        if self.constraints.nearest:
            return SpaceExhausted(self.constraints.unmet(self._draws, self.space.name))
        return SpaceExhausted(
            message(
                "a genome that was not tried yet",
                f"none in {RANDOM_TRIES} draws from the {self.space.name} space",
                "It is exhausted: every genome was evaluated. Unfreeze a part of it or take a larger one.",
            )
        )

    def _nothing_worked(self, results: Sequence[Result]) -> SearchError:
        reasons = Counter(f"{result.evaluation.status}: {result.evaluation.message}" for result in results)
        common, times = reasons.most_common(1)[0]
        return SearchError(
            message(
                "at least one evaluation of the first generation to end ok",
                f"none of {len(results)}; {times} times {common}",
                "Look at one with `evobnn evaluate`, or change the recipe.",
            )
        )


def run(
    search: Search,
    evaluate: Callable[[Sequence[Request]], Sequence[Result]],
    on_step: Callable[[Step], None],
    generations: int,
    stop: Callable[[], bool] = lambda: False,
) -> None:
    """Run until generation number `generations` is finished (0 is the start population) or `stop()` says so.

    Arguments:
        search: new or restored.
        evaluate: from requests to results in the same order.
        on_step: takes note of every finished generation.
        generations: the total to reach.
        stop: asked before every generation but the first.
    """
    while search.generation < generations and not (search.generation >= 0 and stop()):
        on_step(search.tell(evaluate(search.ask())))


__all__ = ["Search", "SearchState", "SpaceExhausted", "Step", "run"]
