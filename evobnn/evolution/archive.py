"""Everything that a search was told, by individual."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from evobnn.evolution.constraints import Constraints
from evobnn.evolution.halving import Halving
from evobnn.evolution.selection import Candidate, candidate
from evobnn.genome import Genome
from evobnn.pareto import GrowingFront
from evobnn.records import Evaluation, Individual, Result, Status, mean_objectives
from evobnn.spaces import Space

KEPT = 1 << 13
"""Genomes at hand; of others there is their text."""


class Archive:
    """Individuals, their evaluations, and each as a candidate with its objectives as they are known now.

    Arguments:
        space: reads genomes.
        objectives: names, in order.
        halving: tells how much of a training is missing where one was stopped early.
        constraints: tell by how much a candidate exceeds them.
        latest: the last evaluation of an individual counts alone, in place of the mean over all.

    Attributes:
        individuals: by id.
        evaluations: by key, in the order of telling.
        next_id: of the next individual.
    """

    def __init__(
        self, space: Space, objectives: Sequence[str], halving: Halving, constraints: Constraints, *, latest: bool
    ) -> None:
        self.individuals: dict[int, Individual] = {}
        self.evaluations: dict[str, list[Evaluation]] = {}
        self.next_id = 0
        self._space, self._objectives, self._halving = space, objectives, halving
        self._constraints, self._latest = constraints, latest
        self._ids: dict[str, int] = {}
        self._genomes: dict[int, Genome] = {}  # the newest
        self._candidates: dict[int, Candidate | None] = {}  # of everyone evaluated, None for who has failed
        self._whole: dict[int, Candidate] = {}  # of these, whose evaluations had full length, in the same order
        self._points = GrowingFront(len(objectives))

    def new(self, genome: Genome, key: str, born: int, origin: str, parents: tuple[int, ...]) -> Individual:
        """Return an individual with the next id, which is not in the archive before it was entered or evaluated."""
        number = self.next_id
        self.next_id += 1
        if origin != "seed":  # a given genome may leave out what is frozen; its text, read again, does not
            self._keep(number, genome)
        return Individual(number, str(genome), key, born, origin, parents)

    def enter(self, individual: Individual) -> None:
        """Know an individual, which may have no evaluation yet."""
        self.individuals.setdefault(individual.id, individual)
        self._ids.setdefault(individual.key, individual.id)

    def note(self, *results: Result) -> None:
        """Take results in, in the order of telling."""
        changed: dict[int, Individual] = {}
        for result in results:
            individual = result.request.individual
            self.enter(individual)
            self.evaluations.setdefault(individual.key, []).append(result.evaluation)
            changed[individual.id] = individual
        for number, individual in changed.items():
            self._take(number, self._candidate(individual))
        points = {number: self._whole.get(number) for number in changed}
        self._points.put({n: one.values if one and not one.violation else None for n, one in points.items()})

    def _take(self, number: int, one: Candidate | None) -> None:
        known = number in self._candidates
        self._candidates[number] = one
        if one is None or one.short:
            self._whole.pop(number, None)
        elif known and number not in self._whole:
            self._whole = {n: other for n, other in self._candidates.items() if other and not other.short}
        else:
            self._whole[number] = one

    def genome(self, number: int) -> Genome:
        """Return the genome of an individual: read from its text where it is not among the newest."""
        if number not in self._genomes:
            self._keep(number, self._space.parse(self.individuals[number].genome))
        return self._genomes[number]

    def _keep(self, number: int, genome: Genome) -> None:
        if len(self._genomes) >= KEPT:
            del self._genomes[next(iter(self._genomes))]
        self._genomes[number] = genome

    def of(self, key: str) -> Individual | None:
        """Return the individual with this key, or None."""
        number = self._ids.get(key)
        return None if number is None else self.individuals[number]

    def times(self, key: str) -> int:
        """Return how often a key was evaluated."""
        return len(self.evaluations.get(key, ()))

    def trainings(self, key: str) -> list[Mapping[str, float]]:
        """Return the objectives of every evaluation of a key that ended `ok`, in the order of telling."""
        return [one.objectives for one in self.evaluations.get(key, ()) if one.status is Status.OK]

    def candidates(self, numbers: Iterable[int]) -> list[Candidate]:
        """Return these individuals as candidates; failed ones left out."""
        found = (self._candidates.get(number) for number in numbers)
        return [one for one in found if one is not None]

    def measured(self) -> tuple[Candidate, ...]:
        """Return every individual whose evaluations of full length all ended `ok`."""
        return tuple(self._whole.values())

    def feasible(self) -> list[Candidate]:
        """Return those of `measured` that exceed no bound."""
        return [one for one in self._whole.values() if not one.violation]

    @property
    def size(self) -> int:
        """How many are feasible."""
        return len(self._points)

    @property
    def front(self) -> list[Candidate]:
        """Those of `feasible` that none of them dominates."""
        return [self._whole[number] for number in self._points.front]

    def _candidate(self, individual: Individual) -> Candidate | None:
        """Return an individual as a candidate, or None where it has failed."""
        evaluations = self.evaluations[individual.key]
        counting = evaluations[-1:] if self._latest else evaluations
        objectives, short = mean_objectives(counting), 0
        if objectives is None and all(one.status is Status.PRUNED for one in counting):
            objectives, short = counting[-1].at_rung(self._objectives), self._halving.short(counting[-1])
        if objectives is None:
            return None
        excess = 0.0 if short else self._constraints.violation(objectives)
        names, times = self._objectives, len(evaluations)
        return candidate(individual.id, self.genome, individual.key, objectives, names, times, short, excess)
