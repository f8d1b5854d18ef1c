"""The search: ask for evaluations, be told, select; a value after every generation from which it can go on.

Everything asked together sees the same told set and is told in the order of asking, so neither the number of workers
nor the order in which they finish can change what comes next.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from deap import tools

from evobnn._seeding import Generator, child_seed, generator, generator_from, guarded, state_of
from evobnn.errors import SearchError, message
from evobnn.evolution import constraints as bounded
from evobnn.evolution.archive import Archive
from evobnn.evolution.constraints import Constraints
from evobnn.evolution.endings import SpaceExhausted, exhausted, nothing_worked
from evobnn.evolution.halving import WITHOUT, Halving, check_halving, survivors, whole
from evobnn.evolution.logbook import counts, objectives_over
from evobnn.evolution.naming import Beliefs, Naming
from evobnn.evolution.pressures import Pressure
from evobnn.evolution.selection import Candidate, fronts, tiers
from evobnn.evolution.step import SearchState, Step
from evobnn.evolution.strategies import Strategy
from evobnn.evolution.strategies.base import pool
from evobnn.evolution.toolbox import make_toolbox
from evobnn.evolution.variation import mutate, mutate_one
from evobnn.evolution.view import Bounds, Counts, View
from evobnn.genome import Genome
from evobnn.records import Individual, Request, Result
from evobnn.scores import Model
from evobnn.spaces import Space, key

TRIES = 50
"""Proposals that may fail (known key, infeasible) before a random genome is taken instead."""
RANDOM_TRIES = 2000
"""Random genomes that may fail before the space counts as exhausted."""
REMEMBERED = 1 << 15
"""Genomes whose keys are kept at hand: a narrow neighbourhood proposes the same ones over and over."""

Indicators = Callable[[Sequence[tuple[float, ...]]], Mapping[str, float]]


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
        indicators: numbers for the log from the objectives of the archive's front.
        starters: genomes to begin with, best first; the rest of generation 0 is sampled.
        pressures: by name; what shapes selection and proposals beside the objectives.
        bounds: (low, high, scale) of the objectives, for scalarisations and bins.
        horizon: number of generations that schedules refer to.
        halving: what new genomes were stopped early by, if anything; whoever evaluates stops them.
        branch: epochs that each of its scores takes, for the log.
        counted: objectives that are known of a genome before its evaluation.
        counts: from a genome to these; without one of them where it is unknown.
        constraints: what is counted above its bound is never asked for; what is measured above it follows all that
            meet theirs, and the archive is without it.
        naming: by what model the search names at its end, if by one; the last generations of the horizon then train
            what it would name and was never trained.

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
        counted: Sequence[str] = (),
        counts: Counts = lambda genome: {},
        naming: Naming | None = None,
    ) -> None:
        self.space, self.strategy, self.objectives, self.repeats = space, strategy, tuple(objectives), repeats
        self.feasible, self.indicators, self.starters = feasible, indicators, tuple(starters)
        self.pressures, self.horizon = dict(pressures), horizon
        self.halving, self.branch = halving, branch
        self.bounds: Bounds = dict(bounds)
        self._known_objectives, self._counts = tuple(counted), counts
        self.constraints, self.naming = constraints or Constraints(), naming
        strategy.check(space, self.objectives, self.bounds)
        strategy.check_counted(self.objectives, self._known_objectives)
        if halving:
            check_halving(strategy)
        for pressure in self.pressures.values():
            pressure.check(space, self.objectives, strategy.batch)
        self.toolbox = make_toolbox(space)
        self.toolbox.register("feasible", lambda genome: feasible(genome) or self.constraints.refused(genome))
        self.logbook = tools.Logbook()
        self.archive = Archive(space, self.objectives, halving, self.constraints, latest=strategy.repeats_known)
        self._model = Model(space)
        self._key = lru_cache(REMEMBERED)(lambda genome: key(space, genome))
        self._seed = seed
        self._rng: Generator = generator(seed, "search")
        self._generation = -1
        self._population: list[Candidate] = []
        self._memory: Mapping[str, Any] = {}
        self._children: list[int] = []
        self._asked: list[Request] | None = None
        self._refused: Counter[str] = Counter()
        strict = self.constraints.counts is not None
        self._tries, self._draws = (bounded.TRIES, bounded.RANDOM_TRIES) if strict else (TRIES, RANDOM_TRIES)

    @property
    def generation(self) -> int:
        """The last finished generation, -1 before the first."""
        return self._generation

    @property
    def population(self) -> tuple[Candidate, ...]:
        """The survivors of the last generation."""
        return tuple(self._population)

    def restore(self, steps: Iterable[Step]) -> None:
        """Take over finished generations, in order; the search goes on exactly as if it had not stopped."""
        last: Step | None = None
        results: list[Result] = []
        for step in steps:
            results += step.results
            self.logbook.record(**step.log)
            last = step
        self.archive.note(*results)
        if last is not None:
            state = last.state
            self._generation, self._memory = state.generation, dict(state.memory)
            self.archive.next_id = state.next_id
            self._rng = generator_from(dict(state.rng))
            self._population = self.archive.candidates(state.survivors)

    def ask(self) -> list[Request]:
        """Return the evaluations of the next generation; asking twice without telling gives the same list."""
        if self._asked is None:
            self._refused, self._children = Counter(), []
            self._asked = self._first() if self._generation < 0 else self._next()
        return list(self._asked)

    def _view(self, generation: int) -> View:
        """Return what algorithms see; pressures have had their say about the spread of the population."""
        view = View(
            self.space, self.objectives, self.bounds, self._seed, generation, self.horizon, tuple(self._population),
            self.archive.measured(), self._memory, constraints=self.constraints.bounds, counted=self._known_objectives,
            counts=self._counts, tried=lambda genome: self.archive.times(self._key(genome)) > 0,
            trainings=self.archive.trainings, model=self._model,
        )  # fmt: skip
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
        keys = {request.individual.key for request in requests}
        beliefs = self.naming.before(view.generation, self.horizon, self.archive, self._model) if self.naming else None
        again = [one for one in self._to_measure_again(room // 2, beliefs) if one.id not in blocked]
        requests += [Request(self.archive.individuals[one.id], one.repeats) for one in again]
        if beliefs is not None:
            self._ask_believed(beliefs, requests, keys)
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
                individual = self.archive.of(name) or self._new(genome, name, "block", ())
                self.archive.enter(individual)
                requests.append(Request(individual, self.archive.times(name) + asked[name], twin=True))
                asked[name] += 1
        return requests

    def _to_measure_again(self, most: int, beliefs: Beliefs | None) -> list[Candidate]:
        """Return members of the first front with too few evaluations, the fewest first; of what is believed, if so."""
        if beliefs is not None:
            front = beliefs.front()
        else:
            front = sorted(next(iter(fronts(whole(self._population))), []), key=lambda one: one.id)
        few = {one.id: one for one in front if one.repeats < self.repeats}  # by id: some selections take one twice
        return sorted(few.values(), key=lambda one: one.repeats)[:most]

    def _ask_believed(self, beliefs: Beliefs, requests: list[Request], keys: set[str]) -> None:
        """Fill the generation up with genomes that the model would name and that were never trained."""

        def fresh(genome: Genome) -> str:
            name = self._key(genome)
            refused = self.archive.times(name) or self.feasible(genome) or self.constraints.refused(genome)
            return "" if refused or name in keys else name

        rng = generator(self._seed, "believed", self._generation + 1)
        count = self.strategy.batch - len(requests)
        for genome, parents in beliefs.untrained(count, fresh, self.toolbox, rng):
            self._admit(requests, keys, genome, "model", parents)

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
        known = self.archive.times(name) > 0
        if name in keys or (known and not self._may_repeat(name)):
            self._refused["duplicates"] += 1
            return False
        if self._refuses(genome):
            self._refused["infeasible"] += 1
            return False
        keys.add(name)
        individual = self.archive.of(name) or self._new(genome, name, origin, parents)
        self._children.append(individual.id)
        requests.append(Request(individual, self.archive.times(name)))
        return True

    def _new(self, genome: Genome, name: str, origin: str, parents: tuple[int, ...]) -> Individual:
        return self.archive.new(genome, name, self._generation + 1, origin, parents)

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
        self.archive.note(*results)
        self._generation += 1
        view = self._view(self._generation)
        view = replace(view, population=tuple(self.archive.candidates(one.id for one in self._population)), spread={})
        offspring = self.archive.candidates(self._children)
        candidates = pool(view, offspring)
        if self._generation == 0 and not whole(candidates):
            raise nothing_worked(results)
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
            (self.archive.individuals[one.id], dict(zip(self.objectives, one.values, strict=True)), one.repeats)
            for one in whole(self._population)
        )
        ids, rng = tuple(one.id for one in self._population), state_of(self._rng)
        state = SearchState(self._generation, rng, self.archive.next_id, ids, self._memory)
        return Step(self._generation, state, kept, tuple(results), log)

    def _remembered(
        self, view: View, offspring: Sequence[Candidate], results: Sequence[Result]
    ) -> dict[str, Mapping[str, Any]]:
        memories = {name: pressure.remember(view, results) for name, pressure in self.pressures.items()}
        memories["strategy"] = self.strategy.remember(view, whole(self._population), offspring)
        return {name: memory for name, memory in memories.items() if memory}

    def _log(self, results: Sequence[Result]) -> dict[str, Any]:
        population = whole(self._population)
        row: dict[str, Any] = {
            "generation": self._generation,
            **counts(results, halved=bool(self.halving)),
            "duplicates": self._refused["duplicates"],
            "infeasible": self._refused["infeasible"],
            "archive": self.archive.size,
            "survivors": len(population),
        }
        if self.halving:
            row["epochs"] = sum(self.halving.trained(result, self.branch) for result in results)
        row |= objectives_over(population, self.objectives)
        if self.pressures:
            view = self._view(self._generation)
            for name, pressure in self.pressures.items():
                row |= {f"{name}_{what}": float(value) for what, value in pressure.log(view).items()}
        return row | dict(self.indicators([one.values for one in self.archive.front]))

    def _exhausted(self) -> SpaceExhausted:
        if self.constraints.nearest:
            return SpaceExhausted(self.constraints.unmet(self._draws, self.space.name))
        return exhausted(self.space, self._draws)
