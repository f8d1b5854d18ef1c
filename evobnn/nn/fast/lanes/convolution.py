"""Binary convolutions with the images innermost, in float32: forward by counting bits, backward by loops over lines.

Forward, ±1 meets ±1: a word holds the signs of 16 channels at one place, and a sum of products is
terms - 2 popcount(signs xor weights) (Rastegari et al. 2016, XNOR-Net, section 3.3): whole numbers, exact up to 65,535
terms. Backward, two sums of products in float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from evobnn.nn.fast.apart import apart, at, flat, span
from evobnn.nn.fast.elementary import INNER
from evobnn.nn.fast.kept import njit

_LINE, _LINES, _MAP = (types.Array(types.float32, axes, "C") for axes in (1, 2, 4))
_NUMBERS, _TABLE, _WEIGHTS = types.int64[::1], types.int64[:, ::1], types.float32[:, :, ::1]
_PLAN = (types.intp, types.intp, _TABLE, _NUMBERS, _TABLE, types.boolean[:, ::1])
_FORWARD = (_MAP, _LINE, _LINE, _WEIGHTS, _LINE, types.float32, types.float32, *_PLAN, _LINES, _MAP)
_SPREAD = (_LINES, _WEIGHTS, _NUMBERS, types.intp, _LINES)
_GATHER = (_LINES, _LINES, _NUMBERS, types.intp, _WEIGHTS)
ADDING = {**INNER, "fastmath": {"contract", "nsz", "reassoc"}}
"""How loops are compiled that add up, in whichever order is quickest."""
_BITS = 16
_UNROLLED = 64
"""Numbers of one turn of a compiled loop, four vectors of 16; what is left over goes one by one."""
_STRETCH = 512
"""Numbers of a line at a time, at most: a dozen lines of them fit the first cache."""


@intrinsic
def wide(context: Any) -> Any:
    """Let the function that calls this use the widest vectors there are; LLVM holds them back on some processors."""

    def generate(c: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')  # its own `add` knows no attributes of text
        return c.get_dummy_value()

    return types.none(), generate


@intrinsic
def _popcount(context: Any, word: Any) -> Any:
    return types.uint16(types.uint16), lambda c, builder, signature, arguments: builder.ctpop(arguments[0])


@njit(**INNER)
def lines(count: int, length: int) -> Any:
    """Return memory (count, length) float32 that begins where vectors want to begin."""
    whole = np.empty(count * length + 16, np.float32)
    skipped = -(whole.ctypes.data // 4) % 16
    return whole[skipped : skipped + count * length].reshape(count, length)


@apart(*_FORWARD)
def forward(
    x: Any, a: Any, b: Any, weight: Any, alpha: Any, floor: Any, filler: Any, run: int, strip: int, place: Any,
    taps: Any, goal: Any, inside: Any, kept: Any, out: Any,
) -> None:  # fmt: skip
    """Write alpha max(y, floor) into `out`, y the convolution of sign(a x + b) with sign(weight).

    Its arguments, some explained together:
        x: (C, H, W, N) float32; a, b: (C,). NaN becomes -1.
        weight: (filters, C, taps), of which the sign counts, +1 at 0; alpha: (filters,).
        filler: of the frame, -1 or 0.
        run, strip, place, taps, goal, inside: see `geometry.Plan`.
        kept: the signs, (C up to a multiple of 4, places * N), to be written for `backward`.
        out: (filters, H', W', N).
    """
    wide()
    channels, height, width, images = x.shape
    filters, count = weight.shape[0], len(taps)
    words = -(-channels // _BITS)
    bits = np.zeros((words, kept.shape[1]), np.uint16)
    coded = np.zeros((filters, count, words), np.uint16)
    mend = np.zeros((filters, inside.shape[0]), np.int32)
    for f in range(filters):
        for k in range(count):
            total = 0
            for w in range(words):
                first, word = w * _BITS, np.uint16(0)
                for c in range(min(_BITS, channels - first)):
                    word |= np.uint16(weight[f, first + c, k] >= 0) << np.uint16(c)
                coded[f, k, w] = word
                total += np.int64(_popcount(word))
            if filler == 0:
                for p in range(inside.shape[0]):
                    if not inside[p, k]:
                        mend[f, p] += 2 * total - channels
    kept[:] = filler
    length = strip * images
    for c in range(channels):
        own, gain, shift = np.uint16(1 << (c % _BITS)), a[c], b[c]
        for h in range(height):
            row = flat(x[c, h])
            for w in range(0, width, strip):
                at = place[h, w] * images
                seen = span(row, w * images, length)
                line, word = span(kept[c], at, length), span(bits[c // _BITS], at, length)
                for i in range(length):
                    line[i] = np.float32(1) if seen[i] * gain + shift >= 0 else np.float32(-1)
                for i in range(length):
                    word[i] |= own if line[i] > 0 else np.uint16(0)
    wrong = lines(filters, -(-run * images // 2)).view(np.uint16)
    _count(bits, coded, taps, images, run, wrong)
    terms, stretch = channels * count, goal.shape[1] * images
    for f in range(filters):
        scale = alpha[f]
        for h in range(goal.shape[0]):
            at, first = goal[h, 0] * images, h * goal.shape[1]
            row, found = flat(out[f, h]), span(wrong[f], at, stretch)
            if filler == 0:
                for w in range(goal.shape[1]):
                    most = terms + mend[f, first + w]
                    for i in range(w * images, (w + 1) * images):
                        v = np.float32(most - 2 * np.int32(found[i]))
                        row[i] = (floor if v <= floor else v) * scale
            else:
                for i in range(stretch):
                    v = np.float32(terms - 2 * np.int32(found[i]))
                    row[i] = (floor if v <= floor else v) * scale


@njit(**INNER)
def _stretch(length: int, most: int) -> int:
    """Return how long the parts of a line are if it is cut into equal ones of whole vectors."""
    parts = -(-length // most)
    return -(-length // (_UNROLLED * parts)) * _UNROLLED


@njit(**INNER)
def _count(bits: Any, coded: Any, taps: Any, images: int, run: int, wrong: Any) -> None:
    """Write into `wrong` (filters, run * N) in how many places the signs under a filter differ from its own."""
    wide()
    wrong[:] = 0
    stretch = _stretch(run * images, 2 * _STRETCH)
    for start in range(0, run * images, stretch):
        length = min(stretch, run * images - start)
        for f in range(len(wrong)):
            sums = span(wrong[f], start, length)
            for k in range(len(taps)):
                base = taps[k] * images + start
                for w in range(len(bits)):
                    line, code = span(bits[w], base, length), coded[f, k, w]
                    for i in range(length):
                        sums[i] += _popcount(line[i] ^ code)


@njit(**INNER)
def signed(weight: Any) -> Any:
    """Return the signs of weights (filters, C, taps) as (filters up to a multiple of 4, taps, C up to one of 2)."""
    filters, channels, count = weight.shape
    found = np.zeros((-(-filters // 4) * 4, count, -(-channels // 2) * 2), np.float32)
    for f in range(filters):
        for c in range(channels):
            for k in range(count):
                found[f, k, c] = np.float32(1) if weight[f, c, k] >= 0 else np.float32(-1)
    return found


@apart(*_SPREAD)
def spread(came: Any, signs: Any, taps: Any, images: int, found: Any) -> None:
    """Write into `found` (C, places * N) what the outputs' gradients, `came` (filters, run * N), bring to inputs."""
    wide()
    found[:] = 0
    stretch = _stretch(came.shape[1], _STRETCH)
    for start in range(0, came.shape[1], stretch):
        length = min(stretch, came.shape[1] - start)
        for c in range(0, len(found), 2):
            for k in range(len(taps)):
                base = taps[k] * images + start
                one, two = span(found[c], base, length), span(found[c + 1], base, length)
                for f in range(0, len(came), 4):
                    v0, v1, v2, v3 = signs[f, k, c], signs[f + 1, k, c], signs[f + 2, k, c], signs[f + 3, k, c]
                    w0, w1 = signs[f, k, c + 1], signs[f + 1, k, c + 1]
                    w2, w3 = signs[f + 2, k, c + 1], signs[f + 3, k, c + 1]
                    g0, g1 = span(came[f], start, length), span(came[f + 1], start, length)
                    g2, g3 = span(came[f + 2], start, length), span(came[f + 3], start, length)
                    for i in range(length):
                        v = one[i] + v0 * g0[i]
                        w = two[i] + w0 * g0[i]
                        v += v1 * g1[i]
                        w += w1 * g1[i]
                        v += v2 * g2[i]
                        w += w2 * g2[i]
                        one[i] = v + v3 * g3[i]
                        two[i] = w + w3 * g3[i]


