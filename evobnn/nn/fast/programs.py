"""Expressions over maps in one pass, forward and backward: an interpreter whose instructions are forms over a piece of
a map that stays in the cache. PyTorch makes a pass over memory for each form, and several for each derivative.

A program is an array of steps (S, 4), int64: the number of a form in `CODES`, the slots of its arguments, the row of
its parameter or -1. Slot 0 holds the input v = a x + b, slot i + 1 what step i made. A map is float32 (N, H, W, C), as
in `evobnn.nn.fast.loops`; parameters are (P, C).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evobnn.nn.fast.apart import flat, span
from evobnn.nn.fast.elementary import INNER, OPTIONS
from evobnn.nn.fast.formloops import BY_VALUE, CODES, addresses, step, step_back
from evobnn.nn.fast.kept import njit
from evobnn.nn.fast.loops import along, copied, fold

PIECE = 2048
"""So many numbers of a map are worked on at a time: the slots of a dozen steps fill a fraction of a cache."""
_FOLDED = 32
"""So many pieces are summed in float32 before the sums are added in float64."""

_ZERO = np.float32(0)


@njit(**INNER)
def _spread(values: Any, length: int) -> Any:
    """Return (rows, length): a number of each channel, repeated along a piece; a row of nothing where there is none."""
    rows, channels = values.shape
    lines = np.empty((max(rows, 1), length), np.float32)
    for row in range(rows):
        copied(along(values[row], length // channels), lines[row])
    return lines


@njit(**INNER)
def compute(at: Any, steps: Any, count: int, weights: Any, slots: Any, first: Any, last: Any) -> None:
    """Fill the slots of a piece by `count` steps, from `first`, which is slot 0; the last step's is `last`. `at` is
    what `addresses` returns.
    """
    n = len(first)
    for s in range(count):
        p = first if steps[s, 1] == 0 else span(slots[steps[s, 1]], 0, n)
        q = first if steps[s, 2] == 0 else span(slots[steps[s, 2]], 0, n)
        y = last if s == len(steps) - 1 else span(slots[s + 1], 0, n)
        step(at[0, steps[s, 0]], steps[s, 0], p, q, span(weights[max(steps[s, 3], 0)], 0, n), y)


@njit(**INNER)
def _entered(piece: Any, normed: bool, gain: Any, bias: Any, room: Any) -> Any:
    """Return the program's input, a x + b for a piece x with `normed`."""
    if not normed:
        return piece
    for i in range(len(piece)):
        room[i] = piece[i] * gain[i] + bias[i]
    return room[: len(piece)]


@njit(**OPTIONS)
def express(x: Any, normed: bool, a: Any, b: Any, at: Any, steps: Any, parameters: Any, out: Any) -> None:
    """Write the program's value of x, or with `normed` of a x + b, into `out`, shaped as x."""
    channels = x.shape[3]
    length = max(min(PIECE, x.size) // channels, 1) * channels
    line, to = flat(x), flat(out)
    gain, bias = along(a, length // channels), along(b, length // channels)
    weights, slots = _spread(parameters, length), np.empty((len(steps) + 1, length), np.float32)
    for start in range(0, len(line), length):
        piece, goal = line[start : start + length], to[start : start + length]
        compute(at, steps, len(steps), weights, slots, _entered(piece, normed, gain, bias, slots[0]), goal)


@njit(**INNER)
def back_piece(
    at: Any, steps: Any, first: Any, g: Any, slope: Any, weights: Any, slots: Any, back: Any, parts: Any, goal: Any
) -> None:
    """Write into `goal` what a piece of the program hands back of g to its input, which is `first`, and add to the rows
    of `parts` what it hands back to its parameters.

    `slope` is of what stands behind the program, as in `express_backward`; `slots` and `back` are room for as many
    lines as there are steps, and one more.
    """
    n, end = len(first), len(steps) - 1
    by_value = 1 if len(slope) or steps[end, 0] in BY_VALUE else 0  # else the last step's value is not needed again
    compute(at, steps, end + by_value, weights, slots, first, span(slots[end + 1], 0, n))
    if len(slope):
        g = _passed(g, span(slots[end + 1], 0, n), slope, span(back[end + 1], 0, n))
    goal[:] = _ZERO
    back[1 : end + 1, :n] = _ZERO
    for s in range(end, -1, -1):
        source, other, row = steps[s, 1], steps[s, 2], max(steps[s, 3], 0)
        p, gp = (first, goal) if source == 0 else (span(slots[source], 0, n), span(back[source], 0, n))
        q, gq = (first, goal) if other == 0 else (span(slots[other], 0, n), span(back[other], 0, n))
        came_here = g if s == end else span(back[s + 1], 0, n)
        code, w, y = steps[s, 0], span(weights[row], 0, n), span(slots[s + 1], 0, n)
        step_back(at[1, code], code, p, q, w, y, came_here, gp, gq, span(parts[row], 0, n))


@njit(**OPTIONS)
def express_backward(
    grad: Any, x: Any, normed: bool, a: Any, b: Any, at: Any, steps: Any, parameters: Any, slope: Any, out: Any
) -> Any:
    """Write the gradient g of the program's input into `out`, shaped as x, and return the sums of g and of g x
    (float64, (C,); 0 without `normed`) and the gradients of the parameters (float64, (P, C)).

    `grad` is that of what stands behind the program: something with a `slope`, as `kernels.sums_behind` reads it, or
    nothing but the program where there are no numbers in it.
    """
    channels, end, rows = x.shape[3], len(steps) - 1, len(parameters)
    length = max(min(PIECE, x.size) // channels, 1) * channels
    line, came, to = flat(x), flat(grad), flat(out)
    gain, bias = along(a, length // channels), along(b, length // channels)
    weights, slots = _spread(parameters, length), np.empty((end + 2, length), np.float32)
    back = np.empty((end + 2, length), np.float32)
    sums, part = np.zeros((rows + 2, channels), np.float64), np.zeros((rows + 3, length), np.float32)
    for start in range(0, len(line), length):
        piece, goal, g = line[start : start + length], to[start : start + length], came[start : start + length]
        first = _entered(piece, normed, gain, bias, slots[0])
        back_piece(at, steps, first, g, slope, weights, slots, back, part[2:], goal)
        if normed:
            _add_up(goal, piece, part[0], part[1])
        if start // length % _FOLDED == _FOLDED - 1 or start + len(piece) == len(line):
            for row in range(rows + 2):
                fold(part[row], sums[row])
    return sums[0], sums[1], sums[2:]


@njit(**INNER)
def _passed(came: Any, v: Any, slope: Any, g: Any) -> Any:
    """Write came slope(v) into g, and return it."""
    clip, top, fall = slope[0], slope[1], slope[2]
    for i in range(len(g)):
        g[i] = came[i] * (top - fall * abs(v[i])) if abs(v[i]) < clip else _ZERO
    return g


@njit(**INNER)
def _add_up(g: Any, x: Any, total: Any, products: Any) -> None:
    for i in range(len(g)):
        total[i] += g[i]
    for i in range(len(g)):
        products[i] += g[i] * x[i]


__all__ = ["CODES", "PIECE", "addresses", "back_piece", "compute", "express", "express_backward"]
