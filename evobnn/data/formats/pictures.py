"""Image files as arrays: BMP, GIF, JPEG, PNG, PPM, TIFF and WEBP decoded by Pillow to one mode and one size.

Mode: grey (one channel) if every training file is grey (Pillow's 1, L, LA, I and I;16), otherwise RGB. Of 16 bits the
upper eight of those that the training files use are kept, and what is transparent is laid on black, or white where
black ink would be lost: `heads` looks. Pixels are taken as they are stored: an orientation tag is not followed but in
a TIFF, of several pictures in one file the first is taken; both is said.
Size: that of the files, which then must all have the same; or, with `dataset.size`, the shorter side is resampled to
that many pixels and the centre kept, in one step: Pillow's bilinear filter over the largest square in the middle.
Pillow's version is part of a prepared set's key, for another decoder may give other bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from evobnn.data.dataset import DatasetSpec, Images, Labels, Pixels
from evobnn.data.formats.folder import Files, list_folder
from evobnn.data.heads import FORMATS, look
from evobnn.data.notes import say
from evobnn.errors import DataError, message

IN_MEMORY_BYTES = 4 * 2**30
"""A decoded set of more bytes is better streamed (`evobnn.data.streams`) than prepared."""
_GREY = ("1", "L", "LA")
_CHUNK = 256
_NAMED = 10


class DamagedImageError(DataError):
    """An image file that cannot be decoded; `skip_damaged` leaves it out."""


@dataclass(frozen=True)
class Frame:
    """What every decoded image is brought to: mode `L` or `RGB`, height and width in pixels; `fitted` for resampled.

    `bits` are those that files of 16 bits use, `paper` is the grey value on which transparent ones are laid. Only where
    they are not the usual ones are they part of a frame's text, from which fingerprints are made.
    """

    mode: str
    height: int
    width: int
    fitted: bool
    bits: int = field(default=16, repr=False)
    paper: int = field(default=0, repr=False)

    @property
    def text(self) -> str:
        """All of it."""
        read = [f"{name}={value}" for name, value, usual in self._read if value != usual]
        return " ".join([repr(self), *read])

    @property
    def _read(self) -> tuple[tuple[str, int, int], ...]:
        return ("bits", self.bits, 16), ("paper", self.paper, 0)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        return 1 if self.mode == "L" else 3, self.height, self.width


@dataclass(frozen=True, eq=False)
class Pictures:
    """Images of one part as files: labels and shape are known, pixels are decoded when asked for.

    `notes` are what a person should know of how they are read.
    """

    files: Files
    frame: Frame
    notes: tuple[str, ...] = ()

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
        return replace(self, files=self.files.select(indices))


def pictures(place: Path, spec: DatasetSpec) -> tuple[Pictures, Pictures]:
    """Return the training and the test part below `place`, both in the frame of the training files.

    Reads the heads of training files until mode and size are known, decodes those that `look` decodes, and opens no
    test file. Raises DataError as `list_folder` and `look`, for images of several sizes without `spec.size`, and,
    unless `spec.skip_damaged`, for a file that is no image.
    """
    train, test = list_folder(place)
    frame, found = _frame(train.paths, spec), look(train.paths)
    frame = replace(frame, bits=found.bits, paper=found.paper)
    return Pictures(train, frame, found.notes), Pictures(test, frame)


def check_sizes(pictures: Pictures) -> None:
    """Raise DataError for the first file whose head tells another size than that of a frame which does not resample."""
    for path in () if pictures.frame.fitted else pictures.files.paths:
        try:
            with Image.open(path, formats=FORMATS) as image:
                found = image.size
        except Exception as error:  # as in `decode`
            raise _damaged(path, error) from error
        if found != (pictures.frame.width, pictures.frame.height):
            size = f"{pictures.frame.width}x{pictures.frame.height}"
            raise _several_sizes(f"{size} elsewhere", f"{found[0]}x{found[1]} in {path}")


def decode(path: str, frame: Frame) -> Pixels:
    """Return one image as uint8 of shape (C, H, W).

    Raises DamagedImageError where the file cannot be decoded to its end, DataError where it has another size than
    `frame` and is not to be resampled, or values that it does not allow for; both name the file.
    """
    try:
        with Image.open(path, formats=FORMATS) as image:
            flat = _flat(image, path, frame).convert(frame.mode)
        if frame.fitted:
            flat = _centre(flat, frame.height)
        pixels = np.asarray(flat)
    except DataError:
        raise
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
    for note in pictures.notes:
        say(note)
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
        say(text)


def _frame(paths: Sequence[str], spec: DatasetSpec) -> Frame:
    mode, first, size = "L", "", (spec.size, spec.size)
    for path in paths:
        try:
            with Image.open(path, formats=FORMATS) as image:
                mode, found = mode if image.mode in _GREY or image.mode[0] in "IF" else "RGB", image.size
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


def _flat(image: Image.Image, path: str, frame: Frame) -> Image.Image:
    """Return the image with at most 8 bits a channel and nothing transparent."""
    if image.mode.startswith("I"):
        values = np.asarray(image)
        low, high = int(values.min()), int(values.max())
        if low < 0 or high >= 2**frame.bits:
            wanted = f"values from 0 to {2**frame.bits - 1:,} in {path}, as in the training images"
            raise DataError(message(wanted, f"{low:,} to {high:,}", "Save all images with 8 bits a channel."))
        return Image.fromarray((values >> (frame.bits - 8)).astype(np.uint8))
    if image.mode == "F":
        do = "Save them with 8 or 16 bits: what floating-point values mean differs from file to file."
        raise DataError(message(f"whole numbers in {path}", "floating-point numbers", do))
    if image.has_transparency_data:
        paper = Image.new("RGBA", image.size, (frame.paper, frame.paper, frame.paper, 255))
        return Image.alpha_composite(paper, image.convert("RGBA")).convert("RGB")
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
