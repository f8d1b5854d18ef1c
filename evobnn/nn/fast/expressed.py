"""Expressions on the fast path: a batch norm and the tree of forms behind it as one function, one pass each way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeGuard

import numpy as np
import torch
from torch import Tensor, nn

from evobnn.nn.binary.forms import TreeActivation
from evobnn.nn.fast.maps import Floats, as_array, channels_last, empty, wanted
from evobnn.nn.fast.passes import Norm, kernels, programs, run

_NO_STEPS = np.empty((0, 4), np.int64)
_STRAIGHT = np.empty(0, np.float32)


def can(activation: nn.Module | None, x: Tensor) -> TypeGuard[TreeActivation]:
    """Tell whether an activation goes this way: a tree of the forms that are built in, on a float32 map on a CPU."""
    return (
        isinstance(activation, TreeActivation)
        and bool(activation.known)
        and x.device.type == "cpu"
        and x.dtype == torch.float32
        and x.dim() == 4
    )


class _Expressed(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, gain: Tensor | None, bias: Tensor | None, norm: nn.BatchNorm2d | None, steps: Any,
        *parameters: Tensor,
    ) -> Tensor:  # fmt: skip
        x = channels_last(x)
        out, channels = empty(x.shape), x.shape[1]
        found = None if norm is None else Norm(norm, as_array(x))
        a = np.ones(channels, np.float32) if found is None else found.a
        b = np.zeros(channels, np.float32) if found is None else found.b
        told = found is not None, a, b, programs().addresses(), steps, learned(parameters, channels)
        run(programs().express, as_array(x), *told, as_array(out))
        ctx.save_for_backward(x)
        ctx.rest = found, told
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (x,) = ctx.saved_tensors
        found, told = ctx.rest
        seen, out = as_array(x), empty(x.shape)
        grad = as_array(channels_last(grads[0]))
        total, products, back = run(programs().express_backward, grad, seen, *told, _STRAIGHT, as_array(out))
        gain = bias = None
        if found is not None:
            gain, bias, k1, k0 = found.backward(total, products)
            run(kernels().through_norm, as_array(out), seen, found.a, k1, k0)
        return out, *wanted(ctx, (1, gain), (2, bias)), None, None, *wanted(ctx, *by_number(back, 5))


_expressed: Any = _Expressed.apply


def expressed(x: Tensor, norm: nn.BatchNorm2d | None, activation: TreeActivation) -> Tensor:
    """Return activation(norm(x)) of a map that `can`, channels last; the norm's running moments follow."""
    gain, bias = (None, None) if norm is None else (norm.weight, norm.bias)
    out: Tensor = _expressed(x, gain, bias, norm, steps_of(activation), *activation.parameters())
    return out


def steps_of(activation: TreeActivation | None) -> Any:
    """Return the activation's program as `programs` reads it, written once; of None one without steps."""
    if activation is None:
        return _NO_STEPS
    if activation.encoded is None:
        codes, order = programs().CODES, [name for name, _ in activation.named_parameters()]
        rows = [
            (codes[form], arguments[0], arguments[-1], order.index(parameters[0]) if parameters else -1)
            for form, arguments, parameters in activation.known
        ]
        activation.encoded = np.array(rows, np.int64)
    return activation.encoded


def learned(parameters: Sequence[Tensor], channels: int) -> Floats:
    """Return the parameters of an expression, (1, C, 1, 1) each, as (P, C)."""
    rows = np.empty((len(parameters), channels), np.float32)
    for row, parameter in zip(rows, parameters, strict=True):
        row[:] = parameter.detach().numpy().reshape(-1)
    return rows


def by_number(rows: Any, first: int) -> list[tuple[int, Any]]:
    """Return the gradients of an expression's parameters, with the numbers of these among a function's inputs."""
    return [(first + n, row.reshape(1, -1, 1, 1)) for n, row in enumerate(rows)]
