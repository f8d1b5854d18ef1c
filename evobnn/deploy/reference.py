"""What a graph means in numbers: an interpreter in NumPy that every printer is compared with.

float32 throughout, products rounded before they are added, sums in one order that is said at each operation. Binary
convolutions count differing bits of packed words.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from evobnn.deploy.forms import computed
from evobnn.deploy.graph import (
    Add,
    Affine,
    Array,
    AveragePool,
    BinaryConvolution,
    Concat,
    Convolution,
    Expression,
    Gather,
    Graph,
    Hardtanh,
    Linear,
    MaxPool,
    MeanOfParts,
    Node,
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

Watch = Callable[[Node, list[Array], Array], Array | None]
"""`watch(node, inputs, output)` sees every operation, and may return what goes on in place of the output."""


def evaluate(graph: Graph, images: Array, watch: Watch | None = None) -> Array:
    """Return the logits (N, classes), float32, of grey values (N, C, H, W), uint8.

    Bits are bool arrays, sums int32, all (N, C, H, W). What nobody reads any more is dropped.
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


def windows(size: int, kernel: int, stride: int, before: int, after: int, dilation: int) -> int:
    """Return how many windows fit on a line with so many pixels padded before and after it."""
    return (size + before + after - dilation * (kernel - 1) - 1) // stride + 1


def _taps(x: Array, kernel: tuple[int, int], stride: tuple[int, int], dilation: int) -> list[list[Array]]:
    """Return for each tap of a kernel the pixels of a padded map (N, C, H, W) that it meets."""
    rows, columns = (windows(x.shape[2 + n], kernel[n], stride[n], 0, 0, dilation) for n in (0, 1))
    return [
        [
            x[
                :,
                :,
                down * dilation : down * dilation + (rows - 1) * stride[0] + 1 : stride[0],
                right * dilation : right * dilation + (columns - 1) * stride[1] + 1 : stride[1],
            ]
            for right in range(kernel[1])
        ]
        for down in range(kernel[0])
    ]


