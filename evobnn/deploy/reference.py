"""What a graph means in numbers: an interpreter in NumPy that every printer is compared with.

float32 throughout, products rounded before they are added, sums in one order that is said at each operation. Binary
convolutions count differing bits of packed words.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from evobnn.deploy.forms import computed
from evobnn.deploy.graph import Graph, Node
from evobnn.deploy.ops import (
    Add,
    Affine,
    Array,
    AveragePool,
    BinaryConvolution,
    Concat,
    Convolution,
    Expression,
    Gather,
    Hardtanh,
    Linear,
    MaxPool,
    MeanOfParts,
    Normalise,
    Op,
    Prelu,
    Relu,
    Scale,
    Signed,
    Site,
    Subsample,
    Table,
    Zeros,
)
from evobnn.deploy.windows import average_pool, binary_convolution, convolution, max_pool, mean_of_parts

Watch = Callable[[Node, list[Array], Array], Array | None]
"""`watch(node, inputs, output)` sees every operation, and may return what goes on in place of the output."""


def evaluate(graph: Graph, images: Array, watch: Watch | None = None) -> Array:
    """Return the logits (N, classes), float32, of grey values (N, C, H, W), uint8.

    Bits are bool arrays, sums int32, all (N, C, H, W). What nobody reads any more is dropped.

    >>> from evobnn.deploy import evaluate, lower
    >>> network = evobnn.load_run("populations/digits").network(63).eval()
    >>> lowered = lower(network, (1, 8, 8), mean=[78.0], deviation=[96.0])
    >>> import numpy as np
    >>> evaluate(lowered.graph, np.zeros((2, 1, 8, 8), np.uint8)).shape
    (2, 10)
    """
    last = {name: number for number, node in enumerate(graph.nodes) for name in node.inputs}
    values: dict[str, Array] = {graph.input.name: images}
    for number, node in enumerate(graph.nodes):
        inputs = [values[name] for name in node.inputs]
        output = zeros(node, len(images)) if isinstance(node.op, Zeros) else apply(node.op, inputs)
        changed = watch(node, inputs, output) if watch else None
        values[node.output.name] = output if changed is None else changed
        for name in set(node.inputs):
            if last[name] == number:
                del values[name]
    return values[graph.output].reshape(len(images), -1)


def zeros(node: Node, count: int) -> Array:
    """Return what `Zeros` puts out for so many images."""
    return np.zeros((count, *node.output.shape), np.float32)


def apply(op: Op, inputs: list[Array]) -> Array:
    """Return what one operation makes of its inputs."""
    found: Array = COMPUTE[type(op)](op, *inputs)
    return found


def table_bits(table: Table, x: Array) -> Array:
    """Return the signs that a table gives numbers (N, C, …), in its range or not; bool."""
    shape = (1, -1, *(1,) * (x.ndim - 2))
    bits = np.broadcast_to(table.first.reshape(shape), x.shape).copy()
    for row in table.thresholds:
        bits ^= x >= row.reshape(shape)
    return bits


def direct_bits(chain: tuple[Op, ...], x: Array) -> Array:
    """Return the signs of a chain of elementwise operations at x (N, C, …); bool."""
    for op in chain:
        x = apply(op, [x])
    found: Array = x >= 0
    return found


def _per_channel(values: Array, x: Array) -> Array:
    return values.reshape(1, -1, *(1,) * (x.ndim - 2))


def _real(x: Array) -> Array:
    return x if x.dtype == np.float32 else x.astype(np.float32)


def _normalise(op: Normalise, x: Array) -> Array:
    found: Array = (_real(x) - _per_channel(op.mean, x)) / _per_channel(op.deviation, x)
    return found


def _scale(op: Scale, x: Array) -> Array:
    found: Array = _real(x) * _per_channel(op.factor, x)
    return found


def _affine(op: Affine, x: Array) -> Array:
    found: Array = _real(x) * _per_channel(op.factor, x) + _per_channel(op.offset, x)
    return found


def _prelu(op: Prelu, x: Array) -> Array:
    x, none = _real(x), np.float32(0)
    found: Array = np.maximum(x, none) + np.minimum(x, none) * _per_channel(op.slope, x)
    return found


def _site(op: Site, x: Array) -> Array:
    if op.table is None:
        return direct_bits(op.direct, x)
    bits = table_bits(op.table, x)
    if not op.whole:
        outside = (x < _per_channel(op.table.low, x)) | (x > _per_channel(op.table.high, x))
        if outside.any():
            bits = np.where(outside, direct_bits(op.direct, x), bits)
    return bits


def _subsample(op: Subsample, x: Array) -> Array:
    rows, columns = (np.minimum(np.arange(op.first, s + op.first, op.stride), s - 1) for s in x.shape[2:])
    return x[:, :, rows][:, :, :, columns]


def _linear(op: Linear, x: Array) -> Array:
    """Sum over the features in their order from 0 on; the bias comes last."""
    flat = x.reshape(len(x), -1)
    out = np.zeros((len(x), len(op.bias)), np.float32)
    for feature in range(flat.shape[1]):
        out += flat[:, feature, None] * op.weight[None, :, feature]
    found: Array = out + op.bias
    return found[:, :, None, None]


COMPUTE: dict[type[Op], Callable[..., Any]] = {
    Normalise: _normalise,
    Convolution: convolution,
    BinaryConvolution: binary_convolution,
    Scale: _scale,
    Affine: _affine,
    Relu: lambda op, x: np.maximum(_real(x), np.float32(0)),
    Prelu: _prelu,
    Hardtanh: lambda op, x: np.clip(_real(x), np.float32(-op.bound), np.float32(op.bound)),
    Expression: lambda op, x: computed(op, _real(x)),
    Site: _site,
    Signed: lambda op, x: np.where(x, np.float32(1), np.float32(-1)),
    MaxPool: max_pool,
    AveragePool: average_pool,
    MeanOfParts: mean_of_parts,
    Add: lambda op, a, b: a + b,
    Concat: lambda op, *maps: np.concatenate(maps, 1),
    Gather: lambda op, x: x[:, list(op.channels)],
    Subsample: _subsample,
    Linear: _linear,
}
"""How each kind of operation is computed; `Zeros` reads nothing and stands in `zeros`."""
