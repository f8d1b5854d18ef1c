"""Whether images are large enough to search cells on: on a map of few pixels no operation has its window inside.

Only what is searched is refused. A published cell is built on images of any size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from evobnn.errors import ExperimentError, message
from evobnn.spaces import Space, Template
from evobnn.spaces.choice import offered_at
from evobnn.spaces.template import DOWNSAMPLED

MOST = 1024
"""Side up to which one is looked for that is large enough."""


def check_sides(space: Space, network: Template, shape: Sequence[int]) -> None:
    """Raise ExperimentError where images of `shape` (C, H, W) leave a search nothing but operations that yield nothing.

    That is so where it holds for all cells that are searched, or for one of them and no skip carries the image past it.
    """
    size = min(shape[1:])
    if not _starved(space, network, size):
        return
    sides = range(size + 1, MOST + 1)
    if (least := next((side for side in sides if not _starved(space, network, side)), None)) is None:
        return  # whatever the images: the choice of operations leaves nothing
    strides = [f"{network.reductions} reduction{'' if network.reductions == 1 else 's'}"] if network.reductions else []
    strides += [f"{DOWNSAMPLED} convolutions of stride 2"] if network.style == "imagenet" else []
    deep = f" with {' and '.join(strides)}" if strides else ""
    flatter = (replace(network, reductions=number) for number in range(network.reductions))
    fewer = any(not _starved(space, one, size) for one in flatter)
    raise ExperimentError(
        message(
            f"images of at least {least}x{least} pixels, so that an operation fits the maps of a network{deep}",
            f"{shape[1]}x{shape[2]}",
            f"Set dataset.size = {least} or larger{', or take fewer network.reductions' if fewer else ''}.",
        )
    )


def _starved(space: Space, network: Template, size: int) -> bool:
    """Tell whether nothing is left to choose from on images of this side."""
    idle = []
    for kind, side in network.smallest_maps(size).items():
        if kind in space.free_kinds:
            offered = offered_at(space.candidates, space.operations, side)
            idle.append(all(space.operations[name].nothing for name in offered))
    return bool(idle) and (all(idle) or (any(idle) and not space.carried))
