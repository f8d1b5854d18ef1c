"""Raw images on their way into a network: what is taken, in which order of axes, and what is refused.

Grey values are 0 to 255, as everywhere. Floats from 0 to 1 would give a network nearly black images and wrong answers
without a word, so they are refused.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from evobnn.errors import DataError, message

_BLACK = "Multiply them by 255; images that are really so dark are given as uint8."


def raw_images(images: Any, shape: tuple[int, int, int]) -> Tensor:
    """Return images as uint8 or floats (N, C, H, W) with grey values from 0 to 255; other whole numbers become floats.

    Arguments:
        images: array, tensor, or what NumPy makes an array of, of any numbers: (N, C, H, W), (N, H, W, C), (C, H, W),
            (H, W, C), or, where there is one channel, (N, H, W) or (H, W).
        shape: (C, H, W), which says how axes are meant; where both orders fit, channels come first.

    While a network is traced or compiled nothing is looked at: it is given tensors of shape (N, C, H, W).

    Raises:
        DataError: another shape or type, a value outside of 0..255 or that is no number, or floats of at most 1.
    """
    if torch.jit.is_tracing() or torch.compiler.is_compiling():  # type: ignore[attr-defined,no-untyped-call]
        return images  # type: ignore[no-any-return]
    tensor = _four(_tensor(images), shape)
    if tensor.dtype != torch.uint8:
        _check_values(tensor)
    return tensor


def _tensor(images: Any) -> Tensor:
    if isinstance(images, Tensor):
        tensor = images
    else:
        do = "Give an array or tensor of numbers, all images of one size."
        try:
            array = np.asarray(images)
        except ValueError as error:  # a list of unequal parts
            raise DataError(message("images of one size", "a list of several", do)) from error
        try:
            tensor = torch.tensor(array if array.flags.c_contiguous else array.copy())
        except TypeError as error:
            got = f"{array.dtype} of shape {array.shape}"
            raise DataError(message("images as uint8 or floats", got, do)) from error
    if tensor.dtype == torch.bool or tensor.is_complex():
        do = "Multiply truth values by 255, in uint8." if tensor.dtype == torch.bool else "Grey values are 0 to 255."
        raise DataError(message("images as uint8 or floats", _described(tensor), do))
    return tensor if tensor.dtype == torch.uint8 or tensor.is_floating_point() else tensor.to(torch.float32)


def _four(images: Tensor, shape: tuple[int, int, int]) -> Tensor:
    channels, height, width = shape
    found = tuple(images.shape)
    if len(found) in (3, 4) and found[-3:] == shape:
        return images.reshape(-1, *shape)
    if len(found) in (3, 4) and found[-3:] == (height, width, channels):
        return images.reshape(-1, height, width, channels).permute(0, 3, 1, 2)
    if channels == 1 and len(found) in (2, 3) and found[-2:] == (height, width):
        return images.reshape(-1, *shape)
    if {height, width} <= set(found[-3:]):
        do = "Bring them to as many channels: grey is the mean of three, or the same three times."
    else:
        do = "Bring them to the size of the training images."
    raise DataError(message(f"images of shape (N, {channels}, {height}, {width})", _described(images), do))


def _check_values(images: Tensor) -> None:
    if not images.numel():
        return
    if not bool(images.isfinite().all()):
        do = "Replace what is no number."
        raise DataError(message("grey values from 0 to 255", "values that are no numbers", do))
    low, high = float(images.min()), float(images.max())
    if low < 0 or high > 255:
        do = "Give them as they are in files: the network normalises them itself."
        raise DataError(message("grey values from 0 to 255", f"values from {low:g} to {high:g}", do))
    if 0 < high <= 1:
        raise DataError(message("grey values from 0 to 255", f"values from {low:g} to {high:g}", _BLACK))


def _described(images: Tensor) -> str:
    return f"{str(images.dtype).removeprefix('torch.')} of shape {tuple(images.shape)}"
