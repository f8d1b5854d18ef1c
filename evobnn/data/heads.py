"""What must be known of all training files before one is decoded: how many bits they hold, and on what they are laid.

Bits: a file of 16 bits may hold 8, 10, 12 or 14, as cameras and tomographs give; the upper eight would then be black.
The largest value of all training files decides for the set, so that images keep their brightness among each other.
Paper: what is transparent is laid on black, unless ink as dark would be lost on it: then on white, or on grey where
both colours of ink occur.
Said are the frames and orientations that are passed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from evobnn.errors import DataError, message

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
BITS = (8, 10, 12, 14, 16)
PAPERS = (0, 255, 128)
_LOOKED_AT = 2_000
_DECODED = 256
_CONTRAST = 16
"""Grey values by which ink must differ from the paper to be seen."""
_ORIENTATION = 274


@dataclass(frozen=True)
class Look:
    """What was found: `bits` of `BITS`, `paper` of `PAPERS`, and what a person should know."""

    bits: int = 16
    paper: int = 0
    notes: tuple[str, ...] = ()


def look(paths: Sequence[str]) -> Look:
    """Return what the training files `paths` hold, from at most 2,000 of them, evenly spaced, damaged ones aside.

    Files with few of 16 bits are all decoded for it. Raises DataError where colours of 16 bits hold 12 or fewer, of
    which Pillow leaves nothing.
    """
    seen = [
        (path, stat.st_size, stat.st_mtime_ns) for path in _spaced(paths, _LOOKED_AT) if (stat := Path(path).stat())
    ]
    return _looked(tuple(seen), tuple(paths))


@lru_cache(maxsize=4)
def _looked(seen: tuple[tuple[str, int, int], ...], paths: tuple[str, ...]) -> Look:
    deep, colours, clear = list[str](), list[str](), list[str]()
    turned = several = 0
    for path, _, _ in seen:
        try:
            with Image.open(path, formats=FORMATS) as image:
                if image.mode.startswith("I"):
                    deep.append(path)
                elif ";16" in str(image.tile[0][3] if image.tile else ""):
                    colours.append(path)
                if image.has_transparency_data and not image.mode.startswith("I"):
                    clear.append(path)
                turned += _turned(image)
                several += image.format in ("GIF", "PNG", "TIFF", "WEBP") and getattr(image, "n_frames", 1) > 1
        except Exception:  # a damaged file can fail in any way; who decodes it says so
            continue
    if colours:
        _check_colours(colours)
    bits = _bits(deep, paths) if deep else 16
    paper, said = _paper(_spaced(clear, _DECODED))
    of = f"of {len(seen):,} training images{' looked at' if len(seen) < len(paths) else ''}"
    notes = [said] if said else []
    if bits < 16:
        notes.append(f"16-bit images hold values below {2**bits:,}: they are read as {bits} bits.")
    if turned:
        notes.append(f"{turned:,} {of} carry an orientation tag; all are taken as stored, which may be on their side.")
    if several:
        notes.append(f"{several:,} {of} hold several frames; the first is taken.")
    return Look(bits, paper, tuple(notes))


def _spaced(paths: Sequence[str], most: int) -> list[str]:
    count = min(most, len(paths))
    return [paths[number * len(paths) // count] for number in range(count)]


def _turned(image: Image.Image) -> bool:
    if image.format == "TIFF" or (image.format == "PNG" and "exif" not in image.info):
        return False  # Pillow turns the one itself, and would decode all of the other to look behind the pixels
    return image.getexif().get(_ORIENTATION, 1) not in (0, 1)


def _pixels(paths: Sequence[str], mode: str = "") -> Iterator[npt.NDArray[Any]]:
    """Yield the pixels of the files that can be decoded, in the given mode or as they are."""

    def one(path: str) -> npt.NDArray[Any] | None:
        try:
            with Image.open(path, formats=FORMATS) as image:
                return np.asarray(image.convert(mode) if mode else image) if mode or image.mode[0] == "I" else None
        except Exception:  # as above
            return None

    with ThreadPoolExecutor() as pool:
        for start in range(0, len(paths), 64):
            yield from (found for found in pool.map(one, paths[start : start + 64]) if found is not None)


def _bits(deep: Sequence[str], paths: Sequence[str]) -> int:
    """Return how many bits the largest value needs: from those known to be deep where they need 16, else from all."""
    most = 0
    for some in (deep, paths):
        for pixels in _pixels(some):
            most = max(most, int(pixels.max()))
            if most >= 2 ** BITS[-2]:
                return 16
    return next(bits for bits in BITS if most < 2**bits)


def _check_colours(paths: Sequence[str]) -> None:
    most = 0
    for pixels in _pixels(paths, "RGB"):
        most = max(most, int(pixels.max()))
        if most >= _CONTRAST:
            return
    wanted = f"colours that fill their 16 bits in {paths[0]} and {len(paths) - 1:,} more"
    got = f"none above {256 * most + 255:,} of 65,535"
    raise DataError(message(wanted, got, "Save them with 8 bits a channel: of 16 the upper eight are read."))


def _paper(paths: Sequence[str]) -> tuple[int, str]:
    """Return on what transparent images are laid, and what is to be said of it."""
    lost, count = dict.fromkeys(PAPERS, 0), 0
    for pixels in _pixels(paths, "RGBA"):
        ink = pixels[:, :, 3].astype(np.int64)
        if not ink.any() or ink.min() == 255:
            continue
        count += 1
        for paper in PAPERS:
            seen = np.abs(pixels[:, :, :3].astype(np.int64) - paper).max(axis=2) >= _CONTRAST
            lost[paper] += int(2 * (ink * seen).sum() < ink.sum())
    if not lost[0]:
        return 0, ""
    paper = 0 if 20 * lost[0] <= count else min(PAPERS, key=lambda one: lost[one])
    laid = "black" if paper == 0 else f"{'white' if paper == 255 else 'grey'} instead of black"
    text = f"{lost[0]:,} of {count:,} transparent images looked at are black on nothing: all are laid on {laid}"
    return paper, f"{text}{f', on which {lost[paper]:,} are hardly seen' if lost[paper] else ''}."
