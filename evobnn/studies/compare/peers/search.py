"""A search by an optimiser of another package: asks and is told as `evobnn.evolution.Search` is, in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from evobnn._seeding import child_seed, generator
from evobnn.errors import SearchError
from evobnn.evolution.endings import exhausted, nothing_worked
from evobnn.evolution.search import RANDOM_TRIES, TRIES
from evobnn.genome import Genome
from evobnn.records import Individual, Request, Result, Status
from evobnn.spaces import Space, key
from evobnn.studies.compare.peers.genes import Genes, Vector
from evobnn.studies.compare.peers.strategies import Peer


class PeerSearch:
    """Asks first for the start, then for one evaluation at a time.

    With a filter, what the optimiser proposes is refused where it is known or not worth an evaluation, and it is asked
    again, up to `TRIES` times in a row; then a random genome takes its place. So do evobnn's strategies.

    Arguments:
        space: what may be chosen.
        strategy: which optimiser, and whether it is filtered.
        objectives: names, in order, all minimised.
        seed: root seed.
        worst: of each objective, what a failure is told as where numbers are needed.
        feasible: why a genome is not worth an evaluation, or an empty text.
        bounded: why a genome exceeds a bound, or an empty text; such a one is never evaluated.
        starters: genomes to begin with; the optimiser fills the start up.
    """

    def __init__(
        self, space: Space, strategy: Peer, objectives: Sequence[str], seed: int, *, worst: Sequence[float],
        feasible: Callable[[Genome], str], bounded: Callable[[Genome], str], starters: Sequence[Genome],
    ) -> None:  # fmt: skip
        strategy.check(space, objectives)
        self.space, self.strategy, self.objectives = space, strategy, tuple(objectives)
        self.generation = -1
        self._genes = Genes(space)
        words = (type(strategy).__name__, str(strategy.unfiltered))
        self._optimiser = strategy.optimiser(self._genes.free, worst, child_seed(seed, "peer", *words) % 2**32)
        self._rng = generator(seed, "peer", *words, "random")
        self._feasible, self._bounded, self._starters = feasible, bounded, tuple(starters)
        self._known: dict[str, tuple[Individual, int]] = {}
        """By key, who it is and how often it was asked for."""

    def ask(self) -> list[Request]:
        """Return the evaluations that come next.

        Raises:
            SpaceExhausted: nothing is left that is new.
        """
        if self.generation >= 0:
            return [self._next()]
        asked: list[Request] = []
        for genome in self._starters:
            vector = self._genes.vector(genome) if len(asked) < self.strategy.first else None
            if vector is not None and (request := self._admitted(vector)):
                asked.append(request)
        while len(asked) < self.strategy.first:
            try:
                asked.append(self._next())
            except SearchError:
                if not asked:
                    raise
                break
        return asked

    def tell(self, results: Sequence[Result]) -> None:
        """Take the results of what was asked, in that order.

        Raises:
            SearchError: nothing of the start ended well.
        """
        if self.generation < 0 and all(result.evaluation.status is not Status.OK for result in results):
            raise nothing_worked(results)
        self.generation += 1
        for result in results:
            values = result.evaluation.objectives
            self._optimiser.tell([values[name] for name in self.objectives] if values else None)

    def _next(self) -> Request:
        for _ in range(TRIES):
            vector = self._optimiser.ask()
            if vector is None:
                break
            if request := self._request(vector):
                return request
            self._optimiser.refuse()
        for _ in range(RANDOM_TRIES):
            drawn = self._genes.vector(self.space.sample(self._rng))
            if drawn is not None and (request := self._admitted(drawn)):
                return request
        raise exhausted(self.space, RANDOM_TRIES)

    def _admitted(self, vector: Vector) -> Request | None:
        """Return the request for a vector that is not the optimiser's own, which is given it; None if it is refused."""
        request = self._request(vector)
        if request is not None:
            self._optimiser.ask(vector)
        return request

    def _request(self, vector: Vector) -> Request | None:
        """Return the request for the genome of a vector, or None where it is refused."""
        genome = self._genes.genome(vector)
        name = key(self.space, genome)
        reason = self._feasible(genome)
        if not self.strategy.unfiltered and (reason or name in self._known):
            return None
        if not reason and self._bounded(genome):
            return None
        fresh = Individual(len(self._known), str(genome), name, self.generation + 1)
        individual, times = self._known.get(name, (fresh, 0))
        self._known[name] = individual, times + 1
        return Request(individual, times)
