"""Image files and folders of them, as the tests of this folder write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("ant", "bee", "cat")


def pixels(number: int, height: int = 8, width: int = 8, channels: int = 3) -> np.ndarray:
    """Return the image of a number: uint8 of shape (H, W, channels), or (H, W) for one channel."""
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng(number).integers(0, 256, shape, dtype=np.uint8)


def write(path: Path, array: np.ndarray, mode: str | None = None, **options: object) -> Path:
    """Write an array as the image file that the path's suffix says, perhaps converted to `mode` first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(path, **options)  # type: ignore[arg-type]
    return path


def write_folder(
    root: Path, count: int = 10, *, classes: tuple[str, ...] = CLASSES, first: int = 0, channels: int = 3
) -> dict[str, np.ndarray]:
    """Write `count` PNG images of 8x8 pixels for each class; return them by path, as uint8 of shape (C, H, W)."""
    written = {}
    for label, name in enumerate(classes):
        for n in range(count):
            array = pixels(first + 1000 * label + n, channels=channels)
            path = write(root / name / f"{n:03d}.png", array)
            written[str(path)] = array.reshape(8, 8, -1).transpose(2, 0, 1)
    return written


def damage(path: Path) -> None:
    """Cut an image file short, so that its head still tells mode and size."""
    content = path.read_bytes()
    path.write_bytes(content[: 2 * len(content) // 3])
