"""What a network costs, layer by layer, without computing it.

OPs = FLOPs + BOPs/64: one multiply-accumulate (MAC) is one operation, and 64 binary ones are one (Liu et al. 2018,
Bi-Real Net, section 4.3; the convention of BNAS and BATS). Everything is for one image. Every convolution and linear
layer that the forward pass runs is counted, real-valued skips included, with taps on padding; what is allocated but
never run costs parameters and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from evobnn.errors import NetworkError, message
from evobnn.nn.binary.forms import TreeActivation
from evobnn.nn.binary.layers import BinaryConv2d
from evobnn.nn.binary.site import Site
from evobnn.nn.cells.blocks import CellBlock, FreeSkip, PublishedSkip
from evobnn.nn.cells.grouped import ChannelShuffle, ResidualLayer
from evobnn.nn.cells.ops import MeanPool, Zero
from evobnn.nn.counting.hollow import hollow_twin, run_empty
from evobnn.nn.networks.network import Head
from evobnn.nn.networks.resnet import ResidualBlock


@dataclass(frozen=True)
class LayerCost:
    """The cost of one module for one image.

    name            path in the network, as `named_modules` gives it
    kind            binary_conv, real_conv, skip_conv (the real-valued convolution of a published skip), linear, norm,
                    activation, sign, relu (PReLU too), pool, skip, shuffle, sum, other; unused: never run
    output_shape    without the batch: (C, H, W) or (features,)
    binary_macs     multiply-accumulates of two-valued inputs and weights
    real_macs       all others
    other           elementwise operations, one per element of the output: norm (multiply-add), ReLU, sign, pool, mean
                    of skip and head, every form of an expression but its leaves, every addition in a cell, an
                    operation or a block; a shuffle moves numbers and costs none
    binary_weights  numbers kept for inference in 1 bit
    real_numbers    numbers kept for inference in 32 bit: BatchNorm 2 per channel, scale per filter, weights, biases,
                    slopes of PReLU, parameters of expressions
    parameters      trainable numbers allocated
    groups          of a convolution; 1 for everything else
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    binary_macs: int = 0
    real_macs: int = 0
    other: int = 0
    binary_weights: int = 0
    real_numbers: int = 0
    parameters: int = 0
    groups: int = 1


@dataclass(frozen=True)
class NetworkCost:
    """The cost of a network: its layers in the order in which they run, then what never runs; and sums over them."""

    layers: tuple[LayerCost, ...]

    @property
    def binary_macs(self) -> int:
        """Binary multiply-accumulates of one image."""
        return sum(layer.binary_macs for layer in self.layers)

    @property
    def real_macs(self) -> int:
        """Real-valued multiply-accumulates of one image."""
        return sum(layer.real_macs for layer in self.layers)

    @property
    def ops(self) -> float:
        """Operations of one image: real_macs + binary_macs / 64, convolutions and linear layers only."""
        return self.real_macs + self.binary_macs / 64

    @property
    def skip_macs(self) -> int:
        """Those of `real_macs` that the convolutions of published skips, around reduction cells, account for."""
        return sum(layer.real_macs for layer in self.layers if layer.kind == "skip_conv")

    @property
    def ops_without_skips(self) -> float:
        """`ops` less `skip_macs`: what BNAS's published operations appear to count."""
        return self.ops - self.skip_macs

    @property
    def binary_share(self) -> float:
        """Part of the multiply-accumulates that are binary, 0 to 1; 0 for a network without any."""
        total = self.binary_macs + self.real_macs
        return self.binary_macs / total if total else 0.0

    @property
    def other(self) -> int:
        """Elementwise operations of one image, which `ops` leaves out."""
        return sum(layer.other for layer in self.layers)

    @property
    def bits(self) -> int:
        """Storage for inference in bits: 1 per binary weight, 32 per other number; what never runs is not stored."""
        return sum(layer.binary_weights + 32 * layer.real_numbers for layer in self.layers)

    @property
    def parameters(self) -> int:
        """All trainable numbers allocated, used or not."""
        return sum(layer.parameters for layer in self.layers)

    def recorded(self) -> dict[str, float]:
        """Return by name what every record of a network states."""
        names = ("ops", "binary_macs", "real_macs", "binary_share", "bits", "parameters")
        return {name: getattr(self, name) for name in names}


Counter = Callable[[Any, int], tuple[str, dict[str, int]]]
"""`count(module, elements of its output)` returns the kind and the numbers that are not 0."""


def _size(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters(recurse=False))


def _binary_conv(m: Any, out: int) -> tuple[str, dict[str, int]]:
    macs, size = out * m.weight[0].numel(), m.weight.numel()
    numbers = {"other": out if m.rectify else 0, "groups": m.groups}
    if m.real:
        return "real_conv", {"real_macs": macs, "real_numbers": size, **numbers}
    scales = m.out_channels if m.scale != "none" else 0
    return "binary_conv", {"binary_macs": macs, "binary_weights": size, "real_numbers": scales, **numbers}


def _real_conv(m: Any, out: int) -> tuple[str, dict[str, int]]:
    return "real_conv", {"real_macs": out * m.weight[0].numel(), "real_numbers": _size(m), "groups": m.groups}


