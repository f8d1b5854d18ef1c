"""Images with labels, what an experiment asks of them, and the one split that a search may see.

A search chooses among thousands of networks, so whatever it scores on it will overfit. The images that a search sees
are therefore only the published *training* images, cut once into a training and a validation part; the published test
images have no place in `Split`, and final training alone opens them.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evobnn._checks import check_at_least, check_between
from evobnn._seeding import Generator, generator
from evobnn.data.resample import resize
from evobnn.errors import DataError, message

Pixels = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]

LATER = {"skip_damaged": False, "fingerprint": ""}
"""Fields of `DatasetSpec` that came later, with the value that every one before them had: it changes no identity."""
_LARGEST_SIZE = 1024


@dataclass(frozen=True, eq=False)
class Images:
    """Images of one part of a data set.

    `images` is uint8 of shape (N, C, H, W), grey values 0 to 255; `labels` is int64 of shape (N,), each an index into
    `class_names`. Raises DataError where shapes, types or labels do not fit together, or where there is no image.
    """

    images: Pixels
    labels: Labels
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.images.dtype != np.uint8 or self.images.ndim != 4 or 0 in self.images.shape:
            raise DataError(
                message(
                    "images as uint8 of shape (N, C, H, W) with at least one image",
                    f"{self.images.dtype} of shape {self.images.shape}",
                    "Scale grey values to 0..255 and give every image a channel axis.",
                )
            )
        if self.labels.dtype != np.int64 or self.labels.shape != self.images.shape[:1]:
            raise DataError(
                message(
                    f"labels as int64 of shape ({len(self.images)},), one for each image",
                    f"{self.labels.dtype} of shape {self.labels.shape}",
                    "Check that images and labels come from the same part of the data set.",
                )
            )
        low, high = int(self.labels.min()), int(self.labels.max())
        if low < 0 or high >= len(self.class_names):
            raise DataError(
                message(
                    f"labels from 0 to {len(self.class_names) - 1}, one for each of {len(self.class_names)} classes",
                    f"labels from {low} to {high}",
                    "Number the classes from 0 and name each of them.",
                )
            )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of every image."""
        _, channels, height, width = self.images.shape
        return channels, height, width

    def select(self, indices: npt.NDArray[np.int64]) -> Images:
        """Return the images at `indices`, in that order, as a copy."""
        return Images(self.images[indices], self.labels[indices], self.class_names)

    def resized(self, size: int) -> Images:
        """Return the images at size x size pixels (see `resample.resize`); these themselves for 0 or that very size."""
        if size == 0 or self.shape[1:] == (size, size):
            return self
        return Images(resize(self.images, size), self.labels, self.class_names)


@dataclass(frozen=True)
class DatasetSpec:
    """Which images an experiment is about, and how they are cut: part of the protocol.

    name              a key of `SOURCES`
    size              0 as published, otherwise height and width in pixels after resampling
    validation        share of the published training images that is set apart to score on
    train_limit       0 for all, otherwise this many training images, classes in proportion, chosen after the split
    validation_limit  the same for the validation images
    split_seed        decides which images fall on which side, and nothing else
    skip_damaged      leave out image files that cannot be decoded, which are otherwise an error (`folder` alone)
    fingerprint       which arrays, see `evobnn.data.arrays` (`arrays` alone)
    """

    name: str = "digits"
    size: int = 0
    validation: float = 0.25
    train_limit: int = 0
    validation_limit: int = 0
    split_seed: int = 0
    skip_damaged: bool = False
    fingerprint: str = ""

    def __post_init__(self) -> None:
        check_between(
            "dataset.size", check_at_least("dataset.size", self.size, 0, DataError), 0, _LARGEST_SIZE, DataError
        )
        check_between("dataset.validation", self.validation, 0.01, 0.99, DataError)
        check_at_least("dataset.train_limit", self.train_limit, 0, DataError)
        check_at_least("dataset.validation_limit", self.validation_limit, 0, DataError)
        check_at_least("dataset.split_seed", self.split_seed, 0, DataError)
        if self.fingerprint and not re.fullmatch("[0-9a-f]{16}", self.fingerprint):
            do = "Take what evobnn.Arrays(...).fingerprint says."
            raise DataError(message("dataset.fingerprint as 16 digits from 0 to f", repr(self.fingerprint), do))


