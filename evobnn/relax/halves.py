"""The training images in two halves: weights learn from the first, alpha and accuracies come from the second.

BNAS (section 4.1) and DARTS halve the training set so. The validation part of the data set is not looked at: it is left
to what judges the genotypes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from evobnn._seeding import child_seed
from evobnn.data.batches import Tensors, epoch_batches
from evobnn.errors import ExperimentError, message


def check_halves(count: int, batch: int) -> None:
    """Raise ExperimentError for fewer training images than two halves of a batch need."""
    if count // 2 < batch:
        expected = f"at least {2 * batch:,} training images, two halves of one batch of {batch:,} each"
        raise ExperimentError(message(expected, f"{count:,}", "Raise dataset.train_limit, or lower relax.batch."))


def halved(data: Tensors, root: int) -> Tensors:
    """Return the training images in two halves, drawn by the root seed: the first as the training part, the second as
    the validation part. An odd one is in the second. Moments stay those of all training images.
    """
    order = torch.randperm(data.count, generator=torch.Generator().manual_seed(child_seed(root, "relax", "halves")))
    middle = data.count // 2
    first, second = (part.sort().values.to(data.device) for part in (order[:middle], order[middle:]))
    return replace(
        data,
        train_images=data.train_images[first],
        train_labels=data.train_labels[first],
        validation_images=data.train_images[second],
        validation_labels=data.train_labels[second],
    )


Batch = tuple[Tensor, Tensor]
"""uint8 images (N, C, H, W) and labels (N,)."""


def pairs(data: Tensors, batch: int, seed: int) -> Iterator[tuple[Batch, Batch]]:
    """Yield a batch of each half for every step of an epoch, in an order of its own, drawn by this seed."""
    generator = torch.Generator().manual_seed(seed)
    first = epoch_batches(data.count, batch, generator)
    second = epoch_batches(data.validation_count, batch, generator)
    for own, other in zip(first, second, strict=False):
        yield (
            (data.train_images[own], data.train_labels[own]),
            (data.validation_images[other], data.validation_labels[other]),
        )


def steps_of(data: Tensors, batch: int) -> int:
    """Return how many pairs an epoch has."""
    return sum(1 for _ in range(0, data.count - 1, batch))
