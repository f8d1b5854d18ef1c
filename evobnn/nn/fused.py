"""The fast path on a CPU: batch norm, sign, convolution, ReLU and scale in as few passes over memory as can be.

What a network computes here is what its modules compute one by one, up to the rounding of sums; the test is equality to
a small tolerance and, for what is a whole number, exactly. A binary layer is bound by memory, not by multiplications:
as separate operations it makes some 25 passes over its maps forward and backward, here eight and the convolutions.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from evobnn.nn.layers import BinaryConv2d, Site
from evobnn.nn.quantise import FUSED

Floats = npt.NDArray[np.float32]

KERNELS = ("torch", "fused")
"""Ways to compute a binary layer: operation by operation in PyTorch, or in here."""

_LAST = torch.channels_last
_ZERO, _ALL = np.float32(0.0), np.float32(-np.inf)
ONE, MINUS_ONE = 0x3F80, 0xBF80
"""+1 and -1 as bits of bfloat16."""

_WORTH_THREADS = 1 << 17  # entries of a map
_NO_SLOPE = np.array([np.inf, 1.0, 0.0], np.float32)


def _kernels() -> Any:
    """Return the compiled loops; imported when they are first needed, as Numba takes half a second."""
    from evobnn.nn import kernels

    return kernels


def _run(kernel: Any, *arguments: Any) -> Any:
    """Call a kernel, with as many threads as torch has: each takes its share of the images of all maps. What a kernel
    returns is sums, and these are added in the order of the shares, so that equal numbers of threads give equal bytes.
    """
    images, threads = len(arguments[0]), torch.get_num_threads()
    if threads == 1 or arguments[0].size < _WORTH_THREADS:
        return kernel(*arguments)
    bounds = [images * i // threads for i in range(threads + 1)]
    shares = [
        [one[low:high] if isinstance(one, np.ndarray) and one.ndim == 4 else one for one in arguments]
        for low, high in pairwise(bounds)
        if high > low
    ]
    others = [_pool(threads).submit(kernel, *share) for share in shares[1:]]
    found = [kernel(*shares[0]), *(other.result() for other in others)]
    return None if found[0] is None else tuple(sum(parts) for parts in zip(*found, strict=True))


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads - 1, "evobnn-kernels")


def _map(x: Tensor) -> npt.NDArray[Any]:
    """Return a channels-last map (N, C, H, W) as an array (N, H, W, C) on the same memory; bfloat16 as its bits."""
    seen = x.detach()
    seen = seen.view(torch.uint16) if seen.dtype == torch.bfloat16 else seen
    return seen.permute(0, 2, 3, 1).numpy()


def _empty(shape: Any, dtype: torch.dtype) -> Tensor:
    return torch.empty(tuple(shape), dtype=dtype, memory_format=_LAST)


def _last(x: Tensor) -> Tensor:
    """Return x with channels innermost, copied only if they are not."""
    # A map of one pixel or one channel may pass for both formats and still have other strides.
    _, c, h, w = x.shape
    return x if x.stride() == (c * h * w, 1, c * w, c) else torch.empty_like(x, memory_format=_LAST).copy_(x)


def _numbers(values: Any) -> Tensor:
    return torch.from_numpy(np.asarray(values, np.float32))


class _Norm:
    """A batch norm of one pass over z = alpha x, as y = a x + b, and what its backward pass needs. In training it takes
    the moments of the batch and updates the running ones, else it takes these.
    """

    def __init__(self, norm: nn.BatchNorm2d, x: npt.NDArray[Any], alpha: Floats | None = None) -> None:
        channels = x.shape[3]
        self.alpha = np.ones(channels) if alpha is None else alpha.astype(np.float64)
        gain = norm.weight.detach().numpy() if norm.weight is not None else np.ones(channels, np.float32)
        bias = norm.bias.detach().numpy() if norm.bias is not None else np.zeros(channels, np.float32)
        self.count = x.size // channels
        self.batch = norm.training
        assert norm.running_mean is not None and norm.running_var is not None
        if self.batch:
            total, squares = _run(_kernels().moments, x)
            mean = total / self.count
            variance = self.alpha**2 * np.maximum(squares / self.count - mean**2, 0.0)
            self.mean = self.alpha * mean
            self._remember(norm, variance)
        else:
            self.mean = norm.running_mean.numpy().astype(np.float64)
            variance = norm.running_var.numpy().astype(np.float64)
        self.inverse = 1.0 / np.sqrt(variance + norm.eps)
        self.slope = gain * self.inverse * self.alpha
        self.a = self.slope.astype(np.float32)
        self.b = (bias - self.mean * gain * self.inverse).astype(np.float32)

    def _remember(self, norm: nn.BatchNorm2d, variance: npt.NDArray[np.float64]) -> None:
        share = norm.momentum
        assert share is not None and norm.running_mean is not None and norm.running_var is not None
        unbiased = variance * (self.count / max(self.count - 1, 1))
        norm.running_mean.mul_(1.0 - share).add_(_numbers(share * self.mean))
        norm.running_var.mul_(1.0 - share).add_(_numbers(share * unbiased))

    def backward(self, total: Any, products: Any) -> tuple[Any, Any, Floats, Floats]:
        """Return the gradients of gain and bias, and (k1, k0) of `kernels.leave`, from the sums of g and of g x.

        dx = a (g - mean(g) - zhat mean(g zhat)), zhat = (alpha x - mean) inverse; the last two terms only for moments
        of the batch.
        """
        gain = (self.alpha * products - self.mean * total) * self.inverse
        if not self.batch:
            nothing = np.zeros(len(gain), np.float32)
            return gain, total, nothing, nothing
        tilt = self.slope * self.inverse * gain / self.count
        k1, k0 = -tilt * self.alpha, tilt * self.mean - self.slope * total / self.count
        return gain, total, k1.astype(np.float32), k0.astype(np.float32)


@dataclass(frozen=True)
class _How:
    """A convolution in plain values: -1 or 0 around the map, in which type, with a scale, a ReLU, a norm behind."""

    stride: int
    dilation: int
    border: int
    filler: float
    short: bool
    scaled: bool
    rectify: bool
    normed_behind: bool

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

    @property
    def floor(self) -> np.float32:
        """Least value of an output before its scale."""
        return _ZERO if self.rectify else _ALL

    def alpha(self, weight: Tensor) -> Floats:
        """Return the scale of each filter: mean|w|, or 1."""
        scale = weight.abs().mean((1, 2, 3)) if self.scaled else weight.new_ones(len(weight))
        return np.asarray(scale.numpy(), np.float32)


class _BatchNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, gain: Tensor | None, bias: Tensor | None, norm: nn.BatchNorm2d) -> Tensor:
        x = _last(x)
        found = _Norm(norm, _map(x))
        out = _empty(x.shape, torch.float32)
        _run(_kernels().affine, _map(x), found.a, found.b, _map(out))
        ctx.save_for_backward(x)
        ctx.norm = found
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (x,) = ctx.saved_tensors
        grad, kernels, norm = _last(grads[0]), _kernels(), ctx.norm
        where = (_map(grad), _map(x), norm.a, norm.b, _NO_SLOPE, 0)
        gain, bias, k1, k0 = norm.backward(*_run(kernels.sums_behind, *where))
        out = _empty(x.shape, torch.float32)
        _run(kernels.leave, *where, k1, k0, _map(out))
        return out, *_wanted(ctx, (1, gain), (2, bias)), None


def _wanted(ctx: Any, *found: tuple[int, Any]) -> list[Tensor | None]:
    return [_numbers(value) if ctx.needs_input_grad[index] else None for index, value in found]


class _SignConvolution(torch.autograd.Function):
    """[batch norm] -> sign -> convolution -> [ReLU] -> scale, with the norm in front, or behind it all, or without."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, gain: Tensor | None, bias: Tensor | None, weight: Tensor,
        norm: nn.BatchNorm2d | None, slope: Floats, how: _How,
    ) -> Tensor:  # fmt: skip
        kernels, channels = _kernels(), x.shape[1]
        x = _last(x)
        first = _Norm(norm, _map(x)) if norm is not None and not how.normed_behind else None
        a = np.ones(channels, np.float32) if first is None else first.a
        b = np.zeros(channels, np.float32) if first is None else first.b
        pad = how.border
        signs = _empty((x.shape[0], channels, x.shape[2] + 2 * pad, x.shape[3] + 2 * pad), how.dtype)
        plus, minus, border = how.numbers
        _run(kernels.signs, _map(x), a, b, _map(signs), pad, plus, minus, border)
        two = torch.ge(weight.detach(), 0.0).to(how.dtype).mul_(2.0).sub_(1.0)
        alpha = how.alpha(weight.detach())
        y = _last(F.conv2d(signs, two, None, how.stride, 0, how.dilation))
        out = _empty(y.shape, torch.float32)
        last = _Norm(norm, _map(y), alpha) if norm is not None and how.normed_behind else None
        if last is None:
            _run(kernels.finish, _map(y), alpha, how.floor, _map(out))
        else:
            _run(kernels.affine, _map(y), last.a, last.b, _map(out))
        kept = y if last is not None else out if how.rectify else None
        ctx.save_for_backward(x, signs, two, kept)
        ctx.rest = first, last, a, b, alpha, slope, how
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, signs, two, kept = ctx.saved_tensors
        first, last, a, b, alpha, slope, how = ctx.rest
        kernels, grad = _kernels(), _last(grads[0])
        entered = _empty(grad.shape, how.dtype)
        gain = bias = None
        if last is None:
            _run(kernels.enter, _map(grad), _map(grad if kept is None else kept), alpha, how.floor, _map(entered))
        else:
            there = (_map(grad), _map(kept), last.a, last.b, _NO_SLOPE, 0)
            gain, bias, k1, k0 = last.backward(*_run(kernels.sums_behind, *there))
            _run(kernels.leave, *there, k1, k0, _map(entered))
        gx, gw, _ = torch.ops.aten.convolution_backward(
            entered, signs, two, None, [how.stride] * 2, [0, 0], [how.dilation] * 2, False, [0, 0], 1,
            [True, True, False],
        )  # fmt: skip
        where = (_map(_last(gx)), _map(x), a, b, slope, how.border)
        k1 = k0 = np.zeros(x.shape[1], np.float32)
        if first is not None:
            gain, bias, k1, k0 = first.backward(*_run(kernels.sums_behind, *where))
        out = _empty(x.shape, torch.float32)
        _run(kernels.leave, *where, k1, k0, _map(out))
        return out, *_wanted(ctx, (1, gain), (2, bias)), gw.float(), None, None, None


