"""A network row by row: what each layer keeps and multiplies, as `larq.models.summary` shows it for Larq's networks.

Nothing is counted here: every number is one of `profile`, and sums over the rows are its sums.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import nn

from evobnn._checks import check_at_least
from evobnn.errors import NetworkError
from evobnn.nn.binary.layers import BinaryConv2d
from evobnn.nn.counting.cost import COUNTERS, Counter, LayerCost, NetworkCost, profile


@dataclass(frozen=True)
class Window:
    """What a convolution looks at, in pixels (height, width), and its groups of channels."""

    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1


@dataclass(frozen=True)
class Row:
    """What one layer, or all layers below one module, keep for inference and multiply for one image.

    name            path in the network
    kind            of the layer, as in `LayerCost`; "several" where the row stands for more than one
    layers          for how many it stands, of those that keep, multiply or learn anything
    window          of a convolution; None for everything else
    input_bits      precision of what is multiplied with weights: (1,) where both are two-valued, (32,) otherwise,
                    (1, 32) where the row has both kinds, () where it multiplies nothing
    output_shape    of the layer that runs last, without the batch; () where none ever runs
    binary_weights  numbers kept in 1 bit
    real_numbers    numbers kept in 32 bit
    binary_macs     multiply-accumulates of two-valued inputs and weights
    real_macs       all others
    parameters      trainable numbers allocated
    """

    name: str
    kind: str
    layers: int
    window: Window | None
    input_bits: tuple[int, ...]
    output_shape: tuple[int, ...]
    binary_weights: int
    real_numbers: int
    binary_macs: int
    real_macs: int
    parameters: int

    @property
    def bits(self) -> int:
        """Storage for inference in bits."""
        return self.binary_weights + 32 * self.real_numbers

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one image, binary and real."""
        return self.binary_macs + self.real_macs


@dataclass(frozen=True)
class Summary:
    """The rows of a network in the order in which they run, and its cost, whose sums are those of the rows."""

    rows: tuple[Row, ...]
    cost: NetworkCost

    @property
    def binary_weights(self) -> int:
        """Numbers kept for inference in 1 bit."""
        return sum(layer.binary_weights for layer in self.cost.layers)

    @property
    def real_numbers(self) -> int:
        """Numbers kept for inference in 32 bit."""
        return sum(layer.real_numbers for layer in self.cost.layers)

    @property
    def bits(self) -> int:
        """Storage for inference in bits."""
        return self.cost.bits

    @property
    def binary_macs(self) -> int:
        """Binary multiply-accumulates of one image."""
        return self.cost.binary_macs

    @property
    def real_macs(self) -> int:
        """Real-valued multiply-accumulates of one image."""
        return self.cost.real_macs

    @property
    def numbers(self) -> int:
        """Numbers kept for inference, which Larq calls total parameters (there a batch norm keeps 4 per channel)."""
        return self.binary_weights + self.real_numbers

    @property
    def float_bits(self) -> int:
        """Storage in bits if each of these numbers took 32: Larq's float-32 equivalent."""
        return 32 * self.numbers

    @property
    def compression(self) -> float:
        """Storage as a part of the float-32 equivalent, from 1/32 to 1, as Larq's ratio; 1 where nothing is kept."""
        return self.bits / self.float_bits if self.numbers else 1.0

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one image, binary and real."""
        return self.binary_macs + self.real_macs

    @property
    def unused(self) -> int:
        """Those of the trainable numbers that are in layers which never run."""
        return sum(layer.parameters for layer in self.cost.layers if layer.kind == "unused")


def summary(
    network: nn.Module,
    input_shape: tuple[int, int, int],
    *,
    depth: int | None = None,
    counters: Mapping[type[nn.Module], Counter] = COUNTERS,
) -> Summary:
    """Return what `network` keeps and multiplies for one image of `input_shape` (C, H, W), row by row.

    Arguments:
        network: on any device, meta included; it stays as it is.
        input_shape: without the batch.
        depth: layers whose paths begin with the same `depth` names share a row: with 2 there is one for each cell, the
            layers in `cells.3` sharing one. None for a row per layer.
        counters: how classes of module are counted, see `profile`.

    Layers that keep, multiply and learn nothing, such as a pooling or a sign, have no row.

    Raises NetworkError as `profile` does, and for a depth below 1.

    >>> from evobnn.nn import summary
    >>> run = evobnn.load_run("populations/digits")
    >>> len(summary(run.network(63), (1, 8, 8), depth=1).rows)
    3
    """
    if depth is not None:
        check_at_least("depth", depth, 1, NetworkError)
    cost = profile(network, input_shape, counters)
    groups: dict[str, list[LayerCost]] = {}
    for layer in cost.layers:
        groups.setdefault(".".join(layer.name.split(".")[:depth]), []).append(layer)
    rows = [_row(name, layers, network) for name, layers in groups.items() if any(map(_counts, layers))]
    return Summary(tuple(rows), cost)


def _counts(layer: LayerCost) -> bool:
    """Tell whether there is anything to say of a layer beside its elementwise operations."""
    numbers = (layer.binary_weights, layer.real_numbers, layer.binary_macs, layer.real_macs, layer.parameters)
    return any(numbers)


def _row(name: str, layers: Sequence[LayerCost], network: nn.Module) -> Row:
    said = {layer.name: layer for layer in layers if _counts(layer)}  # a layer that runs twice is still one
    first, *others = said.values()
    shapes = [layer.output_shape for layer in layers if layer.kind != "unused"]
    binary, real = sum(layer.binary_macs for layer in layers), sum(layer.real_macs for layer in layers)
    return Row(
        name,
        "several" if others else first.kind,
        len(said),
        None if others else _window(network.get_submodule(first.name)),
        (1,) * bool(binary) + (32,) * bool(real),
        shapes[-1] if shapes else (),
        sum(layer.binary_weights for layer in layers),
        sum(layer.real_numbers for layer in layers),
        binary,
        real,
        sum(layer.parameters for layer in layers),
    )


def _window(module: nn.Module) -> Window | None:
    """Return what a convolution looks at; None for another module."""
    if isinstance(module, BinaryConv2d):
        return Window((module.kernel,) * 2, (module.stride,) * 2, (module.dilation,) * 2, module.groups)
    if isinstance(module, nn.Conv2d):
        kernel, stride, dilation = ((h, w) for h, w in (module.kernel_size, module.stride, module.dilation))
        return Window(kernel, stride, dilation, module.groups)
    return None
