"""Where maps lie in memory: those that are needed at different times may share a place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evobnn.deploy.c.stages import Stage
from evobnn.deploy.graph import Graph, Value

ALIGNED = 8
"""Places are multiples of so many elements."""


@dataclass(frozen=True)
class Lifetime:
    """Elements that are needed from one stage to another, both included."""

    name: str
    size: int
    first: int
    last: int


@dataclass(frozen=True)
class Arena:
    """Where each map begins, in elements, and how many elements there are in all."""

    places: dict[str, int]
    size: int


def arena(lifetimes: Sequence[Lifetime]) -> Arena:
    """Return places in which no two lifetimes that meet overlap: the largest first, each as low as may be."""
    placed: list[tuple[int, Lifetime]] = []
    for one in sorted(lifetimes, key=lambda one: (-one.size, one.first, one.name)):
        at = 0
        for start, other in sorted(placed, key=lambda pair: pair[0]):
            meets = one.first <= other.last and other.first <= one.last
            if meets and at + one.size > start and start + other.size > at:
                at = -(-(start + other.size) // ALIGNED) * ALIGNED
        placed.append((at, one))
    size = max((at + one.size for at, one in placed), default=0)
    return Arena({one.name: at for at, one in placed}, -(-size // ALIGNED) * ALIGNED)


def bytes_of(value: Value) -> int:
    """Return the bytes of one pixel of bits."""
    return -(-value.shape[0] // 8)


def arenas(graph: Graph, order: Sequence[Stage]) -> tuple[Arena, Arena]:
    """Return where the maps of numbers lie, in floats, and those of bits, in bytes.

    Of a map that only its own stage reads, row by row, one row is kept. The logits have their own place.
    """
    home = {node.output.name: number for number, stage in enumerate(order) for node in stage.nodes}
    rows = {name for stage in order for name in stage.rows}
    real: list[Lifetime] = []
    bits: list[Lifetime] = []
    readers = graph.readers()
    for name, value in graph.values.items():
        if name in (graph.input.name, graph.output):
            continue
        last = max((home[node.output.name] for node in readers[name]), default=home[name])
        c, h, w = value.shape
        if value.dtype == "bit":
            bits.append(Lifetime(name, bytes_of(value) * h * w, home[name], last))
        else:
            real.append(Lifetime(name, c * (1 if name in rows else h) * w, home[name], last))
    return arena(real), arena(bits)
