"""Arrays of a user's own as uint8 images and whole labels, or the line of NumPy that makes them so.

What labels or grey values mean is not guessed: floats, one-hot rows, truth values and texts are refused with what to
write. `what` is what an array is called in messages, `x` or `y` in the advice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from evobnn.data.dataset import Images
from evobnn.data.notes import some
from evobnn.errors import DataError, message

_UNIQUE = "numpy.unique(y, return_inverse=True)[1]"
_MOST_CLASSES = 10_000
_IMAGES = "uint8 of shape (N, H, W), (N, H, W, C) or (N, C, H, W) with at most 4 channels"


def plain_train(
    images: npt.NDArray[Any],
    labels: npt.NDArray[Any],
    what: Callable[[str], str] = repr,
    class_names: Sequence[str] = (),
) -> Images:
    """Return a training part; its classes are called by their numbers unless they are named.

    `what` says what `x_train` and `y_train` are called in messages. Raises DataError as `plain_images`, `plain_labels`
    and `check_numbered`, and for another number of labels than of images, or of names than of classes.
    """
    plain = plain_images(what("x_train"), images)
    numbers = plain_labels(what("y_train"), labels)
    _check_count(what("x_train"), len(plain), what("y_train"), len(numbers))
    classes = check_numbered(what("y_train"), numbers)
    names = tuple(class_names) or tuple(map(str, range(classes)))
    if len(names) != classes:
        wanted = f"a name for each of the {classes} classes under {what('y_train')}"
        do = f"Set class_names to {classes} texts, in the order of the labels, or leave it out."
        raise DataError(message(wanted, f"{len(names)}: {some(names)}", do))
    return Images(plain, numbers, names)


def plain_test(
    images: npt.NDArray[Any], labels: npt.NDArray[Any], train: Images, what: Callable[[str], str] = repr
) -> Images:
    """Return the test part beside a training part; DataError also where shapes or labels are none of that part's."""
    plain = plain_images(what("x_test"), images)
    check_test_shape(what("x_test"), plain.shape[1:], train.shape)
    numbers = plain_labels(what("y_test"), labels, len(train.class_names))
    _check_count(what("x_test"), len(plain), what("y_test"), len(numbers))
    return Images(plain, numbers, train.class_names)


def check_test_shape(what: str, found: tuple[int, ...] | None, train: tuple[int, ...] | None) -> None:
    """Raise DataError for test images of another shape than the training images."""
    if found != train:
        wanted = f"test images of the shape of the training images, {train}, under {what}"
        raise DataError(message(wanted, str(found), "Bring both parts to one shape."))


def _check_count(of_images: str, images: int, of_labels: str, labels: int) -> None:
    if images != labels:
        wanted = f"{images:,} labels under {of_labels}, one for each image under {of_images}"
        raise DataError(message(wanted, f"{labels:,}", "Take images and labels from the same part of the data set."))


def images_shape(dtype: np.dtype[Any], shape: tuple[int, ...]) -> tuple[int, int, int] | None:
    """Return (C, H, W) of images in an array of this type and shape, None where it holds none.

    An axis of at most 4 holds the channels: the last one if it is so short, else the second.
    """
    if dtype != np.uint8 or len(shape) not in (3, 4):
        return None
    if len(shape) == 3:
        return 1, shape[1], shape[2]
    if shape[3] <= 4:
        return shape[3], shape[1], shape[2]
    return (shape[1], shape[2], shape[3]) if shape[1] <= 4 else None