def _convolution(op: Convolution, x: Array) -> Array:
    """Sum over input channels, then rows, then columns of the kernel, from 0 on; the bias comes last."""
    top, left, bottom, right = op.padding
    x = np.pad(_real(x), ((0, 0), (0, 0), (top, bottom), (left, right)))
    filters, inputs, height, width = op.weight.shape
    taps = _taps(x, (height, width), op.stride, op.dilation)
    shape = (len(x), op.groups, filters // op.groups, *taps[0][0].shape[2:])
    out = np.zeros(shape, np.float32)
    weight = op.weight.reshape(op.groups, filters // op.groups, inputs, height, width)
    for channel in range(inputs):
        for down in range(height):
            for along in range(width):
                seen = taps[down][along][:, channel::inputs][:, :, None]
                out += weight[None, :, :, channel, down, along, None, None] * seen
    found: Array = out.reshape(len(x), filters, *shape[3:])
    return found if op.bias is None else found + _per_channel(op.bias, found)


def packed(bits: Array) -> Array:
    """Return bits (…, C) as words (…, ceil(C/64)), uint64: channel 0 is the lowest bit, what is missing is 0."""
    short = np.packbits(bits, axis=-1, bitorder="little")
    short = np.pad(short, [(0, 0)] * (bits.ndim - 1) + [(0, -short.shape[-1] % 8)])
    return np.ascontiguousarray(short).view("<u8")


def _binary_convolution(op: BinaryConvolution, x: Array) -> Array:
    """Per tap the number of channels that it meets less twice the number of differing bits, by popcount."""
    pad = ((0, 0), (0, 0), (op.border, op.border), (op.border, op.border))
    kernel, stride = (op.weight.shape[2],) * 2, (op.stride,) * 2
    taps = _taps(np.pad(x, pad), kernel, stride, op.dilation)
    inside = _taps(np.pad(np.ones_like(x[:1, :1]), pad), kernel, stride, op.dilation)
    n, (filters, inputs) = len(x), op.weight.shape[:2]
    height, width = taps[0][0].shape[2:]
    out = np.zeros((n, height, width, op.groups, filters // op.groups), np.int32)
    for down in range(kernel[0]):
        for along in range(kernel[1]):
            seen = taps[down][along].transpose(0, 2, 3, 1).reshape(n, height, width, op.groups, 1, inputs)
            own = op.weight[:, :, down, along].reshape(op.groups, filters // op.groups, inputs)
            differing = np.bitwise_count(packed(seen) ^ packed(own)).sum(-1, dtype=np.int32)
            terms = inputs - 2 * differing
            out += terms * inside[down][along][0, 0, :, :, None, None] if op.zeros else terms
    return np.ascontiguousarray(out.reshape(n, height, width, filters).transpose(0, 3, 1, 2))


def _pooled(op: MaxPool | AveragePool, x: Array, fill: float) -> list[list[Array]]:
    """Return the taps of ceil(H/stride) x ceil(W/stride) windows, with `fill` beyond the map."""
    before, stride = op.padding, op.stride
    after = [-(-size // stride) * stride - stride + op.kernel - size - before for size in x.shape[2:]]
    padded = np.pad(x, ((0, 0), (0, 0), *((before, more) for more in after)), constant_values=fill)
    return _taps(padded, (op.kernel,) * 2, (stride,) * 2, 1)


def _max_pool(op: MaxPool, x: Array) -> Array:
    found: Array = np.max([tap for row in _pooled(op, x, -np.inf) for tap in row], axis=0)
    return found


def _average_pool(op: AveragePool, x: Array) -> Array:
    taps = _pooled(op, x, 0.0)
    ones = _pooled(op, np.ones_like(x[:1, :1]), 0.0)
    count = np.sum([tap for row in ones for tap in row], axis=0, dtype=np.float32)
    if op.columns:
        order = (1, 0, 2)
        sums = [_in_order([taps[down][along] for down in order]) for along in order]
        return _in_order(sums) / count
    return _in_order([tap for row in taps for tap in row]) / count


def _in_order(terms: list[Array]) -> Array:
    total = terms[0].copy()
    for term in terms[1:]:
        total += term
    return total


def parts(size: int, count: int) -> list[tuple[int, int]]:
    """Return where each of `count` parts of a line begins and ends, as PyTorch's adaptive pooling."""
    return [(n * size // count, -(-(n + 1) * size // count)) for n in range(count)]


def _mean_of_parts(op: MeanOfParts, x: Array) -> Array:
    """Each part is summed row by row."""
    out = np.zeros((*x.shape[:2], op.parts, op.parts), np.float32)
    for i, (top, bottom) in enumerate(parts(x.shape[2], op.parts)):
        for j, (left, right) in enumerate(parts(x.shape[3], op.parts)):
            seen = [x[:, :, row, column] for row in range(top, bottom) for column in range(left, right)]
            out[:, :, i, j] = _in_order(seen) / np.float32(len(seen))
    return out


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
    Convolution: _convolution,
    BinaryConvolution: _binary_convolution,
    Scale: _scale,
    Affine: _affine,
    Relu: lambda op, x: np.maximum(_real(x), np.float32(0)),
    Prelu: _prelu,
    Hardtanh: lambda op, x: np.clip(_real(x), np.float32(-op.bound), np.float32(op.bound)),
    Expression: lambda op, x: computed(op, _real(x)),
    Site: _site,
    Signed: lambda op, x: np.where(x, np.float32(1), np.float32(-1)),
    MaxPool: _max_pool,
    AveragePool: _average_pool,
    MeanOfParts: _mean_of_parts,
    Add: lambda op, a, b: a + b,
    Concat: lambda op, *maps: np.concatenate(maps, 1),
    Gather: lambda op, x: x[:, list(op.channels)],
    Subsample: _subsample,
    Linear: _linear,
}
"""How each kind of operation is computed; `Zeros` reads nothing and stands in `zeros`."""
