"""Every s-th pixel of a map: what a convolution with a kernel of 1 and stride s reads.

Such a convolution is one of stride 1 on these pixels. Taking them first is as quick, and keeps clear of a library's
code for 1x1 convolutions with a stride: oneDNN's gradient of the weights writes beyond its memory where a vector holds
more numbers than there are input channels (uxlfoundation/oneDNN, issue 6035).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _Every(torch.autograd.Function):
    """x[:, :, ::s, ::t], as a map of its own; the gradient lies at these pixels and is 0 elsewhere."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, down: int, right: int) -> Tensor:
        ctx.size, ctx.format, ctx.steps = x.shape, memory_format(x), (down, right)
        return x[:, :, ::down, ::right].contiguous(memory_format=ctx.format)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        down, right = ctx.steps
        return spread(grads[0], ctx.size, down, right, ctx.format), None, None


_every: Any = _Every.apply


def every(x: Tensor, down: int, right: int | None = None) -> Tensor:
    """Return the pixels (down i, right j) of x (N, C, H, W), memory format kept: (N, C, ceil(H/down), ceil(W/right)).

    `right` is `down` unless said otherwise; with 1 and 1 it is x itself.
    """
    right = down if right is None else right
    out: Tensor = x if down == right == 1 else _every(x, down, right)
    return out


def spread(grad: Tensor, size: torch.Size, down: int, right: int, form: torch.memory_format) -> Tensor:
    """Return the gradient of x, of this size and memory format, from that of `every` pixel."""
    gx = torch.empty(size, dtype=grad.dtype, device=grad.device, memory_format=form).zero_()
    gx[:, :, ::down, ::right] = grad
    return gx


def memory_format(x: Tensor) -> torch.memory_format:
    """Return channels last where x is contiguous that way, else the plain format."""
    last = x.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last else torch.contiguous_format
