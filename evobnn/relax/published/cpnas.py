"""CP-NAS: Zhuo et al., "CP-NAS: Child-parent neural architecture search for 1-bit CNNs", IJCAI 2020 (arXiv 2005.00057),
section 3 and algorithm 1.

Nothing is relaxed. Operations are drawn for every edge at once, without replacement: in K draws each of the K that are
left on an edge occurs once. Each draw trains the 1-bit child and its real-valued parent for an epoch, and every
operation in it is credited with the indicator z = A_C + beta (A_P - A_C) of their accuracies. After T such rounds the
operation with the least mean on each edge is dropped, until one is left. With beta = 2, the published best, a bad child
is rewarded: see `evobnn.relax.formulas.indicator`.

There is no code. Unconfirmed are T, the recipe, whether weights are shared between draws, and whether z is normalised;
it is not here. Where kinds of cell offer different numbers of operations, edges with fewer wait until all have as few;
what they draw meanwhile comes round again. A draw without a path from image to logits is not trained: both accuracies
are those of guessing.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from torch import Tensor

from evobnn._seeding import child_seed, generator
from evobnn.data.batches import Tensors
from evobnn.errors import ExperimentError, message
from evobnn.evaluation import Bench
from evobnn.evaluation.evaluation import tensors_of
from evobnn.genome import Cell, Edge, Genome
from evobnn.relax.cost import Cost, drawn_epoch, path_macs
from evobnn.relax.derive import Place, derive, edges_of, plain
from evobnn.relax.formulas import Table, dropped, indicator
from evobnn.relax.halves import check_halves, halved
from evobnn.relax.settings import EXPRESSIONS, MODES, Cpnas
from evobnn.relax.step import BEGINNING, Begun, Row, Search, Step, genotype, told
from evobnn.spaces import Space
from evobnn.supernet import Supernet, build, select
from evobnn.supernet.paths import expressed
from evobnn.training import Loop
from evobnn.training.epoch import Unfinished

Left = Mapping[Place, Sequence[str]]
"""The operations that are left on each edge."""


def cpnas(bench: Bench, settings: Cpnas, root: int, begun: Begun = BEGINNING) -> Search:
    """Return CP-NAS's search on a bench, going on where it was."""
    total = settings.repeats * sum(range(2, 1 + max(map(len, begin(bench.space).values()))))
    return Search(total, _steps(bench, settings, root, begun, total), _ranked)


def _steps(bench: Bench, settings: Cpnas, root: int, begun: Begun, total: int) -> Iterator[Step]:
    child, parent = _networks(bench, settings, root, total)
    for line in (child, parent):
        line.restore(begun.tensors, sum("untrained" not in row for row in begun.rows))
    left, done = begin(bench.space), iter(begun.rows)

    for count in range(max(map(len, left.values())), 1, -1):
        credits: defaultdict[tuple[Place, str], list[float]] = defaultdict(list)
        for repeat, number in product(range(settings.repeats), range(count)):
            chosen = without_replacement(left, count, root, repeat)[number]
            genome = drawn_genome(bench, child.supernet, chosen, root, f"{count}.{repeat}.{number}")
            before = next(done, None)
            row = before or _draw(bench, child, parent, genome, settings.beta)
            for place_and_name in chosen.items():
                credits[place_and_name].append(row["indicator"])

            told_at_end: dict[str, Any] = {}
            if (repeat, number) == (settings.repeats - 1, count - 1):
                means = {one: float(np.mean(all_of)) for one, all_of in credits.items()}
                there, left = left, with_one_less(left, means, count)
                told_at_end = _stage(bench, there, left, means)
            if before is None:
                row = {"stage": count, "repeat": repeat + 1, "draw": number + 1, **row, **told_at_end}
                yield Step(row, _cost(bench, genome, row, child.share), lambda: {**child.tensors(), **parent.tensors()})


def _draw(bench: Bench, child: _Line, parent: _Line, genome: Genome, beta: float) -> dict[str, Any]:
    """Train child and parent of a genome for an epoch and return what came of it; guessing where no path leads from
    image to logits.
    """
    chance, lost = 1.0 / bench.prepared.classes, bench.infeasible(genome)
    a, b = (chance, chance) if lost else (child.trained(genome), parent.trained(genome))
    found = {"genome": str(genome), "child": a, "parent": b, "indicator": indicator(a, b, beta)}
    return {**found, "untrained": lost} if lost else found


def begin(space: Space) -> dict[Place, tuple[str, ...]]:
    """Return all offered operations on every edge of the cells that are searched."""
    return {(kind, s, t): tuple(space.offered[kind]) for kind in space.free_kinds for s, t in edges_of(space)}


def without_replacement(left: Left, count: int, root: int, repeat: int) -> list[dict[Place, str]]:
    """Return `count` draws of an operation for every edge, in which each of `count` operations that are left on an edge
    occurs once; those of an edge with fewer come round again in another order.
    """
    rng = generator(root, "relax", "draws", count, repeat)
    queues: dict[Place, list[str]] = {place: [] for place in left}
    for place, names in left.items():
        while len(queues[place]) < count:
            queues[place] += [names[int(at)] for at in rng.permutation(len(names))]
    return [{place: queue[number] for place, queue in queues.items()} for number in range(count)]


