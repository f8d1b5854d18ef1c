"""The layers of a network as the C runs them: its operations, each under a name that says all its time depends on.

They follow from the genome alone. So what a site costs is what its expression costs as the training begins: its
changes of sign behind a batch norm as the thresholds that they fold into.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from typing import Any

import numpy as np
from torch import nn

from evobnn.deploy.c.expressions import needs_math
from evobnn.deploy.folding import fold, fold_whole
from evobnn.deploy.forms import FORMS
from evobnn.deploy.graph import Graph, Node, Shape, Value
from evobnn.deploy.lower import Behaviour, Lowered, Rule, lower
from evobnn.deploy.ops import Array, BinaryConvolution, Convolution, Expression, Gather, Site, Table, float32
from evobnn.deploy.passes import arriving, composed, live, merged

WIDE, SEEN = 32.0, 6.0
"""Ends of what may arrive behind a batch norm, and of what arrives on images, made wider by half."""
LEVELS = (0, 1, 2, 4, 8, 16)
"""Numbers of thresholds that are measured; those between count as the next larger one."""
STEPS = (1, 2, 4)
"""Numbers of functions of `math.h` in what is evaluated directly, likewise."""


@dataclass(frozen=True, eq=False)
class Layer:
    """An operation and what it reads; `name` says all that its time depends on."""

    name: str
    node: Node
    inputs: tuple[Value, ...]


@dataclass(frozen=True)
class Cost:
    """What a site computes: `thresholds`, everywhere or only where numbers were `seen`; else so many `steps`."""

    thresholds: int = 0
    seen: bool = False
    steps: int = 0

    @property
    def words(self) -> str:
        """As it stands in a name."""
        if self.steps:
            return f"direct={self.steps}"
        return f"thresholds={self.thresholds}" + " seen" * self.seen


COSTS = (
    *(Cost(count, seen) for seen in (False, True) for count in LEVELS),
    *(Cost(steps=steps) for steps in STEPS),
)
"""All that sites can cost."""


def layers_of(
    network: nn.Module, shape: Shape, rules: Mapping[type[nn.Module], Rule] | None = None
) -> tuple[Layer, ...]:
    """Return the layers of a network on images (C, H, W); it is in evaluation mode afterwards.

    Raises NetworkError where no rule knows a module.
    """
    channels = shape[0]
    lowered = lower(network.eval(), shape, np.zeros(channels), np.ones(channels), rules)
    return listed(_with_sites(lowered))


def listed(graph: Graph) -> tuple[Layer, ...]:
    """Return the layers of a graph, in its order."""
    values = graph.values
    return tuple(
        Layer(name_of(node, inputs), node, inputs)
        for node, inputs in ((node, tuple(values[name] for name in node.inputs)) for node in graph.nodes)
    )


def name_of(node: Node, inputs: tuple[Value, ...]) -> str:
    """Return what an operation is called: kind, options, inputs and output, no constant."""
    read = " ".join(map(_map, inputs)) or "nothing"
    return " ".join([type(node.op).__name__.lower(), *_options(node.op), read, ">", _map(node.output)])


def site_of(node: Node, cost: Cost) -> Node:
    """Return a site with the same maps and this cost, on constants made up."""
    channels = node.output.shape[0]
    if cost.steps:
        tree: tuple[Any, ...] = ("x",)
        for _ in range(cost.steps):
            tree = ("sin", tree)
        return replace(node, op=Site((Expression(tree),)))
    line = np.linspace(-2.0, 2.0, cost.thresholds + 2)[1:-1] if cost.thresholds else np.zeros(0)
    thresholds = float32(np.broadcast_to(line[:, None], (cost.thresholds, channels)))
    low, high = (float32(np.full(channels, end)) for end in ((-1e6, 1e6) if cost.seen else (-np.inf, np.inf)))
    table = Table(np.zeros(channels, bool), thresholds, low, high)
    return replace(node, op=Site((Expression(("sin", ("x",))),) if cost.seen else (), table, not cost.seen))


def _map(value: Value) -> str:
    return f"{value.dtype} {'x'.join(map(str, value.shape))}"


def _options(op: Any) -> list[str]:
    if isinstance(op, Site):
        return [_cost_of(op).words]
    if isinstance(op, Gather):
        return []
    found = []
    if isinstance(op, BinaryConvolution | Convolution):
        found.append(f"kernel={'x'.join(map(str, op.weight.shape[2:]))}")
    for one in fields(op):
        value = getattr(op, one.name)
        if isinstance(value, bool | int | float):
            found.append(f"{one.name}={value:g}")
        elif isinstance(value, tuple):
            found.append(f"{one.name}={str(value).replace(' ', '').replace(chr(39), '')}")
    if isinstance(op, Convolution):
        found.append(f"bias={op.bias is not None:g}")
    return found


def _cost_of(site: Site) -> Cost:
    if site.table is None:
        return Cost(steps=_level(_steps(site), STEPS))
    return Cost(_level(len(site.table.thresholds), LEVELS), not site.whole)


def _level(count: int, levels: tuple[int, ...]) -> int:
    return next((level for level in levels if level >= count), levels[-1])


def _steps(site: Site) -> int:
    """Return how many functions of `math.h` a site calls for a number."""
    return sum(_calls(op.tree) for op in site.direct if isinstance(op, Expression))


def _calls(tree: tuple[Any, ...]) -> int:
    own = tree[0] not in FORMS or needs_math(FORMS[tree[0]].c) or FORMS[tree[0]].header
    return bool(own) + sum(_calls(sub) for sub in tree[1:])


def _with_sites(lowered: Lowered) -> Graph:
    """Return the graph with what stands before each sign as part of its site, and without what is then dead."""
    graph = lowered.graph
    nodes = []
    for node in graph.nodes:
        if isinstance(node.op, Site):
            source, chain = arriving(graph, node, lowered.behaviours)
            parts = tuple((one, lowered.behaviours[one.output.name]) for one in chain)
            node = replace(site_of(node, _priced(parts, graph.producers.get(source))), inputs=(source,))
        nodes.append(node)
    return merged(live(replace(graph, nodes=tuple(nodes))))


def _priced(chain: tuple[tuple[Node, Behaviour], ...], producer: Node | None) -> Cost:
    """Return what a site costs whose numbers come from a node, and go through these operations before their sign."""
    forms = [(node.op, behaviour) for node, behaviour in chain]
    own = [(op, behaviour) for op, behaviour in forms if isinstance(op, Expression)]
    if not own:
        return Cost(1)
    constants = [(name, float(values[0])) for op, _ in own for name, values in op.parameters.items()]
    channels = chain[0][0].output.shape[0]
    function = _First(composed([behaviour for _, behaviour in own]), channels)
    sums = None
    if producer is not None and isinstance(producer.op, BinaryConvolution):
        sums = producer.op.terms, 1 if producer.op.zeros else 2
    return _folded(tuple(op.tree for op, _ in own), tuple(constants), function, sums)


@dataclass(frozen=True)
class _First:
    """A function of all channels at the points of the first; equal to any other, as what it computes is the key's."""

    function: Any = field(compare=False)
    channels: int = field(compare=False)

    def __call__(self, points: Array) -> Array:
        values: Array = self.function(np.broadcast_to(points, (self.channels, points.shape[1])))
        return values[:1]


@lru_cache(maxsize=4096)
def _folded(
    trees: tuple[Any, ...], constants: tuple[tuple[str, float], ...], function: _First, sums: tuple[int, int] | None
) -> Cost:
    """Return what a function costs of all real numbers, or of whole sums: of how many terms, and how far apart."""
    if sums is not None:
        terms, step = sums
        found = fold_whole(lambda line: function(line / np.float32(np.sqrt(terms))), 1, terms, step)
        if not found.reasons[0]:
            return Cost(_level(len(found.thresholds[0]), LEVELS))
    for end, seen in ((WIDE, False), (SEEN, True)):
        found = fold(function, float32([-end]), float32([end]))
        if not found.reasons[0]:
            return Cost(_level(len(found.thresholds[0]), LEVELS), seen)
    return Cost(steps=_level(max(1, sum(map(_calls, trees))), STEPS))
