"""Pools of 3x3 and means of 2x2 with the images innermost, and the way there and back from other layouts.

All maps are (C, H, W, N) float32. A neighbour is a line further on, so every pool is a handful of loops over lines.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from evobnn.nn.elementary import OPTIONS

_BLOCK = 16


@njit(**OPTIONS)
def turned(x: Any, out: Any) -> None:
    """Write a matrix (n, m) into `out` (m, n)."""
    rows, columns = x.shape
    for j in range(0, columns, _BLOCK):
        for i in range(0, rows, _BLOCK):
            for q in range(j, min(j + _BLOCK, columns)):
                for p in range(i, min(i + _BLOCK, rows)):
                    out[q, p] = x[p, q]


@njit(**OPTIONS)
def channels_out(x: Any, out: Any) -> None:
    """Write an array (N, P, C) into `out` (C, P, N)."""
    images, pixels, channels = x.shape
    for p in range(pixels):
        for c in range(0, channels, _BLOCK):
            for n in range(0, images, _BLOCK):
                for d in range(c, min(c + _BLOCK, channels)):
                    for m in range(n, min(n + _BLOCK, images)):
                        out[d, p, m] = x[m, p, d]


@njit(**OPTIONS)
def channels_in(x: Any, out: Any) -> None:
    """Write an array (C, P, N) into `out` (N, P, C)."""
    channels, pixels, images = x.shape
    for p in range(pixels):
        for n in range(0, images, _BLOCK):
            for c in range(0, channels, _BLOCK):
                for m in range(n, min(n + _BLOCK, images)):
                    for d in range(c, min(c + _BLOCK, channels)):
                        out[m, p, d] = x[d, p, m]


@njit(**OPTIONS)
def _span(size: int, stride: int, shift: int) -> Any:
    """Return the first output of a line, and the first behind, whose neighbour at `shift` lies in the line."""
    outputs = -(-size // stride)
    first, behind = 0, outputs
    while first * stride + shift < 0:
        first += 1
    while (behind - 1) * stride + shift >= size:
        behind -= 1
    return first, behind


@njit(**OPTIONS)
def greatest(x: Any, stride: int, out: Any, which: Any) -> None:
    """Write the greatest of 3x3 into `out` (C, H', W', N) and which it was into `which` (0 to 8, row by row), of equals
    the first; NaN wins.
    """
    channels, height, width, images = x.shape
    for c in range(channels):
        for oy in range(out.shape[1]):
            best, found = out[c, oy].reshape(-1), which[c, oy].reshape(-1)
            best[:] = -np.inf
            found[:] = 4
            for k in range(9):
                iy = oy * stride + k // 3 - 1
                if iy < 0 or iy >= height:
                    continue
                row, shift = x[c, iy].reshape(-1), k % 3 - 1
                low, high = _span(width, stride, shift)
                step = max(high - low, 1) if stride == 1 else 1
                for ox in range(low, high, step):
                    seen = row[(ox * stride + shift) * images : (ox * stride + shift + step) * images]
                    _keep(seen, np.uint8(k), best[ox * images : (ox + step) * images],
                          found[ox * images : (ox + step) * images])  # fmt: skip


@njit(**OPTIONS)
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
    for c in range(channels):
        for oy in range(grad.shape[1]):
            came, found = grad[c, oy].reshape(-1), which[c, oy].reshape(-1)
            for k in range(9):
                iy = oy * stride + k // 3 - 1
                if iy < 0 or iy >= height:
                    continue
                row, shift = gx[c, iy].reshape(-1), k % 3 - 1
                low, high = _span(width, stride, shift)
                step = max(high - low, 1) if stride == 1 else 1
                for ox in range(low, high, step):
                    goal = row[(ox * stride + shift) * images : (ox * stride + shift + step) * images]
                    _hand(came[ox * images : (ox + step) * images], np.uint8(k),
                          found[ox * images : (ox + step) * images], goal)  # fmt: skip


@njit(**OPTIONS)
def _hand(came: Any, k: Any, found: Any, goal: Any) -> None:
    for i in range(len(goal)):
        goal[i] += came[i] if found[i] == k else np.float32(0)


@njit(**OPTIONS)
def mean(x: Any, stride: int, out: Any) -> None:
    """Write the mean over those of 3x3 that lie inside the map into `out` (C, H', W', N)."""
    channels, height, width, images = x.shape
    for c in range(channels):
        for oy in range(out.shape[1]):
            to = out[c, oy].reshape(-1)
            to[:] = 0
            for k in range(9):
                iy = oy * stride + k // 3 - 1
                if iy < 0 or iy >= height:
                    continue
                row, shift = x[c, iy].reshape(-1), k % 3 - 1
                low, high = _span(width, stride, shift)
                step = max(high - low, 1) if stride == 1 else 1
                for ox in range(low, high, step):
                    seen = row[(ox * stride + shift) * images : (ox * stride + shift + step) * images]
                    _add(seen, to[ox * images : (ox + step) * images])
            for ox in range(out.shape[2]):
                _scale(to[ox * images : (ox + 1) * images], _share(oy * stride, ox * stride, height, width))


@njit(**OPTIONS)
def _add(seen: Any, to: Any) -> None:
    for i in range(len(to)):
        to[i] += seen[i]


@njit(**OPTIONS)
def _scale(line: Any, factor: Any) -> None:
    for i in range(len(line)):
        line[i] *= factor


@njit(**OPTIONS)
def _share(y: int, x: int, height: int, width: int) -> Any:
    """Return 1 / (how many of 3x3 around a pixel lie inside the map)."""
    rows = min(y + 2, height) - max(y - 1, 0)
    columns = min(x + 2, width) - max(x - 1, 0)
    return np.float32(1) / np.float32(rows * columns)


@njit(**OPTIONS)
def mean_backward(grad: Any, stride: int, gx: Any) -> None:
    """Write the gradient of `mean`'s input into gx."""
    channels, height, width, images = gx.shape
    gx[:] = 0
    came = np.empty(grad.shape[2] * images, np.float32)
    for c in range(channels):
        for oy in range(grad.shape[1]):
            came[:] = grad[c, oy].reshape(-1)
            for ox in range(grad.shape[2]):
                _scale(came[ox * images : (ox + 1) * images], _share(oy * stride, ox * stride, height, width))
            for k in range(9):
                iy = oy * stride + k // 3 - 1
                if iy < 0 or iy >= height:
                    continue
                row, shift = gx[c, iy].reshape(-1), k % 3 - 1
                low, high = _span(width, stride, shift)
                step = max(high - low, 1) if stride == 1 else 1
                for ox in range(low, high, step):
                    goal = row[(ox * stride + shift) * images : (ox * stride + shift + step) * images]
                    _add(came[ox * images : (ox + step) * images], goal)


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
        out[c] = out[c % channels]


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
                came[:] = grad[c, oy, ox]
                _scale(came, np.float32(1) / np.float32(rows * columns))
                for j in range(rows):
                    for i in range(columns):
                        _add(came, gx[c % channels, 2 * oy + j, 2 * ox + i])
