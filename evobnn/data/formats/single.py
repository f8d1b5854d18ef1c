"""One image file for a network that is trained: decoded and brought to size as the images it was trained on."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from evobnn.data.dataset import DatasetSpec, Pixels
from evobnn.data.formats.pictures import DamagedImageError, Frame, decode
from evobnn.data.heads import FORMATS
from evobnn.data.resample import resize
from evobnn.errors import DataError, message

_MODES = {1: "L", 3: "RGB"}


def read_image(path: Path, shape: tuple[int, int, int], spec: DatasetSpec, bits: int, paper: int) -> Pixels:
    """Return an image as uint8 of shape (C, H, W).

    A file for the data set `folder` is read as its training images were. For any other set the centre square is
    resampled by `resample.resize` where `spec.size` says that images are resampled, and else the size has to fit.

    Arguments:
        path: a file that Pillow decodes, in one of `FORMATS`.
        shape: (C, H, W) of the training images, 1 or 3 channels.
        spec: of the data set.
        bits: see `Frame`.
        paper: see `Frame`.

    Raises:
        DataError: a file that cannot be decoded or is of another size, or images of other channels.
    """
    channels, height, width = shape
    if channels not in _MODES:
        do = "Give images as arrays to evobnn.load_network."
        raise DataError(message("a network of images of 1 or 3 channels, for image files", f"{channels} channels", do))
    fitted = spec.name == "folder" and spec.size > 0
    try:
        if not fitted:
            with Image.open(path, formats=FORMATS) as image:
                found_width, found_height = image.size
        size = (height, width) if fitted else (found_height, found_width)
        pixels = decode(str(path), Frame(_MODES[channels], *size, fitted, bits, paper))
    except (OSError, Image.DecompressionBombError, DamagedImageError) as error:
        cause = error.__cause__ if isinstance(error, DamagedImageError) and error.__cause__ else error
        reason = getattr(cause, "strerror", None) or str(cause)
        do = "Name another file, or save it anew as PNG."
        raise DataError(message(f"an image ({', '.join(FORMATS)}) in {path}", reason, do)) from error
    if pixels.shape == shape:
        return pixels
    found = f"{pixels.shape[2]}x{pixels.shape[1]}"
    if not spec.size or spec.name == "folder":
        do = "Bring it to that size first; a training with --size N has images resampled."
        raise DataError(message(f"an image of {width}x{height} pixels in {path}", found, do))
    resampled: Pixels = resize(_centre(pixels)[None], spec.size)[0]
    return resampled


def _centre(pixels: Pixels) -> Pixels:
    _, height, width = pixels.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[:, top : top + side, left : left + side]
