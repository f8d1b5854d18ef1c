"""Everything that a search was told, by individual."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from evobnn.evolution.constraints import Constraints
from evobnn.evolution.halving import Halving, whole
from evobnn.evolution.selection import Candidate, candidate
from evobnn.genome import Genome
from evobnn.records import Evaluation, Individual, Result, Status, mean_objectives
from evobnn.spaces import Space


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
        self._genomes: dict[int, Genome] = {}
        self._candidates: dict[int, Candidate | None] = {}  # of everyone evaluated, None for who has failed

    def new(self, genome: Genome, key: str, born: int, origin: str, parents: tuple[int, ...]) -> Individual:
        """Return an individual with the next id, which is not in the archive before it was entered or evaluated."""
        number = self.next_id
        self.next_id += 1
        if origin != "seed":  # a given genome may leave out what is frozen; its text, read again, does not
            self._genomes[number] = genome
        return Individual(number, str(genome), key, born, origin, parents)

    def enter(self, individual: Individual) -> None:
        """Know an individual, which may have no evaluation yet."""
        self.individuals.setdefault(individual.id, individual)
        self._ids.setdefault(individual.key, individual.id)

    def note(self, result: Result) -> None:
        """Take a result in."""
        individual = result.request.individual
        self.enter(individual)
        self.evaluations.setdefault(individual.key, []).append(result.evaluation)
        self._candidates[individual.id] = self._candidate(individual)

    def of(self, key: str) -> Individual | None:
        """Return the individual with this key, or None."""
        number = self._ids.get(key)
        return None if number is None else self.individuals[number]

    def times(self, key: str) -> int:
        """Return how often a key was evaluated."""
        return len(self.evaluations.get(key, ()))

    def candidates(self, numbers: Iterable[int]) -> list[Candidate]:
        """Return these individuals as candidates; failed ones left out."""
        found = (self._candidates.get(number) for number in numbers)
        return [one for one in found if one is not None]

    def measured(self) -> list[Candidate]:
        """Return every individual whose evaluations of full length all ended `ok`."""
        return whole(one for one in self._candidates.values() if one is not None)

    def feasible(self) -> list[Candidate]:
        """Return those of `measured` that exceed no bound."""
        return [one for one in self.measured() if not one.violation]

    def _candidate(self, individual: Individual) -> Candidate | None:
        """Return an individual as a candidate, or None where it has failed."""
        evaluations = self.evaluations[individual.key]
        counting = evaluations[-1:] if self._latest else evaluations
        objectives, short = mean_objectives(counting), 0
        if objectives is None and all(one.status is Status.PRUNED for one in counting):
            objectives, short = counting[-1].at_rung(self._objectives), self._halving.short(counting[-1])
        if objectives is None:
            return None
        if individual.id not in self._genomes:
            self._genomes[individual.id] = self._space.parse(individual.genome)
        genome = self._genomes[individual.id]
        excess = 0.0 if short else self._constraints.violation(objectives)
        names, times = self._objectives, len(evaluations)
        return candidate(individual.id, genome, individual.key, objectives, names, times, short, excess)
