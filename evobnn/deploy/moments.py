"""Moments of batch norms in a network that was never trained, so that its signs change as those of a trained one do."""

from __future__ import annotations

import torch
from torch import nn

from evobnn.data.batches import normalise
from evobnn.deploy.ops import Array


def take_moments(network: nn.Module, images: Array, mean: Array, deviation: Array) -> None:
    """Give each batch norm the moments of these images, uint8 (N, C, H, W); the network is in evaluation mode after it.

    Arguments:
        network: readable modules in float32 on the CPU.
        images: grey values, which become (image - mean) / deviation.
        mean: float32 (C,).
        deviation: float32 (C,).
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    kept = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    network.train()
    with torch.no_grad():
        network(normalise(*(torch.from_numpy(array.copy()) for array in (images, mean, deviation))))
    network.eval()
    for norm, momentum in zip(norms, kept, strict=True):
        norm.momentum = momentum
