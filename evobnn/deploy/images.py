"""Images of a network's kind, on which it is checked, watched and timed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from evobnn.data import DatasetSpec, open_split, prepare
from evobnn.deploy.graph import Array, Shape
from evobnn.errors import DataError


def images_like(spec: DatasetSpec, data_dir: Path | None, shape: Shape, count: int) -> tuple[Array, bool]:
    """Return up to so many images, uint8 (N, C, H, W), of the training part, and True; else noise, and False, where
    the data set is not there or its images have another shape.
    """
    try:
        split = open_split(prepare(spec, data_dir).folder)
        if split.train.shape == shape:
            return np.array(split.train.images[:count]), True
    except DataError:
        pass
    return np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8), False
