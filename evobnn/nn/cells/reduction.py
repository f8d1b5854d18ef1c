"""The factorised reduction: a map is halved by two 1x1 convolutions, the second on the map shifted by one pixel.

Source: what DARTS-like cells do at stride 2; in binary form BATS (Bulat, Martinez, Tzimiropoulos 2020, ECCV, and its
library 1adrianb/binary-networks-pytorch). There sides and widths are even; what happens at odd ones was chosen here.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from evobnn.nn.binary.layers import ConvStyle, binary_conv
from evobnn.nn.binary.pixels import memory_format


class _Diagonal(torch.autograd.Function):
    """Pixels (2i, 2j) and pixels (2i + 1, 2j + 1) of a map with even sides, as two maps of half the side.

    One function: the gradients of four slices would fill and add up maps of the full size.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        ctx.size, ctx.format = x.shape, memory_format(x)
        even, odd = x[:, :, ::2, ::2], x[:, :, 1::2, 1::2]
        return even.contiguous(memory_format=ctx.format), odd.contiguous(memory_format=ctx.format)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        even, odd = grads
        gx = torch.empty(ctx.size, dtype=even.dtype, device=even.device, memory_format=ctx.format).zero_()
        gx[:, :, ::2, ::2] = even
        gx[:, :, 1::2, 1::2] = odd
        return gx


def diagonal(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the pixels (2i, 2j) and (2i + 1, 2j + 1) of x (N, C, H, W), each (N, C, ceil(H/2), ceil(W/2)).

    Where a side is odd, its last line is repeated once: no value comes in that is not in x.
    """
    h, w = x.shape[2:]
    if h % 2 or w % 2:
        x = F.pad(x, (0, w % 2, 0, h % 2), mode="replicate")
    pair: tuple[Tensor, Tensor] = _diagonal(x)
    return pair


_diagonal: Any = _Diagonal.apply


class FactorisedReduction(nn.Module):
    """Two binary 1x1 convolutions of stride 2 side by side, the second on the input shifted by one pixel.

    (N, in_channels, H, W), ±1 -> (N, out_channels, ceil(H/2), ceil(W/2)). The first convolution makes the larger half
    of an odd number of channels; a single channel needs no second. The pixels are picked before the convolutions, which
    therefore show stride 1: same products, far less to move.
    """

    def __init__(self, in_channels: int, out_channels: int, conv: ConvStyle) -> None:
        super().__init__()
        less = out_channels // 2
        self.even = binary_conv(in_channels, out_channels - less, 1, conv)
        self.odd = binary_conv(in_channels, less, 1, conv) if less else None

    def forward(self, x: Tensor) -> Tensor:
        """Return both halves of the channels."""
        even, odd = diagonal(x)
        first: Tensor = self.even(even)
        return first if self.odd is None else torch.cat((first, self.odd(odd)), 1)
