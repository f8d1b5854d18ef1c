"""The real-valued twin of a network: what its shape costs in float, for times beside its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from evobnn.deploy.graph import Graph
from evobnn.deploy.ops import (
    BinaryConvolution,
    Convolution,
    Expression,
    Relu,
    Signed,
    Site,
    float32,
)


def real_twin(graph: Graph) -> Graph:
    """Return a graph that is not folded with ReLU in place of its sites, without expressions, with float weights.

    Weights are ±1/sqrt(terms), borders are zeros: only shapes count.
    """
    names: dict[str, str] = {graph.input.name: graph.input.name}
    nodes = []
    for node in graph.nodes:
        inputs = tuple(names[name] for name in node.inputs)
        names[node.output.name] = node.output.name
        op = node.op
        if isinstance(op, (Expression, Signed)):
            names[node.output.name] = inputs[0]
            continue
        if isinstance(op, Site):
            op = Relu()
        elif isinstance(op, BinaryConvolution):
            weight = float32(np.where(op.weight, 1, -1) / np.sqrt(op.terms))
            op = Convolution(weight, None, (op.stride,) * 2, (op.border,) * 4, op.dilation, op.groups)
        nodes.append(replace(node, op=op, inputs=inputs, output=replace(node.output, dtype="f32")))
    return Graph(graph.input, tuple(nodes), names[graph.output])
