"""What a training reads: index batches in, images and labels out, wherever they are kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor


class Loader(Protocol):
    """Training and validation images on one device, in batches.

    Images are uint8 of shape (N, C, H, W), labels int64 of shape (N,). `Tensors` (`batches`) keeps them all on the
    device, `Streamed` (`streams`) decodes them from files again in every epoch; both yield the same values for the same
    folder.
    """

    @property
    def count(self) -> int:
        """Training images: batches index 0..count-1."""

    @property
    def validation_count(self) -> int:
        """Validation images; 0 where there is no validation part."""

    @property
    def mean(self) -> Tensor:
        """Mean of each channel over the training part, in grey values: float32 (C,) on the device."""

    @property
    def deviation(self) -> Tensor:
        """Standard deviation of each channel over the training part, as `mean`."""

    @property
    def device(self) -> torch.device:
        """Where what is yielded lies."""

    def epoch(self, batches: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the training images and labels at each int64 index batch of shape (B,), in that order."""

    def validation(self, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the validation images and labels, `batch` at a time, in order; nothing if there are none."""
