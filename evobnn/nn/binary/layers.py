"""The two layers that make a network binary, and the real-valued ones that stand beside them.

`Site` turns real numbers into ±1, `BinaryConv2d` convolves ±1 with ±1 (or ±alpha). Both have a real-valued twin
(`real=True`) with the same parameters, for studies that judge a 1-bit network beside its parent. `RealConv2d` is an
ordinary convolution under its own name, so that what is deliberately not binary can be told by its class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from evobnn._checks import check_at_least, check_name
from evobnn.errors import NetworkError, message
from evobnn.nn.binary.forms import TreeActivation
from evobnn.nn.binary.pixels import every
from evobnn.nn.binary.signs import SURROGATES, Surrogate, sign
from evobnn.nn.binary.weights import BY_MEAN, WEIGHTS_QUANTISERS, Parts, binary_weight, check_quantiser

PADDINGS = ("zero", "minus_one")
PRECISIONS = ("fp32", "bf16")

DENSE = 48
"""Up to this many channels a grouped convolution in bfloat16 runs, on a CPU, as an ungrouped one with zeros between the
groups: the matrix units take 32 channels at a time, and a group has few. The sums are the same.
"""

SiteBuilder = Callable[[int], nn.Module]
"""Makes the site for a number of channels."""


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
    see `evobnn.nn.binary.pixels`.

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
            out: Tensor = _short_convolution(x, self.weight, self.scale, how, self._ones, self.rectify)
            return out
        signs, alpha = self.parts()
        return self._finished(_short_convolution(x, signs, "none", how, self._ones, False), alpha)

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


class _ShortConvolution(torch.autograd.Function):
    """The binary convolution in bfloat16: forward alpha * conv(x, sign(w)), backward as `binary_weight` says.

    One function, so that ±1 and the mask of the ReLU are kept for the backward pass in 16 bit and alpha is applied
    once; as alpha > 0, relu(alpha y) = alpha relu(y).
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, w: Tensor, scale: str, how: tuple[int, int, int, int], ones: int, rectify: bool
    ) -> Tensor:
        stride, zeros, dilation, groups = how
        signs = sign(w).to(torch.bfloat16)
        dense = groups > 1 and x.shape[1] <= DENSE and x.device.type == "cpu"
        if dense:
            signs, groups = _spread(signs, groups), 1
        short = x.to(torch.bfloat16)
        if ones:
            short = F.pad(short, (ones,) * 4, value=-1.0)
        alpha = w.abs().mean((1, 2, 3)).view(1, -1, 1, 1) if scale == "mean" else None
        out = F.conv2d(short, signs, None, stride, zeros, dilation, groups)
        if rectify:
            out.relu_()
        ctx.save_for_backward(short, signs, alpha, out if rectify else None)
        ctx.how, ctx.ones, ctx.dense = how, ones, dense
        return out.float() if alpha is None else torch.mul(out, alpha)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None, None]:
        short, signs, alpha, rectified = ctx.saved_tensors
        stride, zeros, dilation, groups = ctx.how
        grad = grads[0] if alpha is None else grads[0] * alpha
        keep = torch.channels_last if short.is_contiguous(memory_format=torch.channels_last) else torch.preserve_format
        grad = grad.to(torch.bfloat16, memory_format=keep)
        if rectified is not None:
            grad = torch.ops.aten.threshold_backward(grad, rectified, 0)
        mask = [ctx.needs_input_grad[0], ctx.needs_input_grad[1], False]
        gx, gw, _ = torch.ops.aten.convolution_backward(
            grad,
            short,
            signs,
            None,
            [stride] * 2,
            [zeros] * 2,
            [dilation] * 2,
            False,
            [0, 0],
            1 if ctx.dense else groups,
            mask,
        )
        if gw is not None and ctx.dense:
            gw = _gathered(gw, groups)
        if gx is not None and ctx.ones:
            gx = gx[:, :, ctx.ones : -ctx.ones, ctx.ones : -ctx.ones]
        return gx, None if gw is None else gw.float(), None, None, None, None


