"""Images and labels that come one by one, in lists or map-style data sets such as PyTorch's, as two arrays.

Nothing of PyTorch is imported: a tensor is what can be detached and brought to the CPU, a picture what has a mode and
can be converted, as Pillow's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from evobnn.errors import DataError, message

Array = npt.NDArray[Any]

_PLAIN_MODES = ("L", "RGB")


def as_array(what: str, value: Any) -> Array:
    """Return an array, tensor, picture, number or list as an array; DataError where it is none.

    Lists of arrays, tensors or pictures are stacked. `what` is what it is called in messages.
    """
    if isinstance(value, np.ma.MaskedArray):
        do = "Fill what is masked, x = x.filled(0), or leave these images out."
        raise DataError(message(f"an array without a mask under {what}", "a masked array", do))
    if isinstance(value, list | tuple) and value and not np.isscalar(value[0]) and not isinstance(value[0], list):
        return stacked(value, len(value), lambda position: f"{what}[{position}]")
    if isinstance(getattr(value, "mode", None), str) and hasattr(value, "convert") and value.mode not in _PLAIN_MODES:
        do = (
            "Take image.convert('L') or image.convert('RGB') of all; before that scale what has more than 8 bits to "
            "0..255, and lay what is transparent on a ground."
        )
        raise DataError(message(f"a picture of mode {' or '.join(_PLAIN_MODES)} as {what}", value.mode, do))
    try:
        return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    except Exception as error:  # whatever a foreign type or a ragged list raises
        reason = (str(error) or type(error).__name__).splitlines()[0]
        do = "Bring all images to one shape, and give one number from 0 as the label of each."
        raise DataError(message(f"something that NumPy makes an array of under {what}", reason, do)) from error


def stacked(items: Iterable[Any], count: int, what: Callable[[int], str]) -> Array:
    """Return `count` items, one or more, as one array, the first axis counting them.

    Raises DataError as `as_array`, and for items of several shapes or types.
    """
    whole: Array | None = None
    for position, item in enumerate(items):
        one = as_array(what(position), item)
        if whole is None:
            whole = np.empty((count, *one.shape), one.dtype)
        if one.shape != whole.shape[1:] or (one.dtype != whole.dtype and whole.dtype.kind not in "US"):
            wanted = f"{whole.dtype} of shape {whole.shape[1:]} as {what(position)}, as before it"
            do = "Bring all to one shape and type: resize pictures, and image.convert('RGB') where some are grey."
            raise DataError(message(wanted, f"{one.dtype} of shape {one.shape}", do))
        if one.dtype.itemsize > whole.dtype.itemsize:  # a longer text
            whole = whole.astype(one.dtype)
        whole[position] = one
    assert whole is not None  # there is one
    return whole


def of_dataset(name: str, data: Any) -> tuple[Array, Array]:
    """Return the images and the labels of a map-style data set, each item asked for once, in order.

    Raises DataError for anything else than items (image, label), for none at all, and for floating-point images: only
    who knows the transform knows what they mean.
    """
    count = _length(name, data)
    labels: list[Any] = []

    def images() -> Iterable[Any]:
        for position in range(count):
            image, label = _pair(f"{name}[{position}]", data, position)
            labels.append(as_array(f"the label of {name}[{position}]", label))
            yield image

    whole = stacked(images(), count, lambda position: f"the image of {name}[{position}]")
    if whole.dtype.kind == "f":
        do = (
            "Leave ToTensor and Normalize out of its transform, or put PILToTensor in their place; of floats that lie "
            "in arrays make bytes yourself, and take Arrays(x, y)."
        )
        raise DataError(message(f"images of whole grey values in {name}", str(whole.dtype), do))
    return whole, stacked(labels, count, lambda position: f"the label of {name}[{position}]")


def _length(name: str, data: Any) -> int:
    kinds = {kind.__name__ for kind in type(data).__mro__}
    if "IterableDataset" in kinds or not (hasattr(data, "__len__") and hasattr(data, "__getitem__")):
        do = "Of a DataLoader take its .dataset; of a stream collect images and labels, and take Arrays(x, y)."
        wanted = f"a map-style data set, with a length and items by number, as {name}"
        raise DataError(message(wanted, type(data).__name__, do))
    count = len(data)
    if not count:
        raise DataError(message(f"images in {name}", "none", "Check where it was to find them."))
    return count


def _pair(what: str, data: Any, position: int) -> tuple[Any, Any]:
    item = data[position]
    if not isinstance(item, tuple | list) or len(item) != 2:
        size = f" of {len(item)}" if hasattr(item, "__len__") else ""
        do = "Let items be (image, label), or collect both in arrays and take Arrays(x, y)."
        raise DataError(message(f"a pair (image, label) as {what}", f"{type(item).__name__}{size}", do))
    return item[0], item[1]
