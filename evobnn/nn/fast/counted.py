"""A binary layer of float32 maps as one function forward and one backward; both in `evobnn.nn.lanes`."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.autograd import Function

from evobnn.nn.binary.forms import TreeActivation
from evobnn.nn.fast.expressed import by_number, learned, steps_of
from evobnn.nn.fast.lanes.calls import How, backward, forward, lanes_of, tensor_of
from evobnn.nn.fast.maps import Floats, wanted


class _Counted(Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, gain: Tensor | None, bias: Tensor | None, weight: Tensor, norm: nn.BatchNorm2d | None,
        slope: Floats, how: How, steps: Any, *parameters: Tensor,
    ) -> Tensor:  # fmt: skip
        lanes, program = lanes_of(x), (steps, learned(parameters, x.shape[1]))
        out, kept, _ = forward(lanes, norm, program, weight, how)
        if how.learning:
            ctx.save_for_backward(weight, gain)  # autograd says if somebody changes what `kept` looks at
            ctx.rest = lanes, slope, kept
        return tensor_of(out, last=True)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        _, (lanes, slope, kept) = ctx.saved_tensors, ctx.rest
        gx, gw, gains, gl = backward(lanes_of(grads[0]), lanes, slope, kept)
        norm = wanted(ctx, (1, gains[0]), (2, gains[1]))
        back = tensor_of(gx, last=True)
        return back, *norm, gw, None, None, None, None, *wanted(ctx, *by_number(gl, 8))


_counted: Any = _Counted.apply


def counted(
    x: Tensor, norm: nn.BatchNorm2d | None, tree: TreeActivation | None, weight: Tensor, slope: Floats, how: How
) -> Tensor:
    """Return the layer's output, channels last; running moments follow.

    Arguments:
        x: a float32 map (N, C, H, W) on a CPU.
        norm: in front of the sign or, see `How`, behind it all, or None.
        tree: in front of the sign, one that `expressed.can`, or None.
        weight: latent, (filters, C, kernel, kernel).
        slope: of the surrogate, see `evobnn.nn.fast.loops.sums_behind`.
        how: everything else.
    """
    gain, bias = (None, None) if norm is None else (norm.weight, norm.bias)
    parameters = () if tree is None else tree.parameters()
    out: Tensor = _counted(x, gain, bias, weight, norm, slope, how, steps_of(tree), *parameters)
    return out


__all__ = ["How", "counted"]
