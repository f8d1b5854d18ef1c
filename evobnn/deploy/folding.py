"""The sign of a scalar function as the places where it changes: found by a scan and bisection, never by looking inside.

The function is float32 as it is computed here and now; from then on the thresholds are the definition. A change is
folded where it is sharp: all numbers looked at before it have one sign, all behind it the other. So a pole folds like
a zero. What a scan cannot vouch for is not folded, and a reason says so: too many changes, or one that is blurred by
rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from evobnn.deploy.ops import Array

Function = Callable[[Array], Array]
"""Maps float32 (C, n), the points of each channel, to the values whose sign is asked for, of the same shape."""

MOST = 16
"""The most intervals of a channel that is folded."""
BLURRED = "a change that rounding blurs"
"""Why a channel is not folded whose sign comes and goes near a change."""
POINTS = 4096
"""Points between both ends of a range, evenly."""
OCTAVES, EACH = 32, 48
"""Around a centre points stand at distances that shrink by 2^-OCTAVES, so many in each factor of 2."""
BESIDE = 64
"""How many neighbours of a threshold are looked at on either side, one float after another; beyond them the distances
grow by a factor of 2 in `WIDEN` steps."""
WIDEN = 12
NEAR = 2**18
ROUND = 2048
"""So far to either side of a change, in floats, some 1.5 % of a number, it is looked at evenly, in so many places."""
DIPS, PARTS, LEVELS = 16, 32, 7
"""Where |a| has a minimum without a change of sign it is followed down: so many a channel, in so many parts a level."""


@dataclass(frozen=True, eq=False)
class Folded:
    """What became of each channel.

    first       (C,) bool: the sign below all thresholds
    thresholds  of each channel, ascending
    reasons     of each channel: why it is not folded; empty where it is
    """

    first: Array
    thresholds: tuple[Array, ...]
    reasons: tuple[str, ...]


def keys(x: Array) -> Array:
    """Return int64 in the order of float32 numbers, neighbours one apart; both zeros are 0."""
    bits = np.ascontiguousarray(x, np.float32).view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)


def floats(key: Array) -> Array:
    """Return the float32 numbers of keys."""
    bits = np.where(key < 0, 0x80000000 - key, key)
    return bits.astype(np.uint32).view(np.float32)


def fold_whole(function: Function, channels: int, terms: int, step: int = 1) -> Folded:
    """Fold a function of whole numbers from -terms to terms, step 1 or 2, by trying every one."""
    line = np.arange(-terms, terms + 1, step, dtype=np.float32)
    values = function(np.broadcast_to(line, (channels, len(line))).copy())
    bits = values >= 0
    thresholds, reasons = [], []
    for channel in range(channels):
        places = line[1:][bits[channel, 1:] != bits[channel, :-1]]
        reasons.append(_objection(len(places), bool(np.isnan(values[channel]).any())))
        thresholds.append(places)
    return Folded(bits[:, 0].copy(), tuple(thresholds), tuple(reasons))


def fold(
    function: Function, low: Array, high: Array, centres: tuple[Array, ...] = (), inner: Array | None = None
) -> Folded:
    """Fold a function of real numbers from low to high, float32 (C,) each.

    Arguments:
        function: what is folded.
        low: of each channel.
        high: of each channel.
        centres: (C,) each, where the function is looked at closely: where something in it becomes 0.
        inner: (2, C), a part of the range that has as many points again.
    """
    points = _points(low, high, centres, inner)
    values = function(points)
    bits = values >= 0
    changed = bits[:, 1:] != bits[:, :-1]
    counts = changed.sum(1)
    reasons = [_objection(int(counts[c]), bool(np.isnan(values[c]).any())) for c in range(len(counts))]
    open_ = np.array([not reason for reason in reasons])
    width = int(counts[open_].max(initial=0))
    # Where each channel changes, as places in its points; -1 where it has no further change.
    place = np.full((len(low), width), -1)
    for channel in np.flatnonzero(open_):
        place[channel, : counts[channel]] = np.flatnonzero(changed[channel])
    key = _bisected(function, points, bits, place)
    _follow_dips(function, points, values, bits, reasons)
    sorted_keys = [np.sort(key[c, place[c] >= 0]) for c in range(len(low))]
    _confirm(function, keys(low), keys(high), bits[:, 0], sorted_keys, reasons)
    thresholds = tuple(map(floats, sorted_keys))
    return Folded(bits[:, 0].copy(), thresholds, tuple(reasons))


def _objection(changes: int, no_number: bool) -> str:
    if no_number:
        return "no number"
    return f"more than {MOST} intervals" if changes >= MOST else ""


def _points(low: Array, high: Array, centres: tuple[Array, ...], inner: Array | None) -> Array:
    """Return where the function is looked at, (C, n) ascending, between low and high."""
    share = np.linspace(0.0, 1.0, POINTS)
    spans = [(low, high)] if inner is None else [(low, high), (inner[0], inner[1])]
    lines = [a[:, None] * (1.0 - share) + b[:, None] * share for a, b in spans]
    widest = np.maximum(abs(low), abs(high))[:, None] * 2.0
    shrink = np.exp2(-np.arange(OCTAVES * EACH) / EACH)
    for centre in (np.zeros_like(low), *centres):
        near = widest * shrink
        lines += [centre[:, None] - near, centre[:, None] + near, centre[:, None]]
    points = np.concatenate(lines, 1).astype(np.float32)
    return np.sort(np.clip(points, low[:, None], high[:, None]) + np.float32(0), axis=1)


def _bisected(function: Function, points: Array, bits: Array, place: Array) -> Array:
    """Return the key of the first number behind each change, (C, K)."""
    row = np.arange(len(points))[:, None]
    below, above = keys(points[row, place]), keys(points[row, np.minimum(place + 1, points.shape[1] - 1)])
    old = bits[row, place]
    while (above - below > 1).any():
        middle = (below + above) // 2
        same = (function(floats(middle)) >= 0) == old
        apart = above - below > 1
        below = np.where(apart & same, middle, below)
        above = np.where(apart & ~same, middle, above)
    return above


def _confirm(
    function: Function, low: Array, high: Array, first: Array, changes: list[Array], reasons: list[str]
) -> None:
    """Object where numbers near a change have another sign than the changes of its channel say."""
    most = max(map(len, changes), default=0)
    if not most:
        return
    widening = np.unique(np.round(np.exp2(np.arange(6 * WIDEN, 24 * WIDEN) / WIDEN)).astype(np.int64))
    evenly = np.linspace(-NEAR, NEAR, ROUND).astype(np.int64)
    around = np.concatenate((np.arange(-BESIDE, BESIDE), -widening, widening, evenly))
    whole = np.stack(
        [np.resize(one, most) if len(one) else np.full(most, start) for one, start in zip(changes, low, strict=True)]
    )
    seen = np.clip((whole[..., None] + around).reshape(len(low), -1), low[:, None], high[:, None])
    found = function(floats(seen)) >= 0
    for channel, one in enumerate(changes):
        wanted = first[channel] ^ (np.searchsorted(one, seen[channel], "right") % 2 == 1)
        if not reasons[channel] and not np.array_equal(found[channel], wanted):
            reasons[channel] = BLURRED


def _follow_dips(function: Function, points: Array, values: Array, bits: Array, reasons: list[str]) -> None:
    """Object where |a| comes down to 0 between two points of one sign, and has the other sign there."""
    size = np.nan_to_num(abs(values), nan=np.inf)
    row = np.arange(len(points))[:, None]
    # Of equal values beside each other the first one: stairs of rounding are no dips and would use up all places.
    before, after = _neighbours(size)
    dip = (size < size[row, before]) & (size < size[row, after])
    dip &= (bits == bits[row, before]) & (bits == bits[row, after]) & ~((size == 0) & bits)
    order = np.argsort(np.where(dip, size, np.inf), axis=1)[:, :DIPS]
    there = dip[row, order]
    below, above = keys(points[row, before[row, order]]), keys(points[row, after[row, order]])
    old = bits[row, order]
    share = np.arange(PARTS + 1)
    for _ in range(LEVELS):
        seen = below[..., None] + (above - below)[..., None] * share // PARTS
        found = function(floats(seen).reshape(len(points), -1)).reshape(seen.shape)
        other = ((found >= 0) != old[..., None]).any(-1) & there
        for channel in np.flatnonzero(other.any(1)):
            reasons[channel] = reasons[channel] or BLURRED
        at = np.argmin(np.nan_to_num(abs(found), nan=np.inf), axis=-1)[..., None]
        below = np.take_along_axis(seen, np.maximum(at - 1, 0), -1)[..., 0]
        above = np.take_along_axis(seen, np.minimum(at + 1, PARTS), -1)[..., 0]


def _neighbours(values: Array) -> tuple[Array, Array]:
    """Return the places (C, n) of the last other value before each, and of the first other one behind it.

    Where a value is not the first of equal ones, or has no other before or behind it, both are its own.
    """
    place = np.broadcast_to(np.arange(values.shape[1]), values.shape)
    other, ends = values[:, 1:] != values[:, :-1], np.ones((len(values), 1), bool)
    first, last = np.concatenate((ends, other), 1), np.concatenate((other, ends), 1)
    after = np.minimum.accumulate(np.where(last, place, values.shape[1])[:, ::-1], axis=1)[:, ::-1] + 1
    inside = first & (place > 0) & (after < values.shape[1])
    return np.where(inside, place - 1, place), np.where(inside, after, place)
