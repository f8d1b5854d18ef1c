"""A whole binary layer of small maps as one compiled function forward and one backward: batch norm, expression, sign,
convolution, ReLU and scale. The convolution is that of `evobnn.nn.panels`, the expression that of `evobnn.nn.programs`,
the rest that of `evobnn.nn.kernels`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from evobnn.nn.kernels import affine, enter, leave, measured, norm_backward, through_norm, tilted
from evobnn.nn.panels import OPTIONS, SUMS, backward, forward
from evobnn.nn.programs import express, express_backward

FRONT, BEHIND = 1, 2
"""Where the batch norm of a layer stands; 0 is nowhere."""


@njit(**OPTIONS)
def layer(
    x: Any, weight: Any, normed: int, batch: bool, gain: Any, bias: Any, mean: Any, variance: Any, eps: float,
    share: float, scaled: bool, floor: Any, filler: Any, tile: int, run: int, place: Any, taps: Any, goal: Any,
    inside: Any, kept: Any, notes: Any, steps: Any, learned: Any, y: Any, out: Any,
) -> None:  # fmt: skip
    """Write a whole layer's output into `out`: batch norm in front or behind, expression, sign, convolution, ReLU,
    scale.

    Its arguments, some explained together:
        x, weight, floor, filler, tile, run, place, taps, goal, inside, kept, out: as in `forward`.
        normed: `FRONT`, `BEHIND` or 0.
        batch, gain, bias, mean, variance, eps, share: as in `measured`.
        scaled: whether each filter has its mean|w| as a scale, else 1.
        notes: for `layer_backward`, to be written: (5, as many as there are channels or filters) float64: what
            `measured` writes where there is a norm, and alpha.
        steps, learned: program and parameters of the expression, see `evobnn.nn.programs`; no steps for none.
        y: as `out`; the convolution for `layer_backward` where the norm is behind, else not used.
    """
    filters, channels = weight.shape[0], weight.shape[2]
    alpha = np.ones(filters, np.float32)
    if scaled:
        for f in range(filters):
            alpha[f] = _size(weight[f]) / (weight.shape[1] * channels)
    notes[4, :filters] = alpha
    a, b = np.ones(channels, np.float32), np.zeros(channels, np.float32)
    if normed == FRONT:
        own = notes[:4, :channels]
        a, b = measured(x, batch, a, gain, bias, mean, variance, eps, share, own)
    entering = x
    if len(steps):
        entering = np.empty(x.shape, np.float32)
        express(x, normed == FRONT, a, b, steps, learned, entering)
        a[:], b[:] = 1, 0
    if normed == BEHIND:
        own, plain, least = notes[:4, :filters], np.ones(filters, np.float32), np.float32(-np.inf)
        forward(entering, a, b, weight, plain, least, filler, tile, run, place, taps, goal, inside, kept, y)
        a, b = measured(y, batch, alpha, gain, bias, mean, variance, eps, share, own)
        affine(y, a, b, out)
    else:
        forward(entering, a, b, weight, alpha, floor, filler, tile, run, place, taps, goal, inside, kept, out)


@njit(**SUMS)
def _size(values: Any) -> Any:
    """Return the sum of |v| over an array of two dimensions."""
    total = np.float32(0)
    for line in values:
        for value in line:
            total += abs(value)
    return total


@njit(**OPTIONS)
def layer_backward(
    grad: Any, x: Any, made: Any, weight: Any, normed: int, batch: bool, gain: Any, slope: Any, floor: Any, tile: int,
    run: int, place: Any, taps: Any, goal: Any, kept: Any, notes: Any, steps: Any, learned: Any, gx: Any, gw: Any,
    gains: Any, gl: Any,
) -> None:  # fmt: skip
    """Write the gradients of `layer`'s input and weights into gx and gw, those of the norm into `gains`, those of the
    expression's parameters into `gl`, shaped as `learned`.

    Its arguments, some explained together:
        grad: of the output. made: the output, or y where the norm is behind.
        slope: of the surrogate, see `sums_behind`.
        gains: (2, channels or filters, as the norm has) float32: of the gain, of the bias.
        The others as they were for `layer`.
    """
    channels, filters = x.shape[3], grad.shape[3]
    alpha, own = notes[4, :filters].astype(np.float32), notes[:4, : gains.shape[1]]
    ones, nothing = np.ones(channels, np.float32), np.zeros(channels, np.float32)
    entered = np.empty(grad.shape, np.float32)
    if normed == BEHIND:
        straight = np.array([np.inf, 1.0, 0.0], np.float32)
        norm_backward(grad, made, batch, alpha, gain, own, straight, entered, gains)
    else:
        enter(grad, made, alpha, floor, entered)
    signs = np.empty(x.shape, np.float32)
    backward(entered, weight, kept, tile, run, place, taps, goal, signs, gw)
    if len(steps):
        a, b = ones, nothing
        if normed == FRONT:
            a, b = own[0].astype(np.float32), own[1].astype(np.float32)
        total, products, gl[:] = express_backward(signs, x, normed == FRONT, a, b, steps, learned, slope, gx)
        if normed == FRONT:
            count = x.size // channels if batch else 0
            gains[0], k1, k0 = tilted(total, products, count, ones, gain, own[2], own[3])
            gains[1] = total
            through_norm(gx, x, a, k1, k0)
    elif normed == FRONT:
        norm_backward(signs, x, batch, ones, gain, own, slope, gx, gains)
    else:
        leave(signs, x, ones, nothing, slope, 0, nothing, nothing, gx)
