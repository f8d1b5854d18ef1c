"""Where the pixels of a convolution's maps lie in framed lines."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

_EVEN = 4


@dataclass(frozen=True, eq=False)
class Plan:
    """Where the pixels of a convolution's maps lie in lines of places, each of them as long as there are images.

    Attributes:
        places: of an input line; it is framed by as many pixels as the convolution pads. With stride 1 the frame right
            of a row is the one left of the next; with stride s the pixels lie in s x s maps of every s-th.
        run: places from the first output to the last, and up to three more, to come out even.
        strip: so many input pixels of a row lie side by side.
        place: of each input pixel, (height, width).
        taps: what to add to the place of an output for each pixel of the kernel, row by row.
        goal: of each output pixel, (height, width), those of a row side by side; not all places of the run are one.
        inside: whether a tap of an output reads a pixel and not the frame, (outputs, taps).
    """

    places: int
    run: int
    strip: int
    place: npt.NDArray[np.int64]
    taps: npt.NDArray[np.int64]
    goal: npt.NDArray[np.int64]
    inside: npt.NDArray[np.bool_]


@lru_cache(maxsize=256)
def plan(height: int, width: int, kernel: int, stride: int, dilation: int) -> Plan:
    """Return the plan of a same-size convolution (odd kernel) over maps of this size."""
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

    last = int(rows[-1] * pitch + columns[-1] + 1)
    run = up(last, _EVEN)
    inside = seen(rows, height)[:, None, :, None] & seen(columns, width)[None, :, None, :]
    return Plan(
        places=places + run - last,
        run=run,
        strip=width if stride == 1 else 1,
        place=at(pad + np.arange(height)[:, None], pad + np.arange(width)),
        taps=at(reach[:, None], reach).ravel(),
        goal=rows[:, None] * pitch + columns,
        inside=inside.reshape(len(rows) * len(columns), kernel**2),
    )


def up(count: int, step: int) -> int:
    """Return the least multiple of `step` that is not below `count`."""
    return -(-count // step) * step
