"""Pools of 3x3 and means of 2x2 with the images innermost, and the way there and back from other layouts.

All maps are (C, H, W, N) float32. A neighbour is a line further on, so every pool is a handful of loops over lines.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from evobnn.nn.fast.apart import flat, span
from evobnn.nn.fast.elementary import INNER, OPTIONS
from evobnn.nn.fast.kept import njit
from evobnn.nn.fast.loops import copied

_BLOCK = 16


@njit(**OPTIONS)
def swapped(x: Any, out: Any) -> None:
    """Write an array (A, P, B) into `out` (B, P, A)."""
    first, middle, last = x.shape
    for p in range(middle):
        for j in range(0, last, _BLOCK):
            for i in range(0, first, _BLOCK):
                for b in range(j, min(j + _BLOCK, last)):
                    for a in range(i, min(i + _BLOCK, first)):
                        out[b, p, a] = x[a, p, b]


@njit(**INNER)
def _span(size: int, stride: int, shift: int) -> Any:
    """Return the first output of a line, and the first behind, whose neighbour at `shift` lies in the line."""
    first, behind = 0, -(-size // stride)
    while first * stride + shift < 0:
        first += 1
    while (behind - 1) * stride + shift >= size:
        behind -= 1
    return first, behind


@njit(**INNER)
def _neighbours(height: int, width: int, stride: int, images: int) -> Any:
    """Return whose neighbours lie inside a map, (rows, 4): where an output pixel is in a line, where its neighbour in
    the input, for how many numbers that goes on side by side, and which of 3x3 it is; by rows of outputs and, in each,
    neighbour by neighbour.
    """
    outputs = -(-width // stride)
    found, count = np.empty((9 * -(-height // stride) * outputs, 4), np.int64), 0
    for oy in range(-(-height // stride)):
        for k in range(9):
            iy, shift = oy * stride + k // 3 - 1, k % 3 - 1
            if 0 <= iy < height:
                low, high = _span(width, stride, shift)
                step = max(high - low, 1) if stride == 1 else 1
                for ox in range(low, high, step):
                    found[count, 0] = (oy * outputs + ox) * images
                    found[count, 1] = (iy * width + ox * stride + shift) * images
                    found[count, 2], found[count, 3] = step * images, k
                    count += 1
    return found[:count]


@njit(**OPTIONS)
def greatest(x: Any, stride: int, out: Any, which: Any) -> None:
    """Write the greatest of 3x3 into `out` (C, H', W', N) and which it was into `which` (0 to 8, row by row), of equals
    the first; NaN wins.
    """
    channels, height, width, images = x.shape
    out[:] = -np.inf
    which[:] = 4
    pairs = _neighbours(height, width, stride, images)
    for c in range(channels):
        line, best, found = flat(x[c]), flat(out[c]), flat(which[c])
        for n in range(len(pairs)):
            to, at, length, k = pairs[n, 0], pairs[n, 1], pairs[n, 2], np.uint8(pairs[n, 3])
            _keep(span(line, at, length), k, span(best, to, length), span(found, to, length))


@njit(**INNER)
def _keep(seen: Any, k: Any, best: Any, found: Any) -> None:
    for i in range(len(best)):
        v, most = seen[i], best[i]
        more = v > most or v != v
        best[i] = v if more else most
        found[i] = k if more else found[i]


@njit(**OPTIONS)
def greatest_backward(grad: Any, stride: int, which: Any, gx: Any) -> None:
    """Write the gradient of `greatest`'s input into gx."""
    channels, height, width, images = gx.shape
    gx[:] = 0
    pairs = _neighbours(height, width, stride, images)
    for c in range(channels):
        came, found, goal = flat(grad[c]), flat(which[c]), flat(gx[c])
        for n in range(len(pairs)):
            to, at, length, k = pairs[n, 0], pairs[n, 1], pairs[n, 2], np.uint8(pairs[n, 3])
            _hand(span(came, to, length), k, span(found, to, length), span(goal, at, length))


@njit(**INNER)
def _hand(came: Any, k: Any, found: Any, goal: Any) -> None:
    for i in range(len(goal)):
        goal[i] += came[i] if found[i] == k else np.float32(0)


