"""Gradients of every layer by PyTorch's quickest code beside those without oneDNN; run as a program, because what is
wrong there may end the interpreter. Prints a line for each layer whose gradients differ, then how many were compared.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from evobnn.nn import BinaryConv2d, ConvStyle, RealConv2d, Site, fuse
from evobnn.nn.cells.blocks import PublishedSkip
from evobnn.nn.cells.ops import binary_layer
from evobnn.nn.cells.reduction import FactorisedReduction
from evobnn.nn.cells.separable import normed_layer
from evobnn.nn.networks.resnet import ResidualBlock

SIZES = ((7, 9), (8, 8), (1, 3), (17, 18))
"""Heights and widths; the last has too many pixels to be counted by compiled loops."""


def site(channels: int) -> Site:
    """Return a plain sign."""
    return Site()


def layers(channels: int) -> Iterator[tuple[str, nn.Module]]:
    """Yield what convolves, by name, for so many input channels."""
    out = channels + 3
    for kernel, stride in ((1, 1), (1, 2), (1, 3), (3, 2)):
        for scale in ("none", "mean", "learnable"):
            yield (
                f"BinaryConv2d {kernel}/{stride} {scale}",
                BinaryConv2d(channels, out, kernel, stride=stride, scale=scale),
            )
        yield f"RealConv2d {kernel}/{stride}", RealConv2d(channels, out, kernel, stride=stride, padding=kernel // 2)
        fast = normed_layer(channels, out, kernel, site, ConvStyle("minus_one", "mean"), stride=stride)
        fuse(fast)
        yield f"fused {kernel}/{stride}", fast
    yield "framed 1/2", RealConv2d(channels, out, 1, stride=2, padding=1)
    yield "wide 1/(1, 2)", RealConv2d(channels, out, 1, stride=(1, 2))
    yield "layer", binary_layer(channels, out, 3, site, ConvStyle("zero", "mean"), stride=2)
    yield "factorised", FactorisedReduction(channels, out, ConvStyle("zero", "none"))
    yield "skip", PublishedSkip(channels, out)
    yield "block", ResidualBlock(channels, 2 * channels, site, ConvStyle("zero", "none"), stride=2)


def gradients(layer: nn.Module, x: Tensor, weights: Tensor) -> list[Tensor]:
    """Return the output and the gradients of input and parameters of its product with weights."""
    own = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    layer.zero_grad(set_to_none=True)
    out = layer(own)
    (out * weights).sum().backward()
    return [out.detach(), *(one.grad for one in (own, *layer.parameters()) if one.grad is not None)]


def near(one: Tensor, other: Tensor) -> bool:
    """Tell whether two are the same but for the rounding of sums."""
    return bool((one - other).abs().max() <= 1e-4 * (1.0 + other.abs().max()))


def main() -> None:
    """Compare all of them."""
    compared = 0
    for channels in range(1, 17):
        for size in SIZES:
            torch.manual_seed(100 * channels + size[0])
            plain = torch.randn(4, channels, *size)
            for name, layer in layers(channels):
                binary = isinstance(layer, BinaryConv2d | FactorisedReduction)
                x = (torch.where(plain >= 0, 1.0, -1.0) if binary else plain).to(memory_format=torch.channels_last)
                layer = layer.to(memory_format=torch.channels_last)
                weights = torch.randn(layer(x).shape)
                found = gradients(layer, x, weights)
                torch._C._set_mkldnn_enabled(False)
                wanted = gradients(layer, x, weights)
                torch._C._set_mkldnn_enabled(True)
                if not all(near(*pair) for pair in zip(found, wanted, strict=True)):
                    print(f"{name}, {channels} channels, {size[0]}x{size[1]}", flush=True)
                compared += 1
    print(f"{compared} compared")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
