"""The fast path on a CPU: batch norm, sign, convolution, ReLU and scale in as few passes over memory as can be.

What a network computes here is what its modules compute one by one, up to the rounding of sums; the test is equality to
a small tolerance and, for what is a whole number, exactly. A binary layer is bound by memory, not by multiplications:
as separate operations it makes some 25 passes over its maps forward and backward, here eight and the convolutions.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from evobnn.nn.binary.layers import BinaryConv2d, Layer
from evobnn.nn.binary.pixels import spread
from evobnn.nn.binary.site import Site
from evobnn.nn.binary.weights import BY_MEAN
from evobnn.nn.fast import columns, expressed
from evobnn.nn.fast.counted import How, counted
from evobnn.nn.fast.maps import Floats, as_array, channels_last, empty, running, scales, wanted
from evobnn.nn.fast.passes import Norm, alone, kernels, run
from evobnn.nn.fast.quickest import no_compiler

ONE, MINUS_ONE = 0x3F80, 0xBF80
"""+1 and -1 as bits of bfloat16."""

_NO_SLOPE = np.array([np.inf, 1.0, 0.0], np.float32)


@dataclass(frozen=True)
class _How(How):
    """What it is where the library convolves: how wide the border is, whether ±1 and gradients next to the convolution
    are bfloat16, and of how many pixels in a row one is taken before it: with a kernel of 1 the stride, then 1 in it.
    """

    border: int
    short: bool
    taken: int

    @property
    def dtype(self) -> torch.dtype:
        """Type of ±1 and of gradients next to the convolution."""
        return torch.bfloat16 if self.short else torch.float32

    @property
    def numbers(self) -> tuple[Any, Any, Any]:
        """+1, -1 and the filler as entries of a map."""
        if self.short:
            return np.uint16(ONE), np.uint16(MINUS_ONE), np.uint16(MINUS_ONE if self.filler else 0)
        return np.float32(1.0), np.float32(-1.0), np.float32(self.filler)

    def alpha(self, weight: Tensor) -> Floats:
        """Return the scale of each filter: mean|w|, or 1."""
        scale = weight.abs().mean((1, 2, 3)) if self.scaled else weight.new_ones(len(weight))
        return np.asarray(scale.numpy(), np.float32)


class _BatchNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, gain: Tensor | None, bias: Tensor | None, norm: nn.BatchNorm2d) -> Tensor:
        x = channels_last(x)
        out, loops = empty(x.shape), kernels()
        if alone(x.numel()):
            own, notes = scales(norm, x.shape[1]), np.empty((4, x.shape[1]))
            share = norm.momentum or 0.0
            loops.norm(
                as_array(x), norm.training, *own, *running(norm), norm.eps, share, notes, as_array(out)
            )  # fmt: skip
            ctx.rest = own[0], notes, norm.training
        else:
            found = Norm(norm, as_array(x))
            run(loops.affine, as_array(x), found.a, found.b, as_array(out))
            ctx.rest = found
        ctx.save_for_backward(x)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (x,) = ctx.saved_tensors
        grad, loops, out = channels_last(grads[0]), kernels(), empty(x.shape)
        if isinstance(ctx.rest, Norm):
            norm = ctx.rest
            where = (as_array(grad), as_array(x), norm.a, norm.b, _NO_SLOPE, 0)
            gain, bias, k1, k0 = norm.backward(*run(loops.sums_behind, *where))
            run(loops.leave, *where, k1, k0, as_array(out))
        else:
            own, notes, batch = ctx.rest
            gain, bias = gains = np.empty((2, x.shape[1]), np.float32)
            ones = np.ones_like(own)
            loops.norm_backward(as_array(grad), as_array(x), batch, ones, own, notes, _NO_SLOPE, as_array(out), gains)
        return out, *wanted(ctx, (1, gain), (2, bias)), None


class _SignConvolution(torch.autograd.Function):
    """[batch norm] -> sign -> convolution -> [ReLU] -> scale, with the norm in front, or behind it all, or without."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, gain: Tensor | None, bias: Tensor | None, weight: Tensor,
        norm: nn.BatchNorm2d | None, slope: Floats, how: _How,
    ) -> Tensor:  # fmt: skip
        loops, channels = kernels(), x.shape[1]
        x = channels_last(x)
        first = Norm(norm, as_array(x)) if norm is not None and not how.behind else None
        a = np.ones(channels, np.float32) if first is None else first.a
        b = np.zeros(channels, np.float32) if first is None else first.b
        pad = how.border
        signs = empty((x.shape[0], channels, x.shape[2] + 2 * pad, x.shape[3] + 2 * pad), how.dtype)
        plus, minus, border = how.numbers
        run(loops.signs, as_array(x), a, b, as_array(signs), pad, plus, minus, border)
        size = signs.shape
        signs = channels_last(signs[:, :, :: how.taken, :: how.taken])
        two = torch.ge(weight.detach(), 0.0).to(how.dtype).mul_(2.0).sub_(1.0)
        alpha = how.alpha(weight.detach())
        y = _convolution(signs, two, how)
        out = empty(y.shape, torch.float32)
        last = Norm(norm, as_array(y), alpha) if norm is not None and how.behind else None
        if last is None:
            run(loops.finish, as_array(y), alpha, how.floor, as_array(out))
        else:
            run(loops.affine, as_array(y), last.a, last.b, as_array(out))
        kept = y if last is not None else out if how.rectify else None
        ctx.save_for_backward(x, signs, two, kept)
        ctx.rest = first, last, a, b, alpha, slope, size, how
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, signs, two, kept = ctx.saved_tensors
        first, last, a, b, alpha, slope, size, how = ctx.rest
        loops, grad = kernels(), channels_last(grads[0])
        entered = empty(grad.shape, how.dtype)
        gain = bias = None
        if last is None:
            made = as_array(grad if kept is None else kept)
            run(loops.enter, as_array(grad), made, alpha, how.floor, as_array(entered))
        else:
            there = (as_array(grad), as_array(kept), last.a, last.b, _NO_SLOPE, 0)
            gain, bias, k1, k0 = last.backward(*run(loops.sums_behind, *there))
            run(loops.leave, *there, k1, k0, as_array(entered))
        gx, gw, pad = _gradients(entered, signs, two, how)
        gx = gx if how.taken == 1 else spread(gx, size, how.taken, how.taken, torch.channels_last)
        where = (as_array(channels_last(gx)), as_array(x), a, b, slope, pad)
        k1 = k0 = np.zeros(x.shape[1], np.float32)
        if first is not None:
            gain, bias, k1, k0 = first.backward(*run(loops.sums_behind, *where))
        out = empty(x.shape, torch.float32)
        run(loops.leave, *where, k1, k0, as_array(out))
        return out, *wanted(ctx, (1, gain), (2, bias)), gw, None, None, None


