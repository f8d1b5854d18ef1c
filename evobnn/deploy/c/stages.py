"""Which operations run together, row by row: one that needs whole maps, and behind it those that need only its rows."""

from __future__ import annotations

from dataclasses import dataclass, field

from evobnn.deploy.graph import Graph, Node
from evobnn.deploy.ops import Add, Concat, Elementwise, Gather, Signed, Site

ROWWISE = (Elementwise, Site, Add, Gather, Signed, Concat)
"""A row of their output needs only that row of their inputs."""


@dataclass
class Stage:
    """Nodes that run for one row, then for the next; all their outputs have as many rows.

    `rows` are the maps that nobody reads outside of the stage: of these one row is kept at a time.
    """

    nodes: list[Node] = field(default_factory=list)
    rows: set[str] = field(default_factory=set)


def stages(graph: Graph) -> list[Stage]:
    """Return the stages of a graph in an order in which they can run."""
    found: list[Stage] = []
    home: dict[str, int] = {graph.input.name: -1}
    values = graph.values
    for node in graph.nodes:
        at = max((home[name] for name in node.inputs), default=-1)
        if not (isinstance(node.op, ROWWISE) and at >= 0 and _lines(found[at]) == node.output.shape[1:]):
            found.append(Stage())
            at = len(found) - 1
        found[at].nodes.append(node)
        home[node.output.name] = at
    for name, nodes in graph.readers().items():
        inner = home[name] >= 0 and all(home[node.output.name] == home[name] for node in nodes)
        if inner and name != graph.output and values[name].dtype != "bit" and _rowwise(nodes):
            found[home[name]].rows.add(name)
    return found


def _lines(stage: Stage) -> tuple[int, int]:
    return stage.nodes[0].output.shape[1:]


def _rowwise(nodes: list[Node]) -> bool:
    return all(isinstance(node.op, ROWWISE) for node in nodes)
