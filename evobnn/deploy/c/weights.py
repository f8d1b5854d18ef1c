"""Binary weights as the words that the C reads."""

from __future__ import annotations

import numpy as np

from evobnn.deploy.ops import Array


def _words(bits: Array) -> Array:
    """Return bits (filters, n) as words (filters, ceil(n/32)), uint32, the first bit lowest."""
    short = np.packbits(bits, axis=1, bitorder="little")
    short = np.pad(short, ((0, 0), (0, -short.shape[1] % 4)))
    return np.ascontiguousarray(short).view("<u4").astype(np.uint32)


def interleaved(weight: Array) -> tuple[Array, int]:
    """Return words of weights (O, C, k, k) and how many a filter has: eight filters side by side, word after word.

    A tap begins with a byte of its own. Filters are filled up to a multiple of eight by zeros.
    """
    filters, inputs = weight.shape[:2]
    taps = weight.transpose(0, 2, 3, 1)
    taps = np.pad(taps, ((0, -filters % 8), (0, 0), (0, 0), (0, -inputs % 8)))
    words = _words(taps.reshape(len(taps), -1))
    return np.ascontiguousarray(words.reshape(-1, 8, words.shape[1]).transpose(0, 2, 1)), words.shape[1]


def of_groups(weight: Array) -> tuple[Array, int]:
    """Return words of weights (O, C/groups, k, k) and how many a filter has: filter after filter, bit after bit."""
    words = _words(weight.transpose(0, 2, 3, 1).reshape(len(weight), -1))
    return words, words.shape[1]


def of_channels(weight: Array) -> Array:
    """Return bits of weights (C, 1, k, k), uint8 (k k, ceil(C/8)): tap after tap, the first channel lowest."""
    return np.packbits(weight.reshape(len(weight), -1).T, axis=1, bitorder="little")
