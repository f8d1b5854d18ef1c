"""What surrounds the cells: the stem for small and for large images, and how a cell's inputs are brought to its width.

A `Macro` is one published system's answer. Stems are real-valued, preprocessing is binary. Sources: BNAS (Kim et al.
2020, gistvision/bnas), BATS (Bulat et al. 2020, 1adrianb/binary-networks-pytorch), CP-NAS (Zhuo et al. 2020; no code).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from math import gcd
from typing import Protocol

from torch import nn

from evobnn.nn.binary.layers import ConvStyle, RealConv2d, batch_norm
from evobnn.nn.binary.site import SiteBuilder
from evobnn.nn.cells import grouped, separable
from evobnn.nn.cells.grouped import ResidualLayer, largest_divisor
from evobnn.nn.cells.ops import preprocess
from evobnn.nn.networks.network import stem


class Preprocess(Protocol):
    """Makes what brings (N, in_channels, H, W) to (N, out_channels, H, W), `larger` to half the size, rounded up.

    `affine` says whether its batch norm is.
    """

    def __call__(
        self, in_channels: int, out_channels: int, site: SiteBuilder, conv: ConvStyle, *, larger: bool, affine: bool
    ) -> nn.Module: ...


@dataclass(frozen=True)
class Macro:
    """What surrounds the cells of one published system.

    stem        (in_channels, out_channels) -> start for small images; the size is kept
    large_stem  (in_channels, width) -> two starts for large images: the first to width channels at a quarter of the
                size, the second, applied to what the first puts out, to width channels at an eighth
    preprocess  see `Preprocess`
    """

    stem: Callable[[int, int], nn.Module]
    large_stem: Callable[[int, int], tuple[nn.Module, nn.Module]]
    preprocess: Preprocess


def normed_stem(in_channels: int, out_channels: int) -> nn.Sequential:
    """Return convolution 3x3 -> BatchNorm: CP-NAS's start for small images.

    Its sources do not describe one. Where DARTS-like networks have no ReLU here either, this one must not: in CP-NAS
    the first thing that happens to the output is a sign, which would be +1 everywhere.
    """
    return nn.Sequential(OrderedDict(conv=_conv(in_channels, out_channels), norm=batch_norm(out_channels)))


def rectified_stem(in_channels: int, out_channels: int) -> nn.Sequential:
    """Return convolution 3x3 -> BatchNorm -> ReLU: BATS's start for small images."""
    return nn.Sequential(
        OrderedDict(conv=_conv(in_channels, out_channels), norm=batch_norm(out_channels), relu=nn.ReLU(inplace=True))
    )


def large_stem(in_channels: int, width: int, *, most_groups: int = 1) -> tuple[nn.Sequential, nn.Sequential]:
    """Return the two starts for large images: three 3x3 convolutions of stride 2, two of them in the first.

    First: to width/2 channels -> BatchNorm -> ReLU -> to width channels -> BatchNorm. Second: ReLU -> convolution ->
    BatchNorm. The second and third convolution have as many groups as divide their channels, up to `most_groups`.
    """
    half = max(1, width // 2)
    inner = largest_divisor(gcd(half, width), most_groups)
    first = OrderedDict(
        conv1=_conv(in_channels, half, stride=2),
        norm1=batch_norm(half),
        relu=nn.ReLU(inplace=True),
        conv2=_conv(half, width, stride=2, groups=inner),
        norm2=batch_norm(width),
    )
    second = OrderedDict(
        relu=nn.ReLU(),  # not in place: the cells read what comes in, too
        conv=_conv(width, width, stride=2, groups=largest_divisor(width, most_groups)),
        norm=batch_norm(width),
    )
    return nn.Sequential(first), nn.Sequential(second)


def grouped_large_stem(in_channels: int, width: int) -> tuple[nn.Sequential, nn.Sequential]:
    """Return BATS's starts for large images: its second and third convolution have width/20 groups."""
    return large_stem(in_channels, width, most_groups=max(1, width // 20))


def _conv(in_channels: int, out_channels: int, *, stride: int = 1, groups: int = 1) -> RealConv2d:
    return RealConv2d(in_channels, out_channels, 3, stride=stride, padding=1, groups=groups, bias=False)


def bnas_preprocess(
    in_channels: int, out_channels: int, site: SiteBuilder, conv: ConvStyle, *, larger: bool, affine: bool
) -> nn.Module:
    """BatchNorm -> site -> convolution with ReLU: 1x1, or 3x3 of stride 2."""
    kernel, stride = (3, 2) if larger else (1, 1)
    return preprocess(in_channels, out_channels, site, conv, kernel=kernel, stride=stride, affine=affine)


def bats_preprocess(
    in_channels: int, out_channels: int, site: SiteBuilder, conv: ConvStyle, *, larger: bool, affine: bool
) -> nn.Module:
    """BatchNorm -> site -> 1x1 convolution -> PReLU, plus the input if it has as many channels; or the reduction."""
    if larger:
        return grouped.halving(in_channels, out_channels, site, conv, affine=affine)
    return ResidualLayer(in_channels, out_channels, 1, site, conv, affine=affine)


def cpnas_preprocess(
    in_channels: int, out_channels: int, site: SiteBuilder, conv: ConvStyle, *, larger: bool, affine: bool
) -> nn.Module:
    """Site -> 1x1 convolution -> BatchNorm; or the reduction, which has the same order."""
    if larger:
        return separable.halving(in_channels, out_channels, site, conv, affine=affine)
    return separable.normed_layer(in_channels, out_channels, 1, site, conv, affine=affine)


MACROS: dict[str, Macro] = {
    "bnas": Macro(stem, large_stem, bnas_preprocess),
    "bats": Macro(rectified_stem, grouped_large_stem, bats_preprocess),
    "cpnas": Macro(normed_stem, large_stem, cpnas_preprocess),
}
"""What surrounds the cells, by name. Names are stored in files and so permanent."""
