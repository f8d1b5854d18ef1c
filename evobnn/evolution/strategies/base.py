"""What the search asks of an algorithm, with answers that most algorithms share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evobnn._checks import check_at_least
from evobnn._seeding import Generator
from evobnn.evolution.selection import Candidate
from evobnn.evolution.view import Bounds, View
from evobnn.genome import Genome
from evobnn.spaces import Space

Proposal = tuple[Genome, str, tuple[int, ...]]
"""(genome, origin, ids of the parents)."""


@dataclass(frozen=True)
class Strategy:
    """An evolutionary algorithm: frozen settings and pure functions of what it sees.

    All proposals of one generation see the same told set, whoever evaluates them: an algorithm that is published as
    steady-state breeds its `batch` children from one population and takes their results in the order of asking.

    Attributes:
        population: survivors of a generation, at most.

    >>> class Immigrants(evobnn.Strategy):
    ...     def propose(self, view, prepared, toolbox, rng):
    ...         return toolbox.individual(rng=rng), "immigrant", ()
    >>> Immigrants(population=4).population
    4
    """

    population: int = 20

    def __post_init__(self) -> None:
        check_at_least("strategy.population", self.population, 1)

    @property
    def first(self) -> int:
        """Evaluations asked for in generation 0."""
        return self.population

    @property
    def batch(self) -> int:
        """Evaluations asked for in every later generation; never the number of jobs."""
        return self.population

    @property
    def repeats_known(self) -> bool:
        """Whether a genome that was evaluated and is not in the population may be evaluated again as if it were new;
        its last score then counts. No algorithm should; a published one does.
        """
        return False

    @property
    def unfiltered(self) -> bool:
        """Whether genomes are sent that are known to be `invalid`. No algorithm should; a published one does."""
        return False

    @property
    def unfit_for_halving(self) -> str:
        """What makes the algorithm unfit for scores of trainings of different lengths (see `evolution.fidelity`), said
        of it in a clause; empty where survivors are chosen by rank among equals.
        """
        return ""

    @property
    def unfit_for_screening(self) -> str:
        """What makes the algorithm unfit for a model that picks among its proposals, said of it in a clause, or an
        empty text.
        """
        sends = "is sent" if self.unfiltered else "is evaluated again" if self.repeats_known else ""
        return f"what should not be trained {sends}" if sends else ""

    def check(self, space: Space, objectives: Sequence[str], bounds: Bounds | None = None) -> None:
        """Raise SearchError where the algorithm cannot honour this space, these objectives or these bounds.

        Without `bounds` nothing is said about them.
        """

    def check_counted(self, objectives: Sequence[str], counted: Sequence[str]) -> None:
        """Raise SearchError where the algorithm has to know more objectives before an evaluation than are counted."""

    def shortfall(self, view: View) -> int:
        """Return how many children are replaced by fresh random genomes, because survivors are missing."""
        return self.population - len(view.population)

    def prepare(self, view: View) -> Any:
        """Return what the proposals of one generation have in common, such as ranks."""
        return view.order(view.population)

    def propose(self, view: View, prepared: Any, toolbox: Any, rng: Generator) -> Proposal:
        """Return one child; called again where its key is known."""
        raise NotImplementedError

    def survive(self, view: View, offspring: Sequence[Candidate], toolbox: Any) -> list[Candidate]:
        """Return at most `population` of the old population and the offspring, best first where there is an order.

        Arguments:
            view: of the population before, with objectives as they are known now.
            offspring: the new ones in the order of asking; what failed is not among them.
            toolbox: for `select`.
        """
        candidates = pool(view, offspring)
        count = min(self.population, len(candidates))
        if view.spread:
            order = view.order(candidates)
            return sorted(candidates, key=lambda one: order[one.id])[:count]
        return list(toolbox.select(candidates, count))

    def remember(self, view: View, survivors: Sequence[Candidate], offspring: Sequence[Candidate]) -> Mapping[str, Any]:
        """Return JSON values for the next generation's `view.memory["strategy"]`."""
        return {}


def pool(view: View, offspring: Sequence[Candidate]) -> list[Candidate]:
    """Return old population and offspring together, each once, by id."""
    found = {one.id: one for one in (*view.population, *offspring)}
    return [found[number] for number in sorted(found)]
