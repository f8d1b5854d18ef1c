"""What convolutions and pools are in NumPy: the pixels under each tap of a window, added up in a fixed order."""

from __future__ import annotations

import numpy as np

from evobnn.deploy.ops import Array, AveragePool, BinaryConvolution, Convolution, MaxPool, MeanOfParts


def _taps(x: Array, kernel: tuple[int, int], stride: tuple[int, int], dilation: int) -> list[list[Array]]:
    """Return for each tap of a kernel the pixels of a padded map (N, C, H, W) that it meets."""
    rows, columns = ((x.shape[2 + n] - dilation * (kernel[n] - 1) - 1) // stride[n] + 1 for n in (0, 1))
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


def convolution(op: Convolution, x: Array) -> Array:
    """Sum over input channels, then rows, then columns of the kernel, from 0 on; the bias comes last."""
    top, left, bottom, right = op.padding
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
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
    return found if op.bias is None else found + op.bias.reshape(1, -1, 1, 1)


def packed(bits: Array) -> Array:
    """Return bits (…, C) as words (…, ceil(C/64)), uint64: channel 0 is the lowest bit, what is missing is 0."""
    short = np.packbits(bits, axis=-1, bitorder="little")
    short = np.pad(short, [(0, 0)] * (bits.ndim - 1) + [(0, -short.shape[-1] % 8)])
    return np.ascontiguousarray(short).view("<u8")


def binary_convolution(op: BinaryConvolution, x: Array) -> Array:
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


def max_pool(op: MaxPool, x: Array) -> Array:
    """Take the largest number of each window."""
    found: Array = np.max([tap for row in _pooled(op, x, -np.inf) for tap in row], axis=0)
    return found


def average_pool(op: AveragePool, x: Array) -> Array:
    """Sum each window in the order that the operation says, then divide by the number of pixels inside the map."""
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


def mean_of_parts(op: MeanOfParts, x: Array) -> Array:
    """Each part is summed row by row."""
    out = np.zeros((*x.shape[:2], op.parts, op.parts), np.float32)
    for i, (top, bottom) in enumerate(parts(x.shape[2], op.parts)):
        for j, (left, right) in enumerate(parts(x.shape[3], op.parts)):
            seen = [x[:, :, row, column] for row in range(top, bottom) for column in range(left, right)]
            out[:, :, i, j] = _in_order(seen) / np.float32(len(seen))
    return out
