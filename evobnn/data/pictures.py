"""Image files as arrays: JPEG, PNG, BMP and WEBP decoded by Pillow to one mode and one size.

Mode: grey (one channel) if every training file is grey (Pillow's 1, L, LA, I and I;16; of 16 bits the upper eight are
kept), otherwise RGB. What is transparent is laid on black. Pixels are taken as they are stored: an orientation tag is
not followed, of several pictures in one file the first is taken.
Size: that of the files, which then must all have the same; or, with `dataset.size`, the shorter side is resampled to
that many pixels and the centre kept, in one step: Pillow's bilinear filter over the largest square in the middle.
Pillow's version is part of a prepared set's key, for another decoder may give other bytes.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from evobnn.data.dataset import DatasetSpec, Images, Labels, Pixels
from evobnn.data.folder import Files, list_folder
from evobnn.errors import DataError, message

FORMATS = ("BMP", "JPEG", "PNG", "WEBP")
IN_MEMORY_BYTES = 4 * 2**30
"""A decoded set of more bytes is better streamed (`evobnn.data.streams`) than prepared."""
_GREY = ("1", "L", "LA", "I", "I;16")
_CHUNK = 256
_NAMED = 10


class DamagedImageError(DataError):
    """An image file that cannot be decoded; `skip_damaged` leaves it out."""


@dataclass(frozen=True)
class Frame:
    """What every decoded image is brought to: mode `L` or `RGB`, height and width in pixels; `fitted` for resampled."""

    mode: str
    height: int
    width: int
    fitted: bool

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        return 1 if self.mode == "L" else 3, self.height, self.width


@dataclass(frozen=True, eq=False)
class Pictures:
    """Images of one part as files: labels and shape are known, pixels are decoded when asked for."""

    files: Files
    frame: Frame

    def __len__(self) -> int:
        return len(self.files)

    @property
    def labels(self) -> Labels:
        """int64 of shape (N,)."""
        return self.files.labels

    @property
    def class_names(self) -> tuple[str, ...]:
        """The folders' names."""
        return self.files.class_names

    @property
    def bytes(self) -> int:
        """How many bytes the decoded images take."""
        channels, height, width = self.frame.shape
        return len(self) * channels * height * width

    def select(self, indices: npt.NDArray[np.int64]) -> Pictures:
        """Return the pictures at `indices`, in that order."""
        return Pictures(self.files.select(indices), self.frame)


def pictures(place: Path, spec: DatasetSpec) -> tuple[Pictures, Pictures]:
    """Return the training and the test part below `place`, both in the frame of the training files.

    Reads the heads of training files until mode and size are known, and opens no test file. Raises DataError as
    `list_folder`, for images of several sizes without `spec.size`, and, unless `spec.skip_damaged`, for a file that is
    no image.
    """
    train, test = list_folder(place)
    frame = _frame(train.paths, spec)
    return Pictures(train, frame), Pictures(test, frame)


def decode(path: str, frame: Frame) -> Pixels:
    """Return one image as uint8 of shape (C, H, W).

    Raises DamagedImageError where the file cannot be decoded to its end, DataError where it has another size than
    `frame` and is not to be resampled; both name the file.
    """
    try:
        with Image.open(path, formats=FORMATS) as image:
            flat = _flat(image).convert(frame.mode)
        if frame.fitted:
            flat = _centre(flat, frame.height)
        pixels = np.asarray(flat)
    except Exception as error:  # a damaged file can fail in any way
        raise _damaged(path, error) from error
    if pixels.shape[:2] != (frame.height, frame.width):
        raise _several_sizes(f"{frame.width}x{frame.height} elsewhere", f"{flat.width}x{flat.height} in {path}")
    return np.array(pixels.reshape(frame.height, frame.width, -1).transpose(2, 0, 1), order="C")


def decoded(pictures: Pictures, skip_damaged: bool = False) -> Iterator[tuple[int, Pixels | DamagedImageError]]:
    """Yield position and pixels of each picture, in order, decoded by several threads and a few hundred ahead.

    With `skip_damaged` the error stands in the place of an image that cannot be decoded; without, it is raised.
    """

    def one(path: str) -> Pixels | DamagedImageError:
        try:
            return decode(path, pictures.frame)
        except DamagedImageError as error:
            if not skip_damaged:
                raise
            return error

    with ThreadPoolExecutor() as pool:
        for start in range(0, len(pictures), _CHUNK):
            yield from enumerate(pool.map(one, pictures.files.paths[start : start + _CHUNK]), start)


def in_memory(pictures: Pictures, skip_damaged: bool = False) -> Images:
    """Return all pictures decoded; those skipped are named by one warning. DataError if none is left."""
    images = np.empty((len(pictures), *pictures.frame.shape), dtype=np.uint8)
    kept: list[int] = []
    skipped: list[str] = []
    for position, pixels in decoded(pictures, skip_damaged):
        if isinstance(pixels, DamagedImageError):
            skipped.append(pictures.files.paths[position])
            continue
        images[len(kept)] = pixels
        kept.append(position)
    warn_of_skipped(skipped, len(pictures))
    return Images(images[: len(kept)], pictures.labels[kept], pictures.class_names)


def warn_of_skipped(paths: Sequence[str], of: int) -> None:
    """Say once how many and which images were skipped; says nothing where none was."""
    if paths:
        more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
        text = f"{len(paths)} of {of} images cannot be decoded and are left out: {', '.join(paths[:_NAMED])}{more}."
        warnings.warn(text, stacklevel=2)


def _frame(paths: Sequence[str], spec: DatasetSpec) -> Frame:
    mode, first, size = "L", "", (spec.size, spec.size)
    for path in paths:
        try:
            with Image.open(path, formats=FORMATS) as image:
                mode, found = mode if image.mode in _GREY else "RGB", image.size
        except Exception as error:  # as in `decode`
            if spec.skip_damaged:
                continue
            raise _damaged(path, error) from error
        if not first:
            first, size = path, size if spec.size else found
        if spec.size and mode == "RGB":
            break
        if not spec.size and found != size:
            raise _several_sizes(f"{size[0]}x{size[1]} in {first}", f"{found[0]}x{found[1]} in {path}")
    if not first:
        raise DataError(message("images that can be decoded", f"none among {len(paths)}", "Check the files."))
    return Frame(mode, size[1], size[0], bool(spec.size))


def _flat(image: Image.Image) -> Image.Image:
    """Return the image with at most 8 bits a channel and nothing transparent."""
    if image.mode.startswith("I"):
        return Image.fromarray((np.clip(np.asarray(image), 0, 65535) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        return Image.alpha_composite(black, image.convert("RGBA")).convert("RGB")
    return image


def _centre(image: Image.Image, size: int) -> Image.Image:
    side = min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    box = (left, top, left + side, top + side)
    return image.resize((size, size), Image.Resampling.BILINEAR, box=box)


def _damaged(path: str, error: Exception) -> DamagedImageError:
    reason = str(error) or type(error).__name__
    do = "Replace or remove it, or leave out damaged images with dataset.skip_damaged = true."
    return DamagedImageError(message(f"a complete {', '.join(FORMATS)} image in {path}", reason, do))


def _several_sizes(*found: Any) -> DataError:
    do = "Give dataset.size: the centre of each image is then resampled to that many pixels."
    return DataError(message("images of one size in pixels", " and ".join(found), do))
