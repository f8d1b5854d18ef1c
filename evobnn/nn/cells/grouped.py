"""The operations of BATS: one grouped binary convolution in place of a separable one, a shuffle, and a residual.

A grouped convolution with several channels per group gives many more values than a depthwise one, at a like cost; the
shuffle lets groups meet. Source: Bulat, Martinez, Tzimiropoulos 2020 (BATS, ECCV) and the model side of its library,
1adrianb/binary-networks-pytorch (`bats_ops.py`), where there are 12 groups and widths that 12 divides.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn

from evobnn._checks import check_at_least
from evobnn.errors import NetworkError, message
from evobnn.nn.binary.layers import ConvStyle, batch_norm, binary_conv
from evobnn.nn.binary.site import SiteBuilder
from evobnn.nn.cells.prelu import PReLU
from evobnn.nn.cells.reduction import FactorisedReduction

GROUPS = 12
"""The most groups of a convolution."""

SHUFFLE = 4
"""The most groups of a shuffle."""


def largest_divisor(number: int, most: int) -> int:
    """Return the largest divisor of `number` (at least 1) that is at most `most` (at least 1)."""
    check_at_least("number", number, 1, NetworkError)
    check_at_least("most", most, 1, NetworkError)
    return next(divisor for divisor in range(min(number, most), 0, -1) if number % divisor == 0)


class _Shuffle(torch.autograd.Function):
    """A shuffle and its inverse, which is a shuffle too, with C/groups groups."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, groups: int) -> Tensor:
        ctx.back = x.shape[1] // groups
        return shuffled(x, groups)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return shuffled(grads[0], ctx.back), None


def shuffled(x: Tensor, groups: int) -> Tensor:
    """Return x (N, C, H, W) with channel i * C/groups + j moved to j * groups + i; memory format kept, no gradient."""
    if x.device.type == "cpu":
        return torch.native_channel_shuffle(x, groups)
    return shuffled_anywhere(x, groups)  # PyTorch's own function keeps the memory format on the CPU only


def shuffled_anywhere(x: Tensor, groups: int) -> Tensor:
    """Return what `shuffled` does, without a kernel of its own."""
    n, c, h, w = x.shape
    out = torch.empty_like(x)
    out.view(n, c // groups, groups, h, w).copy_(x.view(n, groups, c // groups, h, w).transpose(1, 2))
    return out


_shuffle: Any = _Shuffle.apply


class ChannelShuffle(nn.Module):
    """Writes the channels as a table of `groups` rows and reads them by columns. (N, C, H, W), shape kept.

    Raises NetworkError where `groups` does not divide `channels`.
    """

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        if groups < 1 or channels % groups:
            raise NetworkError(
                message(f"groups that divide {channels} channels", str(groups), "Take one of its divisors.")
            )
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        """Return the same maps in another order."""
        out: Tensor = _shuffle(x, self.groups) if self.groups > 1 else x
        return out

    def extra_repr(self) -> str:
        """Return what `print` shows of it."""
        return f"groups={self.groups}"


class ResidualLayer(nn.Module):
    """BatchNorm -> site -> binary convolution -> PReLU (a slope per channel) -> shuffle -> plus the input.

    (N, in_channels, H, W) -> (N, out_channels, ceil(H/stride), ceil(W/stride)). The input is added where it has the
    output's shape: at stride 1 and with as many channels. `groups` of the convolution must divide both numbers of
    channels and `shuffle`, the groups of the shuffle (1 for none), the second.

    Raises NetworkError where groups do not divide the channels.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        site: SiteBuilder,
        conv: ConvStyle,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        shuffle: int = 1,
        affine: bool = True,
    ) -> None:
        super().__init__()
        self.norm = batch_norm(in_channels, affine=affine)
        self.site = site(in_channels)
        self.conv = binary_conv(
            in_channels, out_channels, kernel, conv, stride=stride, dilation=dilation, groups=groups
        )
        self.prelu = PReLU(out_channels)
        self.shuffle = ChannelShuffle(out_channels, shuffle)
        self.residual = stride == 1 and in_channels == out_channels

    @property
    def groups(self) -> int:
        """Groups of the convolution."""
        return self.conv.groups

    def forward(self, x: Tensor) -> Tensor:
        """Return the layer's output."""
        out: Tensor = self.shuffle(self.prelu(self.conv(self.site(self.norm(x)))))
        return out.add_(x) if self.residual else out

    def extra_repr(self) -> str:
        """Return what `print` shows of it."""
        return f"groups={self.groups}" + ", plus the input" * self.residual


def halving(
    in_channels: int, out_channels: int, site: SiteBuilder, conv: ConvStyle, *, affine: bool = True
) -> nn.Sequential:
    """Return BATS's factorised reduction: BatchNorm -> site -> two shifted 1x1 convolutions of stride 2 -> PReLU."""
    return nn.Sequential(
        OrderedDict(
            norm=batch_norm(in_channels, affine=affine),
            site=site(in_channels),
            conv=FactorisedReduction(in_channels, out_channels, conv),
            prelu=PReLU(out_channels),
        )
    )


def skip(channels: int, stride: int, site: SiteBuilder, conv: ConvStyle) -> nn.Module:
    """Nothing at stride 1, the factorised reduction at stride 2."""
    return nn.Identity() if stride == 1 else halving(channels, channels, site, conv)


def gconv3(channels: int, stride: int, site: SiteBuilder, conv: ConvStyle) -> nn.Module:
    """Grouped binary convolution 3x3."""
    return _grouped(channels, stride, site, conv, 3)


def gconv5(channels: int, stride: int, site: SiteBuilder, conv: ConvStyle) -> nn.Module:
    """Grouped binary convolution 5x5."""
    return _grouped(channels, stride, site, conv, 5)


def gdil3(channels: int, stride: int, site: SiteBuilder, conv: ConvStyle) -> nn.Module:
    """Grouped binary convolution 3x3 with dilation 2: its taps span 5x5."""
    return _grouped(channels, stride, site, conv, 3, dilation=2)


def gdil5(channels: int, stride: int, site: SiteBuilder, conv: ConvStyle) -> nn.Module:
    """Grouped binary convolution 5x5 with dilation 2: its taps span 9x9."""
    return _grouped(channels, stride, site, conv, 5, dilation=2)


def _grouped(
    channels: int, stride: int, site: SiteBuilder, conv: ConvStyle, kernel: int, dilation: int = 1
) -> ResidualLayer:
    """Return the layer with as many groups as divide the channels, up to GROUPS and SHUFFLE."""
    return ResidualLayer(
        channels,
        channels,
        kernel,
        site,
        conv,
        stride=stride,
        dilation=dilation,
        groups=largest_divisor(channels, GROUPS),
        shuffle=largest_divisor(channels, SHUFFLE),
    )