@dataclass(frozen=True, eq=False)
class Split:
    """What a search may see: `train` to learn from and `validation` to score on, disjoint, with no test image."""

    train: Images
    validation: Images


def stratified(labels: Labels, count: int, rng: Generator) -> npt.NDArray[np.int64]:
    """Return `count` sorted indices into `labels` in which every class keeps its share to within one image.

    Each class gets the whole part of its proportional quota; the images still missing go to the largest remainders,
    the lower class first where remainders are equal. `count` lies in 0..N.
    """
    classes, sizes = np.unique(labels, return_counts=True)
    whole, remainder = np.divmod(sizes.astype(np.int64) * count, len(labels))
    whole[np.argsort(-remainder, kind="stable")[: count - int(whole.sum())]] += 1
    chosen = [
        rng.permutation(np.flatnonzero(labels == label))[:quota] for label, quota in zip(classes, whole, strict=True)
    ]
    return np.sort(np.concatenate(chosen)).astype(np.int64)


def fifth_apart(labels: Labels, name: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the sorted indices of what is left of a set that was published without a test part, and of that part.

    A fifth is set apart once and for all, class by class, whatever an experiment's `split_seed`; `name` is the set's.
    """
    apart = stratified(labels, round(len(labels) / 5), generator(0, name, "test"))
    return np.setdiff1d(np.arange(len(labels), dtype=np.int64), apart), apart


def cut(labels: Labels, spec: DatasetSpec) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the sorted indices of the training and of the validation part of published training images.

    The same `labels` of shape (N,) and spec give the same parts on every machine. Raises DataError where a part would
    be empty, a limit asks for more images than its part has, or fewer images than classes would be left to learn from.
    """
    rng = generator(spec.split_seed, "split")
    held_out = round(len(labels) * spec.validation)
    if not 0 < held_out < len(labels):
        raise DataError(
            message(
                "at least one training and one validation image",
                f"{len(labels)} images with dataset.validation = {spec.validation:g}",
                "Take more images or another share.",
            )
        )
    validation = stratified(labels, held_out, rng)
    train = np.setdiff1d(np.arange(len(labels), dtype=np.int64), validation)
    train = _limited("train", labels, train, spec.train_limit, spec.split_seed)
    classes = len(np.unique(labels))
    if len(train) < classes:
        raise DataError(
            message(
                f"at least as many training images as classes, {classes}",
                f"{len(train)} with dataset.validation = {spec.validation:g} and train_limit = {spec.train_limit}",
                "Take more images, a smaller share or another limit.",
            )
        )
    return train, _limited("validation", labels, validation, spec.validation_limit, spec.split_seed)


def split(images: Images, spec: DatasetSpec) -> Split:
    """Cut the published training `images` as `cut` says and resample them to `spec.size`; raises DataError as `cut`."""
    train, validation = (images.select(part).resized(spec.size) for part in cut(images.labels, spec))
    return Split(train, validation)


def _limited(part: str, labels: Labels, indices: npt.NDArray[np.int64], limit: int, seed: int) -> npt.NDArray[np.int64]:
    if limit == 0:
        return indices
    if limit > len(indices):
        raise DataError(
            message(
                f"dataset.{part}_limit of at most {len(indices)}, the images in that part",
                str(limit),
                f"Give {len(indices)} or fewer, or 0 for all.",
            )
        )
    return indices[stratified(labels[indices], limit, generator(seed, "limit", part))]


def fingerprint(*parts: Images) -> str:
    """Return 16 hexadecimal digits of SHA-256 over shapes, pixels, labels and class names of `parts`, in order.

    One pixel, one label or one name changed gives another fingerprint; how the arrays lie in memory does not.
    """
    digest = hashlib.sha256()
    for part in parts:
        digest.update(repr((part.images.shape, part.class_names)).encode())
        digest.update(np.ascontiguousarray(part.images).data.cast("B"))
        digest.update(part.labels.astype("<i8").tobytes())
    return digest.hexdigest()[:16]
