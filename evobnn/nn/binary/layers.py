"""The layers of a binary network, and the real-valued ones that stand beside them.

`BinaryConv2d` convolves ±1 with ±1 (or ±alpha). It and `Site`, which makes the ±1, have a real-valued twin
(`real=True`) with the same parameters, for studies that judge a 1-bit network beside its parent. `RealConv2d` is an
ordinary convolution under its own name, so that what is deliberately not binary can be told by its class.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from evobnn._checks import check_at_least, check_name
from evobnn.errors import NetworkError, message
from evobnn.nn.binary.bfloat16 import PRECISIONS, short_convolution
from evobnn.nn.binary.pixels import every
from evobnn.nn.binary.site import Site
from evobnn.nn.binary.weights import BY_MEAN, WEIGHTS_QUANTISERS, Parts, binary_weight, check_quantiser

PADDINGS = ("zero", "minus_one")


@dataclass(frozen=True)
class ConvStyle:
    """What all binary convolutions of one network have in common.

    padding: "zero" (a third value at the borders) or "minus_one"; scale: of weights, a name of
    `evobnn.nn.binary.weights.WEIGHTS_QUANTISERS`; real: the real-valued twin; precision: "fp32", or "bf16" for
    convolutions in bfloat16 (see `BinaryConv2d`); first_scale: where learned scales begin, None for mean|w| of
    each filter (1 in the library of BATS).
    """

    padding: str = "zero"
    scale: str = "none"
    real: bool = False
    precision: str = "fp32"
    first_scale: float | None = None

    def __post_init__(self) -> None:
        check_name("padding", self.padding, PADDINGS, NetworkError)
        check_name("weight scale", self.scale, WEIGHTS_QUANTISERS, NetworkError)
        check_name("precision", self.precision, PRECISIONS, NetworkError)


class RealConv2d(nn.Conv2d):
    """A convolution that is real-valued on purpose: stems and the published skip of reduction cells.

    With a kernel of 1 and a stride it takes the pixels first, see `evobnn.nn.binary.pixels`.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return the convolution of x (N, in_channels, H, W)."""
        if self.kernel_size != (1, 1) or self.stride == (1, 1):
            return super().forward(input)
        mode = "constant" if self.padding_mode == "zeros" else self.padding_mode
        border = self._reversed_padding_repeated_twice
        x = F.pad(input, border, mode=mode) if any(border) else input
        return F.conv2d(every(x, *self.stride), self.weight, self.bias, groups=self.groups)


class BinaryConv2d(nn.Module):
    """A same-size convolution of a ±1 input with two-valued weights, without bias.

    (N, in_channels, H, W) -> (N, out_channels, ceil(H/stride), ceil(W/stride)). The input must be ±1 already: a `Site`
    stands before it. Padding is dilation * (kernel - 1) / 2 on each side, by zeros (the convolution's own) or by -1.

    `weight` (out_channels, in_channels/groups, kernel, kernel) is latent: real numbers of which the forward pass sees
    the sign, scaled as the quantiser named `scale` says (see `weights`); drawn kaiming-normal, and settled
    at once where the quantiser asks for it. With `real` it is used as it is, and `scale` plays no part; the padding
    stays, so that the twin differs in nothing else. With `rectify` the output goes through a ReLU.

    ±1 meets ±1, and the scale is multiplied behind: in float32 a sum of up to 2**24 terms is then the whole number that
    it is, in whichever order it is added up. A sum of ±alpha that is 0 would come out as rounding, of either sign, and
    a ReLU behind it would let its gradient pass or not by that. With a kernel of 1 the stride's pixels are taken first,
    see `evobnn.nn.binary.pixels`. In formulas::

        Forward:   y  = alpha conv(x, sign(w))
        Backward:  gx = conv'(alpha g, sign(w)),   g_signs = conv'(x, alpha g),   g_alpha = Σ g conv(x, sign(w));
                   from the gradients of signs and alpha to that of w as the quantiser says

    `alpha` (out_channels, 1, 1, 1), only there with scale "learnable", begins at mean|w|, or at `first_scale`.
    `progress` tells an annealed quantiser how far the training is, 0 to 1; untold it behaves as at the end.

    With precision "bf16" the two sides of the product are sent through a bfloat16 convolution, which processors with
    bfloat16 units do faster. ±1 is exact there and so is every sum of at most 256 terms, or of at most 512 where their
    number is even; above that a forward sum may be rounded. Gradients are rounded to 8 bits of mantissa in
    any case, so this precision is approximate; scales are multiplied in fp32.
    Real activations in front of binary weights are rounded like gradients. The real twin stays in fp32, and so does a
    convolution with one channel per group, for which bfloat16 units have no use.

    Raises NetworkError for an even kernel, channels that groups do not divide, an unknown padding or scale, or filters
    too small for the scale.

    >>> import torch
    >>> from evobnn.nn import BinaryConv2d, sign
    >>> BinaryConv2d(4, 8, 3, stride=2)(sign(torch.randn(1, 4, 8, 8))).shape
    torch.Size([1, 8, 4, 4])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        padding: str = "zero",
        scale: str = "none",
        real: bool = False,
        precision: str = "fp32",
        rectify: bool = False,
        first_scale: float | None = None,
    ) -> None:
        super().__init__()
        for name, value in (("in_channels", in_channels), ("out_channels", out_channels), ("kernel", kernel)):
            check_at_least(name, value, 1, NetworkError)
        for name, value in (("stride", stride), ("dilation", dilation), ("groups", groups)):
            check_at_least(name, value, 1, NetworkError)
        if kernel % 2 == 0:
            raise NetworkError(message("an odd kernel", str(kernel), "Only 1, 3, 5, … keep the size of a map."))
        if in_channels % groups or out_channels % groups:
            raise NetworkError(
                message(
                    f"channels that {groups} groups divide",
                    f"{in_channels} in and {out_channels} out",
                    "Choose a number of groups that divides both.",
                )
            )
        check_name("padding", padding, PADDINGS, NetworkError)
        quantiser = check_quantiser(scale, in_channels // groups, kernel)
        self.precision = check_name("precision", precision, PRECISIONS, NetworkError)
        self.in_channels, self.out_channels, self.kernel = in_channels, out_channels, kernel
        self.stride, self.dilation, self.groups = stride, dilation, groups
        self.padding, self.scale, self.real, self.rectify = padding, scale, real, rectify
        border = dilation * (kernel - 1) // 2
        self._zeros, self._ones = (border, 0) if padding == "zero" else (0, border)
        self.taken, self.step = (stride, 1) if kernel == 1 else (1, stride)
        self.fused = False
        self._short = precision == "bf16" and not 1 < groups == in_channels
        self.progress = 1.0
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels // groups, kernel, kernel))
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")
        with torch.no_grad():
            if quantiser.settle_ is not None:
                quantiser.settle_(self.weight)
            alpha = self.weight.abs().mean((1, 2, 3), keepdim=True) if quantiser.learned else None
            if alpha is not None and first_scale is not None:
                alpha.fill_(first_scale)
        self.alpha = None if alpha is None else nn.Parameter(alpha)

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution of ±1 values x (real ones in the twin)."""
        x = every(x, self.taken)
        if self._short and not self.real:
            return self._forward_short(x)
        x = x.to(self.weight.dtype)
        weight, alpha = (self.weight, None) if self.real else self.parts()
        if self._ones:
            x = F.pad(x, (self._ones,) * 4, value=-1.0)
        return self._finished(F.conv2d(x, weight, None, self.step, self._zeros, self.dilation, self.groups), alpha)

    @property
    def border(self) -> int:
        """How many pixels are padded on each side."""
        return self._zeros + self._ones

    def parts(self) -> Parts:
        """Return the signs, shaped as `weight`, and the scale of each filter, or None for 1, with their gradients."""
        signs, alpha = WEIGHTS_QUANTISERS[self.scale].parts(self.weight, self.progress)
        return signs, alpha if self.alpha is None else self.alpha

    def binary_weight(self) -> Tensor:
        """Return the two-valued weight, shaped as `weight`, with its gradient."""
        return binary_weight(self.weight, self.scale, self.alpha, self.progress)

    def _forward_short(self, x: Tensor) -> Tensor:
        how = (self.step, self._zeros, self.dilation, self.groups)
        if self.scale in BY_MEAN:
            out: Tensor = short_convolution(x, self.weight, self.scale, how, self._ones, self.rectify)
            return out
        signs, alpha = self.parts()
        return self._finished(short_convolution(x, signs, "none", how, self._ones, False), alpha)

    def _finished(self, sums: Tensor, alpha: Tensor | None) -> Tensor:
        """Return the output of sums: scaled, then rectified, as a scale that is learned may be negative."""
        out = sums if alpha is None else sums * alpha.view(1, -1, 1, 1)
        return out.relu_() if self.rectify else out

    def extra_repr(self) -> str:
        """Return what `print` shows of it."""
        text = f"{self.in_channels}, {self.out_channels}, kernel={self.kernel}, stride={self.stride}"
        text += f", dilation={self.dilation}, groups={self.groups}, padding={self.padding}, scale={self.scale}"
        return text + ", relu" * self.rectify + ", real" * self.real


def binary_conv(
    in_channels: int,
    out_channels: int,
    kernel: int,
    style: ConvStyle,
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    rectify: bool = False,
) -> BinaryConv2d:
    """Return a BinaryConv2d in the style of its network."""
    return BinaryConv2d(
        in_channels,
        out_channels,
        kernel,
        stride=stride,
        dilation=dilation,
        groups=groups,
        padding=style.padding,
        scale=style.scale,
        real=style.real,
        precision=style.precision,
        rectify=rectify,
        first_scale=style.first_scale,
    )


class _BatchNorm(nn.BatchNorm2d):
    """A BatchNorm2d that can be loaded from a dict without torch's metadata, such as a safetensors file's."""

    def _load_from_state_dict(self, state_dict: Any, prefix: str, local_metadata: Any, *rest: Any) -> None:
        # Without this version torch adds a count of batches to what is loaded, and then finds it unexpected.
        super()._load_from_state_dict(state_dict, prefix, {**local_metadata, "version": 2}, *rest)


def batch_norm(channels: int, *, affine: bool = True) -> nn.BatchNorm2d:
    """Return a BatchNorm2d (N, C, H, W) that does not count its batches: one kernel launch less in every pass."""
    norm = _BatchNorm(channels, affine=affine)
    norm.num_batches_tracked = None
    return norm


class Layer(nn.Sequential):
    """Batch norm, site and binary convolution under the names `norm`, `site`, `conv`, in the order of their making.

    `quick` computes the same at once, or returns None where it cannot; `evobnn.nn.fuse` sets it.
    """

    norm: nn.BatchNorm2d
    site: Site
    conv: BinaryConv2d
    quick: Callable[[Layer, Tensor], Tensor | None] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Return the layer's output."""
        if self.quick is not None and (found := self.quick(self, x)) is not None:
            return found
        out: Tensor = super().forward(x)  # type: ignore[no-untyped-call]
        return out
