"""exp, log, sin and their like in float32, one number at a time, out of additions, multiplications and selections: a
loop over them becomes one over vectors, which calls of a mathematical library would prevent.

Each is within some 1e-6 of the exact value, relative to it or, where it crosses 0 far from the origin, to 1; NaN stays
NaN. Polynomials are those of Moshier's Cephes library (single precision), others as their functions say.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from evobnn.nn.fast.kept import njit

OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"contract", "nsz"}}
"""How loops are compiled: kept on disk, without Python's lock, 1/0 without an exception, sums in their written order.
Functions of one number are written into their callers: LLVM alone leaves the longer ones out, and makes no vectors.
"""

INNER: dict[str, Any] = {**OPTIONS, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
"""Of functions that compiled ones call and Python does not, which then compile in less time."""

f = np.float32
_NEAREST, _NEAREST_BITS = f(12582912.0), np.uint32(0x4B400000)  # 1.5 2**23: a sum with it ends in the integer part
_LOG2E, _LN2_HIGH, _LN2_LOW = f(1.44269504), f(0.693359375), f(-2.12194440e-4)
_EXP_LEAST, _EXP_MOST = f(-87.3), f(89.0)
_HALF_TURNS, _PI_A, _PI_B, _PI_C = f(2.0 / math.pi), f(1.5703125), f(4.837512969970703125e-4), f(7.54978995489188e-8)
FAR = f(8192.0)
"""Up to here `sine`, `cosine` and `tangent` are exact enough; beyond, use the double precision of `math`."""
_SQRT_HALF_BITS, _MANTISSA = np.uint32(0x3F3504F3), np.uint32(23)
_TAN_3_8, _TAN_1_8 = f(2.414213562), f(0.4142135624)
_PI_2, _PI_4, _SLOPE_OF_ERF = f(math.pi / 2.0), f(math.pi / 4.0), f(2.0 / math.sqrt(math.pi))
_INF, _ZERO, _HALF, _ONE, _TWO = f(np.inf), f(0.0), f(0.5), f(1.0), f(2.0)


@intrinsic
def float_of(context: Any, bits: Any) -> Any:
    """Return the float32 that has these bits."""
    return types.float32(types.uint32), lambda c, builder, s, args: builder.bitcast(args[0], ir.FloatType())


@intrinsic
def bits_of(context: Any, value: Any) -> Any:
    """Return the bits of a float32."""
    return types.uint32(types.float32), lambda c, builder, s, args: builder.bitcast(args[0], ir.IntType(32))


@njit(inline="always", **INNER)
def exponential(x: Any) -> Any:
    """Return exp(x); 0 where that is below the least normal number."""
    v = _EXP_MOST if x > _EXP_MOST else x
    v = _EXP_LEAST if v < _EXP_LEAST else v
    turned = v * _LOG2E + _NEAREST
    n = turned - _NEAREST
    r = v - n * _LN2_HIGH
    r = r - n * _LN2_LOW
    y = f(1.9875691500e-4)
    y = y * r + f(1.3981999507e-3)
    y = y * r + f(8.3334519073e-3)
    y = y * r + f(4.1665795894e-2)
    y = y * r + f(1.6666665459e-1)
    y = y * r + f(5.0000001201e-1)
    y = y * (r * r) + r + _ONE
    whole = bits_of(turned) - _NEAREST_BITS  # n as an integer, below 0 around 2**32
    half = np.uint32(np.int32(whole) >> np.int32(1))
    y = y * float_of((half + np.uint32(127)) << _MANTISSA) * float_of((whole - half + np.uint32(127)) << _MANTISSA)
    return _ZERO if x < _EXP_LEAST else y


@njit(inline="always", **INNER)
def logarithm(x: Any) -> Any:
    """Return ln(x) of a normal number above 0, and infinity of infinity."""
    bits = bits_of(x)
    e = np.int32(bits - _SQRT_HALF_BITS) >> np.int32(23)
    m = float_of(bits - (np.uint32(e) << _MANTISSA)) - _ONE
    power = f(e)
    y = f(7.0376836292e-2)
    y = y * m + f(-1.1514610310e-1)
    y = y * m + f(1.1676998740e-1)
    y = y * m + f(-1.2420140846e-1)
    y = y * m + f(1.4249322787e-1)
    y = y * m + f(-1.6668057665e-1)
    y = y * m + f(2.0000714765e-1)
    y = y * m + f(-2.4999993993e-1)
    y = y * m + f(3.3333331174e-1)
    square = m * m
    y = y * m * square + power * _LN2_LOW - _HALF * square
    y = m + y + power * _LN2_HIGH
    return y if x < _INF else x


@njit(inline="always", **INNER)
def _turned(x: Any, ahead: Any) -> Any:
    """Return sin(x + ahead pi/2)."""
    turned = x * _HALF_TURNS + _NEAREST
    n = turned - _NEAREST
    r = x - n * _PI_A
    r = r - n * _PI_B
    r = r - n * _PI_C
    quarter = bits_of(turned) - _NEAREST_BITS + ahead
    z = r * r
    s = f(-1.9515295891e-4)
    s = s * z + f(8.3321608736e-3)
    s = s * z + f(-1.6666654611e-1)
    s = s * (z * r) + r
    c = f(2.443315711809948e-5)
    c = c * z + f(-1.388731625493765e-3)
    c = c * z + f(4.166664568298827e-2)
    c = c * (z * z) - _HALF * z + _ONE
    y = c if quarter & np.uint32(1) else s
    return -y if quarter & np.uint32(2) else y


@njit(inline="always", **INNER)
def sine(x: Any) -> Any:
    """Return sin(x) for |x| up to FAR."""
    return _turned(x, np.uint32(0))


@njit(inline="always", **INNER)
def cosine(x: Any) -> Any:
    """Return cos(x) for |x| up to FAR."""
    return _turned(x, np.uint32(1))


@njit(inline="always", **INNER)
def arctangent(x: Any) -> Any:
    """Return atan(x)."""
    a = abs(x)
    far, middle = a > _TAN_3_8, a > _TAN_1_8
    t = -_ONE / a if far else ((a - _ONE) / (a + _ONE) if middle else a)
    begin = _PI_2 if far else (_PI_4 if middle else _ZERO)
    z = t * t
    y = f(8.05374449538e-2)
    y = y * z + f(-1.38776856032e-1)
    y = y * z + f(1.99777106478e-1)
    y = y * z + f(-3.33329491539e-1)
    y = begin + (y * z * t + t)
    return -y if x < _ZERO else y


@njit(inline="always", **INNER)
def sigmoid(x: Any) -> Any:
    """Return 1 / (1 + exp(-x))."""
    return _ONE / (_ONE + exponential(-x))


@njit(inline="always", **INNER)
def bell(x: Any) -> Any:
    """Return exp(-x²)."""
    return exponential(-(x * x))


@njit(inline="always", **INNER)
def error_function(x: Any) -> Any:
    """Return erf(x): near 0 an odd polynomial over an even one, so that the sign is that of x, elsewhere 1 - erfc."""
    v = f(4.0) if x > f(4.0) else x
    v = f(-4.0) if v < f(-4.0) else v
    z = v * v
    above = f(-2.72614225801306e-10)
    above = above * z + f(2.77068142495902e-08)
    above = above * z + f(-2.10102402082508e-06)
    above = above * z + f(-5.69250639462346e-05)
    above = above * z + f(-7.34990630326855e-04)
    above = above * z + f(-2.95459980854025e-03)
    above = above * z + f(-1.60960333262415e-02)
    below = f(-1.45660718464996e-05)
    below = below * z + f(-2.13374055278905e-04)
    below = below * z + f(-1.68282697438203e-03)
    below = below * z + f(-7.37332916720468e-03)
    below = below * z + f(-1.42647390514189e-02)
    return v * above / below


@njit(inline="always", **INNER)
def slope_of_erf(x: Any) -> Any:
    """Return erf'(x) = 2 / sqrt(pi) exp(-x²)."""
    return _SLOPE_OF_ERF * bell(x)


@njit(inline="always", **INNER)
def complement(x: Any) -> Any:
    """Return erfc(x) = t exp(-x² + P(t)), t = 1 / (1 + |x| / 2), with P by Press et al., Numerical Recipes, 6.2; for x
    below 0 as 2 - erfc(-x).
    """
    a = abs(x)
    t = _ONE / (_ONE + _HALF * a)
    y = f(0.17087277)
    y = y * t + f(-0.82215223)
    y = y * t + f(1.48851587)
    y = y * t + f(-1.13520398)
    y = y * t + f(0.27886807)
    y = y * t + f(-0.18628806)
    y = y * t + f(0.09678418)
    y = y * t + f(0.37409196)
    y = y * t + f(1.00002368)
    y = y * t + f(-1.26551223)
    y = t * exponential(y - a * a)
    return _TWO - y if x < _ZERO else y