_batch_norm: Any = _BatchNorm.apply
_sign_convolution: Any = _SignConvolution.apply


def batch_normalised(x: Tensor, norm: nn.BatchNorm2d) -> Tensor:
    """Return what `norm` returns for a float32 map (N, C, H, W) on a CPU, channels last; running moments follow."""
    out: Tensor = _batch_norm(x, norm.weight, norm.bias, norm)
    return out


def can(x: Tensor, site: Site, conv: BinaryConv2d) -> bool:
    """Tell whether a map goes this way: asked for, on a CPU, in float32, nobody watching, both sides binary, one group,
    and a surrogate that the loops know.
    """
    return (
        conv.fused
        and x.device.type == "cpu"
        and x.dtype == torch.float32
        and not (site.watching or site.real or conv.real)
        and conv.groups == 1
        and site.surrogate in _SLOPES
    )


_SLOPES = {"clipped_identity": (1.0, 0.0), "approxsign": (2.0, 2.0)}
"""By surrogate: the slope at 0, and how much of it is lost at the clip."""


def sign_convolution(
    x: Tensor, norm: nn.BatchNorm2d | None, site: Site, conv: BinaryConv2d, *, behind: bool = False
) -> Tensor:
    """Return conv(site(norm(x))) of a map that `can`, channels last; with `behind` norm(conv(site(x))), and without a
    norm conv(site(x)).
    """
    if norm is not None and not behind and not (site.shift is None and site.activation is None):
        x, norm = batch_normalised(x, norm), None
    if site.shift is not None:
        x = site.shift(x)
    if site.activation is not None:
        x = site.activation(x)
    top, lost = _SLOPES[site.surrogate]
    slope = np.array([site.clip, top, lost / site.clip], np.float32)
    inside = conv.scale in FUSED  # other scales are multiplied outside
    weight, alpha = (conv.weight, None) if inside else conv.parts()
    joined = behind and inside and not conv.rectify  # the norm behind is then part of the same function
    own = norm if joined or not behind else None
    how = _How(
        conv.stride, conv.dilation, conv.border, -1.0 if conv.padding == "minus_one" else 0.0, conv.precision == "bf16",
        inside and conv.scale != "none", conv.rectify and inside, joined,
    )  # fmt: skip
    gain, bias = (None, None) if own is None else (own.weight, own.bias)
    out: Tensor = _sign_convolution(x, gain, bias, weight, own, slope, how)
    if not inside:
        out = out if alpha is None else out * alpha.view(1, -1, 1, 1)
        out = out.relu_() if conv.rectify else out
    return out if norm is None or own is norm else batch_normalised(out, norm)


class Layer(nn.Sequential):
    """Batch norm, site and binary convolution under the names `norm`, `site`, `conv`, in the order of their making; as
    one where the convolution's `fused` says so and the map `can`, else one by one.
    """

    norm: nn.BatchNorm2d
    site: Site
    conv: BinaryConv2d

    def forward(self, x: Tensor) -> Tensor:
        """Return the layer's output."""
        if not can(x, self.site, self.conv):
            out: Tensor = super().forward(x)  # type: ignore[no-untyped-call]
            return out
        first = next(iter(self._modules)) == "norm"
        return sign_convolution(x, self.norm, self.site, self.conv, behind=not first)


def fuse(network: nn.Module, fused: bool = True) -> None:
    """Let a built network go the fast way on CPUs, or not any more; parameters and their names stay."""
    for module in network.modules():
        if isinstance(module, BinaryConv2d):
            module.fused = fused
