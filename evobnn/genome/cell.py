"""Cells: small directed graphs whose edges carry operations."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple


class Edge(NamedTuple):
    """An operation applied to node `source`, added to node `target`.

    Nodes 0 and 1 are the cell's inputs (the outputs of the cell before the previous one and of the previous one);
    2, 3, ... are its own nodes in order.

    >>> from evobnn.genome import Edge
    >>> print(Edge(0, 2, "conv3"))
    conv3(0)
    """

    source: int
    target: int
    operation: str

    def __str__(self) -> str:
        return f"{self.operation}({self.source})"


_target = itemgetter(1)


@dataclass(frozen=True, slots=True)
class Cell:
    """A tuple of edges, kept in the order of their targets; printed as `2 = conv3(0) + max3(1); 3 = ...`.

    >>> print(evobnn.Cell(((1, 2, "max3"), (0, 2, "conv3"))))
    2 = max3(1) + conv3(0)
    """

    edges: tuple[Edge, ...]

    def __post_init__(self) -> None:
        edges = (edge if type(edge) is Edge else Edge(*edge) for edge in self.edges)
        object.__setattr__(self, "edges", tuple(sorted(edges, key=_target)))

    def __str__(self) -> str:
        nodes = groupby(self.edges, key=_target)
        return "; ".join(f"{node} = {' + '.join(map(str, edges))}" for node, edges in nodes)

    def into(self, node: int) -> tuple[Edge, ...]:
        """Return the edges that end in `node`, in their stored order."""
        return tuple(edge for edge in self.edges if edge.target == node)

    def with_node(self, node: int, edges: tuple[Edge, ...]) -> Cell:
        """Return a cell in which `edges` are all that ends in `node`."""
        return Cell(tuple(e for e in self.edges if e.target != node) + edges)
