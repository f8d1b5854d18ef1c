"""Stem, cells, head: a whole network for images.

Only the stem, the head and the published skip of reduction cells are real-valued, and each is of a class that says so:
`RealConv2d` or `nn.Linear`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from evobnn.errors import NetworkError, message
from evobnn.nn.binary.layers import RealConv2d, batch_norm
from evobnn.nn.cells.blocks import CellBlock


def stem(in_channels: int, out_channels: int, *, bias: bool = False) -> nn.Sequential:
    """Return the real-valued start for small images: BatchNorm -> convolution 3x3 -> ReLU; size kept.

    (N, in_channels, H, W) -> (N, out_channels, H, W). Source: the CIFAR-10 network of BNAS (gistvision/bnas), where the
    convolution has no bias and out_channels is three times the width.
    """
    return nn.Sequential(
        OrderedDict(
            norm=batch_norm(in_channels),
            conv=RealConv2d(in_channels, out_channels, 3, padding=1, bias=bias),
            relu=nn.ReLU(inplace=True),
        )
    )


class Head(nn.Module):
    """The real-valued end: mean over each of size x size parts of the map, then a linear layer.

    (N, in_channels, H, W) -> (N, classes) logits. size 1 is the global average of the published networks.
    """

    def __init__(self, in_channels: int, classes: int, size: int = 1) -> None:
        super().__init__()
        self.size = size
        self.linear = nn.Linear(in_channels * size * size, classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.linear(F.adaptive_avg_pool2d(x, self.size).flatten(1))
        return logits


class Network(nn.Module):
    """Images (N, C, H, W) -> logits (N, classes): each cell sees the outputs of the two modules before it.

    The first cell sees the stem's output twice, the second the stem's and the first cell's. With `second`, a module
    that is applied to the stem's output (for large images), the first cell sees the stem's and that one's. What the
    logits do not depend on, because no later cell reads it, is not run; `live` says which cells are.
    """

    quick: Callable[[Network, Tensor], Tensor | None] | None = None
    """Computes all cells at once from the stem's output, or returns None; `evobnn.nn.fuse` sets it and `body`."""

    def __init__(
        self, stem: nn.Module, cells: Sequence[CellBlock], head: nn.Module, second: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.stem, self.second, self.cells, self.head = stem, second, nn.ModuleList(cells), head
        self.body: Any = None
        self.revive()

    def revive(self) -> None:
        """Look at which cells the logits depend on; to be called again when a cell was rewired."""
        cells: list[Any] = list(self.cells)
        wanted = {len(cells) - 1}
        for k in range(len(cells) - 1, -1, -1):
            if k in wanted:
                wanted |= {k - 2 + n for n, reads in enumerate(cells[k].reads) if reads}
        self.live = tuple(k in wanted for k in range(len(cells)))
        self._reads_second = -1 in wanted

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, classes)."""
        s0 = s1 = self.stem(x)
        if self.quick is not None and (whole := self.quick(self, s1)) is not None:
            out: Tensor = self.head(whole)
            return out
        if self.second is not None and self._reads_second:
            s1 = self.second(s0)
        for cell, live in zip(self.cells, self.live, strict=True):
            s0, s1 = s1, cell(s0, s1) if live else s1
        logits: Tensor = self.head(s1)
        return logits


def features(network: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return what the last linear layer is handed, (N, features), and the logits (N, classes), of one forward pass.

    Both carry their gradient. `network` is any that has an `nn.Linear`, and is left without hooks.

    Raises NetworkError for one without, or that does not run it.
    """
    linear = [module for module in network.modules() if isinstance(module, nn.Linear)]
    seen: list[Tensor] = []
    if linear:
        hook = linear[-1].register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
        try:
            logits: Tensor = network(x)
        finally:
            hook.remove()
    if not seen:
        raise NetworkError(message("a network that ends in a linear layer", type(network).__name__, "Give it a Head."))
    return seen[-1], logits
