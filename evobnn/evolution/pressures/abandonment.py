"""Abandonment (CP-NAS-like): round by round every edge loses the operation that did worst in a balanced block.

Zhuo et al., IJCAI 2020, arXiv 2005.00057 (section 4.2 of the fact sheet): for one architecture the child (1-bit) and
the parent (real-valued) are trained; both accuracies make the indicator by which operations are given up. There both
share weights and only one architecture is left at the end; here every genome of a block is trained by itself, beside a
population that goes on, and two operations stay.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evobnn._checks import check_at_least, check_between
from evobnn._seeding import Generator, pick
from evobnn.errors import SearchError, message
from evobnn.evolution.pressures.base import Pressure
from evobnn.evolution.view import View
from evobnn.genome import Cell, Edge, Genome
from evobnn.records import Result, Status
from evobnn.spaces import Space, key
from evobnn.spaces.loci import edge_loci, edge_locus, loci

NAME = "abandonment"
KEPT = 2
"""Operations that an edge never falls below."""
TRIES = 50
"""Expressions drawn for a row of operations before an infeasible or known genome is taken after all."""

Alive = Mapping[str, Sequence[str]]
"""Surviving operations by edge, in the order in which the space offers them."""


@dataclass(frozen=True)
class Abandonment(Pressure):
    """Settings of abandonment.

    Every `every` generations, from generation 1 on, as many genomes as any edge has surviving operations, times
    `draws`, are evaluated with their real-valued twins beside the population and within the constant number of
    evaluations. z = A_C + beta (A_P - A_C), A = 1 - error of child and parent, is credited to every operation on its
    edge, and each edge loses the one of least mean z. Survivors of the population that hold it stay; offspring and
    fresh samples are repaired. When every edge is down to two, no more blocks are asked for.

    Attributes:
        every: generations from one block to the next.
        beta: weight of the parent's lead; 2 as published, where the child's accuracy counts negatively; 0 is the child
            alone, 1 the parent alone.
        draws: times that every surviving operation is drawn in a block; T of the paper, whose value is unconfirmed.
    """

    every: int = 2
    beta: float = 2.0
    draws: int = 1

    def __post_init__(self) -> None:
        check_at_least("pressures.abandonment.every", self.every, 1)
        check_between("pressures.abandonment.beta", self.beta, -100.0, 100.0)
        check_at_least("pressures.abandonment.draws", self.draws, 1)

    def check(self, space: Space, objectives: Sequence[str], batch: int) -> None:
        """Raise SearchError for a space without searched cells, without the error, or where a block fills a batch."""
        if not space.free_kinds:
            got = f"the space {space.name} with none"
            raise SearchError(message("searched cells for abandonment", got, "Unfreeze one, or turn abandonment off."))
        if "error" not in objectives:
            got = ", ".join(objectives)
            raise SearchError(message("the objective error for abandonment", got, "Add it, or turn abandonment off."))
        size = self._size(_offered(space))
        if batch < size + 1:
            got = f"{batch} for a block of {size}"
            do = "Take a larger population, fewer operations or draws, or turn abandonment off."
            raise SearchError(message(f"at least {size + 1} evaluations a generation", got, do))

    def block(self, view: View, toolbox: Any, rng: Generator) -> Sequence[Genome]:
        """Return genomes that have every surviving operation of an edge equally often, but for one time.

        For each edge the operations are drawn without replacement; an edge with fewer than others begins again. Where
        nodes have fewer inputs than could be, sources are drawn uniformly, and only edges that are there draw.
        """
        alive = _alive(view)
        over = max(map(len, alive.values())) <= KEPT
        if view.generation < 1 or (view.generation - 1) % self.every or over:
            return ()
        decks: dict[str, list[str]] = {place: [] for place in alive}

        def deal(place: str) -> str:
            if not decks[place]:
                decks[place] += [alive[place][at] for at in rng.permutation(len(alive[place]))]
            return decks[place].pop()

        known = {one.key for one in view.archive}
        found: list[Genome] = []
        for _ in range(self._size(alive)):
            cells = {kind: _wired(view.space, kind, deal, rng) for kind in view.space.free_kinds}
            found.append(_expressed(view.space, cells, known, toolbox, rng))
            known.add(key(view.space, found[-1]))
        return found

    def _size(self, alive: Alive) -> int:
        return self.draws * max(map(len, alive.values()))

    def repair(self, view: View, genome: Genome, rng: Generator) -> Genome:
        """Return the genome with a uniformly drawn surviving operation in place of every abandoned one."""
        if not view.memory.get(NAME):
            return genome
        alive = _alive(view)
        for kind in view.space.free_kinds:
            edges = genome.cell_by_kind[kind].edges
            mended = tuple(
                edge
                if edge.operation in alive[place := edge_locus(kind, edge.source, edge.target)]
                else Edge(edge.source, edge.target, pick(rng, alive[place]))
                for edge in edges
            )
            if mended != edges:
                genome = genome.with_cell(kind, Cell(mended))
        return genome

    def remember(self, view: View, results: Sequence[Result]) -> Mapping[str, Any]:
        """Return the surviving operations by edge (`alive`) and how often some were to be abandoned (`rounds`).

        Failed genomes and those whose twin failed are left out. An individual that was known before is credited as it
        was first written.
        """
        memory: Mapping[str, Any] = view.memory.get(NAME, {})
        if not any(result.request.twin for result in results):
            return memory
        alive = _alive(view)
        credit: dict[str, dict[str, list[float]]] = {place: {} for place in alive}
        for result in results:
            score = self.score(result)
            if score is not None:
                for place, operation in loci(view.space, view.space.parse(result.request.individual.genome)):
                    if operation in alive.get(place, ()):
                        credit[place].setdefault(operation, []).append(score)
        return {
            "alive": {place: _left(names, credit[place]) for place, names in alive.items()},
            "rounds": memory.get("rounds", 0) + 1,
        }

    def score(self, result: Result) -> float | None:
        """Return z = A_C + beta (A_P - A_C) of a genome of the block, or None where it or its twin has failed."""
        evaluation = result.evaluation
        parent = evaluation.measures.get("parent_error", math.nan)
        if not result.request.twin or evaluation.status is not Status.OK or not math.isfinite(parent):
            return None
        child = 1.0 - evaluation.objectives["error"]
        return child + self.beta * (1.0 - parent - child)

    def log(self, view: View) -> Mapping[str, float]:
        """Return the mean number of surviving operations per edge, and the number of rounds so far."""
        alive = _alive(view)
        rounds = view.memory.get(NAME, {}).get("rounds", 0)
        return {"surviving": sum(map(len, alive.values())) / len(alive), "rounds": rounds}


def _offered(space: Space) -> Alive:
    return {place: list(space.offered[place.partition("/")[0]]) for place in edge_loci(space)}


def _alive(view: View) -> Alive:
    """Return what survives as the memory has it, at first what the space offers."""
    found: Alive = view.memory.get(NAME, {}).get("alive") or _offered(view.space)
    return found


def _wired(space: Space, kind: str, deal: Callable[[str], str], rng: Generator) -> Cell:
    """Return a cell with uniformly drawn sources and dealt operations."""
    edges = []
    for node in space.own_nodes:
        for source in sorted(int(s) for s in rng.choice(node, size=space.degree(node), replace=False)):
            edges.append(Edge(source, node, deal(edge_locus(kind, source, node))))
    return Cell(tuple(edges))


def _expressed(space: Space, cells: Mapping[str, Cell], known: set[str], toolbox: Any, rng: Generator) -> Genome:
    """Return these cells with drawn expressions: worth an evaluation and not measured yet, as far as tries go."""
    for _ in range(TRIES if space.free_sites else 1):
        drawn = toolbox.sample(rng)
        genome = Genome.of({**drawn.cell_by_kind, **cells}, drawn.expression_by_site)
        if not toolbox.feasible(genome) and key(space, genome) not in known:
            break
    return genome


def _left(names: Sequence[str], credit: Mapping[str, Sequence[float]]) -> list[str]:
    """Return the operations of an edge without the one of least mean credit; all of them where two or fewer are left
    or fewer than two were drawn. Of equals the first one goes.
    """
    means = {name: math.fsum(credit[name]) / len(credit[name]) for name in names if name in credit}
    if len(names) <= KEPT or len(means) < 2:
        return list(names)
    worst = min(means, key=lambda name: means[name])
    return [name for name in names if name != worst]
