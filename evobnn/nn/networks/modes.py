"""Switches of a network that is already built: what is binary in it, how far its training is, what is dropped.

None of them touches a parameter or a buffer, and none is part of a `state_dict`: whoever goes on with a stored training
sets them again.
"""

from __future__ import annotations

import torch
from torch import nn

from evobnn._checks import check_between, check_name
from evobnn.errors import NetworkError, message
from evobnn.nn.binary.layers import BinaryConv2d
from evobnn.nn.binary.site import Site
from evobnn.nn.cells.blocks import CellBlock
from evobnn.nn.cells.droppath import DropPath
from evobnn.nn.networks.resnet import ResidualBlock

MODES = ("binary", "real")

HIGHEST_DROP = 0.99
"""The highest probability of drop-path: what is kept is scaled by 1 / (1 - p)."""


def set_modes(network: nn.Module, activations: str = "binary", weights: str = "binary") -> None:
    """Switch the activations and the weights of all sites and binary convolutions, in place.

    Real activations are hardtanh(a(x), -clip, clip), real weights the latent ones; a network with both real is the
    twin. Stages of a training go on with the same parameters. While weights are real they are not settled: after a
    switch to binary ones call `settle_latent_` once. Costs are those of the mode in which `profile` meets the network:
    count in binary mode.

    Raises NetworkError for another mode.
    """
    check_name("activations", activations, MODES, NetworkError)
    check_name("weights", weights, MODES, NetworkError)
    for module in network.modules():
        if isinstance(module, Site):
            module.real = activations == "real"
        elif isinstance(module, BinaryConv2d):
            module.real = weights == "real"


def anneal(network: nn.Module, progress: float) -> None:
    """Tell all sites and binary convolutions how far the training is: 0 at its beginning, 1 at its end.

    Only the surrogate `annealed_tanh` and the weights `standardised` ask for it; published is one value per epoch,
    epoch / epochs from epoch 0 on. A network that is never told behaves as at the end, where the gradient of
    `annealed_tanh` is steep and narrow: a training with either calls this before its first step.

    Raises NetworkError for a number outside of [0, 1].
    """
    check_between("progress", progress, 0.0, 1.0, NetworkError)
    for module in network.modules():
        if isinstance(module, (Site, BinaryConv2d)):
            module.progress = progress


def set_drop_path(network: nn.Module, probability: float, generator: torch.Generator) -> None:
    """Have operations dropped per image with this probability while the network trains; 0 for none, as it is built.

    In a `CellBlock` that is every edge but identity and zeroise, poolings too; in a `ResidualBlock` all but the
    shortcut. What is kept is scaled by 1 / (1 - probability). Masks are drawn from `generator` in the order of the
    blocks, one (edges, images) table each, on the CPU, so that every device sees the same; such a forward pass
    cannot be captured in a CUDA graph.

    Raises NetworkError for a probability outside of [0, 0.99] or a generator that is not on the CPU.
    """
    check_between("probability", probability, 0.0, HIGHEST_DROP, NetworkError)
    if generator.device.type != "cpu":
        raise NetworkError(message("a generator on the CPU", str(generator.device), "Masks are drawn there and moved."))
    drop = DropPath(probability, generator) if probability else None
    for module in network.modules():
        if isinstance(module, (CellBlock, ResidualBlock)):
            module.drop_path = drop
