"""How good a network is on images that it does not learn from."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from evobnn.data.batches import normalise
from evobnn.data.feeds import Feed


def score(network: nn.Module, data: Feed, batch: int = 512) -> tuple[float, float]:
    """Return (mean cross-entropy in nats, error in [0, 1]) on the validation part, in evaluation mode.

    The part must not be empty: see `Feed.validation_count`.
    """
    network.eval()
    loss, wrong, count = 0.0, 0, data.validation_count
    with torch.no_grad():
        for images, labels in data.validation(batch):
            logits = network(normalise(images, data.mean, data.deviation))
            loss += float(F.cross_entropy(logits, labels, reduction="sum"))
            wrong += int((logits.argmax(1) != labels).sum())
    return loss / count, wrong / count
