"""What may stand on an edge of a cell: BNAS's seven operations, its preprocessing, and the table of all.

An operation keeps the number of channels: (N, channels, H, W) -> (N, channels, ceil(H/stride), ceil(W/stride)).
Source: Kim, Singh, Choi 2020 (BNAS, ECCV), section 3.2, and the networks of its code, gistvision/bnas.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from evobnn.nn.binary.layers import ConvStyle, Layer, batch_norm, binary_conv
from evobnn.nn.binary.site import SiteBuilder
from evobnn.nn.cells import grouped, separable

OpBuilder = Callable[[int, int, SiteBuilder, ConvStyle], nn.Module]
"""`build(channels, stride, site, conv)` makes the module of one edge."""


class Zero(nn.Module):
    """Zeroise: outputs zeros and lets no gradient through. A cell knows the class and does not even run it."""

    def __init__(self, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Return zeros."""
        n, c, h, w = x.shape
        return x.new_zeros((n, c, -(-h // self.stride), -(-w // self.stride)))

    def extra_repr(self) -> str:
        """Return what `print` shows of it."""
        return f"stride={self.stride}"


class _BoxSum(torch.autograd.Function):
    """Sum over 3x3 with zeros beyond the border; its own adjoint. Four additions beat the pooling kernel."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return _box(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return _box(grads[0])


def _box(x: Tensor) -> Tensor:
    rows = x.clone(memory_format=torch.preserve_format)
    rows[:, :, 1:] += x[:, :, :-1]
    rows[:, :, :-1] += x[:, :, 1:]
    out = rows.clone(memory_format=torch.preserve_format)
    out[:, :, :, 1:] += rows[:, :, :, :-1]
    out[:, :, :, :-1] += rows[:, :, :, 1:]
    return out


_box_sum: Callable[..., Tensor] = _BoxSum.apply


class MeanPool(nn.Module):
    """Mean over those of 3x3 values that lie inside the map."""

    def __init__(self, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        if self.stride != 1:
            return F.avg_pool2d(x, 3, self.stride, padding=1, count_include_pad=False)
        rows, columns = (self._counts(size, x) for size in x.shape[2:])
        return _box_sum(x) / (rows[:, None] * columns)

    @staticmethod
    def _counts(size: int, like: Tensor) -> Tensor:
        """Return how many of three neighbours lie inside a line, for each place in it."""
        counts = torch.full((size,), 3.0, dtype=like.dtype, device=like.device)
        counts[0] -= 1
        counts[-1] -= 1
        return counts

    def extra_repr(self) -> str:
        return f"stride={self.stride}"


def binary_layer(
    in_channels: int,
    out_channels: int,
    kernel: int,
    site: SiteBuilder,
    conv: ConvStyle,
    *,
    stride: int = 1,
    dilation: int = 1,
    affine: bool = True,
) -> Layer:
    """Return BatchNorm -> site -> binary convolution with ReLU, as modules `norm`, `site`, `conv`.

    >>> import torch
    >>> from evobnn.nn import ConvStyle, Site, binary_layer
    >>> layer = binary_layer(4, 8, 3, lambda channels: Site(), ConvStyle())
    >>> layer(torch.randn(2, 4, 8, 8)).shape
    torch.Size([2, 8, 8, 8])
    """
    return Layer(
        OrderedDict(
            norm=batch_norm(in_channels, affine=affine),
            site=site(in_channels),
            conv=binary_conv(in_channels, out_channels, kernel, conv, stride=stride, dilation=dilation, rectify=True),
        )
    )


def preprocess(
    in_channels: int,
    out_channels: int,
    site: SiteBuilder,
    conv: ConvStyle,
    *,
    kernel: int = 1,
    stride: int = 1,
    affine: bool = True,
) -> nn.Sequential:
    """Return what brings one input of a cell to the cell's width: BatchNorm -> site -> binary convolution -> ReLU.

    After a reduction cell the older input is one size larger: it gets kernel 3 and stride 2, and in the published
    CIFAR-10 network (not in the ImageNet one) a BatchNorm that is not affine.
    """
    return binary_layer(in_channels, out_channels, kernel, site, conv, stride=stride, affine=affine)


def zero(channels: int, stride: int, site: SiteBuilder, conv: ConvStyle) -> nn.Module:
    """Zeroise, kept as a real candidate in the final cell."""
    return Zero(stride)


def max3(channels: int, stride: int, site: SiteBuilder, conv: ConvStyle) -> nn.Module:
    """Maximum over 3x3; what is padded never wins."""
    return nn.MaxPool2d(3, stride, padding=1)


def avg3(channels: int, stride: int, site: SiteBuilder, conv: ConvStyle) -> nn.Module:
    """Mean over those of 3x3 values that lie inside the map."""
    return MeanPool(stride)


def conv3(channels: int, stride: int, site: SiteBuilder, conv: ConvStyle) -> nn.Module:
    """Binary convolution 3x3."""
    return binary_layer(channels, channels, 3, site, conv, stride=stride)


def conv5(channels: int, stride: int, site: SiteBuilder, conv: ConvStyle) -> nn.Module:
    """Binary convolution 5x5."""
    return binary_layer(channels, channels, 5, site, conv, stride=stride)


def dil3(channels: int, stride: int, site: SiteBuilder, conv: ConvStyle) -> nn.Module:
    """Binary convolution 3x3 with dilation 2: its taps span 5x5."""
    return binary_layer(channels, channels, 3, site, conv, stride=stride, dilation=2)


def dil5(channels: int, stride: int, site: SiteBuilder, conv: ConvStyle) -> nn.Module:
    """Binary convolution 5x5 with dilation 2: its taps span 9x9."""
    return binary_layer(channels, channels, 5, site, conv, stride=stride, dilation=2)


OPS: dict[str, OpBuilder] = {
    "zero": zero,
    "max3": max3,
    "avg3": avg3,
    "conv3": conv3,
    "conv5": conv5,
    "dil3": dil3,
    "dil5": dil5,
    "skip": grouped.skip,
    "gconv3": grouped.gconv3,
    "gconv5": grouped.gconv5,
    "gdil3": grouped.gdil3,
    "gdil5": grouped.gdil5,
    "identity": separable.identity,
    "cdil3": separable.cdil3,
    "cdil5": separable.cdil5,
    "sep3": separable.sep3,
    "sep5": separable.sep5,
}
"""All operations by name: BNAS's, then what BATS and CP-NAS add. Names are stored in files and so permanent."""
