"""Genomes in which every operation of a space stands in every kind of place."""

from __future__ import annotations

from collections.abc import Iterator

from evobnn._seeding import generator
from evobnn.genome import Cell, Edge, Genome
from evobnn.spaces.base import Space

SAMPLED = 24
"""Genomes of random cells beside the uniform ones."""


def uniform(space: Space) -> Iterator[Genome]:
    """Yield genomes of one operation each, on edges from the inputs, then on edges from the nodes before; one genome
    where no cells are searched.
    """
    names = dict.fromkeys(name for kind in space.free_kinds for name in space.offered[kind])
    for name in names or [""]:
        for late in (False, True) if names else (False,):
            cells = space.frozen.cell_by_kind
            for kind in space.free_kinds:
                taken = name if name in space.offered[kind] else space.offered[kind][0]
                cells[kind] = Cell(
                    tuple(Edge(source, n, taken) for n in space.own_nodes for source in _sources(space, n, late))
                )
            for expression in dict.fromkeys((space.plainest(), space.richest())):
                yield space.completed(cells, expression)


def covering(space: Space) -> Iterator[Genome]:
    """Yield the uniform genomes, both extremes and some random cells with the plainest sign, always the same."""
    yield from uniform(space)
    yield from space.extremes()
    rng = generator(0, "covering")
    for _ in range(SAMPLED):
        yield space.completed(space.sample(rng).cell_by_kind, space.plainest())


def _sources(space: Space, node: int, late: bool) -> range:
    return range(node - space.degree(node), node) if late else range(space.degree(node))
