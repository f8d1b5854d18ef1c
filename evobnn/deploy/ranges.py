"""Between which numbers every map of a graph must lie, whatever the image: intervals per channel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from evobnn.deploy.graph import Graph
from evobnn.deploy.ops import (
    Add,
    Affine,
    Array,
    AveragePool,
    BinaryConvolution,
    Concat,
    Convolution,
    Gather,
    Hardtanh,
    MaxPool,
    MeanOfParts,
    Normalise,
    Op,
    Prelu,
    Relu,
    Scale,
    Signed,
    Subsample,
    Zeros,
)

Range = tuple[Array, Array]
"""(low, high), float64 (C,) each."""

ROUNDING = 1e-4
"""What sums of float32 may go beyond the interval by, in parts of its larger end."""


def ranges(graph: Graph) -> dict[str, Range]:
    """Return for every map of numbers the interval that it cannot leave; infinite where nothing is known."""
    none = np.zeros(graph.input.shape[0])
    found: dict[str, Range] = {graph.input.name: (none, none + 255.0)}
    for node in graph.nodes:
        channels = node.output.shape[0]
        bound = BOUNDS.get(type(node.op))
        if isinstance(node.op, Zeros):
            found[node.output.name] = (np.zeros(channels), np.zeros(channels))
        elif bound is None:
            found[node.output.name] = (np.full(channels, -np.inf), np.full(channels, np.inf))
        else:
            low, high = bound(node.op, *(found[name] for name in node.inputs))
            slack = ROUNDING * np.maximum(abs(low), abs(high))
            exact = node.output.dtype == "i32"
            found[node.output.name] = (low, high) if exact else (low - slack, high + slack)
    return found


def _ends(a: Array, b: Array) -> Range:
    return np.minimum(a, b), np.maximum(a, b)


def _normalise(op: Normalise, x: Range) -> Range:
    return _ends((x[0] - op.mean) / op.deviation, (x[1] - op.mean) / op.deviation)


def _scale(op: Scale, x: Range) -> Range:
    return _ends(x[0] * op.factor, x[1] * op.factor)


def _affine(op: Affine, x: Range) -> Range:
    return _ends(x[0] * op.factor + op.offset, x[1] * op.factor + op.offset)


def _prelu(op: Prelu, x: Range) -> Range:
    ends = [np.maximum(one, 0) + op.slope * np.minimum(one, 0) for one in (*x, np.clip(0.0, *x))]
    return np.min(ends, axis=0), np.max(ends, axis=0)


def _convolution(op: Convolution, x: Range) -> Range:
    filters, inputs = op.weight.shape[:2]
    low, high = (np.minimum(x[0], 0), np.maximum(x[1], 0)) if any(op.padding) else x
    weight = op.weight.astype(np.float64).reshape(op.groups, filters // op.groups, inputs, -1)
    up, down = np.maximum(weight, 0).sum(-1), np.minimum(weight, 0).sum(-1)
    low, high = (end.reshape(op.groups, 1, inputs) for end in (low, high))
    bias = 0.0 if op.bias is None else op.bias
    least, most = (up * low + down * high).sum(-1), (up * high + down * low).sum(-1)
    return least.reshape(-1) + bias, most.reshape(-1) + bias


def _binary_convolution(op: BinaryConvolution, x: Range) -> Range:
    most = np.full(len(op.weight), float(op.terms))
    return -most, most


def _as_it_is(op: Any, x: Range) -> Range:
    return x


BOUNDS: dict[type[Op], Callable[..., Range]] = {
    Normalise: _normalise,
    Convolution: _convolution,
    BinaryConvolution: _binary_convolution,
    Scale: _scale,
    Affine: _affine,
    Relu: lambda op, x: (np.maximum(x[0], 0), np.maximum(x[1], 0)),
    Prelu: _prelu,
    Hardtanh: lambda op, x: (np.clip(x[0], -op.bound, op.bound), np.clip(x[1], -op.bound, op.bound)),
    Signed: lambda op, x: (-np.ones_like(x[0]), np.ones_like(x[1])),
    MaxPool: _as_it_is,
    AveragePool: _as_it_is,
    MeanOfParts: _as_it_is,
    Add: lambda op, a, b: (a[0] + b[0], a[1] + b[1]),
    Concat: lambda op, *maps: (np.concatenate([m[0] for m in maps]), np.concatenate([m[1] for m in maps])),
    Gather: lambda op, x: (x[0][list(op.channels)], x[1][list(op.channels)]),
    Subsample: _as_it_is,
}
"""The interval of each kind of operation; bits, expressions and logits have none."""
