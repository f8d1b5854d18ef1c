"""Loops over maps that PyTorch would make in several passes each: compiled by Numba, cached on disk, for CPUs.

A map is an array (N, H, W, C), channels last. The innermost loop runs over a line of it, W x C numbers, with what
belongs to a channel written out for each of them: a dozen channels alone would fill no vector. Maps are float32, or
uint16 holding the bits of bfloat16, which NumPy does not know; every kernel takes both wherever both make sense.
Nothing in here knows tensors or gradients: see `evobnn.nn.fast.layer`.

Each kernel is one pass. `a` and `b` (float32, (C,)) say how a map enters a sign: v = a x + b, a batch norm in two
numbers per channel.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from evobnn.nn.fast.elementary import INNER, OPTIONS, bits_of, float_of
from evobnn.nn.fast.kept import njit

_LINES = 32
"""So many lines are summed in float32 before the sums are added in float64."""


def _value(entry):
    """Return an entry of a map as float32."""


@overload(_value, inline="always")
def _value_of(entry):
    if entry == types.uint16:
        return lambda entry: float_of(np.uint32(entry) << np.uint32(16))
    return lambda entry: entry


def _entry(value, like):
    """Return a float32 as an entry of the map `like`, rounded to nearest, ties to even."""


@overload(_entry, inline="always")
def _entry_of(value, like):
    if like.dtype == types.uint16:

        def rounded(value, like):
            bits = bits_of(value)
            even = np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
            return np.uint16((bits + even) >> np.uint32(16))

        return rounded
    return lambda value, like: value


@njit(**INNER)
def along(values: Any, width: int) -> Any:
    """Return a vector of numbers, one for each channel, repeated for each pixel of a line."""
    channels = len(values)
    line = np.empty(width * channels, np.float32)
    for w in range(0, width * channels, channels):
        for c in range(channels):
            line[w + c] = values[c]
    return line


@njit(**INNER)
def copied(line: Any, to: Any) -> None:
    """Write a line into another one; assigning it compiles the text of an error on their shapes, too."""
    for i in range(len(to)):
        to[i] = line[i]


@njit(**INNER)
def fold(line: Any, total: Any) -> None:
    """Add the sums of a line's places to those of the channels, and begin with 0 again."""
    channels = len(total)
    for w in range(0, len(line), channels):
        for c in range(channels):
            total[c] += line[w + c]
    line[:] = 0


@njit(**OPTIONS)
def moments(x: Any) -> Any:
    """Return (sum of x, sum of x²) over all but the channels, float64 (C,)."""
    channels = x.shape[3]
    lines = x.reshape(-1, x.shape[2] * channels)
    count, length = lines.shape
    total, squares = np.zeros(channels, np.float64), np.zeros(channels, np.float64)
    part, part2 = np.zeros(length, np.float32), np.zeros(length, np.float32)
    for r in range(count):
        for i in range(length):
            v = _value(lines[r, i])
            part[i] += v
            part2[i] += v * v
        if r % _LINES == _LINES - 1 or r == count - 1:
            fold(part, total)
            fold(part2, squares)
    return total, squares


@njit(**OPTIONS)
def settled(
    total: Any, squares: Any, count: int, alpha: Any, gain: Any, bias: Any, mean: Any, variance: Any, eps: float,
    share: float,
) -> Any:  # fmt: skip
    """Return (a, b, mean, inverse): a batch norm of z = alpha x as a x + b, and its gradient's needs, see `settle`."""
    channels = len(alpha)
    a, b = np.empty(channels, np.float32), np.empty(channels, np.float32)
    middle, inverse = np.empty(channels, np.float64), np.empty(channels, np.float64)
    settle(total, squares, count, alpha, gain, bias, mean, variance, eps, share, a, b, middle, inverse)
    return a, b, middle, inverse


@njit(**INNER)
def settle(
    total: Any, squares: Any, count: int, alpha: Any, gain: Any, bias: Any, mean: Any, variance: Any, eps: float,
    share: float, a: Any, b: Any, middle: Any, inverse: Any,
) -> None:  # fmt: skip
    """Write a batch norm of z = alpha x as a x + b, and what its gradient needs: `middle`, the mean, and `inverse`.

    `total` and `squares` are the `moments` of x, of `count` numbers for each channel, and `share` of them goes into the
    running `mean` and `variance`, in place; with count 0 these are taken as they are. inverse = 1 / sqrt(var + eps).
    a and b are float32, the others float64, (C,).
    """
    for c in range(len(alpha)):
        if count:
            scale = np.float64(alpha[c])
            plain = total[c] / count
            spread = scale**2 * max(squares[c] / count - plain**2, 0.0)
            middle[c] = scale * plain
            mean[c] = mean[c] * (1.0 - share) + share * middle[c]
            variance[c] = variance[c] * (1.0 - share) + share * spread * (count / max(count - 1, 1))
        else:
            middle[c], spread = mean[c], np.float64(variance[c])
        inverse[c] = 1.0 / np.sqrt(spread + eps)
        a[c] = gain[c] * inverse[c] * alpha[c]
        b[c] = bias[c] - middle[c] * gain[c] * inverse[c]


