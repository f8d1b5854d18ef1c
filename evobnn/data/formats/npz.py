"""A user's own images as arrays: one `.npz` file with x_train, y_train, x_test and y_test, as Keras hands them out.

Each array is a member of the archive and is read by itself, so that the training part is read without the test part.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evobnn.data.dataset import Images
from evobnn.data.plain import (
    check_numbered,
    check_test_shape,
    images_shape,
    plain_images,
    plain_labels,
    plain_test,
    plain_train,
)
from evobnn.errors import DataError, message

KEYS = ("x_train", "y_train", "x_test", "y_test")


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
    """Return the training images; there are as many classes as labels, which are numbered without a gap.

    Raises DataError naming the file where it is damaged, lacks one of the four arrays, or holds others than uint8
    images of shape (N, H, W), (N, H, W, C) or (N, C, H, W) and whole labels of shape (N,) or (N, 1) from 0, of two
    classes or more; the message says what to write.
    """
    with _Archive(path) as archive:
        return plain_train(archive.read("x_train"), archive.read("y_train"), archive.what)


def npz_test(path: Path) -> Images:
    """Return the test images; DataError also where their shape or a label is none that the training part has."""
    train = npz_train(path)
    with _Archive(path) as archive:
        return plain_test(archive.read("x_test"), archive.read("y_test"), train, archive.what)


def npz_check_test(path: Path) -> None:
    """Raise what `npz_test` would raise of labels, types and shapes, without reading a pixel of either part."""
    with _Archive(path) as archive:
        (of_train, of_test), shapes = (archive.head(key) for key in ("x_train", "x_test")), []
        for key, (dtype, shape) in (("x_train", of_train), ("x_test", of_test)):
            shapes.append(images_shape(dtype, shape))
            if shapes[-1] is None:
                plain_images(archive.what(key), archive.read(key))
        check_test_shape(archive.what("x_test"), shapes[1], shapes[0])
        classes = check_numbered(
            archive.what("y_train"), plain_labels(archive.what("y_train"), archive.read("y_train"))
        )
        labels = plain_labels(archive.what("y_test"), archive.read("y_test"), classes)
    if len(labels) != of_test[1][0]:
        wanted = f"one label for each of {of_test[1][0]:,} test images in {path}"
        raise DataError(message(wanted, f"{len(labels):,}", _again(path)))


class _Archive:
    """An archive of arrays, open; whatever is wrong with it becomes a DataError that names it."""

    def __init__(self, path: Path):
        self.path = path

    def __enter__(self) -> _Archive:
        try:
            self._zip = zipfile.ZipFile(self.path)
        except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
            raise self._damaged(error) from error
        names = [name.removesuffix(".npy") for name in self._zip.namelist()]
        missing = [key for key in KEYS if key not in names]
        if missing:
            self._zip.close()
            found = f"only {', '.join(names) or 'nothing'}"
            raise DataError(message(f"the arrays {', '.join(KEYS)} in {self.path}", found, _again(self.path)))
        return self

    def __exit__(self, *error: object) -> None:
        self._zip.close()

    def what(self, key: str) -> str:
        """Return what an array is called in messages."""
        return f"'{key}' in {self.path}"

    def read(self, key: str) -> npt.NDArray[Any]:
        """Return an array."""
        try:
            with self._zip.open(f"{key}.npy") as file:
                found: npt.NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
                return found
        except ValueError as error:
            if "Object arrays" not in str(error):
                raise self._damaged(error) from error
            do = f"Texts: numpy.unique(y.astype(str), return_inverse=True)[1]. {_again(self.path)}"
            raise DataError(message(f"an array of plain numbers under {self.what(key)}", "objects", do)) from error
        except (OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise self._damaged(error) from error

    def head(self, key: str) -> tuple[np.dtype[Any], tuple[int, ...]]:
        """Return type and shape of an array without reading it."""
        try:
            with self._zip.open(f"{key}.npy") as file:
                version = np.lib.format.read_magic(file)
                read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                shape, _, dtype = read(file)
                return dtype, shape
        except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> DataError:
        wanted = f"a complete .npz archive of plain numbers in {self.path}"
        return DataError(message(wanted, str(error), _again(self.path)))


def _again(path: Path) -> str:
    return f"Write it with numpy.savez({path.name!r}, {', '.join(f'{key}=…' for key in KEYS)})."