def plain_images(what: str, images: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Return images as uint8 (N, C, H, W); raises DataError for what `images_shape` does not know, and for none."""
    if images_shape(images.dtype, images.shape) is None or not images.size:
        raise DataError(message(f"{_IMAGES} under {what}", _described(images), _images_advice(images)))
    if images.ndim == 3:
        return images[:, None].astype(np.uint8, order="C")
    moved = images.transpose(0, 3, 1, 2) if images.shape[3] <= 4 else images
    return moved.astype(np.uint8, order="C")


def plain_labels(what: str, labels: npt.NDArray[Any], classes: int = _MOST_CLASSES) -> npt.NDArray[np.int64]:
    """Return labels as int64 (N,) from 0 to `classes` - 1; raises DataError for anything else."""
    flat = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if flat.ndim != 1 or flat.dtype.kind not in "iu" or not flat.size:
        raise DataError(
            message(f"whole numbers of shape (N,) or (N, 1) under {what}", _described(labels), _labels_advice(flat))
        )
    low, high = int(flat.min()), int(flat.max())
    if low < 0 or high >= classes:
        do = f"Number the classes from 0, y = {_UNIQUE}; those of the test part are among those of the training part."
        raise DataError(message(f"labels from 0 to {classes - 1} under {what}", f"labels from {low} to {high}", do))
    return flat.astype(np.int64)


def check_numbered(what: str, labels: npt.NDArray[np.int64]) -> int:
    """Return how many classes training labels number; raises DataError for one alone and for a gap from 0 on."""
    found = np.unique(labels)
    if len(found) < 2:
        do = "Put at least two classes into the training part."
        raise DataError(message(f"labels of several classes under {what}", f"{found[0]} for all", do))
    if int(found[-1]) != len(found) - 1:
        gaps = np.setdiff1d(np.arange(int(found[-1])), found)
        got = f"{len(found)} different labels from {found[0]} to {found[-1]}, none of them {gaps[0]}"
        shifted = int(found[-1]) - int(found[0]) == len(found) - 1
        do = f"y = y - {found[0]}" if shifted else f"y = {_UNIQUE}, of both parts together"
        raise DataError(message(f"labels 0 to {len(found) - 1} without a gap under {what}", got, f"Write {do}."))
    return len(found)


def _described(array: npt.NDArray[Any]) -> str:
    return f"{array.dtype} of shape {array.shape}"


def _labels_advice(labels: npt.NDArray[Any]) -> str:
    kind = labels.dtype.kind
    if not labels.size:
        return "Give each image a label."
    if labels.ndim == 2 and kind in "biuf":
        return "These look like one column for each class: write y = y.argmax(axis=1)."
    if labels.ndim != 1:
        return "Give each image one number from 0, that of its class."
    if kind == "b":
        return "Write y = y.astype('int64')."
    if kind in "US":
        return f"Number the texts: y = {_UNIQUE}, of both parts together."
    if kind == "f" and not np.isfinite(labels).all():
        return "Leave out the images without a label."
    if kind == "f" and np.array_equal(labels, np.round(labels)):
        return "Write y = y.astype('int64')."
    if kind == "f" and 4 * len(np.unique(labels)) <= len(labels):
        return f"Number the values: y = {_UNIQUE}, of both parts together."
    if kind == "f" and labels.min() >= 0 and labels.max() <= 1:
        return "These look like probabilities of one of two classes: write y = (y > 0.5).astype('int64')."
    return "Give each image one number from 0, that of its class; a quantity is not a class."


def _images_advice(images: npt.NDArray[Any]) -> str:
    kind = images.dtype.kind
    if images.ndim == 2 and images.shape[1]:
        side = round(images.shape[1] ** 0.5)
        shape = f"{side}, {side}" if side**2 == images.shape[1] else "height, width"
        return f"Each row seems to be an image: write x = x.reshape(-1, {shape})."
    if images.ndim not in (3, 4):
        return "Give every image height and width."
    if not images.size:
        return "It holds no pixel: give one image or more, with height and width."
    if images.dtype == np.uint8:
        return "Put the channels last, x = numpy.moveaxis(x, 1, -1), and keep 4 of them at most."
    if kind == "b":
        return "Write x = x.astype('uint8') * 255."
    if kind not in "iuf":
        return "Grey values are numbers from 0 to 255."
    if kind == "f" and not np.isfinite(images).all():
        return "Some values are no numbers: replace them, then scale to 0..255."
    low, high = float(images.min()), float(images.max())
    if low < 0 or high > 65_535:
        return "Write x = ((x - x.min()) / (x.max() - x.min()) * 255).round().astype('uint8'), both parts alike."
    if kind == "f" and high <= 1:
        return "Write x = (x * 255).round().astype('uint8')."
    if high <= 255:
        return f"Write x = x{'.round()' if kind == 'f' else ''}.astype('uint8')."
    return f"Write x = (x / {2 ** int(high).bit_length() / 256:g}).astype('uint8'), both parts alike."