def _blocks(dense: Tensor, groups: int) -> Tensor:
    """Return a view (outputs per group, inputs per group, height, width, groups) of the blocks on the diagonal."""
    out, inputs, h, w = dense.shape
    return dense.view(groups, out // groups, groups, inputs // groups, h, w).diagonal(0, 0, 2)


def _spread(weight: Tensor, groups: int) -> Tensor:
    """Return the weights of a grouped convolution as those of an ungrouped one, zeros between the groups."""
    out, inputs, h, w = weight.shape
    dense = weight.new_zeros((out, inputs * groups, h, w))
    _blocks(dense, groups).copy_(weight.view(groups, out // groups, inputs, h, w).permute(1, 2, 3, 4, 0))
    return dense


def _gathered(dense: Tensor, groups: int) -> Tensor:
    """Return, the other way round, what `_spread` had put there."""
    out, inputs, h, w = dense.shape
    return _blocks(dense.contiguous(), groups).permute(4, 0, 1, 2, 3).reshape(out, inputs // groups, h, w)


_short_convolution: Callable[..., Tensor] = _ShortConvolution.apply


class Site(nn.Module):
    """A place where an activation is binarised: activation a, then sign with a surrogate gradient. Any shape.

    Forward:   y  = sign(a(x))
    Backward:  gx = gy * slope(a(x)) * a'(x),   slope by the surrogate (see `evobnn.nn.binary.signs`)

    With precision "bf16" the ±1 is handed on in bfloat16. With `real` the forward pass is
    hardtanh(a(x), -clip, clip), whose derivative is that of `clipped_identity`. `progress` tells an annealed surrogate
    how far the training is, 0 to 1; untold it behaves as at the end.

    With `shift` it is a(x + t): t (1, channels, 1, 1) is learned, begins at 0 and has no weight decay, as if a began
    with the form `shift`; x is (N, channels, H, W) then. Source: the RSign of Liu et al. 2020, ReActNet, section 4.2.

    While `watching`, every forward pass ands "all of a(x) is finite" into `finite`; otherwise nobody would notice, as
    NaN leaves a sign as ±1. `watch` and `all_finite` do this for a whole network.

    Raises NetworkError for an unknown surrogate, a clip that is not positive, or a shift of no channels.
    """

    def __init__(
        self,
        activation: nn.Module | None = None,
        surrogate: str = "clipped_identity",
        clip: float = 1.0,
        *,
        real: bool = False,
        precision: str = "fp32",
        shift: bool = False,
        channels: int = 0,
        surrogates: Mapping[str, Surrogate] = SURROGATES,
    ) -> None:
        super().__init__()
        check_name("surrogate", surrogate, surrogates, NetworkError)
        if not 0.0 < clip < float("inf"):
            raise NetworkError(message("clip to be positive and finite", repr(clip), "Published values: 1 and 1.3."))
        self.activation, self.surrogate, self.clip, self.real = activation, surrogate, clip, real
        self.short = check_name("precision", precision, PRECISIONS, NetworkError) == "bf16"
        self.shift: nn.Module | None = None
        if shift:
            check_at_least("channels of a shift", channels, 1, NetworkError)
            self.shift = TreeActivation(("shift", ("x",)), channels)
        self.progress = 1.0
        self.watching = False
        self.finite: Tensor | bool = True
        self._binarise = surrogates[surrogate]

    def forward(self, x: Tensor) -> Tensor:
        """Return ±1 (in the twin a clipped a(x)), shaped as x."""
        shifted = x if self.shift is None else self.shift(x)
        a: Tensor = shifted if self.activation is None else self.activation(shifted)
        if self.watching:
            self.note(a)
        if self.real:
            return F.hardtanh(a, -self.clip, self.clip)
        return self._binarise(a, self.clip, self.short, self.progress)

    def note(self, a: Tensor) -> None:
        """Remember whether all of `a`, which is about to lose everything but its sign, is finite."""
        self.finite = _finite(a) & self.finite

    def extra_repr(self) -> str:
        """Return what `print` shows of it."""
        return f"{self.surrogate}, clip={self.clip}" + ", real" * self.real


def _finite(a: Tensor) -> Tensor:
    """Return whether all of `a` is finite, as a tensor (): a finite sum says so in one quick pass. Where it is not,
    finite numbers may still have too large a sum.
    """
    whole = torch.isfinite(a.sum())
    if a.device.type == "cpu" and bool(whole):
        return whole
    least, most = torch.aminmax(a)  # both hand NaN on
    return torch.isfinite(least) & torch.isfinite(most)


@contextmanager
def watch(network: nn.Module) -> Iterator[None]:
    """Have every site of `network` look for non-finite values during the block; the answer is `all_finite(network)`.

    Answers of earlier blocks are forgotten. A whole pass over each activation: meant for the end of an epoch.
    """
    sites = [module for module in network.modules() if isinstance(module, Site)]
    for site in sites:
        site.watching, site.finite = True, True
    try:
        yield
    finally:
        for site in sites:
            site.watching = False


def all_finite(network: nn.Module) -> bool:
    """Return whether no site met a non-finite value in the last `watch` block (True if there was none)."""
    return all(bool(module.finite) for module in network.modules() if isinstance(module, Site))


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