@njit(**OPTIONS)
def tilted(total: Any, products: Any, count: int, alpha: Any, gain: Any, middle: Any, inverse: Any) -> Any:
    """Return (gradient of the gain, k1, k0) of a batch norm from the `sums_behind` it; k1 and k0 as `leave` wants them.

    dx = a (g - mean(g) - zhat mean(g zhat)), zhat = (alpha x - mean) inverse; the last two terms only for moments of
    the batch, which count 0 says these are not. The gradient of the bias is `total`.
    """
    channels = len(alpha)
    steep = np.empty(channels, np.float32)
    k1, k0 = np.zeros(channels, np.float32), np.zeros(channels, np.float32)
    for c in range(channels):
        scale = np.float64(alpha[c])
        own = (scale * products[c] - middle[c] * total[c]) * inverse[c]
        steep[c] = own
        if count:
            slope = gain[c] * inverse[c] * scale
            tilt = slope * inverse[c] * own / count
            k1[c] = -tilt * scale
            k0[c] = tilt * middle[c] - slope * total[c] / count
    return steep, k1, k0


@njit(**OPTIONS)
def affine(x: Any, a: Any, b: Any, out: Any) -> None:
    """Write a x + b into `out`, shaped as x."""
    width = x.shape[2]
    lines, to = x.reshape(-1, width * x.shape[3]), out.reshape(-1, width * x.shape[3])
    a, b = along(a, width), along(b, width)
    for r in range(lines.shape[0]):
        for i in range(lines.shape[1]):
            to[r, i] = _value(lines[r, i]) * a[i] + b[i]


@njit(**OPTIONS)
def signs(x: Any, a: Any, b: Any, out: Any, pad: int, plus: Any, minus: Any, border: Any) -> None:
    """Write `plus` where a x + b >= 0 and `minus` elsewhere into `out` (N, H + 2 pad, W + 2 pad, C), framed by
    `border`.

    NaN becomes `minus`.
    """
    images, height, width, channels = x.shape
    length, frame = width * channels, pad * channels
    lines, to = x.reshape(images, height, length), out.reshape(images, height + 2 * pad, length + 2 * frame)
    a, b = along(a, width), along(b, width)
    for n in range(images):
        to[n, :pad] = border
        to[n, height + pad :] = border
        for h in range(height):
            to[n, h + pad, :frame] = border
            to[n, h + pad, frame + length :] = border
            for i in range(length):
                to[n, h + pad, frame + i] = plus if lines[n, h, i] * a[i] + b[i] >= 0 else minus


@njit(**OPTIONS)
def finish(y: Any, alpha: Any, floor: Any, out: Any) -> None:
    """Write alpha max(y, floor) into `out` (float32), shaped as y; floor 0 is a ReLU, -inf none. NaN stays."""
    width = y.shape[2]
    lines, to = y.reshape(-1, width * y.shape[3]), out.reshape(-1, width * y.shape[3])
    alpha = along(alpha, width)
    for r in range(lines.shape[0]):
        for i in range(lines.shape[1]):
            v = _value(lines[r, i])
            to[r, i] = (floor if v <= floor else v) * alpha[i]


@njit(**OPTIONS)
def enter(grad: Any, made: Any, alpha: Any, floor: Any, out: Any) -> None:
    """Write alpha grad where `made`, which `finish` wrote, is above `floor`, else 0, into `out`, shaped as grad."""
    width = grad.shape[2]
    length = width * grad.shape[3]
    lines, seen, to = grad.reshape(-1, length), made.reshape(-1, length), out.reshape(-1, length)
    alpha = along(alpha, width)
    for r in range(lines.shape[0]):
        for i in range(length):
            v = lines[r, i] * alpha[i] if seen[r, i] > floor else np.float32(0)
            to[r, i] = _entry(v, to)


@njit(**INNER)
def _passed(came: Any, line: Any, a: Any, b: Any, slope: Any, g: Any) -> None:
    """Write came slope(a x + b) into `g`, for a line x of a map. Few arrays at a time: LLVM makes no vectors where it
    would have to ask of many whether they overlap, nor where a value is loaded on a condition.
    """
    clip, top, fall = slope[0], slope[1], slope[2]
    for i in range(len(g)):
        v = abs(_value(line[i]) * a[i] + b[i])
        w = _value(came[i])
        g[i] = w * (top - fall * v) if v < clip else np.float32(0)


