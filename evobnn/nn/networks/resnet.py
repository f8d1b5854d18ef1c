"""GAAF's network: a ResNet whose blocks are binary, with one shortcut around two convolutions.

Source: Li, Geng, Stein, Li, Yu 2023 (GAAF) and the CIFAR-10 ResNet-18 of its code, `Res18_Net` in flying-Yan/GAAF:
width 64, eight blocks in four stages, 19 sites.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

from torch import Tensor, nn

from evobnn.nn.binary.layers import ConvStyle, RealConv2d, batch_norm
from evobnn.nn.binary.site import SiteBuilder
from evobnn.nn.cells.droppath import DropPath
from evobnn.nn.cells.separable import normed_layer
from evobnn.nn.networks.network import Head

REDUCTION = "reduction"


class ResidualBlock(nn.Module):
    """Twice site -> binary convolution 3x3 -> BatchNorm, plus a shortcut.

    (N, in_channels, H, W) -> (N, out_channels, ceil(H/stride), ceil(W/stride)). The shortcut is the input itself where
    it has the output's shape, else site -> binary convolution 1x1 with the stride -> BatchNorm. Nothing else is
    nonlinear. With a `drop_path` all but the shortcut is dropped image by image, while training.
    """

    def __init__(
        self, in_channels: int, out_channels: int, site: SiteBuilder, conv: ConvStyle, *, stride: int = 1
    ) -> None:
        super().__init__()
        self.first = normed_layer(in_channels, out_channels, 3, site, conv, stride=stride)
        self.second = normed_layer(out_channels, out_channels, 3, site, conv)
        self.drop_path: DropPath | None = None
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = normed_layer(in_channels, out_channels, 1, site, conv, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        out: Tensor = self.second(self.first(x))
        if self.drop_path is not None and self.training:
            out = out * self.drop_path.factors(1, x)[0]
        return out.add_(self.shortcut(x))


class ResNet(nn.Module):
    """Images (N, C, H, W) -> logits (N, classes): stem, blocks, ReLU, head."""

    def __init__(self, stem: nn.Module, blocks: Sequence[nn.Module], head: nn.Module) -> None:
        super().__init__()
        self.stem, self.blocks, self.relu, self.head = stem, nn.Sequential(*blocks), nn.ReLU(inplace=True), head

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, classes)."""
        logits: Tensor = self.head(self.relu(self.blocks(self.stem(x))))
        return logits


def start(in_channels: int, out_channels: int) -> nn.Sequential:
    """Return GAAF's real-valued start: BatchNorm, not affine -> convolution 3x3 -> BatchNorm; size kept."""
    return nn.Sequential(
        OrderedDict(
            norm1=batch_norm(in_channels, affine=False),
            conv=RealConv2d(in_channels, out_channels, 3, padding=1, bias=False),
            norm2=batch_norm(out_channels),
        )
    )


def resnet(
    in_channels: int,
    classes: int,
    width: int,
    kinds: Sequence[str],
    site: Callable[[str], SiteBuilder],
    conv: ConvStyle,
    *,
    head: int = 1,
) -> ResNet:
    """Return the network with one block for each of `kinds`.

    Arguments:
        in_channels: of the images.
        classes: number of logits.
        width: channels behind the stem and of the first blocks.
        kinds: of the blocks, in order; one of kind "reduction" has stride 2 and doubles the channels.
        site: returns the builder of the sites in blocks of a kind; each convolution has a site of its own.
        conv: how binary convolutions are computed; published are zero padding and no scale.
        head: the last map is averaged to head x head values per channel; 1 is the published average.

    ResNet-18 has width 64 and reductions at blocks 2, 4 and 6 of 8.
    """
    channels = width
    blocks: list[nn.Module] = []
    for kind in kinds:
        before, stride = channels, 2 if kind == REDUCTION else 1
        channels *= stride
        blocks.append(ResidualBlock(before, channels, site(kind), conv, stride=stride))
    return ResNet(start(in_channels, width), blocks, Head(channels, classes, head))
