"""IDX files, the form in which MNIST and its relatives are published.

A file is: two zero bytes, the type (8 = unsigned byte), the number of axes, each axis' length as a big-endian 32-bit
number, then the values. Images have three axes (magic number 2051), labels one (2049). Files may be gzipped or not; the
first bytes tell, not the name.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from evobnn.errors import DataError, message

_AGAIN = "Fetch the file again from its publisher."


def read_idx(path: Path, axes: int) -> npt.NDArray[np.uint8]:
    """Return the unsigned bytes of an IDX file with `axes` axes, in the shape that its header states.

    Raises DataError naming the file where it cannot be read, is not IDX of that kind, or is longer or shorter than its
    header says.
    """
    content = _content(path)
    shape = _shape(path, content, axes)
    size = math.prod(shape)
    values = content[4 + 4 * axes :]
    if len(values) != size:
        sizes = " x ".join(map(str, shape))
        raise DataError(message(f"{sizes} = {size} values after the header of {path}", f"{len(values)}", _AGAIN))
    return np.frombuffer(values, dtype=np.uint8).reshape(shape)


def idx_shape(path: Path, axes: int) -> tuple[int, ...]:
    """Return the shape that the header of an IDX file states, and read no further; raises DataError as `read_idx`."""
    return _shape(path, _content(path, 4 + 4 * axes), axes)


def _shape(path: Path, content: bytes, axes: int) -> tuple[int, ...]:
    magic = 0x0800 | axes
    if len(content) < 4 + 4 * axes:
        wanted = f"an IDX header of {4 + 4 * axes} bytes in {path}"
        raise DataError(message(wanted, f"{len(content)} bytes in all", _AGAIN))
    found, *shape = struct.unpack(f">{1 + axes}I", content[: 4 + 4 * axes])
    if found != magic:
        raise DataError(
            message(
                f"IDX magic number {magic} (unsigned bytes, {axes} axes) at the start of {path}",
                str(found),
                "Check that images and labels are not interchanged and that this is the published file.",
            )
        )
    return tuple(shape)


def _content(path: Path, most: int = -1) -> bytes:
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if zipped else path.open("rb") as content:
            return content.read(most)
    except (OSError, EOFError, zlib.error) as error:
        # gzip.BadGzipFile is an OSError; a file cut short is an EOFError.
        raise DataError(message(f"a complete IDX file in {path}", f"{error}", _AGAIN)) from error