def _convolution(signs: Tensor, two: Tensor, how: _How) -> Tensor:
    """Return the convolution of framed signs with two-valued weights, channels last."""
    reach = how.dilation * (two.shape[2] - 1)
    height, width = ((side - reach - 1) // how.stride + 1 for side in signs.shape[2:])
    if columns.worth(height * width, two):
        return columns.convolution(signs, channels_last(two), how.stride, how.dilation)
    return channels_last(F.conv2d(signs, two, None, how.stride, 0, how.dilation))


def _gradients(grad: Tensor, signs: Tensor, two: Tensor, how: _How) -> tuple[Tensor, Tensor, int]:
    """Return the gradients of the signs and of the weights, and how wide a frame the former has."""
    product = columns.worth(grad.shape[2] * grad.shape[3], two)
    whole = product and how.stride == 1
    gx, gw = None, None
    if not whole:
        strides, dilations, wanted_ones = [how.stride] * 2, [how.dilation] * 2, [True, not product, False]
        gx, gw, _ = torch.ops.aten.convolution_backward(
            grad, signs, two, None, strides, [0, 0], dilations, False, [0, 0], 1, wanted_ones
        )
    if product:
        gw = columns.weight_gradient(grad, signs, two.shape[2], how.stride, how.dilation)
    if whole:
        gx = columns.inner_gradient(grad, channels_last(two), how.dilation)
    assert gx is not None and gw is not None
    return gx, gw.float(), 0 if whole else how.border


_batch_norm: Any = _BatchNorm.apply
_sign_convolution: Any = _SignConvolution.apply


def batch_normalised(x: Tensor, norm: nn.BatchNorm2d) -> Tensor:
    """Return what `norm` returns for a float32 map (N, C, H, W) on a CPU, channels last; running moments follow."""
    out: Tensor = _batch_norm(x, norm.weight, norm.bias, norm)
    return out


def can(x: Tensor, site: Site, conv: BinaryConv2d) -> bool:
    """Tell whether a map goes this way: asked for and to be had, on a CPU, in float32, both sides binary, one group,
    and a surrogate that the loops know.
    """
    return (
        to_be_fused(conv)
        and x.device.type == "cpu"
        and x.dtype == torch.float32
        and not (site.real or conv.real)
        and conv.groups == 1
        and site.surrogate in SLOPES
    )


def to_be_fused(conv: BinaryConv2d) -> bool:
    """Tell whether a convolution is to go the fast way, and can be compiled here."""
    return conv.fused and not no_compiler()


SLOPES = {"clipped_identity": (1.0, 0.0), "approxsign": (2.0, 2.0)}
"""By surrogate: the slope at 0, and how much of it is lost at the clip."""


_COUNTED = 256, 64
"""Pixels of a map and channels up to which float32 layers are counted; beyond, the library's convolution wins."""


def _counts(x: Tensor, conv: BinaryConv2d) -> bool:
    """Tell whether a layer is counted or left to the library's convolution."""
    pixels, channels = _COUNTED
    small = x.shape[2] * x.shape[3] <= pixels and max(conv.in_channels, conv.out_channels) <= channels
    return small and conv.precision == "fp32"


@cache
def slope_of(surrogate: str, clip: float) -> Floats:
    """Return a surrogate of `SLOPES` as `evobnn.nn.fast.loops.sums_behind` reads it."""
    top, lost = SLOPES[surrogate]
    return np.array([clip, top, lost / clip], np.float32)


def sign_convolution(
    x: Tensor, norm: nn.BatchNorm2d | None, site: Site, conv: BinaryConv2d, *, behind: bool = False
) -> Tensor:
    """Return conv(site(norm(x))) of a map that `can`, channels last; with `behind` norm(conv(site(x))), and without a
    norm conv(site(x)).
    """
    first = None if behind else norm
    tree = site.activation if expressed.can(site.activation, x) else None
    if first is not None and (site.shift is not None or (tree is None and (site.watching or site.activation))):
        x, norm, first = batch_normalised(x, first), None, None
    if site.shift is not None:
        x = site.shift(x)
    inner = tree if _counts(x, conv) and not site.watching else None  # then part of the layer's function
    if tree is not None and inner is None:
        x, norm = expressed.expressed(x, first, tree), norm if behind else None
    elif tree is None and site.activation is not None:
        x = site.activation(x)
    if site.watching:
        site.note(x)
    out: Tensor
    slope = slope_of(site.surrogate, site.clip)
    inside = conv.scale in BY_MEAN  # other scales are multiplied outside
    weight, alpha = (conv.weight, None) if inside else conv.parts()
    joined = behind and inside and not conv.rectify  # the norm behind is then part of the same function
    own = norm if joined or not behind else None
    scaled, rectify = inside and conv.scale != "none", inside and conv.rectify
    filler = -1.0 if conv.padding == "minus_one" else 0.0
    said = conv.dilation, filler, scaled, rectify, joined, torch.is_grad_enabled()
    if _counts(x, conv):
        out = counted(x, own, inner, weight, slope, How(conv.stride, *said))
    else:
        gain, bias = (None, None) if own is None else (own.weight, own.bias)
        how = _How(conv.step, *said, conv.border, conv.precision == "bf16", conv.taken)
        out = _sign_convolution(x, gain, bias, weight, own, slope, how)
    if not inside:
        out = out if alpha is None else out * alpha.view(1, -1, 1, 1)
        out = out.relu_() if conv.rectify else out
    return out if norm is None or own is norm else batch_normalised(out, norm)


def quick(layer: Layer, x: Tensor) -> Tensor | None:
    """Return the layer's output as one function, or None where it cannot go this way."""
    if not can(x, layer.site, layer.conv):
        return None
    first = next(iter(layer._modules)) == "norm"
    return sign_convolution(x, layer.norm, layer.site, layer.conv, behind=not first)
