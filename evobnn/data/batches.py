"""Batches as tensor functions: the whole set lives as one uint8 tensor and a batch is an index into it.

Brief training is a few hundred steps on small images, where a `DataLoader` would cost more than the steps; sets that
are too large for this stream (`streams`). `Tensors` is one of the two `Loader`s.
Augmentations take (batch, generator) and return a batch, uint8 in and out, so that they run before the one conversion
to float; `augment` makes more of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from mmap import mmap
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from evobnn._checks import check_at_least
from evobnn.data.dataset import Images, Pixels, Split
from evobnn.errors import DataError, message

Augmentation = Callable[[Tensor, torch.Generator], Tensor]

_COUNTED = 2**16
"""Pixels that are counted at a time."""


@dataclass(frozen=True, eq=False)
class Tensors:
    """A split on one device; a `Loader`.

    Images are uint8 of shape (N, C, H, W), labels int64 of shape (N,). `mean` and `deviation` are float32 of shape (C,)
    in grey values (0 to 255), measured over all pixels of the training part alone. The validation part may be empty.
    """

    train_images: Tensor
    train_labels: Tensor
    validation_images: Tensor
    validation_labels: Tensor
    mean: Tensor
    deviation: Tensor

    @property
    def count(self) -> int:
        """Training images."""
        return len(self.train_labels)

    @property
    def validation_count(self) -> int:
        """Validation images, perhaps 0."""
        return len(self.validation_labels)

    @property
    def device(self) -> torch.device:
        """Where all of it is."""
        return self.train_images.device

    def epoch(self, batches: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the training images and labels at each of the index batches, in that order."""
        for indices in batches:
            where = indices.to(self.device)
            yield self.train_images[where], self.train_labels[where]

    def validation(self, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the validation images and labels, `batch` at a time, in order."""
        for start in range(0, self.validation_count, batch):
            yield self.validation_images[start : start + batch], self.validation_labels[start : start + batch]


def grey_counts(pixels: Pixels) -> npt.NDArray[np.int64]:
    """Return how often each of the 256 grey values occurs in each channel of (N, C, H, W), as (C, 256).

    A few images at a time: to count bytes, NumPy makes each of them an integer of eight.
    """
    count, channels, height, width = pixels.shape
    counts = np.zeros((channels, 256), dtype=np.int64)
    together = max(1, _COUNTED // (height * width))
    for start in range(0, count, together):
        for channel in range(channels):
            counts[channel] += np.bincount(pixels[start : start + together, channel].ravel(), minlength=256)
    return counts


def channel_moments(of: Images | npt.NDArray[np.int64]) -> tuple[list[float], list[float]]:
    """Return mean and standard deviation of each channel in grey values; a channel of one value gets deviation 1.

    Both come from counts of the 256 grey values, those of images or given as (C, 256), hence from exact sums, whatever
    the number of threads.
    """
    means, deviations = [], []
    for counts in grey_counts(of.images) if isinstance(of, Images) else of:
        total = int(counts.sum())
        first = sum(value * int(count) for value, count in enumerate(counts))
        second = sum(value * value * int(count) for value, count in enumerate(counts))
        spread = total * second - first * first
        means.append(first / total)
        deviations.append((spread / total**2) ** 0.5 if spread else 1.0)
    return means, deviations


def to_tensors(split: Split, device: torch.device | str = "cpu") -> Tensors:
    """Bring a split to `device`, with the moments of its training part; on a CPU mapped files are not copied."""
    train, validation = _own(split.train), _own(split.validation)
    return Tensors(*_placed(train, device), *_placed(validation, device), *placed_moments(train, device))


def all_tensors(images: Images, device: torch.device | str = "cpu") -> Tensors:
    """Bring all training images to `device` for the last training, with their moments and an empty validation part."""
    own = _own(images)
    train_images, train_labels = _placed(own, device)
    return Tensors(train_images, train_labels, train_images[:0], train_labels[:0], *placed_moments(own, device))


def images_tensors(images: Images, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """Bring images (uint8, (N, C, H, W)) and labels (int64, (N,)) of one part to `device`, as `to_tensors` does."""
    return _placed(_own(images), device)


def _placed(own: Images, device: torch.device | str) -> tuple[Tensor, Tensor]:
    pixels, labels = (torch.from_numpy(array).to(device) for array in (own.images, own.labels))
    return pixels, labels


def _own(images: Images) -> Images:
    """Return the same images in arrays that nothing else writes to, and that may be written to."""
    return Images(_writable(images.images), _writable(images.labels), images.class_names)


def _writable(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a copy, or for a whole mapped file another map of it, copy on write.

    PyTorch takes writable memory only; and the pages to which no process writes are the same for all of them.
    """
    base: object = array.base
    if isinstance(array, np.memmap) and isinstance(base, mmap) and array.filename and array.flags.c_contiguous:
        with suppress(OSError):  # the file may have been deleted since
            return np.memmap(array.filename, array.dtype, "c", array.offset, array.shape)
    return np.array(array)


def placed_moments(of: Images | npt.NDArray[np.int64], device: torch.device | str) -> tuple[Tensor, Tensor]:
    """Return `channel_moments` as float32 tensors of shape (C,) on `device`."""
    mean, deviation = (torch.tensor(values, dtype=torch.float32, device=device) for values in channel_moments(of))
    return mean, deviation


def normalise(batch: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    """Return (batch - mean) / deviation as float32 from a uint8 batch (N, C, H, W), channel by channel."""
    return (batch.to(torch.float32) - mean[:, None, None]) / deviation[:, None, None]


def epoch_batches(count: int, batch: int, generator: torch.Generator) -> list[Tensor]:
    """Return one epoch as int64 index tensors: every index of 0..count-1 in random order, `batch` at a time.

    A last, smaller batch is kept from two images on; a single image is left out, for batch statistics need two. Raises
    DataError for a batch below 2 or larger than the set.
    """
    check_at_least("batch", batch, 2, DataError)
    if batch > count:
        raise DataError(
            message(
                f"a batch of at most {count}, the training images there are",
                str(batch),
                f"Give a batch of {count} or less, or take more training images.",
            )
        )
    order = torch.randperm(count, generator=generator)
    batches = (order[start : start + batch] for start in range(0, count, batch))
    return [indices for indices in batches if len(indices) >= 2]


def unchanged(batch: Tensor, generator: torch.Generator) -> Tensor:
    """Return the batch itself; draws nothing."""
    return batch


def shift(batch: Tensor, pixels: int, generator: torch.Generator) -> Tensor:
    """Move every image by its own offset in {-pixels..pixels}² and fill with 0; shape and dtype stay.

    The batch is padded with `pixels` zeros on each side; the offsets choose where the crop starts. One draw of shape
    (N, 2) from `generator`: rows first, columns second.
    """
    count, _, height, width = batch.shape
    offsets = torch.randint(0, 2 * pixels + 1, (count, 2), generator=generator).to(batch.device)
    padded = functional.pad(batch, (pixels, pixels, pixels, pixels))
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)
    return windows[torch.arange(count, device=batch.device), :, offsets[:, 0], offsets[:, 1]]


def flip(batch: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror each image left to right with probability 1/2; shape and dtype stay."""
    mirrored = torch.randint(0, 2, (len(batch), 1, 1, 1), generator=generator).to(batch.device, torch.bool)
    return torch.where(mirrored, batch.flip(3), batch)