@njit(**OPTIONS)
def sums_behind(grad: Any, x: Any, a: Any, b: Any, slope: Any, pad: int) -> Any:
    """Return (sum of g, sum of g x) over all but the channels, float64 (C,), with g = grad slope(a x + b).

    `grad` is (N, H + 2 pad, W + 2 pad, C), x without the border. `slope` = (clip, top, fall), float32, stands for
    slope(v) = top - fall |v| where |v| < clip, else 0: (c, 1, 0) is the clipped identity's, (c, 2, 2/c) approxsign's.
    """
    images, height, width, channels = x.shape
    length, frame = width * channels, pad * channels
    lines = x.reshape(images, height, length)
    came = grad.reshape(images, height + 2 * pad, length + 2 * frame)
    total, products = np.zeros(channels, np.float64), np.zeros(channels, np.float64)
    part, part2, g = np.zeros(length, np.float32), np.zeros(length, np.float32), np.empty(length, np.float32)
    a, b = along(a, width), along(b, width)
    for n in range(images):
        for h in range(height):
            line = lines[n, h]
            _passed(came[n, h + pad, frame : frame + length], line, a, b, slope, g)
            for i in range(length):
                part[i] += g[i]
            for i in range(length):
                part2[i] += g[i] * _value(line[i])
        if (n + 1) * height % _LINES < height or n == images - 1:
            fold(part, total)
            fold(part2, products)
    return total, products


@njit(**OPTIONS)
def leave(grad: Any, x: Any, a: Any, b: Any, slope: Any, pad: int, k1: Any, k0: Any, out: Any) -> None:
    """Write a g + k1 x + k0 into `out`, shaped as x, with g as in `sums_behind`; k1, k0 float32 (C,)."""
    images, height, width, channels = x.shape
    length, frame = width * channels, pad * channels
    lines, to = x.reshape(images, height, length), out.reshape(images, height, length)
    came = grad.reshape(images, height + 2 * pad, length + 2 * frame)
    a, b, k1, k0 = along(a, width), along(b, width), along(k1, width), along(k0, width)
    g = np.empty(length, np.float32)
    for n in range(images):
        for h in range(height):
            line, goal = lines[n, h], to[n, h]
            _passed(came[n, h + pad, frame : frame + length], line, a, b, slope, g)
            for i in range(length):
                g[i] = a[i] * g[i] + k0[i]
            for i in range(length):
                goal[i] = _entry(g[i] + k1[i] * _value(line[i]), goal)


@njit(**INNER)
def noted(
    total: Any, squares: Any, count: int, alpha: Any, gain: Any, bias: Any, mean: Any, variance: Any, eps: float,
    share: float, notes: Any,
) -> Any:  # fmt: skip
    """Return (a, b) of `settled`, and write into `notes` (4, C), float64, all that it returns."""
    a, b = np.empty(len(alpha), np.float32), np.empty(len(alpha), np.float32)
    settle(total, squares, count, alpha, gain, bias, mean, variance, eps, share, a, b, notes[2], notes[3])
    copied(a, notes[0])
    copied(b, notes[1])
    return a, b


@njit(**OPTIONS)
def measured(
    x: Any, batch: bool, alpha: Any, gain: Any, bias: Any, mean: Any, variance: Any, eps: float, share: float,
    notes: Any,
) -> Any:  # fmt: skip
    """Return (a, b) for x and write `notes`, see `noted`; by the moments of x with `batch`, else the running ones."""
    count = x.size // len(alpha) if batch else 0
    total, squares = moments(x) if batch else (np.zeros(len(alpha)), np.zeros(len(alpha)))
    return noted(total, squares, count, alpha, gain, bias, mean, variance, eps, share, notes)


@njit(**OPTIONS)
def norm(
    x: Any, batch: bool, gain: Any, bias: Any, mean: Any, variance: Any, eps: float, share: float, notes: Any, out: Any
) -> None:
    """Write a batch norm of x into `out`; the rest as in `measured`."""
    alpha = np.ones(x.shape[3], np.float32)
    a, b = measured(x, batch, alpha, gain, bias, mean, variance, eps, share, notes)
    affine(x, a, b, out)


@njit(**OPTIONS)
def norm_backward(
    grad: Any, x: Any, batch: bool, alpha: Any, gain: Any, notes: Any, slope: Any, gx: Any, gains: Any
) -> None:
    """Write the gradients of a `measured` norm with what has the `slope` behind it: of x into gx, of gain and bias into
    `gains` (2, C) float32.
    """
    a, b = notes[0].astype(np.float32), notes[1].astype(np.float32)
    total, products = sums_behind(grad, x, a, b, slope, 0)
    count = x.size // x.shape[3] if batch else 0
    steep, k1, k0 = tilted(total, products, count, alpha, gain, notes[2], notes[3])
    copied(steep, gains[0])
    copied(total, gains[1])
    leave(grad, x, a, b, slope, 0, k1, k0, gx)


@njit(**OPTIONS)
def through_norm(g: Any, x: Any, a: Any, k1: Any, k0: Any) -> None:
    """Turn g, the gradient of a batch norm's output a x + b, into a g + k1 x + k0, that of its input, in place."""
    width = x.shape[2]
    lines, to = x.reshape(-1, width * x.shape[3]), g.reshape(-1, width * x.shape[3])
    a, k1, k0 = along(a, width), along(k1, width), along(k0, width)
    for r in range(lines.shape[0]):
        line, goal = lines[r], to[r]
        for i in range(lines.shape[1]):
            goal[i] = a[i] * goal[i] + k1[i] * line[i] + k0[i]
