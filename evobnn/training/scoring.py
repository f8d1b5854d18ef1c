"""How good a network is on images that it does not learn from."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from evobnn.data.batches import normalise
from evobnn.data.loaders import Loader


def score(network: nn.Module, data: Loader, batch: int = 512) -> tuple[float, float]:
    """Return (mean cross-entropy in nats, error in [0, 1]) on the validation part, in evaluation mode.

    The part must not be empty: see `Loader.validation_count`.
    """
    loss, wrong = tally(network, data.validation(batch), data)
    return loss / data.validation_count, wrong / data.validation_count


def tally(network: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], data: Loader) -> tuple[float, int]:
    """Return the sum of the cross-entropy in nats and the number of wrong answers, in evaluation mode.

    Arguments:
        network: on the device of the batches.
        batches: uint8 images (N, C, H, W) and labels (N,).
        data: says how images are normalised.
    """
    network.eval()
    loss, wrong = 0.0, 0
    with torch.no_grad():
        for images, labels in batches:
            logits = network(normalise(images, data.mean, data.deviation))
            loss += float(F.cross_entropy(logits, labels, reduction="sum"))
            wrong += int((logits.argmax(1) != labels).sum())
    return loss, wrong
