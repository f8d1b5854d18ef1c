"""From real numbers to two values, and the gradients that pretend it was smooth.

`sign` is a pure function; a surrogate is `sign` forward and something useful backward. All keep shape, dtype, device
and memory format. What is done to weights stands in `evobnn.nn.binary.weights`.

NaN has no sign: in here it silently becomes +1 or -1, as its sign bit happens to stand, because a check would cost a
pass over every tensor. Whoever trains looks from time to time instead, see `evobnn.nn.binary.site.watch`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Surrogate = Callable[..., Tensor]
"""`surrogate(x, clip, short, progress)`: x and the half-width of the gradient's support; `short` asks for ±1 in
bfloat16; `progress` says how far the training is, 0 at its beginning and 1 at its end.
"""

LEAST_STEEP, STEEPEST = 1e-3, 10.0
"""Between these t grows in `annealed_tanh`: the values of IR-Net's code for CIFAR-10."""

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


class _AnnealedTanh(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, short: bool, t: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.t = t
        return _short_sign(x) if short else sign(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        slope = torch.mul(x, ctx.t).tanh_().square_().neg_().add_(1.0).mul_(max(ctx.t, 1.0))
        return slope.mul_(_like(grads[0], x)), None, None


_clipped_identity: Callable[..., Tensor] = _ClippedIdentity.apply
_approxsign: Callable[..., Tensor] = _ApproxSign.apply
_annealed_tanh: Callable[..., Tensor] = _AnnealedTanh.apply


def clipped_identity(x: Tensor, clip: float = 1.0, short: bool = False, progress: float = 1.0) -> Tensor:
    """Return `sign(x)` with the straight-through gradient, cut off where |x| reaches `clip`.

    Forward:   y  = +1 if x >= 0 else -1
    Backward:  gx = gy * 1[|x| < clip]          (zero at |x| = clip)

    Source: Courbariaux et al. 2016 (clip 1, as in BNAS); GAAF section 3 uses clip 1.3.
    """
    return _clipped_identity(x, clip, short)


def approxsign(x: Tensor, clip: float = 1.0, short: bool = False, progress: float = 1.0) -> Tensor:
    """Return `sign(x)` with the gradient of a piecewise quadratic.

    Forward:   y  = +1 if x >= 0 else -1
    Backward:  gx = gy * max(0, 2 - 2|x| / clip)

    Source: Liu et al. 2018, Bi-Real Net, section 3.3, where clip is 1. The area below the slope is 2 * clip, as with
    `clipped_identity`, so the two can be exchanged without rescaling a learning rate.
    """
    return _approxsign(x, clip, short)


def steepness(progress: float) -> float:
    """Return t of `annealed_tanh` after the part `progress` (0 to 1) of a training: 1e-3 to 10, evenly in log t."""
    return LEAST_STEEP * float((STEEPEST / LEAST_STEEP) ** progress)


def annealed_tanh(x: Tensor, clip: float = 1.0, short: bool = False, progress: float = 1.0) -> Tensor:
    """Return `sign(x)` with the gradient of a tanh that grows steeper during the training.

    Forward:   y  = +1 if x >= 0 else -1
    Backward:  gx = gy * k t (1 - tanh²(t x)),   t = steepness(progress),   k = max(1/t, 1)

    At the beginning that is the identity's (k t = 1) on all of a network's values, at the end a peak of height 10 at 0.
    `clip` plays no part.

    Source: Qin et al. 2020, IR-Net, section 3.3, and the schedule of its code, t(epoch / epochs).
    """
    return _annealed_tanh(x, short, steepness(progress))


SURROGATES: dict[str, Surrogate] = {
    "clipped_identity": clipped_identity,
    "approxsign": approxsign,
    "annealed_tanh": annealed_tanh,
}
"""Every surrogate by name: `surrogate(x, clip)`. Names are stored in files and so permanent."""