def _linear(m: Any, out: int) -> tuple[str, dict[str, int]]:
    return "linear", {"real_macs": out * m.in_features, "real_numbers": _size(m)}


def _norm(m: Any, out: int) -> tuple[str, dict[str, int]]:
    return "norm", {"other": out, "real_numbers": 2 * m.num_features}


def _prelu(m: Any, out: int) -> tuple[str, dict[str, int]]:
    return "relu", {"other": out, "real_numbers": _size(m)}


def _expression(m: Any, out: int) -> tuple[str, dict[str, int]]:
    return "activation", {"other": out * m.steps, "real_numbers": _size(m)}


def _cell(m: Any, out: int) -> tuple[str, dict[str, int]]:
    return "sum", {"other": out // m.nodes * m.additions()}


def _residual(m: Any, out: int) -> tuple[str, dict[str, int]]:
    return "sum", {"other": out if m.residual else 0}


def _head(m: Any, out: int) -> tuple[str, dict[str, int]]:
    return "pool", {"other": m.linear.in_features}


def _each(kind: str) -> Counter:
    return lambda m, out: (kind, {"other": out})


def _free(kind: str) -> Counter:
    return lambda m, out: (kind, {})


COUNTERS: dict[type[nn.Module], Counter] = {
    BinaryConv2d: _binary_conv,
    nn.Conv2d: _real_conv,
    nn.Linear: _linear,
    nn.BatchNorm2d: _norm,
    TreeActivation: _expression,
    Site: _each("sign"),
    nn.ReLU: _each("relu"),
    nn.PReLU: _prelu,
    nn.MaxPool2d: _each("pool"),
    nn.AvgPool2d: _each("pool"),
    MeanPool: _each("pool"),
    FreeSkip: _each("skip"),
    ChannelShuffle: _free("shuffle"),
    ResidualLayer: _residual,
    ResidualBlock: _each("sum"),
    CellBlock: _cell,
    Head: _head,
    nn.Identity: _free("other"),
    Zero: _free("other"),
}
"""How each class of module is counted; a subclass is counted as its nearest ancestor in here."""


def profile(
    network: nn.Module,
    input_shape: tuple[int, int, int],
    counters: Mapping[type[nn.Module], Counter] = COUNTERS,
) -> NetworkCost:
    """Return the cost of `network` for one image of `input_shape` (C, H, W).

    A copy that has shapes but no memory is run once in evaluation mode with counting hooks (see `hollow`).
    The given network, on any device, meta included, stays as it is.

    Raises NetworkError for a shape that is not three numbers, and for a module without children that `counters` misses.

    >>> from evobnn.nn import profile
    >>> run = evobnn.load_run("populations/digits")
    >>> cost = profile(run.network(63), (1, 8, 8))
    >>> cost.binary_macs > cost.real_macs
    True
    """
    return count(hollow_twin(network), input_shape, counters)


def count(
    network: nn.Module,
    input_shape: tuple[int, int, int],
    counters: Mapping[type[nn.Module], Counter] = COUNTERS,
) -> NetworkCost:
    """Return what `profile` does for a network that was built to be counted: spent by it, and on no copy."""
    if len(input_shape) != 3:
        raise NetworkError(message("an input shape (C, H, W)", repr(input_shape), "Leave the batch out."))
    layers: dict[nn.Module, list[LayerCost]] = {}
    around = {module.conv for module in network.modules() if isinstance(module, PublishedSkip)}
    for name, module in network.named_modules():
        counter = _counter(module, name, counters)
        if counter is not None:
            kind = "skip_conv" if module in around else None
            module.register_forward_hook(_counting_hook(name, counter, layers, kind))
    run_empty(network, input_shape, layers.clear)
    ran = [layer for costs in layers.values() for layer in costs]
    unused = [
        LayerCost(name, "unused", (), parameters=_size(module))
        for name, module in network.named_modules()
        if module not in layers and _size(module)
    ]
    return NetworkCost((*ran, *unused))


def _counter(module: nn.Module, name: str, counters: Mapping[type[nn.Module], Counter]) -> Counter | None:
    """Return how to count a module; None for a container, whose parts are counted instead."""
    for ancestor in type(module).__mro__:
        if ancestor in counters:
            return counters[ancestor]
    if next(module.children(), None) is None and not isinstance(module, (nn.Sequential, nn.ModuleList)):
        kind = type(module).__name__
        raise NetworkError(
            message("modules whose cost is known", f"{kind} at '{name}'", f"Pass counters={{**COUNTERS, {kind}: …}}.")
        )
    return None


def _counting_hook(
    name: str, count: Counter, layers: dict[nn.Module, list[LayerCost]], special: str | None
) -> Callable[[nn.Module, Any, Tensor], None]:
    """Return a forward hook that notes the cost, under a special kind if there is one; a module that runs twice costs
    twice but is stored once.
    """

    def hook(module: nn.Module, _: Any, output: Tensor) -> None:
        shape = tuple(output.shape[1:])
        kind, numbers = count(module, math.prod(shape))
        numbers["parameters"] = _size(module)
        if module in layers:
            numbers |= dict.fromkeys(("binary_weights", "real_numbers", "parameters"), 0)
        layers.setdefault(module, []).append(LayerCost(name, special or kind, shape, **numbers))

    return hook
