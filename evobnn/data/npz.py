"""A user's own images as arrays: one `.npz` file with x_train, y_train, x_test and y_test, as Keras hands them out.

Each array is a member of the archive and is read by itself, so that the training part is read without the test part.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from evobnn.data.dataset import Images
from evobnn.errors import DataError, message

KEYS = ("x_train", "y_train", "x_test", "y_test")
_MOST_CLASSES = 10_000


def find_npz(place: Path) -> tuple[Path, ...]:
    """Return the one archive that `place` is or holds."""
    files = [place] if place.is_file() else sorted(place.glob("*.npz"))
    if len(files) != 1 or files[0].suffix != ".npz":
        raise DataError(
            message(
                f"one .npz file with {', '.join(KEYS)} at {place}",
                ", ".join(path.name for path in files) or "none",
                "Pass --data-dir the file itself, or a folder that holds exactly one.",
            )
        )
    return (files[0],)


def npz_train(path: Path) -> Images:
    """Return the training images; there are as many classes as their highest label says, named by their numbers.

    Raises DataError naming the file where it is damaged, lacks one of the four arrays, or holds others than uint8
    images of shape (N, H, W), (N, H, W, C) or (N, C, H, W) and whole labels of shape (N,) or (N, 1).
    """
    images, labels = _part(path, "train")
    return Images(images, labels, tuple(str(label) for label in range(1 + int(labels.max()))))


def npz_test(path: Path) -> Images:
    """Return the test images; DataError also where their shape or a label is none that the training part has."""
    train = npz_train(path)
    images, labels = _part(path, "test")
    if images.shape[1:] != train.shape:
        wanted = f"test images of the shape of the training images, {train.shape}, in {path}"
        raise DataError(message(wanted, str(images.shape[1:]), _again(path)))
    _check_labels(path, "y_test", labels, len(train.class_names))
    return Images(images, labels, train.class_names)


def _part(path: Path, part: str) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    again = _again(path)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            missing = [key for key in KEYS if key not in archive.files]
            if missing:
                found = f"only {', '.join(archive.files) or 'nothing'}"
                raise DataError(message(f"the arrays {', '.join(KEYS)} in {path}", found, again))
            images, labels = archive[f"x_{part}"], archive[f"y_{part}"]
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(message(f"a complete .npz archive of plain numbers in {path}", str(error), again)) from error
    except TypeError as error:  # np.load returns a lone .npy as an array, which is no context manager
        raise DataError(message(f"an .npz archive in {path}", "a single array", again)) from error
    flat = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if flat.ndim != 1 or flat.dtype.kind not in "iu" or not flat.size:
        wanted = f"whole numbers of shape (N,) or (N, 1) under 'y_{part}' in {path}"
        raise DataError(message(wanted, f"{labels.dtype} of shape {labels.shape}", again))
    _check_labels(path, f"y_{part}", flat, _MOST_CLASSES)
    return _images(path, f"x_{part}", images), flat.astype(np.int64)


def _images(path: Path, key: str, images: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    """Bring (N, H, W), (N, H, W, C) or (N, C, H, W) to the last form; an axis of at most 4 holds the channels."""
    if images.dtype == np.uint8 and images.ndim == 3:
        return images[:, None].astype(np.uint8)
    if images.dtype == np.uint8 and images.ndim == 4 and images.shape[3] <= 4:
        return np.ascontiguousarray(images.transpose(0, 3, 1, 2)).astype(np.uint8)
    if images.dtype == np.uint8 and images.ndim == 4 and images.shape[1] <= 4:
        return images.astype(np.uint8)
    wanted = f"uint8 of shape (N, H, W), (N, H, W, C) or (N, C, H, W) with at most 4 channels under '{key}' in {path}"
    raise DataError(message(wanted, f"{images.dtype} of shape {images.shape}", _again(path)))


def _check_labels(path: Path, key: str, labels: npt.NDArray[np.generic], classes: int) -> None:
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        wanted = f"labels from 0 to {classes - 1} under '{key}' in {path}"
        do = "Number the classes from 0; those of the test part are among those of the training part."
        raise DataError(message(wanted, f"labels from {low} to {high}", do))


def _again(path: Path) -> str:
    return f"Write it with numpy.savez({path.name!r}, {', '.join(f'{key}=…' for key in KEYS)})."
