"""Whether training images show anything: what they are refused for, and what is said of them."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from evobnn.data.dataset import Images, Pixels, Split
from evobnn.data.notes import some
from evobnn.errors import DataError, message

_TOGETHER = 2**24
"""Bytes that are looked at together."""
_FEW = 32
"""Grey values of 256 that a set is told to use if it uses no more."""
_DO = "Grey values of 0 to 1 that were made whole, or few of 16 bits, leave nothing: save them from 0 to 255."


def information(parts: Split, *, copies: bool = True) -> list[str]:
    """Return what a person should know of the images, one sentence each.

    Arguments:
        parts: what a search sees.
        copies: look for copies of training images in the validation part too.

    Raises:
        DataError: training images that are nearly all of one grey value (half of them, where two neighbouring values
            are all that there is), all the same, or all of one class.
    """
    train = parts.train
    missing = np.setdiff1d(np.arange(len(train.class_names)), train.labels)
    if len(train.class_names) - len(missing) < 2:
        only = train.class_names[int(train.labels[0])]
        do = "Put images of at least two classes into the training part."
        raise DataError(message("training images of several classes", f"class {only} for all {len(train):,}", do))
    blank, low, high = _blank(train.images)
    if blank >= len(train) * (0.99 if high - low > 1 else 0.5):
        wanted = "training images that show something"
        got = f"{blank:,} of {len(train):,} that are of one grey value, or nearly"
        raise DataError(message(wanted, f"{got} (in all {low} to {high})", _DO))
    if len(train) > 1 and np.array_equal(train.images[1:], np.broadcast_to(train.images[:1], train.images[1:].shape)):
        raise DataError(message("training images that differ", f"{len(train):,} times the same", _DO))
    said = range_of(low, high)
    if len(missing):
        names = some([train.class_names[label] for label in missing])
        said.append(f"No training image is of class {names}: of {len(train.class_names)} outputs these learn nothing.")
    if blank:
        said.append(f"{blank:,} of {len(train):,} training images are of one grey value, or nearly.")
    if copies and (twice := _copies(train, parts.validation)):
        said.append(f"{twice:,} of {len(parts.validation):,} validation images are copies of training images.")
    return said


def information_of_counts(counts: npt.NDArray[np.int64]) -> list[str]:
    """Return the same, as far as counts of grey values tell it, (C, 256); raises DataError for one value alone."""
    values = np.flatnonzero(counts.sum(axis=0))
    low, high = int(values.min()), int(values.max())
    if low == high:
        raise DataError(message("training images that show something", f"{low} in every pixel", _DO))
    return range_of(low, high)


def range_of(low: int, high: int) -> list[str]:
    """Return a sentence for images whose grey values use a small part of 0 to 255."""
    if high - low >= _FEW:
        return []
    return [f"All grey values lie between {low} and {high}, of 255: if the images have more, it was lost before."]


def _blank(images: Pixels) -> tuple[int, int, int]:
    """Return how many images are blank, and the least and the largest grey value of all.

    Blank is one grey value, or two neighbouring ones of which one is found in 1 of 100 values or fewer.
    """
    flat = images.reshape(len(images), -1)
    blank, low, high = 0, 255, 0
    each = max(1, _TOGETHER // flat.shape[1])
    for start in range(0, len(flat), each):
        chunk = flat[start : start + each]
        least, most = chunk.min(axis=1), chunk.max(axis=1)
        low, high = min(low, int(least.min())), max(high, int(most.max()))
        near = np.flatnonzero(most - least <= 1)
        upper = (chunk[near] > least[near, None]).mean(axis=1)
        blank += int((np.minimum(upper, 1 - upper) <= 0.01).sum())
    return blank, low, high


def _copies(train: Images, validation: Images) -> int:
    """Return how many validation images are also training images, to the pixel, if it is 1 in 100 or more."""
    seen = {hashlib.blake2b(one.tobytes(), digest_size=16).digest() for one in train.images}
    found = (hashlib.blake2b(one.tobytes(), digest_size=16).digest() for one in validation.images)
    count = sum(one in seen for one in found)
    return count if 100 * count >= len(validation) else 0
