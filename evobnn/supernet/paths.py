"""What the shared network is trained on: genomes for each step, drawn by one of three samplings.

`uniform` is Guo et al., ECCV 2020 (arXiv 1904.00420), section 3.3. `fair` is the strict fairness of Chu, Zhang, Xu,
"FairNAS", ICCV 2021 (arXiv 1907.01845), section 3.4: a step of the optimiser is a round of as many genomes as there are
operations, on one batch, with their gradients added up; so an epoch costs as many uniform ones. `sandwich` is the rule
of Yu and Huang, ICCV 2019 (arXiv 1903.05134), section 3, that NAS-BNN and BigNAS use too; without their teaching of the
smaller networks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from evobnn._seeding import Generator, generator
from evobnn.errors import ExperimentError, message
from evobnn.evaluation import Bench
from evobnn.genome import Cell, Expression, Genome
from evobnn.spaces import Choose, Space
from evobnn.supernet.expressions import drawn

Genomes = tuple[Genome, ...]
DRAWN_IN_SANDWICH = 2
_TRIES, _EXPRESSIONS = 100, 20
"""Draws of cells, and of expressions for each, after which nothing is taken to be trainable."""


def paths(bench: Bench, known: tuple[Expression, ...], sampling: str, seed: int, epoch: int) -> Iterator[Genomes]:
    """Yield without end the genomes of one step after another: a pure function of the arguments.

    Arguments:
        bench: whose space they are of; none is one that it would not train.
        known: expressions with learnable vectors that may be drawn, see `evobnn.supernet.expressions.drawn`.
        sampling: `uniform`, `fair` or `sandwich`.
        seed: of the shared network.
        epoch: from 0.
    """
    rng = generator(seed, "supernet", "paths", epoch)
    if sampling == "sandwich":
        yield from _sandwich(bench, known, rng)  # without end
    queues: dict[tuple[str, int, int], list[str]] = {}
    choose = partial(_next, queues) if sampling == "fair" else None
    count = round_of(bench.space) if sampling == "fair" else 1
    while True:
        yield tuple(_one(bench, known, rng, choose) for _ in range(count))


def round_of(space: Space) -> int:
    """Return how many genomes a fair round has: as many as an edge has operations, of the kind that has most; 1 where
    no cell is searched.
    """
    return max((len(space.offered[kind]) for kind in space.free_kinds), default=1)


def _sandwich(bench: Bench, known: tuple[Expression, ...], rng: Generator) -> Iterator[Genomes]:
    least, most = bench.extremes()
    while True:
        ends = [found for one in (most, least) if (found := expressed(bench, one, known, rng)) is not None]
        yield (*ends, *(_one(bench, known, rng, None) for _ in range(DRAWN_IN_SANDWICH)))


def _one(bench: Bench, known: tuple[Expression, ...], rng: Generator, choose: Choose | None) -> Genome:
    """Return a drawn genome that can be trained."""
    space = bench.space
    for _ in range(_TRIES):
        cells = space.frozen.cell_by_kind
        for kind in space.free_kinds:
            into = [space.sample_node(kind, node, rng, choose) for node in space.own_nodes]
            cells[kind] = Cell(tuple(edge for edges in into for edge in edges))
        genome = Genome.of({kind: cells[kind] for kind in space.kinds}, {})
        if (found := expressed(bench, genome, known, rng)) is not None:
            return found
    got, do = f"none among {_TRIES:,} drawn ones", "Widen the space."
    raise ExperimentError(message(f"genomes of the space {space.name} that can be trained", got, do))


def expressed(bench: Bench, genome: Genome, known: tuple[Expression, ...], rng: Generator) -> Genome | None:
    """Return a genome with drawn expressions that can be trained, or None where none was found."""
    for _ in range(_EXPRESSIONS):
        found = Genome(genome.cells, drawn(bench.space, known, rng).expressions)
        if not bench.infeasible(found):
            return found
    return None


def _next(
    queues: dict[tuple[str, int, int], list[str]], kind: str, source: int, target: int, names: Sequence[str],
    rng: Generator,
) -> str:  # fmt: skip
    """Return the next operation of an edge; when it has had all, they come again in another order."""
    queue = queues.setdefault((kind, source, target), [])
    if not queue:
        queue.extend(names[int(at)] for at in rng.permutation(len(names)))
    return queue.pop()