def with_one_less(left: Left, means: Mapping[tuple[Place, str], float], count: int) -> dict[Place, tuple[str, ...]]:
    """Return what is left after a stage: the least of `count` operations is dropped, edges with fewer stay."""
    found = {}
    for place, names in left.items():
        gone = dropped([means[place, name] for name in names]) if len(names) == count else None
        found[place] = tuple(name for at, name in enumerate(names) if at != gone)
    return found


def drawn_genome(bench: Bench, supernet: Supernet, chosen: Mapping[Place, str], root: int, draw: str) -> Genome:
    """Return the genome of a draw: an operation on every edge of the cells that are searched. Expressions are those
    that are given, else drawn where the network keeps some, else the plain sign.
    """
    space = bench.space
    cells = space.frozen.cell_by_kind
    for kind in space.free_kinds:
        cells[kind] = Cell(tuple(Edge(s, t, name) for (own, s, t), name in chosen.items() if own == kind))
    genome = Genome.of({kind: cells[kind] for kind in space.kinds}, plain(space).expression_by_site)
    if not supernet.expressions:
        return genome
    rng = generator(root, "relax", "expressions", draw)
    return expressed(bench, genome, supernet.expressions, rng) or genome


def _stage(bench: Bench, left: Left, after: Left, means: Mapping[tuple[Place, str], float]) -> dict[str, Any]:
    """Return what a row tells at the end of a stage: mean indicators, and the genotype of the best of what is left."""
    space = bench.space
    tables = _tables(space, left, means)
    rest = {kind: np.where(_there(space, after)[kind], table, -np.inf) for kind, table in tables.items()}
    return {
        "indicators": told(space, tables),
        "left": {kind: {f"{s}>{t}": list(after[kind, s, t]) for s, t in edges_of(space)} for kind in tables},
        "genotype": genotype(bench, derive(space, rest, bench.infeasible)),
    }


def _tables(space: Space, left: Left, means: Mapping[tuple[Place, str], float]) -> dict[str, Table]:
    found = {kind: np.full((len(edges_of(space)), len(space.offered[kind])), -np.inf) for kind in space.free_kinds}
    for (kind, *edge), names in left.items():
        for name in names:
            row = edges_of(space).index((edge[0], edge[1]))
            found[kind][row, space.offered[kind].index(name)] = means[(kind, edge[0], edge[1]), name]
    return found


def _there(space: Space, left: Left) -> dict[str, np.ndarray]:
    return {
        kind: np.array([[name in left[kind, s, t] for name in space.offered[kind]] for s, t in edges_of(space)])
        for kind in space.free_kinds
    }


def _cost(bench: Bench, genome: Genome, row: Row, share: float) -> Cost:
    if "untrained" in row:
        return Cost()
    images = round(share * bench.prepared.train_count)
    return Cost(drawn_epoch(share), 2.0 * path_macs(bench, genome, images))


def _ranked(rows: Sequence[Row]) -> list[str]:
    """Return the genotype of what is left in the end, then those of the ends of stages before, latest first."""
    return [row["genotype"]["genome"] for row in reversed(rows) if "genotype" in row]


@dataclass
class _Line:
    """The child's or the parent's shared network with its training.

    Attributes:
        again: weights with which each draw begins; empty where they are shared between draws.
    """

    name: str
    supernet: Supernet
    loop: Loop
    again: Mapping[str, Tensor]

    @property
    def share(self) -> float:
        """Part of all training images that an epoch sees."""
        return self.loop.loader.count / self.supernet.bench.prepared.train_count

    def trained(self, genome: Genome) -> float:
        """Return the accuracy on the second half, in [0, 1], after an epoch on the first."""
        if self.again:
            self.loop.network.load_state_dict(self.again)
            self.loop.optimiser.state.clear()
        select(self.supernet, genome)
        try:
            error = self.loop.advance().validation_error
        except Unfinished as end:
            expected = f"a {self.name} network that can be trained"
            raise ExperimentError(message(expected, str(end), "Lower recipe.learning_rate.")) from end
        return 1.0 - float(1.0 if error is None else error)

    def tensors(self) -> dict[str, Tensor]:
        """Return all that changes between draws, by name."""
        return {f"{self.name}.{name}": tensor for name, tensor in self.loop.tensors().items()}

    def restore(self, tensors: Mapping[str, Tensor], epoch: int) -> None:
        """Go on where it was after so many draws; nothing happens for no tensors."""
        head = f"{self.name}."
        own = {name.removeprefix(head): tensor for name, tensor in tensors.items() if name.startswith(head)}
        if own:
            self.loop.restore(own, epoch)


def _networks(bench: Bench, settings: Cpnas, root: int, total: int) -> tuple[_Line, _Line]:
    """Return the child's and the parent's shared network, which begin with the same weights and see the same images."""
    data = tensors_of(bench.prepared.folder, bench.device)
    check_halves(data.count, settings.batch)
    halves: Tensors = halved(data, root)
    recipe = replace(bench.protocol.recipe, epochs=total, batch=settings.batch, schedule="constant")
    found = []
    for name, mode in (("child", "binary"), ("parent", "real")):
        own = replace(recipe, **MODES[mode])  # type: ignore[arg-type]
        place = replace(bench, protocol=replace(bench.protocol, recipe=own))
        supernet = build(place, root, settings.expressions, EXPRESSIONS)
        loop = Loop(supernet.network, halves, own, child_seed(root, "relax", "training"))
        start = {} if settings.shared else copy.deepcopy(supernet.network.state_dict())
        found.append(_Line(name, supernet, loop, start))
    return found[0], found[1]
