"""Images of a network's kind, on which it is checked, watched and timed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from evobnn.data import DatasetSpec, open_split, prepare
from evobnn.deploy.graph import Shape
from evobnn.deploy.ops import Array
from evobnn.errors import DataError
from evobnn.runs.final.images import is_streamed


def images_like(
    spec: DatasetSpec, data_dir: Path | None, shape: Shape, count: int, whole: bool = False
) -> tuple[Array, bool]:
    """Return up to so many images, uint8 (N, C, H, W), of the training part, and True; else noise, and False, where
    the data set is not at hand, too large to be kept (`whole`: with its validation images), or of another shape.
    """
    try:
        if not is_streamed(spec, data_dir, whole):
            split = open_split(prepare(spec, data_dir).folder)
            if split.train.shape == shape:
                return np.array(split.train.images[:count]), True
    except DataError:
        pass
    return np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8), False
