"""The operations of CP-NAS: batch norm stands behind a binary convolution, and the separable one is kept.

Source: Zhuo et al. 2020 (CP-NAS, IJCAI), section 3, and a textbook chapter of the same group: a binarised separable
convolution is a 1-bit depthwise and a 1-bit 1x1 convolution with batch norm behind, in place of the usual order
ReLU, convolution, batch norm. There is no code. What these sources leave open was chosen here and is not confirmed by
them: a site and a batch norm of their own for each of the two convolutions. A 1x1 convolution with 1-bit inputs needs
the site; and the site needs the batch norm, as what a depthwise convolution puts out is mostly outside of the interval
in which the surrogate gradient of a sign is not 0: whole numbers, up to 25 of them in a sum.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from evobnn.nn.binary.layers import ConvStyle, Layer, batch_norm, binary_conv
from evobnn.nn.binary.site import SiteBuilder
from evobnn.nn.cells.reduction import FactorisedReduction


def normed_layer(
    in_channels: int,
    out_channels: int,
    kernel: int,
    site: SiteBuilder,
    conv: ConvStyle,
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    affine: bool = True,
) -> Layer:
    """Return site -> binary convolution -> BatchNorm, as modules `site`, `conv`, `norm`."""
    return Layer(
        OrderedDict(
            site=site(in_channels),
            conv=binary_conv(in_channels, out_channels, kernel, conv, stride=stride, dilation=dilation, groups=groups),
            norm=batch_norm(out_channels, affine=affine),
        )
    )


def halving(
    in_channels: int, out_channels: int, site: SiteBuilder, conv: ConvStyle, *, affine: bool = True
) -> nn.Sequential:
    """Return CP-NAS's factorised reduction: site -> two shifted 1x1 convolutions of stride 2 -> BatchNorm."""
    return nn.Sequential(
        OrderedDict(
            site=site(in_channels),
            conv=FactorisedReduction(in_channels, out_channels, conv),
            norm=batch_norm(out_channels, affine=affine),
        )
    )


def identity(channels: int, stride: int, site: SiteBuilder, conv: ConvStyle) -> nn.Module:
    """Nothing at stride 1, the factorised reduction at stride 2."""
    return nn.Identity() if stride == 1 else halving(channels, channels, site, conv)


def cdil3(channels: int, stride: int, site: SiteBuilder, conv: ConvStyle) -> nn.Module:
    """Binary convolution 3x3 with dilation 2: its taps span 5x5."""
    return normed_layer(channels, channels, 3, site, conv, stride=stride, dilation=2)


def cdil5(channels: int, stride: int, site: SiteBuilder, conv: ConvStyle) -> nn.Module:
    """Binary convolution 5x5 with dilation 2: its taps span 9x9."""
    return normed_layer(channels, channels, 5, site, conv, stride=stride, dilation=2)


def sep3(channels: int, stride: int, site: SiteBuilder, conv: ConvStyle) -> nn.Module:
    """Binary depthwise convolution 3x3, then a binary 1x1."""
    return _separable(channels, stride, site, conv, 3)


def sep5(channels: int, stride: int, site: SiteBuilder, conv: ConvStyle) -> nn.Module:
    """Binary depthwise convolution 5x5, then a binary 1x1."""
    return _separable(channels, stride, site, conv, 5)


def _separable(channels: int, stride: int, site: SiteBuilder, conv: ConvStyle, kernel: int) -> nn.Sequential:
    """Return site -> depthwise -> BatchNorm -> site -> 1x1 -> BatchNorm; the depthwise convolution has the stride."""
    return nn.Sequential(
        OrderedDict(
            depthwise=normed_layer(channels, channels, kernel, site, conv, stride=stride, groups=channels),
            pointwise=normed_layer(channels, channels, 1, site, conv),
        )
    )