@apart(*_GATHER, **ADDING)
def gather(came: Any, signs: Any, taps: Any, images: int, sums: Any) -> None:
    """Add to `sums` (filters, taps, C) the products of the outputs' gradients with the inputs' signs."""
    wide()
    nothing, stretch = np.float32(0), _stretch(came.shape[1], _STRETCH)
    for start in range(0, came.shape[1], stretch):
        length = min(stretch, came.shape[1] - start)
        for f in range(0, len(came), 2):
            one, two = span(came[f], start, length), span(came[f + 1], start, length)
            for k in range(len(taps)):
                base = taps[k] * images + start
                for c in range(0, len(signs), 4):
                    s0, s1 = span(signs[c], base, length), span(signs[c + 1], base, length)
                    s2, s3 = span(signs[c + 2], base, length), span(signs[c + 3], base, length)
                    v0 = v1 = v2 = v3 = w0 = w1 = w2 = w3 = nothing
                    for i in range(length):
                        v0 += one[i] * s0[i]
                        v1 += one[i] * s1[i]
                        v2 += one[i] * s2[i]
                        v3 += one[i] * s3[i]
                        w0 += two[i] * s0[i]
                        w1 += two[i] * s1[i]
                        w2 += two[i] * s2[i]
                        w3 += two[i] * s3[i]
                    sums[f, k, c] += v0
                    sums[f, k, c + 1] += v1
                    sums[f, k, c + 2] += v2
                    sums[f, k, c + 3] += v3
                    sums[f + 1, k, c] += w0
                    sums[f + 1, k, c + 1] += w1
                    sums[f + 1, k, c + 2] += w2
                    sums[f + 1, k, c + 3] += w3


forward_at, spread_at, gather_at = at(*_FORWARD), at(*_SPREAD), at(*_GATHER)
"""Called with its address, each does what the function of that name does."""
