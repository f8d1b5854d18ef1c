"""A network as data: operations in an order in which they can run, and the maps between them. Printers read this."""

from __future__ import annotations

from dataclasses import dataclass

from evobnn.deploy.ops import Op, Site

Shape = tuple[int, int, int]

DTYPES = ("u8", "f32", "bit", "i32")
"""Grey values; real numbers; ±1, of which a 1 is +1; sums of products of ±1, which are whole numbers."""


@dataclass(frozen=True)
class Value:
    """A map between operations: its name, (C, H, W) and one of `DTYPES`. Logits are (classes, 1, 1)."""

    name: str
    shape: Shape
    dtype: str


@dataclass(frozen=True, eq=False)
class Node:
    """An operation in its place: the names of what it reads, what it puts out, the path of its module."""

    op: Op
    inputs: tuple[str, ...]
    output: Value
    path: str


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes in an order in which they can run, from the grey values `input` to the map named `output`."""

    input: Value
    nodes: tuple[Node, ...]
    output: str

    @property
    def values(self) -> dict[str, Value]:
        """Every map by its name."""
        return {self.input.name: self.input, **{node.output.name: node.output for node in self.nodes}}

    @property
    def producers(self) -> dict[str, Node]:
        """The node that puts out a map, by the map's name."""
        return {node.output.name: node for node in self.nodes}

    @property
    def sites(self) -> tuple[Node, ...]:
        """The nodes that binarise, in the order in which they run."""
        return tuple(node for node in self.nodes if isinstance(node.op, Site))

    def readers(self) -> dict[str, list[Node]]:
        """Return the nodes that read each map, by the map's name."""
        found: dict[str, list[Node]] = {name: [] for name in self.values}
        for node in self.nodes:
            for name in node.inputs:
                found[name].append(node)
        return found
