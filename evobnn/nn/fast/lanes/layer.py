"""A whole binary layer with the images innermost, one compiled function forward and one backward: batch norm,
expression, sign, convolution, ReLU and scale.

What belongs to a channel is one number for a long line here, so that each step is a loop over lines that stay in the
first cache. The convolution is in `convolution`, the forms of expressions in `fast.formloops`, the arithmetic of a
batch norm in `fast.loops`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import types

from evobnn.nn.fast.apart import apart, at, flat, span
from evobnn.nn.fast.elementary import INNER, OPTIONS
from evobnn.nn.fast.kept import njit
from evobnn.nn.fast.lanes.convolution import (
    ADDING,
    forward,
    forward_at,
    gather,
    gather_at,
    lines,
    signed,
    spread,
    spread_at,
)
from evobnn.nn.fast.loops import copied, settle, tilted
from evobnn.nn.fast.programs import PIECE, back_piece, compute
from evobnn.nn.fast.programs import addresses as forms_at

FRONT, BEHIND = 1, 2
"""Where the batch norm of a layer stands; 0 is nowhere."""
_ZERO = np.float32(0)
_LINE, _LINES, _MAP = (types.Array(types.float32, axes, "C") for axes in (1, 2, 4))
_TABLE, _NOTES = types.int64[:, ::1], types.float64[:, ::1]
_MEASURED = (_MAP, types.boolean, *5 * (_LINE,), types.float64, types.float64, _NOTES, _LINE, _LINE)
_EXPRESS = (_MAP, _LINE, _LINE, _TABLE, _TABLE, _LINES, _MAP)
_ENTERED = (_MAP, _MAP, types.boolean, types.boolean, _LINE, types.float32, types.intp, _TABLE, _NOTES, _LINES, _LINES)
_measured_at, _express_at, _entered_at = at(*_MEASURED), at(*_EXPRESS), at(*_ENTERED)


FORWARD, MEASURED, EXPRESS, ENTERED, SPREAD, GATHER = range(6)
"""Places of the `addresses` that a layer jumps to."""


@njit(**ADDING)
def total(line: Any) -> Any:
    """Return the sum of a line."""
    found = np.float32(0)
    for i in range(len(line)):
        found += line[i]
    return found


@njit(**ADDING)
def product(line: Any, other: Any) -> Any:
    """Return the sum of the products of two lines."""
    found = np.float32(0)
    for i in range(len(line)):
        found += line[i] * other[i]
    return found


@njit(**ADDING)
def _size(values: Any) -> Any:
    """Return the sum of |v| over an array of two dimensions."""
    found = np.float32(0)
    for line in values:
        for value in line:
            found += abs(value)
    return found


@apart(*_MEASURED)
def _measured(
    x: Any, batch: bool, alpha: Any, gain: Any, bias: Any, mean: Any, variance: Any, eps: float, share: float,
    notes: Any, a: Any, b: Any,
) -> None:  # fmt: skip
    """Write a batch norm of (C, H, W, N) as a x + b, and `notes`, as `evobnn.nn.fast.loops.measured`."""
    channels = len(alpha)
    count = x.size // channels if batch else 0
    sums, squares = np.zeros(channels, np.float64), np.zeros(channels, np.float64)
    if batch:
        for c in range(channels):
            line = flat(x[c])
            for start in range(0, len(line), PIECE):
                piece = span(line, start, min(PIECE, len(line) - start))
                sums[c] += np.float64(total(piece))
                squares[c] += np.float64(product(piece, piece))
    middle, inverse = span(notes[2], 0, channels), span(notes[3], 0, channels)
    settle(sums, squares, count, alpha, gain, bias, mean, variance, eps, share, a, b, middle, inverse)
    copied(a, span(notes[0], 0, channels))
    copied(b, span(notes[1], 0, channels))


@apart(*_EXPRESS)
def _express(x: Any, a: Any, b: Any, forms: Any, steps: Any, learned: Any, out: Any) -> None:
    """Write the program's value of a x + b into `out`, shaped as x."""
    channels, rows, length = len(x), len(learned), min(PIECE, x.size // len(x))
    slots, weights = np.empty((len(steps) + 1, length), np.float32), np.empty((max(rows, 1), length), np.float32)
    for c in range(channels):
        line, to = flat(x[c]), flat(out[c])
        for row in range(rows):
            weights[row] = learned[row, c]
        for start in range(0, len(line), length):
            size = min(length, len(line) - start)
            piece, goal, first = span(line, start, size), span(to, start, size), span(slots[0], 0, size)
            for i in range(len(piece)):
                first[i] = piece[i] * a[c] + b[c]
            compute(forms, steps, len(steps), weights, slots, first, goal)


@njit(**INNER)
def _finite(x: Any, a: Any, b: Any) -> Any:
    """Return 0 where all of a x + b is finite, else NaN."""
    found = np.float32(0)
    for c in range(len(x)):
        line = flat(x[c])
        part = np.float32(0)
        for i in range(len(line)):
            part += (line[i] * a[c] + b[c]) * _ZERO
        found += part
    return found


@njit(**OPTIONS)
def layer(
    x: Any, weight: Any, normed: int, batch: bool, gain: Any, bias: Any, mean: Any, variance: Any, eps: float,
    share: float, scaled: bool, floor: Any, filler: Any, watched: bool, run: int, strip: int, place: Any, taps: Any,
    goal: Any, inside: Any, kept: Any, notes: Any, jumps: Any, forms: Any, steps: Any, learned: Any, y: Any, out: Any,
) -> bool:  # fmt: skip
    """Write a whole layer's output into `out`: batch norm in front or behind, expression, sign, convolution, ReLU,
    scale. Return whether all that came before a sign was finite; unless it is `watched`, nobody looks.

    Its arguments, some explained together:
        x, weight, floor, filler, run, strip, place, taps, goal, inside, kept, out: as in `forward`.
        normed: `FRONT`, `BEHIND` or 0.
        batch, gain, bias, mean, variance, eps, share: as in `_measured`.
        scaled: whether each filter has its mean|w| as a scale, else 1.
        notes: for `layer_backward`, to be written: (5, as many as there are channels or filters) float64: what
            `settled` returns where there is a norm, and alpha.
        jumps: `addresses`.
        forms, steps, learned: addresses of the forms, program and parameters (P, C) of the expression, see
            `evobnn.nn.fast.programs`; no steps for none.
        y: as `out`; the convolution for `layer_backward` where the norm is behind, else not used.
    """
    filters, channels = weight.shape[0], weight.shape[1]
    alpha = np.ones(filters, np.float32)
    if scaled:
        for f in range(filters):
            alpha[f] = _size(weight[f]) / (weight.shape[2] * channels)
    copied(alpha, span(notes[4], 0, filters))
    a, b = np.ones(channels, np.float32), np.zeros(channels, np.float32)
    if normed == FRONT:
        _measured_at(jumps[MEASURED], x, batch, a, gain, bias, mean, variance, eps, share, notes, a, b)
    entering = x
    if len(steps):
        entering = np.empty(x.shape, np.float32)
        _express_at(jumps[EXPRESS], x, a, b, forms, steps, learned, entering)
        a[:], b[:] = 1, 0
    finite = not watched or _finite(entering, a, b) == 0
    if normed == BEHIND:
        plain, least = np.ones(filters, np.float32), np.float32(-np.inf)
        forward_at(
            jumps[FORWARD], entering, a, b, weight, plain, least, filler, run, strip, place, taps, goal, inside, kept, y
        )
        a, b = np.empty(filters, np.float32), np.empty(filters, np.float32)
        _measured_at(jumps[MEASURED], y, batch, alpha, gain, bias, mean, variance, eps, share, notes, a, b)
        for f in range(filters):
            line, to = flat(y[f]), flat(out[f])
            for i in range(len(line)):
                to[i] = line[i] * a[f] + b[f]
    else:
        forward_at(
            jumps[FORWARD], entering, a, b, weight, alpha, floor, filler, run, strip, place, taps, goal, inside, kept,
            out,
        )  # fmt: skip
    return finite


@apart(*_ENTERED)
def _entered(
    grad: Any, made: Any, behind: bool, batch: bool, gain: Any, floor: Any, images: int, goal: Any, notes: Any,
    gains: Any, came: Any,
) -> None:  # fmt: skip
    """Write the gradient of the convolution's sums into the places of the outputs in `came`, which are 0."""
    filters, rows, width = grad.shape[0], goal.shape[0], goal.shape[1] * images
    alpha = np.empty(filters, np.float32)
    copied(span(notes[4], 0, filters), alpha)
    if behind:
        sums, products = np.zeros(filters, np.float64), np.zeros(filters, np.float64)
        for f in range(filters):
            g, y = flat(grad[f]), flat(made[f])
            for start in range(0, len(g), PIECE):
                size = min(PIECE, len(g) - start)
                part = span(g, start, size)
                sums[f] += np.float64(total(part))
                products[f] += np.float64(product(part, span(y, start, size)))
        count = grad.size // filters if batch else 0
        steep, k1, k0 = tilted(
            sums, products, count, alpha, gain, span(notes[2], 0, filters), span(notes[3], 0, filters)
        )
        copied(steep, gains[0])
        copied(sums, gains[1])
    else:
        k1 = k0 = alpha
    for f in range(filters):
        a, tilt, shift = np.float32(notes[0, f]), k1[f], k0[f]
        for h in range(rows):
            at = goal[h, 0] * images
            g, y, to = flat(grad[f, h]), flat(made[f, h]), span(came[f], at, width)
            if behind:
                for i in range(width):
                    to[i] = a * g[i] + shift + tilt * y[i]
            else:
                for i in range(width):
                    to[i] = g[i] * alpha[f] if y[i] > floor else _ZERO


@njit(**INNER)
def _sloped(came: Any, v: Any, a: Any, b: Any, slope: Any, g: Any) -> None:
    """Write came slope(a v + b) into g."""
    clip, top, fall = slope[0], slope[1], slope[2]
    for i in range(len(g)):
        u = abs(v[i] * a + b)
        w = came[i]
        g[i] = w * (top - fall * u) if u < clip else _ZERO


@njit(**OPTIONS)
def layer_backward(
    grad: Any, x: Any, made: Any, weight: Any, normed: int, batch: bool, gain: Any, slope: Any, floor: Any, run: int,
    strip: int, place: Any, taps: Any, goal: Any, kept: Any, notes: Any, jumps: Any, forms: Any, steps: Any,
    learned: Any, gx: Any, gw: Any, gains: Any, gl: Any,
) -> None:  # fmt: skip
    """Write the gradients of `layer`'s input and weights into gx and gw, those of the norm into `gains`, those of the
    expression's parameters into `gl`, shaped as `learned`.

    Its arguments, some explained together:
        grad: of the output. made: the output, or y where the norm is behind.
        slope: of the surrogate, see `evobnn.nn.fast.loops.sums_behind`.
        gains: (2, channels or filters, as the norm has) float32: of the gain, of the bias.
        The others as they were for `layer`.
    """
    channels, height, width, images = x.shape
    filters, rows = grad.shape[0], len(learned)
    signs = signed(weight)
    came, found = lines(len(signs), run * images), lines(signs.shape[2], kept.shape[1])
    came[:] = 0
    _entered_at(jumps[ENTERED], grad, made, normed == BEHIND, batch, gain, floor, images, goal, notes, gains, came)
    sums = np.zeros((len(signs), len(taps), len(kept)), np.float32)
    spread_at(jumps[SPREAD], came, signs, taps, images, found)
    gather_at(jumps[GATHER], came, kept, taps, images, sums)
    for f in range(filters):
        for c in range(channels):
            for k in range(len(taps)):
                gw[f, c, k] = sums[f, k, c]
    a, b = np.ones(channels, np.float32), np.zeros(channels, np.float32)
    if normed == FRONT:
        copied(span(notes[0], 0, channels), a)
        copied(span(notes[1], 0, channels), b)
    length, strips = height * width * images, strip * images
    behind, products = np.zeros(channels, np.float64), np.zeros(channels, np.float64)
    part = np.empty(length, np.float32)
    piece = min(PIECE, length)
    deep = len(steps) + 1 if len(steps) else 0
    slots, back = np.empty((deep, piece), np.float32), np.empty((deep, piece), np.float32)
    weights, parts = np.empty((max(rows, 1), piece), np.float32), np.empty((max(rows, 1), piece), np.float32)
    for c in range(channels):
        for h in range(height):
            for w in range(0, width, strip):
                at, to = place[h, w] * images, (h * width + w) * images
                copied(span(found[c], at, strips), span(part, to, strips))
        line, goal_line = flat(x[c]), flat(gx[c])
        if len(steps):
            for row in range(rows):
                weights[row] = learned[row, c]
                gl[row, c] = 0
        for start in range(0, length, piece):
            size = min(piece, length - start)
            seen, g, came_here = span(line, start, size), span(goal_line, start, size), span(part, start, size)
            if len(steps):
                first = span(slots[0], 0, size)
                for i in range(size):
                    first[i] = seen[i] * a[c] + b[c]
                parts[:] = 0
                back_piece(forms, steps, first, came_here, slope, weights, slots, back, parts, g)
                for row in range(rows):
                    gl[row, c] += total(span(parts[row], 0, size))
            else:
                _sloped(came_here, seen, a[c], b[c], slope, g)
            if normed == FRONT:
                behind[c] += np.float64(total(g))
                products[c] += np.float64(product(g, seen))
    if normed == FRONT:
        ones = np.ones(channels, np.float32)
        count = x.size // channels if batch else 0
        steepness, k1, k0 = tilted(
            behind, products, count, ones, gain, span(notes[2], 0, channels), span(notes[3], 0, channels)
        )
        copied(steepness, gains[0])
        copied(behind, gains[1])
        for c in range(channels):
            line, to_line = flat(x[c]), flat(gx[c])
            steep, tilt, shift = a[c], k1[c], k0[c]
            for i in range(length):
                to_line[i] = steep * to_line[i] + shift + tilt * line[i]


PARTS = (forward, _measured, _express, _entered, spread, gather)
"""What a layer jumps to, in the order of the numbers above."""

_WEIGHTS, _JUMPS, _COUNT = types.float32[:, :, ::1], types.int64[::1], types.int64
_PLAN = (_COUNT, _COUNT, _TABLE, _JUMPS, _TABLE)
SIGNATURES = (
    (
        layer,
        (
            *(_MAP, _WEIGHTS, _COUNT, types.boolean, *4 * (_LINE,), types.float64, types.float64, types.boolean),
            *(types.float32, types.float32, types.boolean, *_PLAN, types.boolean[:, ::1], _LINES, _NOTES),
            *(_JUMPS, _TABLE, _TABLE, _LINES, _MAP, _MAP),
        ),
    ),
    (
        layer_backward,
        (
            *(*3 * (_MAP,), _WEIGHTS, _COUNT, types.boolean, _LINE, _LINE, types.float32, *_PLAN, _LINES, _NOTES),
            *(_JUMPS, _TABLE, _TABLE, _LINES, _MAP, _WEIGHTS, _LINES, _LINES),
        ),
    ),
)
"""With what Python calls them."""


@cache
def addresses() -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the addresses that a layer jumps to, by number, and those of the forms; compiled here if need be."""
    return np.array([part.address for part in PARTS]), forms_at()
