"""From real numbers to two values, and the gradients that pretend it was smooth.

`sign` is a pure function; a surrogate is `sign` forward and something useful backward; `binary_weight` is the same for
weights. All keep shape, dtype, device and memory format.

NaN has no sign: in here it silently becomes +1 or -1, as its sign bit happens to stand, because a check would cost a
pass over every tensor. Whoever trains looks from time to time instead, see `evobnn.nn.layers.watch`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from evobnn._checks import check_name
from evobnn.errors import NetworkError

Surrogate = Callable[..., Tensor]
"""`surrogate(x, clip, short)`: x and the half-width of the gradient's support; `short` asks for ±1 in bfloat16."""

SCALES = ("none", "mean")

_hardtanh_backward: Callable[[Tensor, Tensor, float, float], Tensor] = torch.ops.aten.hardtanh_backward


def sign(x: Tensor) -> Tensor:
    """Return +1 where x >= 0 (-0.0 included) and -1 elsewhere, for a floating point tensor of any shape; never 0.

    This is the convention of QONNX's BipolarQuant. Adding +0.0 turns -0.0 into +0.0; subnormal numbers keep their
    sign. No gradient passes: see the surrogates below.
    """
    y: Tensor = x.detach() + 0.0
    torch.copysign(y.new_ones(()), y, out=y)
    return y


def _like(grad: Tensor, x: Tensor) -> Tensor:
    """Return a gradient in the type and memory format of x; mixed formats make every later pass slower."""
    if x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last):
        return grad.to(x.dtype, memory_format=torch.channels_last)
    return grad.to(x.dtype)


def _short_sign(x: Tensor) -> Tensor:
    """Return `sign(x)` in bfloat16, without a pass over a full-width copy; NaN becomes -1."""
    return torch.ge(x.detach(), 0.0).to(torch.bfloat16).mul_(2.0).sub_(1.0)


class _ClippedIdentity(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, clip: float, short: bool) -> Tensor:
        ctx.save_for_backward(x)
        ctx.clip = clip
        return _short_sign(x) if short else sign(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        return _hardtanh_backward(_like(grads[0], x), x, -ctx.clip, ctx.clip), None, None


class _ApproxSign(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, clip: float, short: bool) -> Tensor:
        ctx.save_for_backward(x)
        ctx.clip = clip
        return _short_sign(x) if short else sign(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        slope = torch.rsub(x.abs(), 2.0, alpha=2.0 / ctx.clip).clamp_(min=0.0)
        return slope.mul_(_like(grads[0], x)), None, None


class _SignedWeight(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, w: Tensor) -> Tensor:
        return sign(w)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return grads[0]


class _ScaledWeight(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, w: Tensor) -> Tensor:
        alpha = w.abs().mean(dim=tuple(range(1, w.dim())), keepdim=True)
        ctx.save_for_backward(alpha)
        return torch.copysign(alpha, w + 0.0)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        alpha: Tensor = ctx.saved_tensors[0]
        return grads[0] * alpha


_clipped_identity: Callable[..., Tensor] = _ClippedIdentity.apply
_approxsign: Callable[..., Tensor] = _ApproxSign.apply
_signed_weight: Callable[..., Tensor] = _SignedWeight.apply
_scaled_weight: Callable[..., Tensor] = _ScaledWeight.apply


def clipped_identity(x: Tensor, clip: float = 1.0, short: bool = False) -> Tensor:
    """Return `sign(x)` with the straight-through gradient, cut off where |x| reaches `clip`.

    Forward:   y  = +1 if x >= 0 else -1
    Backward:  gx = gy * 1[|x| < clip]          (zero at |x| = clip)

    Source: Courbariaux et al. 2016 (clip 1, as in BNAS); GAAF section 3 uses clip 1.3.
    """
    return _clipped_identity(x, clip, short)


def approxsign(x: Tensor, clip: float = 1.0, short: bool = False) -> Tensor:
    """Return `sign(x)` with the gradient of a piecewise quadratic.

    Forward:   y  = +1 if x >= 0 else -1
    Backward:  gx = gy * max(0, 2 - 2|x| / clip)

    Source: Liu et al. 2018, Bi-Real Net, section 3.3, where clip is 1. The area below the slope is 2 * clip, as with
    `clipped_identity`, so the two can be exchanged without rescaling a learning rate.
    """
    return _approxsign(x, clip, short)


SURROGATES: dict[str, Surrogate] = {"clipped_identity": clipped_identity, "approxsign": approxsign}
"""Every surrogate by name: `surrogate(x, clip)`. Names are stored in files and so permanent."""


def binary_weight(w: Tensor, scale: str = "none") -> Tensor:
    """Return the two-valued weight of latent weights w (filters, inputs per group, height, width).

    scale "none":  forward  sign(w)             backward  gw = g
    scale "mean":  forward  alpha * sign(w)     backward  gw = g * alpha,   alpha = mean|w| per filter

    alpha is treated as a constant in the backward pass: the path through the mean, which XNOR-Net (Rastegari et al.
    2016, section 3.1) and BNAS follow too, is left out. A filter of zeros has alpha 0.

    Raises NetworkError for another scale.
    """
    if scale == "none":
        return _signed_weight(w)
    if scale == "mean":
        return _scaled_weight(w)
    check_name("weight scale", scale, SCALES, NetworkError)
    raise AssertionError(scale)
