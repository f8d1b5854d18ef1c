"""Parameters that a training treats apart: latent weights, which are settled after a step, and what must not decay."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn

from evobnn.nn.binary.forms import expression_parameters
from evobnn.nn.binary.layers import BinaryConv2d
from evobnn.nn.binary.signs import sign
from evobnn.nn.binary.weights import WEIGHTS_QUANTISERS


def binary_convolutions(network: nn.Module) -> list[BinaryConv2d]:
    """Return all binary convolutions in the order of the modules, those that use real weights at the moment too."""
    return [module for module in network.modules() if isinstance(module, BinaryConv2d)]


def settle_latent_(convolutions: nn.Module | Iterable[BinaryConv2d], clip: float) -> None:
    """Bring latent weights to where they belong, in place; call it under `torch.no_grad()`, after the optimiser's step.

    That is what their quantiser says: for "bnas" centred over the input channels and clamped to [-1, 1], for all
    others clamped to [-clip, clip], with clip 0 left alone. A convolution with real weights is passed over.

    Given a network, its `binary_convolutions` are looked up; a training loop hands over the list it looked up once.
    """
    for conv in binary_convolutions(convolutions) if isinstance(convolutions, nn.Module) else convolutions:
        if conv.real:
            continue
        settle_ = WEIGHTS_QUANTISERS[conv.scale].settle_
        if settle_ is not None:
            settle_(conv.weight)
        elif clip:
            conv.weight.clamp_(-clip, clip)


def undecayed_parameters(network: nn.Module) -> list[nn.Parameter]:
    """Return what gets no weight decay though it may have several dimensions, each parameter once.

    These are the parameters of expressions and the shifts of sites, learned scales of binary weights, and slopes of
    PReLU. Norms and biases, which have one dimension, are not listed.
    """
    found = expression_parameters(network)
    found += [conv.alpha for conv in binary_convolutions(network) if conv.alpha is not None]
    return found + [module.weight for module in network.modules() if isinstance(module, nn.PReLU)]


def kernel_pairs(network: nn.Module) -> list[tuple[Tensor, Tensor]]:
    """Return (latent, binary) weight of every binary convolution that does not use real weights, for a kernel loss.

    `latent` is the parameter; `binary` is what the forward pass makes of it, as a constant: the sign has derivative 0
    here, not its straight-through one, which would cancel the gradient of the difference. Nothing is lost by that
    where alpha = mean|w|, for which the derivative of the squared difference by alpha is 0. A learned alpha
    is no constant: its gradient passes.

    Source: Zhuo et al. 2020, CP-NAS; section 4.3 of the fact sheet, where the latent kernel and its reconstruction,
    amplitude times sign, are brought together by a mean squared error.
    """
    return [(conv.weight, _constant(conv)) for conv in binary_convolutions(network) if not conv.real]


def _constant(conv: BinaryConv2d) -> Tensor:
    """Return the binary weight without a gradient but that of a learned scale."""
    return conv.binary_weight().detach() if conv.alpha is None else sign(conv.weight) * conv.alpha
