"""Every genome of a small space, one for each key: what a table of recorded trainings is made over."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations, product

from evobnn.errors import GenomeError, message
from evobnn.genome import Cell, Edge, Expression, Genome
from evobnn.spaces.base import Space
from evobnn.spaces.canonical import key
from evobnn.spaces.shapes import express

MOST = 200_000
"""Genomes above which a space does not count as small."""


def genotypes(space: Space) -> int:
    """Return the number of genomes of the space as they are written, before equal networks are merged."""
    total = 1
    for kind in space.free_kinds:
        for node in space.own_nodes:
            degree = space.degree(node)
            total *= math.comb(node, degree) * len(space.offered[kind]) ** degree
    slots = math.prod(len(space.alphabet.names(role)) for role in space.shape.roles())
    return int(total * slots ** len(space.free_sites))


def every(space: Space, most: int = MOST) -> Iterator[tuple[str, Genome]]:
    """Yield (key, genome) for every key of the space, each with the first genome that has it, in a fixed order.

    Raises:
        GenomeError: the space has more than `most` genomes; at the first step, as with every generator.
    """
    count = genotypes(space)
    if count > most:
        raise GenomeError(
            message(
                f"a space of at most {most:,} genomes",
                f"{space.name} with {count:,}",
                "Narrow it: space.freeze, space.nodes, space.offered, space.unary and space.binary.",
            )
        )
    seen: set[str] = set()
    for parts in product(*_parts(space)):
        cells, expressions = dict(space.frozen.cells), dict(space.frozen.expressions)
        for name, part in parts:
            if isinstance(part, Cell):
                cells[name] = part
            else:
                expressions[name] = part
        genome = Genome.of({kind: cells[kind] for kind in space.kinds}, expressions)
        name = key(space, genome)
        if name not in seen:
            seen.add(name)
            yield name, genome


def _parts(space: Space) -> list[list[tuple[str, Cell | Expression]]]:
    """Return, for each searched cell and expression, all it can be."""
    found: list[list[tuple[str, Cell | Expression]]] = []
    for kind in space.free_kinds:
        nodes = [list(_nodes(space, kind, node)) for node in space.own_nodes]
        found.append([(kind, Cell(tuple(e for node in one for e in node))) for one in product(*nodes)])
    slots = [space.alphabet.names(role) for role in space.shape.roles()]
    for site in space.free_sites:
        found.append([(site, express(space.shape, genes, space.forms)) for genes in product(*slots)])
    return found


def _nodes(space: Space, kind: str, node: int) -> Iterator[tuple[Edge, ...]]:
    """Yield all that may lead into a node."""
    degree = space.degree(node)
    for sources in combinations(range(node), degree):
        for operations in product(space.offered[kind], repeat=degree):
            yield tuple(Edge(s, node, o) for s, o in zip(sources, operations, strict=True))
