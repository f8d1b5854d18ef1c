"""The binary convolution in bfloat16."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from evobnn.nn.binary.signs import sign

PRECISIONS = ("fp32", "bf16")

DENSE = 48
"""Up to this many channels a grouped convolution in bfloat16 runs, on a CPU, as an ungrouped one with zeros between the
groups: the matrix units take 32 channels at a time, and a group has few. The sums are the same.
"""


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


short_convolution: Callable[..., Tensor] = _ShortConvolution.apply
