"""Images at another size, computed in whole numbers so that every machine gives the same bytes.

All three rules are linear and work on rows and columns independently, so each axis is one matrix of integer weights
over a common denominator d. From n to m pixels:

    m = n·k   repetition: every pixel k times                                             d = 1
    m < n     area: output i averages the input over [i·n/m, (i+1)·n/m)                    d = n
    else      bilinear between pixel centres: position (i + 1/2)·n/m - 1/2, edges held     d = 2m

The weighted sums are integers far below 2⁵³ and therefore exact in float64; one division, rounded half up, ends it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_CHUNK = 2048


def axis_weights(old: int, new: int) -> tuple[npt.NDArray[np.float64], int]:
    """Return integer-valued weights of shape (new, old) and their denominator; every row sums to the denominator."""
    weights = np.zeros((new, old))
    rows = np.arange(new)
    if new % old == 0:
        weights[rows, rows * old // new] = 1
        return weights, 1
    if new < old:
        # In units of 1/new of an input pixel, output i covers [i·old, (i+1)·old) and input j covers [j·new, (j+1)·new).
        out, source = rows[:, None] * old, np.arange(old)[None, :] * new
        return np.clip(np.minimum(out + old, source + new) - np.maximum(out, source), 0, None).astype(np.float64), old
    position = np.clip((2 * rows + 1) * old - new, 0, 2 * new * (old - 1))
    left, part = np.divmod(position, 2 * new)
    np.add.at(weights, (rows, left), 2 * new - part)
    np.add.at(weights, (rows, np.minimum(left + 1, old - 1)), part)
    return weights, 2 * new


def resize(images: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.uint8]:
    """Return uint8 images of shape (N, C, size, size) from (N, C, H, W), each axis by the rule of this module."""
    count, channels, height, width = images.shape
    rows, row_unit = axis_weights(height, size)
    columns, column_unit = axis_weights(width, size)
    unit = row_unit * column_unit
    resized = np.empty((count, channels, size, size), dtype=np.uint8)
    for start in range(0, count, _CHUNK):
        chunk = images[start : start + _CHUNK].astype(np.float64)
        sums = rows @ chunk @ columns.T
        resized[start : start + _CHUNK] = (2 * sums + unit) // (2 * unit)
    return resized
