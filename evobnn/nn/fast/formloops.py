"""Every form over a piece of a map, forward and backward: what `evobnn.nn.fast.programs` runs step by step.

Each direction is four functions that stand apart: in one, what Numba does before LLVM grows faster than the function.
`_forward_*` write a form of p and q into y; w is its parameter, spread over the piece. `_backward_*` add to gp, gq and
gw what a form hands back of g, the gradient of its y, and write over y.

At kinks slopes are PyTorch's: |x|' and relu' are 0 at 0, min0' is 1 at 0, max and min halve theirs between equals.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import types

from evobnn.nn.fast.apart import apart, at
from evobnn.nn.fast.elementary import (
    FAR,
    INNER,
    arctangent,
    bell,
    bits_of,
    complement,
    cosine,
    error_function,
    exponential,
    logarithm,
    sigmoid,
    sine,
    slope_of_erf,
)
from evobnn.nn.fast.kept import njit

_NAMES = (
    "zero square cube sqrt ln sin cos sigmoid tan atan erf erfc expabs gauss relu min0 abs neg scale shift const "
    "add sub mul div ratio max min gate gaussdiff expdiff mix"
)
CODES = {name: code for code, name in enumerate(_NAMES.split())}
"""The number of every form that a program can hold; `x` is slot 0."""

BY_VALUE = tuple(CODES[name] for name in ("sigmoid", "tan", "expabs", "gauss", "div", "ratio", "gaussdiff", "expdiff"))
"""Forms whose derivative here is one of their value."""

_LINE = types.Array(types.float32, 1, "C")
_THERE, _BACK = (types.intp, *4 * (_LINE,)), (types.intp, *8 * (_LINE,))
_ZERO, _HALF, _ONE, _TWO, _THREE = np.float32(0), np.float32(0.5), np.float32(1), np.float32(2), np.float32(3)
_EPSILON = np.float32(1e-8)
_WITHOUT_SIGN, _FAR_BITS = np.uint32(0x7FFFFFFF), np.float32(FAR).view(np.uint32)


@njit(inline="always", **INNER)
def _sign(v: Any) -> Any:
    return _ONE if v > _ZERO else (-_ONE if v < _ZERO else v)


@njit(**INNER)
def _far(p: Any) -> bool:
    """Tell whether a piece holds numbers that are too far from 0 for the reduction of angles, or not finite. Bits of
    numbers above 0 are in the order of these, and LLVM makes vectors of a greatest integer, but of no greatest float.
    """
    most = np.uint32(0)
    for i in range(len(p)):
        most = max(most, bits_of(p[i]) & _WITHOUT_SIGN)
    return bool(most > _FAR_BITS)


@apart(*_THERE)
def _forward_1(code: int, p: Any, q: Any, w: Any, y: Any) -> None:
    n = len(y)
    if code == 0:  # zero
        for i in range(n):
            y[i] = _ZERO
    elif code == 1:  # square
        for i in range(n):
            y[i] = p[i] * p[i]
    elif code == 2:  # cube
        for i in range(n):
            y[i] = p[i] * p[i] * p[i]
    elif code == 14:  # relu
        for i in range(n):
            y[i] = _ZERO if p[i] <= _ZERO else p[i]
    elif code == 15:  # min0
        for i in range(n):
            y[i] = _ZERO if p[i] > _ZERO else p[i]
    elif code == 16:  # abs
        for i in range(n):
            y[i] = abs(p[i])
    elif code == 17:  # neg
        for i in range(n):
            y[i] = -p[i]
    elif code == 18:  # scale
        for i in range(n):
            y[i] = p[i] * w[i]
    elif code == 19:  # shift
        for i in range(n):
            y[i] = p[i] + w[i]
    elif code == 20:  # const
        for i in range(n):
            y[i] = w[i]
    elif code == 21:  # add
        for i in range(n):
            y[i] = p[i] + q[i]
    elif code == 22:  # sub
        for i in range(n):
            y[i] = p[i] - q[i]
    elif code == 23:  # mul
        for i in range(n):
            y[i] = p[i] * q[i]


@apart(*_THERE)
def _forward_2(code: int, p: Any, q: Any, w: Any, y: Any) -> None:
    n = len(y)
    if code == 3:  # sqrt: sgn(p) sqrt(|p| + eps)
        for i in range(n):
            y[i] = _sign(p[i]) * np.sqrt(abs(p[i]) + _EPSILON)
    elif code == 4:  # ln(|p| + eps)
        for i in range(n):
            y[i] = logarithm(abs(p[i]) + _EPSILON)
    elif code == 5 and not _far(p):  # sin
        for i in range(n):
            y[i] = sine(p[i])
    elif code == 5:
        for i in range(n):
            y[i] = math.sin(np.float64(p[i]))
    elif code == 6 and not _far(p):  # cos
        for i in range(n):
            y[i] = cosine(p[i])
    elif code == 6:
        for i in range(n):
            y[i] = math.cos(np.float64(p[i]))
    elif code == 8 and not _far(p):  # tan
        for i in range(n):
            y[i] = sine(p[i]) / cosine(p[i])
    elif code == 8:
        for i in range(n):
            y[i] = math.tan(np.float64(p[i]))


@apart(*_THERE)
def _forward_3(code: int, p: Any, q: Any, w: Any, y: Any) -> None:
    n = len(y)
    if code == 7:  # sigmoid
        for i in range(n):
            y[i] = sigmoid(p[i])
    elif code == 9:  # atan
        for i in range(n):
            y[i] = arctangent(p[i])
    elif code == 10:  # erf
        for i in range(n):
            y[i] = error_function(p[i])
    elif code == 11:  # erfc
        for i in range(n):
            y[i] = complement(p[i])
    elif code == 12:  # exp(eps - |p|)
        for i in range(n):
            y[i] = exponential(_EPSILON - abs(p[i]))
    elif code == 13:  # exp(-p²)
        for i in range(n):
            y[i] = bell(p[i])


@apart(*_THERE)
def _forward_4(code: int, p: Any, q: Any, w: Any, y: Any) -> None:
    n = len(y)
    if code == 24:  # div
        for i in range(n):
            y[i] = p[i] / (q[i] + _EPSILON)
    elif code == 25:  # ratio: p / (p + q + eps)
        for i in range(n):
            y[i] = p[i] / (p[i] + q[i] + _EPSILON)
    elif code == 26:  # max
        for i in range(n):
            y[i] = p[i] if p[i] > q[i] or p[i] != p[i] else q[i]
    elif code == 27:  # min
        for i in range(n):
            y[i] = p[i] if p[i] < q[i] or p[i] != p[i] else q[i]
    elif code == 28:  # gate: p sigmoid(q)
        for i in range(n):
            y[i] = p[i] * sigmoid(q[i])
    elif code == 29:  # exp(-(p - q)²)
        for i in range(n):
            y[i] = bell(p[i] - q[i])
    elif code == 30:  # exp(-|p - q|)
        for i in range(n):
            y[i] = exponential(-abs(p[i] - q[i]))
    elif code == 31:  # mix: w p + (1 - w) q
        for i in range(n):
            y[i] = w[i] * p[i] + (_ONE - w[i]) * q[i]


@apart(*_BACK)
def _backward_1(code: int, p: Any, q: Any, w: Any, y: Any, g: Any, gp: Any, gq: Any, gw: Any) -> None:
    n = len(y)
    if code == 0:  # zero
        pass
    elif code == 1:  # square: 2 p
        for i in range(n):
            gp[i] += g[i] * (_TWO * p[i])
    elif code == 2:  # cube: 3 p²
        for i in range(n):
            gp[i] += g[i] * (_THREE * p[i] * p[i])
    elif code == 14:  # relu: 1 above 0
        for i in range(n):
            gp[i] += g[i] if p[i] > _ZERO else _ZERO
    elif code == 15:  # min0: 1 up to 0
        for i in range(n):
            gp[i] += g[i] if p[i] <= _ZERO else _ZERO
    elif code == 16:  # abs: sgn(p)
        for i in range(n):
            gp[i] += g[i] * _sign(p[i])
    elif code == 17:  # neg: -1
        for i in range(n):
            gp[i] -= g[i]
    elif code == 18:  # scale: w, p
        for i in range(n):
            gp[i] += g[i] * w[i]
        for i in range(n):
            gw[i] += g[i] * p[i]
    elif code == 19:  # shift: 1, 1
        for i in range(n):
            gp[i] += g[i]
        for i in range(n):
            gw[i] += g[i]
    elif code == 20:  # const: 1
        for i in range(n):
            gw[i] += g[i]
    elif code == 21:  # add: 1, 1
        for i in range(n):
            gp[i] += g[i]
        for i in range(n):
            gq[i] += g[i]
    elif code == 22:  # sub: 1, -1
        for i in range(n):
            gp[i] += g[i]
        for i in range(n):
            gq[i] -= g[i]
    elif code == 23:  # mul: q, p
        for i in range(n):
            gp[i] += g[i] * q[i]
        for i in range(n):
            gq[i] += g[i] * p[i]


@apart(*_BACK)
def _backward_2(code: int, p: Any, q: Any, w: Any, y: Any, g: Any, gp: Any, gq: Any, gw: Any) -> None:
    n = len(y)
    if code == 3:  # sqrt: 1 / (2 sqrt(|p| + eps)), at 0 nothing
        for i in range(n):
            gp[i] += g[i] * (abs(_sign(p[i])) * _HALF / np.sqrt(abs(p[i]) + _EPSILON))
    elif code == 4:  # ln: sgn(p) / (|p| + eps)
        for i in range(n):
            gp[i] += g[i] * _sign(p[i]) / (abs(p[i]) + _EPSILON)
    elif code == 5 and not _far(p):  # sin: cos p
        for i in range(n):
            gp[i] += g[i] * cosine(p[i])
    elif code == 5:
        for i in range(n):
            gp[i] += g[i] * math.cos(np.float64(p[i]))
    elif code == 6 and not _far(p):  # cos: -sin p
        for i in range(n):
            gp[i] -= g[i] * sine(p[i])
    elif code == 6:
        for i in range(n):
            gp[i] -= g[i] * math.sin(np.float64(p[i]))
    elif code == 7:  # sigmoid: y (1 - y)
        for i in range(n):
            gp[i] += g[i] * (y[i] * (_ONE - y[i]))
    elif code == 8:  # tan: 1 + y²
        for i in range(n):
            gp[i] += g[i] * (_ONE + y[i] * y[i])
    elif code == 9:  # atan: 1 / (1 + p²)
        for i in range(n):
            gp[i] += g[i] / (_ONE + p[i] * p[i])


@apart(*_BACK)
def _backward_3(code: int, p: Any, q: Any, w: Any, y: Any, g: Any, gp: Any, gq: Any, gw: Any) -> None:
    n = len(y)
    if code == 10:  # erf: 2 / sqrt(pi) exp(-p²)
        for i in range(n):
            gp[i] += g[i] * slope_of_erf(p[i])
    elif code == 11:  # erfc: -2 / sqrt(pi) exp(-p²)
        for i in range(n):
            gp[i] -= g[i] * slope_of_erf(p[i])
    elif code == 12:  # expabs: -sgn(p) y
        for i in range(n):
            gp[i] -= g[i] * (_sign(p[i]) * y[i])
    elif code == 13:  # gauss: -2 p y
        for i in range(n):
            gp[i] -= g[i] * (_TWO * p[i] * y[i])
    elif code == 24:  # div: 1 / (q + eps), -y / (q + eps)
        for i in range(n):
            gp[i] += g[i] / (q[i] + _EPSILON)
        for i in range(n):
            gq[i] -= g[i] * y[i] / (q[i] + _EPSILON)
    elif code == 25:  # ratio: (1 - y) / (p + q + eps), -y / (p + q + eps)
        for i in range(n):
            y[i] = y[i] / (p[i] + q[i] + _EPSILON) * g[i]
        for i in range(n):
            gp[i] += g[i] / (p[i] + q[i] + _EPSILON) - y[i]
        for i in range(n):
            gq[i] -= y[i]


@apart(*_BACK)
def _backward_4(code: int, p: Any, q: Any, w: Any, y: Any, g: Any, gp: Any, gq: Any, gw: Any) -> None:
    n = len(y)
    if code == 26:  # max: 1 for the greater one
        for i in range(n):
            y[i] = _ONE if p[i] > q[i] else (_HALF if p[i] == q[i] else _ZERO)
        for i in range(n):
            gp[i] += g[i] * y[i]
        for i in range(n):
            gq[i] += g[i] * (_ONE - y[i])
    elif code == 27:  # min: 1 for the smaller one
        for i in range(n):
            y[i] = _ONE if p[i] < q[i] else (_HALF if p[i] == q[i] else _ZERO)
        for i in range(n):
            gp[i] += g[i] * y[i]
        for i in range(n):
            gq[i] += g[i] * (_ONE - y[i])
    elif code == 28:  # gate: s, p s (1 - s) with s = sigmoid(q)
        for i in range(n):
            y[i] = sigmoid(q[i])
        for i in range(n):
            gp[i] += g[i] * y[i]
        for i in range(n):
            gq[i] += g[i] * p[i] * (y[i] * (_ONE - y[i]))
    elif code == 29:  # gaussdiff: -2 (p - q) y, 2 (p - q) y
        for i in range(n):
            y[i] = y[i] * (_TWO * (p[i] - q[i])) * g[i]
        for i in range(n):
            gp[i] -= y[i]
        for i in range(n):
            gq[i] += y[i]
    elif code == 30:  # expdiff: -sgn(p - q) y, sgn(p - q) y
        for i in range(n):
            y[i] = y[i] * _sign(p[i] - q[i]) * g[i]
        for i in range(n):
            gp[i] -= y[i]
        for i in range(n):
            gq[i] += y[i]
    elif code == 31:  # mix: w, 1 - w, p - q
        for i in range(n):
            gp[i] += g[i] * w[i]
        for i in range(n):
            gq[i] += g[i] * (_ONE - w[i])
        for i in range(n):
            gw[i] += g[i] * (p[i] - q[i])


FORWARD = (
    (_forward_1, "zero square cube relu min0 abs neg scale shift const add sub mul"),
    (_forward_2, "sqrt ln sin cos tan"),
    (_forward_3, "sigmoid atan erf erfc expabs gauss"),
    (_forward_4, "div ratio max min gate gaussdiff expdiff mix"),
)
BACKWARD = (
    (_backward_1, "zero square cube relu min0 abs neg scale shift const add sub mul"),
    (_backward_2, "sqrt ln sin cos sigmoid tan atan"),
    (_backward_3, "erf erfc expabs gauss div ratio"),
    (_backward_4, "max min gate gaussdiff expdiff mix"),
)
"""Which function has which forms."""


@cache
def addresses() -> npt.NDArray[np.int64]:
    """Return the addresses of the forms' functions, (2, forms): forward, backward; compiled here, unless they were."""
    table = np.zeros((2, len(CODES)), np.int64)
    for row, parts in zip(table, (FORWARD, BACKWARD), strict=True):
        for function, names in parts:
            row[[CODES[name] for name in names.split()]] = function.address
    return table


step = at(*_THERE)
"""Called with an address forward, and as `_forward_1`: write a form of p and q into y."""
step_back = at(*_BACK)
"""Called with an address backward, and as `_backward_1`: add to gp, gq and gw what a form hands back of g."""
