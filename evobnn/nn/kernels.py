"""Loops over maps that PyTorch would make in several passes each: compiled by Numba, cached on disk, for CPUs.

A map is an array (N, H, W, C), channels last, so that the innermost loop runs over channels and is vectorised without
changing the order of any sum. Maps are float32, or uint16 holding the bits of bfloat16, which NumPy does not know;
every kernel takes both wherever both make sense. Nothing in here knows tensors or gradients: see `evobnn.nn.fused`.

Each kernel is one pass. `a` and `b` (float32, (C,)) say how a map enters a sign: v = a x + b, a batch norm in two
numbers per channel.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic, overload

_OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "fastmath": {"contract", "nsz"}}
_ROWS = 256


@intrinsic
def _float_of(context: Any, bits: Any) -> Any:
    return types.float32(types.uint32), lambda c, builder, s, args: builder.bitcast(args[0], ir.FloatType())


@intrinsic
def _bits_of(context: Any, value: Any) -> Any:
    return types.uint32(types.float32), lambda c, builder, s, args: builder.bitcast(args[0], ir.IntType(32))


def _value(entry):
    """Return an entry of a map as float32."""


@overload(_value, inline="always")
def _value_of(entry):
    if entry == types.uint16:
        return lambda entry: _float_of(np.uint32(entry) << np.uint32(16))
    return lambda entry: entry


def _entry(value, like):
    """Return a float32 as an entry of the map `like`, rounded to nearest, ties to even."""


@overload(_entry, inline="always")
def _entry_of(value, like):
    if like.dtype == types.uint16:

        def rounded(value, like):
            bits = _bits_of(value)
            even = np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
            return np.uint16((bits + even) >> np.uint32(16))

        return rounded
    return lambda value, like: value


@njit(**_OPTIONS)
def moments(x: Any) -> Any:
    """Return (sum of x, sum of x²) over all but the channels, float64 (C,)."""
    rows = x.reshape(-1, x.shape[3])
    count, channels = rows.shape
    total, squares = np.zeros(channels, np.float64), np.zeros(channels, np.float64)
    part, part2 = np.zeros(channels, np.float32), np.zeros(channels, np.float32)
    for start in range(0, count, _ROWS):
        part[:] = 0
        part2[:] = 0
        for r in range(start, min(count, start + _ROWS)):
            for c in range(channels):
                v = _value(rows[r, c])
                part[c] += v
                part2[c] += v * v
        for c in range(channels):
            total[c] += part[c]
            squares[c] += part2[c]
    return total, squares


@njit(**_OPTIONS)
def affine(x: Any, a: Any, b: Any, out: Any) -> None:
    """Write a x + b into `out`, shaped as x."""
    rows, to = x.reshape(-1, x.shape[3]), out.reshape(-1, x.shape[3])
    for r in range(rows.shape[0]):
        for c in range(rows.shape[1]):
            to[r, c] = _value(rows[r, c]) * a[c] + b[c]


@njit(**_OPTIONS)
def signs(x: Any, a: Any, b: Any, out: Any, pad: int, plus: Any, minus: Any, border: Any) -> None:
    """Write `plus` where a x + b >= 0 and `minus` elsewhere into `out` (N, H + 2 pad, W + 2 pad, C), framed by
    `border`.

    NaN becomes `minus`.
    """
    images, height, width, channels = x.shape
    for n in range(images):
        out[n, :pad] = border
        out[n, height + pad :] = border
        for h in range(height):
            out[n, h + pad, :pad] = border
            out[n, h + pad, width + pad :] = border
            for w in range(width):
                for c in range(channels):
                    out[n, h + pad, w + pad, c] = plus if x[n, h, w, c] * a[c] + b[c] >= 0 else minus


@njit(**_OPTIONS)
def finish(y: Any, alpha: Any, floor: Any, out: Any) -> None:
    """Write alpha max(y, floor) into `out` (float32), shaped as y; floor 0 is a ReLU, -inf none. NaN stays."""
    rows, to = y.reshape(-1, y.shape[3]), out.reshape(-1, y.shape[3])
    for r in range(rows.shape[0]):
        for c in range(rows.shape[1]):
            v = _value(rows[r, c])
            to[r, c] = (floor if v <= floor else v) * alpha[c]


@njit(**_OPTIONS)
def enter(grad: Any, made: Any, alpha: Any, floor: Any, out: Any) -> None:
    """Write alpha grad where `made`, which `finish` wrote, is above `floor`, else 0, into `out`, shaped as grad."""
    channels = grad.shape[3]
    rows, seen, to = grad.reshape(-1, channels), made.reshape(-1, channels), out.reshape(-1, channels)
    for r in range(rows.shape[0]):
        for c in range(rows.shape[1]):
            v = rows[r, c] * alpha[c] if seen[r, c] > floor else np.float32(0)
            to[r, c] = _entry(v, to)


@njit(**_OPTIONS)
def sums_behind(grad: Any, x: Any, a: Any, b: Any, slope: Any, pad: int) -> Any:
    """Return (sum of g, sum of g x) over all but the channels, float64 (C,), with g = grad slope(a x + b).

    `grad` is (N, H + 2 pad, W + 2 pad, C), x without the border. `slope` = (clip, top, fall), float32, stands for
    slope(v) = top - fall |v| where |v| < clip, else 0: (c, 1, 0) is the clipped identity's, (c, 2, 2/c) approxsign's.
    """
    images, height, width, channels = x.shape
    total, products = np.zeros(channels, np.float64), np.zeros(channels, np.float64)
    part, part2 = np.zeros(channels, np.float32), np.zeros(channels, np.float32)
    clip, top, fall = slope[0], slope[1], slope[2]
    for n in range(images):
        for h in range(height):
            part[:] = 0
            part2[:] = 0
            for w in range(width):
                for c in range(channels):
                    before = _value(x[n, h, w, c])
                    v = abs(before * a[c] + b[c])
                    g = _value(grad[n, h + pad, w + pad, c]) * (top - fall * v) if v < clip else np.float32(0)
                    part[c] += g
                    part2[c] += g * before
            for c in range(channels):
                total[c] += part[c]
                products[c] += part2[c]
    return total, products


@njit(**_OPTIONS)
def leave(grad: Any, x: Any, a: Any, b: Any, slope: Any, pad: int, k1: Any, k0: Any, out: Any) -> None:
    """Write a g + k1 x + k0 into `out`, shaped as x, with g as in `sums_behind`; k1, k0 float32 (C,)."""
    images, height, width, channels = x.shape
    clip, top, fall = slope[0], slope[1], slope[2]
    for n in range(images):
        for h in range(height):
            for w in range(width):
                for c in range(channels):
                    before = _value(x[n, h, w, c])
                    v = abs(before * a[c] + b[c])
                    g = _value(grad[n, h + pad, w + pad, c]) * (top - fall * v) if v < clip else np.float32(0)
                    out[n, h, w, c] = _entry(a[c] * g + k1[c] * before + k0[c], out)
