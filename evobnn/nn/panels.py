"""Binary convolutions of small maps on CPUs, in float32: forward by counting bits, backward by loops over images.

A library's convolution wants channels by the dozen and pixels by the thousand; the maps of a brief training have
neither, and most of its time goes into getting started. Here the images are innermost: a *panel* holds 32 of them,
(channels, places x images), so that the same tap of the same channels is one long line for every loop.

Forward, ±1 meets ±1: a word holds the signs of 16 channels at one place, and a sum of products is
terms - 2 popcount(signs xor weights) (Rastegari et al. 2016, XNOR-Net, section 3.3): whole numbers, exact up to 65,535
terms. Backward, two sums of products in float32. Compiled by Numba and cached on disk, as `evobnn.nn.kernels` is; a
whole layer around it is in `evobnn.nn.whole`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

Floats = npt.NDArray[np.float32]

OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "fastmath": {"contract", "nsz"}}
SUMS = {**OPTIONS, "fastmath": {"contract", "nsz", "reassoc"}}
"""How loops are compiled, and how those that add up, in whichever order is quickest."""
_BITS = 16
_UNROLLED = 64
"""Numbers of one turn of a compiled loop, four vectors of 16; what is left over goes one by one."""
_STRETCH = 512
"""Numbers of a line at a time, at most: a dozen lines of them fit the first cache."""


@intrinsic
def _wide(context: Any) -> Any:
    """Let the function that calls this use the widest vectors there are; LLVM holds them back on some processors."""

    def generate(c: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')  # its own `add` knows no attributes of text
        return c.get_dummy_value()

    return types.none(), generate


@intrinsic
def _popcount(context: Any, word: Any) -> Any:
    return types.uint16(types.uint16), lambda c, builder, signature, arguments: builder.ctpop(arguments[0])


@dataclass(frozen=True, eq=False)
class Plan:
    """Where the pixels of a convolution's maps lie in panels.

    Attributes:
        images: of one panel.
        places: of an input panel; it is framed by as many pixels as the convolution pads. With stride 1 the frame
            right of a line is the one left of the next; with stride s the pixels lie in s x s maps of every s-th.
        run: places from the first output to the last, and up to three more, to come out even.
        place: of each input pixel, (height, width).
        taps: what to add to the place of an output for each pixel of the kernel, line by line.
        goal: of each output pixel, (height, width); not all places of the run are one.
        inside: whether a tap of an output reads a pixel and not the frame, (outputs, taps).
    """

    images: int
    places: int
    run: int
    place: npt.NDArray[np.int64]
    taps: npt.NDArray[np.int64]
    goal: npt.NDArray[np.int64]
    inside: npt.NDArray[np.bool_]


@lru_cache(maxsize=256)
def plan(height: int, width: int, kernel: int, stride: int, dilation: int, images: int) -> Plan:
    """Return the plan of a same-size convolution (odd kernel) over maps of this size, for so many images at once."""
    pad = dilation * (kernel - 1) // 2
    reach = dilation * np.arange(kernel)
    rows, columns = np.arange(-(-height // stride)), np.arange(-(-width // stride))
    if stride == 1:
        pitch, plane = width + pad, 0
        places = (height + 2 * pad - 1) * pitch + width + 2 * pad
    else:
        pitch = -(-(width + 2 * pad) // stride)
        plane = pitch * -(-(height + 2 * pad) // stride)
        places = plane * stride**2

    def at(y: Any, x: Any) -> Any:
        return (y % stride * stride + x % stride) * plane + y // stride * pitch + x // stride

    def seen(lines: Any, size: int) -> Any:
        found = stride * lines[:, None] + reach - pad
        return (found >= 0) & (found < size)

    images = 32 if images > 16 else 16
    last = int(rows[-1] * pitch + columns[-1] + 1)
    run = up(last, _UNROLLED // images)
    inside = seen(rows, height)[:, None, :, None] & seen(columns, width)[None, :, None, :]
    return Plan(
        images=images,
        places=places + run - last,
        run=run,
        place=at(pad + np.arange(height)[:, None], pad + np.arange(width)),
        taps=at(reach[:, None], reach).ravel(),
        goal=rows[:, None] * pitch + columns,
        inside=inside.reshape(len(rows) * len(columns), kernel**2),
    )


def up(count: int, step: int) -> int:
    """Return the least multiple of `step` that is not below `count`."""
    return -(-count // step) * step


@njit(**OPTIONS)
def _lines(count: int, length: int) -> Any:
    """Return memory (count, length) float32 that begins where vectors want to begin."""
    whole = np.empty(count * length + 16, np.float32)
    skipped = -(whole.ctypes.data // 4) % 16
    return whole[skipped : skipped + count * length].reshape(count, length)


@njit(**OPTIONS)
def forward(
    x: Any, a: Any, b: Any, weight: Any, alpha: Any, floor: Any, filler: Any, tile: int, run: int, place: Any,
    taps: Any, goal: Any, inside: Any, kept: Any, out: Any,
) -> None:  # fmt: skip
    """Write alpha max(y, floor) into `out`, y the convolution of sign(a x + b) with sign(weight).

    Its arguments, some explained together:
        x: (images, H, W, C) float32; a, b: (C,). NaN becomes -1.
        weight: (filters, taps, C), of which the sign counts, +1 at 0; alpha: (filters,).
        filler: of the frame, -1 or 0.
        tile, run, place, taps, goal, inside: see `Plan`.
        kept: the signs, (panels, C up to a multiple of 4, places * tile), to be written for `backward`; a single panel
            where nobody will ask for them.
        out: (images, H', W', filters).
    """
    _wide()
    images, height, width, channels = x.shape
    filters, count = weight.shape[0], len(taps)
    words = -(-channels // _BITS)
    bits = np.zeros((words, kept.shape[2]), np.uint16)
    coded = np.zeros((filters, count, words), np.uint16)
    mend = np.zeros((inside.shape[0], filters), np.int32)
    for f in range(filters):
        for k in range(count):
            total = 0
            for w in range(words):
                first, word = w * _BITS, np.uint16(0)
                for c in range(min(_BITS, channels - first)):
                    word |= np.uint16(weight[f, k, first + c] >= 0) << np.uint16(c)
                coded[f, k, w] = word
                total += np.int64(_popcount(word))
            if filler == 0:
                for p in range(inside.shape[0]):
                    if not inside[p, k]:
                        mend[p, f] += 2 * total - channels
    wrong = _lines(filters, run * tile // 2).view(np.uint16)
    turned = np.empty((tile, filters), np.float32)  # lines of images become lines of channels where caches are quick
    terms = channels * count
    for panel in range(-(-images // tile)):
        first = panel * tile
        some = min(tile, images - first)
        signs = kept[panel % kept.shape[0]]
        if panel < kept.shape[0]:
            signs[:] = filler
        bits[:] = 0
        for h in range(height):
            for w in range(width):
                at = place[h, w] * tile
                for c in range(channels):
                    line, word = signs[c, at : at + tile], bits[c // _BITS, at : at + tile]
                    own, gain, shift = np.uint16(1 << (c % _BITS)), a[c], b[c]
                    for t in range(some):
                        line[t] = np.float32(1) if x[first + t, h, w, c] * gain + shift >= 0 else np.float32(-1)
                    for t in range(some):
                        word[t] |= own if line[t] > 0 else np.uint16(0)
        _count(bits, coded, taps, tile, run, wrong)
        for h in range(goal.shape[0]):
            for w in range(goal.shape[1]):
                at = goal[h, w] * tile
                for f in range(filters):
                    line, most = wrong[f, at : at + tile], terms + mend[h * goal.shape[1] + w, f]
                    scale = alpha[f]
                    for t in range(some):
                        v = np.float32(most - 2 * np.int32(line[t]))
                        turned[t, f] = (floor if v <= floor else v) * scale
                for t in range(some):
                    for f in range(filters):
                        out[first + t, h, w, f] = turned[t, f]


@njit(**OPTIONS)
def _stretch(length: int, most: int) -> int:
    """Return how long the parts of a line are if it is cut into equal ones of whole vectors."""
    parts = -(-length // most)
    return -(-length // (_UNROLLED * parts)) * _UNROLLED


@njit(**OPTIONS)
def _count(bits: Any, coded: Any, taps: Any, tile: int, run: int, wrong: Any) -> None:
    """Write into `wrong` (filters, run * tile) in how many places the signs under a filter differ from its own."""
    _wide()
    wrong[:] = 0
    stretch = _stretch(run * tile, 2 * _STRETCH)
    for start in range(0, run * tile, stretch):
        length = min(stretch, run * tile - start)
        for f in range(len(wrong)):
            sums = wrong[f, start : start + length]
            for k in range(len(taps)):
                base = taps[k] * tile + start
                for w in range(len(bits)):
                    line, code = bits[w, base : base + length], coded[f, k, w]
                    for i in range(length):
                        sums[i] += _popcount(line[i] ^ code)


@njit(**OPTIONS)
def backward(
    grad: Any, weight: Any, kept: Any, tile: int, run: int, place: Any, taps: Any, goal: Any, gx: Any, gw: Any,
) -> None:  # fmt: skip
    """Write the gradients of the signs and of the two-valued weights.

    Its arguments, some explained together:
        grad: of the convolution, (images, H', W', filters) float32.
        weight, kept, tile, run, place, taps, goal: as in `forward`.
        gx: (images, H, W, C), to be written; gw: (filters, taps, C), to be written.
    """
    _wide()
    images, filters = grad.shape[0], grad.shape[3]
    channels, count = weight.shape[2], len(taps)
    many = -(-filters // 4) * 4
    signed = np.zeros((many, count, -(-channels // 2) * 2), np.float32)
    for f in range(filters):
        for k in range(count):
            for c in range(channels):
                signed[f, k, c] = np.float32(1) if weight[f, k, c] >= 0 else np.float32(-1)
    sums = np.zeros((many, count, kept.shape[1]), np.float32)
    came, found = _lines(many, run * tile), _lines(signed.shape[2], kept.shape[2])
    came[:] = 0
    turned = np.empty((tile, channels), np.float32)
    for panel in range(len(kept)):
        first = panel * tile
        some = min(tile, images - first)
        if some < tile:
            came[:] = 0
        for h in range(goal.shape[0]):
            for w in range(goal.shape[1]):
                at = goal[h, w] * tile
                for f in range(filters):
                    line = came[f, at : at + tile]
                    for t in range(some):
                        line[t] = grad[first + t, h, w, f]
        _spread(came, signed, taps, tile, found)
        _gather(came, kept[panel], taps, tile, sums)
        for h in range(place.shape[0]):
            for w in range(place.shape[1]):
                at = place[h, w] * tile
                for c in range(channels):
                    line = found[c, at : at + tile]
                    for t in range(some):
                        turned[t, c] = line[t]
                for t in range(some):
                    for c in range(channels):
                        gx[first + t, h, w, c] = turned[t, c]
    for f in range(filters):
        for k in range(count):
            for c in range(channels):
                gw[f, k, c] = sums[f, k, c]


@njit(**OPTIONS)
def _spread(came: Any, signed: Any, taps: Any, tile: int, found: Any) -> None:
    """Write into `found` (C, places * tile) what the outputs' gradients bring to each input."""
    _wide()
    found[:] = 0
    stretch = _stretch(came.shape[1], _STRETCH)
    for start in range(0, came.shape[1], stretch):
        length = min(stretch, came.shape[1] - start)
        for c in range(0, len(found), 2):
            for k in range(len(taps)):
                base = taps[k] * tile + start
                one, two = found[c, base : base + length], found[c + 1, base : base + length]
                for f in range(0, len(came), 4):
                    v0, v1, v2, v3 = signed[f, k, c], signed[f + 1, k, c], signed[f + 2, k, c], signed[f + 3, k, c]
                    w0, w1 = signed[f, k, c + 1], signed[f + 1, k, c + 1]
                    w2, w3 = signed[f + 2, k, c + 1], signed[f + 3, k, c + 1]
                    g0, g1 = came[f, start : start + length], came[f + 1, start : start + length]
                    g2, g3 = came[f + 2, start : start + length], came[f + 3, start : start + length]
                    for i in range(length):
                        v = one[i] + v0 * g0[i]
                        w = two[i] + w0 * g0[i]
                        v += v1 * g1[i]
                        w += w1 * g1[i]
                        v += v2 * g2[i]
                        w += w2 * g2[i]
                        one[i] = v + v3 * g3[i]
                        two[i] = w + w3 * g3[i]


@njit(**SUMS)
def _gather(came: Any, signs: Any, taps: Any, tile: int, sums: Any) -> None:
    """Add to `sums` (filters, taps, C) the products of the outputs' gradients with the inputs."""
    _wide()
    nothing, stretch = np.float32(0), _stretch(came.shape[1], _STRETCH)
    for start in range(0, came.shape[1], stretch):
        length = min(stretch, came.shape[1] - start)
        for f in range(0, len(came), 2):
            one, two = came[f, start : start + length], came[f + 1, start : start + length]
            for k in range(len(taps)):
                base = taps[k] * tile + start
                for c in range(0, len(signs), 4):
                    s0, s1 = signs[c, base : base + length], signs[c + 1, base : base + length]
                    s2, s3 = signs[c + 2, base : base + length], signs[c + 3, base : base + length]
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
