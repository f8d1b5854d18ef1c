"""A trained network as it is used: raw images in, logits out, normalised as it was in training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from evobnn.data.batches import normalise
from evobnn.data.raw import raw_images
from evobnn.experiment.final import FinalSettings
from evobnn.genome import Genome
from evobnn.runs.final.metadata import Metadata
from evobnn.training import torch_threads

BATCH = 512
"""Images at a time, as many as when the test images are read."""


class LoadedNetwork(nn.Module):
    """A network with its final weights, in evaluation mode.

    Called with raw images it returns logits (N, classes). Images are an array or a tensor of grey values from 0 to 255,
    uint8 or floats, of shape (N, C, H, W), (N, H, W, C), (C, H, W), (H, W, C) or, of one channel, (N, H, W) or (H, W);
    one image is a batch of one. Anything else, floats from 0 to 1 above all, raises DataError.

    Attributes:
        network: the modules behind the normalisation; it takes normalised float32 images (N, C, H, W).
        mean, deviation: of each channel, float32 (C,) in grey values: images become (image - mean) / deviation.
        shape: (C, H, W) of an image.
        class_names: of the logits, in their order.
        genome: what was trained.
        seed: whose weights these are.
        result: what `result.json` says of the training; None before its end.
        settings: of the training.
        metadata: what stands beside the weights in their file.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        network: nn.Module,
        genome: Genome,
        metadata: Metadata,
        settings: FinalSettings,
        seed: int,
        result: Mapping[str, Any] | None,
        threads: int = 0,
    ) -> None:
        """Take what is described above; `threads` are those of torch in `logits`, 0 for its present number."""
        super().__init__()
        self.network = network
        for name, values in (("mean", metadata.mean), ("deviation", metadata.deviation)):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32))
        self.genome, self.metadata, self.settings = genome, metadata, settings
        self.seed, self.result, self._threads = seed, result, threads
        self.eval()

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an image."""
        return self.metadata.shape

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the logits, in their order."""
        return self.metadata.class_names

    def forward(self, images: Any) -> Tensor:
        """Return the logits (N, classes) of raw images; raise DataError for images of another kind."""
        pixels = raw_images(images, self.shape).to(self.mean.device)
        logits: Tensor = self.network(normalise(pixels, self.mean, self.deviation))
        return logits

    def logits(self, images: Any, batch: int = BATCH) -> Tensor:
        """Return the logits (N, classes) of any number of raw images, in evaluation mode and without gradients."""
        pixels = raw_images(images, self.shape)
        with self._evaluating():
            parts = [
                self.network(normalise(pixels[at : at + batch].to(self.mean.device), self.mean, self.deviation))
                for at in range(0, len(pixels), batch)
            ]
        return torch.cat(parts) if parts else torch.zeros(0, len(self.class_names), device=self.mean.device)

    def predict(self, images: Any, *, names: bool = False) -> npt.NDArray[Any]:
        """Return the class of each raw image: its index, int64 (N,), or with `names` its name.

        Raises DataError for images of another kind, see the class.
        """
        indices = self.logits(images).argmax(1).cpu().numpy()
        return np.array(self.class_names)[indices] if names else indices

    @contextmanager
    def _evaluating(self) -> Iterator[None]:
        before = self.training
        self.eval()
        try:
            with torch.no_grad(), torch_threads(self._threads) if self._threads else nullcontext():
                yield
        finally:
            self.train(before)