@njit(**OPTIONS)
def mean(x: Any, stride: int, out: Any) -> None:
    """Write the mean over those of 3x3 that lie inside the map into `out` (C, H', W', N)."""
    channels, height, width, images = x.shape
    out[:] = 0
    pairs = _neighbours(height, width, stride, images)
    for c in range(channels):
        line, goal = flat(x[c]), flat(out[c])
        for n in range(len(pairs)):
            to, at, length = pairs[n, 0], pairs[n, 1], pairs[n, 2]
            _add(span(line, at, length), span(goal, to, length))
        _shared(out[c], stride, height, width)


@njit(**OPTIONS)
def mean_backward(grad: Any, stride: int, gx: Any) -> None:
    """Write the gradient of `mean`'s input into gx."""
    channels, height, width, images = gx.shape
    gx[:] = 0
    came = np.empty(grad.shape[1:], np.float32)
    pairs = _neighbours(height, width, stride, images)
    for c in range(channels):
        copied(flat(grad[c]), flat(came))
        _shared(came, stride, height, width)
        line, goal = flat(came), flat(gx[c])
        for n in range(len(pairs)):
            to, at, length = pairs[n, 0], pairs[n, 1], pairs[n, 2]
            _add(span(line, to, length), span(goal, at, length))


@njit(**INNER)
def _shared(pixels: Any, stride: int, height: int, width: int) -> None:
    """Divide each of (H', W', N) by how many of 3x3 around it lie inside the map."""
    for oy in range(pixels.shape[0]):
        rows = min(oy * stride + 2, height) - max(oy * stride - 1, 0)
        for ox in range(pixels.shape[1]):
            columns = min(ox * stride + 2, width) - max(ox * stride - 1, 0)
            _scale(pixels[oy, ox], np.float32(1) / np.float32(rows * columns))


@njit(**INNER)
def _add(seen: Any, to: Any) -> None:
    for i in range(len(to)):
        to[i] += seen[i]


@njit(**INNER)
def _scale(line: Any, factor: Any) -> None:
    for i in range(len(line)):
        line[i] *= factor


@njit(**OPTIONS)
def halved(x: Any, out: Any) -> None:
    """Write the mean over 2x2, at an odd edge over what is there, into `out` (D, H', W', N); its channel k is that of
    channel k mod C.
    """
    channels, height, width, _ = x.shape
    for c in range(min(channels, len(out))):
        for oy in range(out.shape[1]):
            for ox in range(out.shape[2]):
                to = out[c, oy, ox]
                to[:] = 0
                rows, columns = min(2, height - 2 * oy), min(2, width - 2 * ox)
                for j in range(rows):
                    for i in range(columns):
                        _add(x[c, 2 * oy + j, 2 * ox + i], to)
                _scale(to, np.float32(1) / np.float32(rows * columns))
    for c in range(channels, len(out)):
        copied(flat(out[c % channels]), flat(out[c]))


@njit(**OPTIONS)
def halved_backward(grad: Any, gx: Any) -> None:
    """Write the gradient of `halved`'s input into gx."""
    channels, height, width, images = gx.shape
    came = np.empty(images, np.float32)
    gx[:] = 0
    for c in range(len(grad)):
        for oy in range(grad.shape[1]):
            for ox in range(grad.shape[2]):
                rows, columns = min(2, height - 2 * oy), min(2, width - 2 * ox)
                copied(grad[c, oy, ox], came)
                _scale(came, np.float32(1) / np.float32(rows * columns))
                for j in range(rows):
                    for i in range(columns):
                        _add(came, gx[c % channels, 2 * oy + j, 2 * ox + i])


_MAP, _WHICH = types.float32[:, :, :, ::1], types.uint8[:, :, :, ::1]
SIGNATURES = (
    (swapped, 2 * (types.float32[:, :, ::1],)),
    (greatest, (_MAP, types.int64, _MAP, _WHICH)),
    (greatest_backward, (_MAP, types.int64, _WHICH, _MAP)),
    (mean, (_MAP, types.int64, _MAP)),
    (mean_backward, (_MAP, types.int64, _MAP)),
    (halved, (_MAP, _MAP)),
    (halved_backward, (_MAP, _MAP)),
)
"""With what Python calls them."""
