"""A binary layer of float32 maps as one function forward and one backward, both in `evobnn.nn.whole`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from evobnn.nn.activations import TreeActivation
from evobnn.nn.expressed import by_number, learned, steps_of
from evobnn.nn.maps import Floats, as_array, channels_last, empty, running, scales, wanted

_NONE = np.zeros(0, np.float32)


@dataclass(frozen=True)
class How:
    """What a layer of the fast path is besides its numbers.

    Attributes:
        stride, dilation: of the convolution.
        filler: around the map: -1 or 0.
        scaled: with a scale mean|w| for each filter, or with none.
        rectify: with a ReLU.
        behind: the norm, where there is one, stands behind and not in front; there is no ReLU then.
        learning: somebody will ask for gradients.
    """

    stride: int
    dilation: int
    filler: float
    scaled: bool
    rectify: bool
    behind: bool
    learning: bool

    @property
    def floor(self) -> np.float32:
        """Least value of an output before its scale: 0, or none."""
        return np.float32(0.0 if self.rectify else -np.inf)


@cache
def _loops() -> tuple[Any, Any]:
    """Return the modules of compiled loops; imported when they are first needed, as Numba takes half a second."""
    from evobnn.nn import panels, whole

    return panels, whole


def _by_tap(weight: Tensor) -> Floats:
    """Return weights (filters, C, kernel, kernel) as (filters, taps, C)."""
    return np.asarray(weight.detach().permute(0, 2, 3, 1).contiguous().flatten(1, 2).numpy())


class _Counted(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, gain: Tensor | None, bias: Tensor | None, weight: Tensor, norm: nn.BatchNorm2d | None,
        slope: Floats, how: How, steps: Any, *parameters: Tensor,
    ) -> Tensor:  # fmt: skip
        (panels, whole), x = _loops(), channels_last(x)
        images, channels, height, width = x.shape
        plan = panels.plan(height, width, weight.shape[2], how.stride, how.dilation, images)
        out = empty((images, len(weight), *plan.goal.shape))
        y = empty(out.shape) if norm is not None and how.behind else out
        many = -(-images // plan.images) if how.learning else 1
        kept = torch.empty((many, panels.up(channels, 4), plan.places * plan.images))
        floor = how.floor
        weights = _by_tap(weight)
        if norm is None:
            normed, batch, own, moments, eps, share = 0, False, (_NONE, _NONE), (_NONE, _NONE), 0.0, 0.0
        else:
            normed, batch = (whole.BEHIND if how.behind else whole.FRONT), norm.training
            own, moments = scales(norm, norm.num_features), running(norm)
            eps, share = norm.eps, norm.momentum or 0.0
        notes = np.empty((5, max(channels, len(weight))))
        seen, program = as_array(out), (steps, learned(parameters, channels))
        whole.layer(
            as_array(x), weights, normed, batch, *own, *moments, eps, share, how.scaled, floor, np.float32(how.filler),
            plan.images, plan.run, plan.place, plan.taps, plan.goal, plan.inside, kept.numpy(), notes,
            *program, seen if y is out else as_array(y), seen,
        )  # fmt: skip
        if how.learning:
            ctx.save_for_backward(x, weight, y)
            ctx.rest = whole, plan, kept, weights, normed, batch, own[0], notes, slope, floor, program
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, made = ctx.saved_tensors
        whole, plan, kept, weights, normed, batch, gain, notes, slope, floor, program = ctx.rest
        gx, gw, gains = empty(x.shape), np.empty(weights.shape, np.float32), np.empty((2, len(gain)), np.float32)
        gl = np.empty(program[1].shape, np.float32)
        whole.layer_backward(
            as_array(channels_last(grads[0])), as_array(x), as_array(made), weights, normed, batch, gain, slope, floor,
            plan.images, plan.run, plan.place, plan.taps, plan.goal, kept.numpy(), notes, *program, as_array(gx), gw,
            gains, gl,
        )  # fmt: skip
        filters, channels, kernel, _ = weight.shape
        back = torch.from_numpy(gw.reshape(filters, kernel, kernel, channels).transpose(0, 3, 1, 2))
        norm = wanted(ctx, (1, gains[0]), (2, gains[1]))
        return gx, *norm, back, None, None, None, None, *wanted(ctx, *by_number(gl, 8))


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
        slope: of the surrogate, see `evobnn.nn.kernels.sums_behind`.
        how: everything else.
    """
    gain, bias = (None, None) if norm is None else (norm.weight, norm.bias)
    parameters = () if tree is None else tree.parameters()
    out: Tensor = _counted(x, gain, bias, weight, norm, slope, how, steps_of(tree), *parameters)
    return out
