"""Tensors as the compiled loops see them: arrays (N, H, W, C) on the same memory, channels last."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

Floats = npt.NDArray[np.float32]

_LAST = torch.channels_last


def as_array(x: Tensor) -> npt.NDArray[Any]:
    """Return a channels-last map (N, C, H, W) as an array (N, H, W, C) on the same memory; bfloat16 as its bits."""
    seen = x.detach()
    seen = seen.view(torch.uint16) if seen.dtype == torch.bfloat16 else seen
    return seen.numpy().transpose(0, 2, 3, 1)


def empty(shape: Any, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return a map (N, C, H, W), channels last, of whatever is in memory."""
    return torch.empty(tuple(shape), dtype=dtype, memory_format=_LAST)


def channels_last(x: Tensor) -> Tensor:
    """Return x with channels innermost, copied only if they are not."""
    return x if is_last(x) else torch.empty_like(x, memory_format=_LAST).copy_(x)


def is_last(x: Tensor) -> bool:
    """Tell whether channels are innermost. In PyTorch a map of one pixel or one channel may pass for both formats, and
    still have other strides than these.
    """
    _, c, h, w = x.shape
    return x.stride() == (c * h * w, 1, c * w, c)


def wanted(ctx: Any, *found: tuple[int, Any]) -> list[Tensor | None]:
    """Return the values as float32 tensors, None for those whose input (by number) needs no gradient."""
    return [torch.from_numpy(np.asarray(value, np.float32)) if ctx.needs_input_grad[n] else None for n, value in found]


def scales(norm: nn.BatchNorm2d, channels: int) -> tuple[Floats, Floats]:
    """Return gain and bias of a batch norm, ones and zeros where it learns none."""
    gain = np.ones(channels, np.float32) if norm.weight is None else norm.weight.detach().numpy()
    bias = np.zeros(channels, np.float32) if norm.bias is None else norm.bias.detach().numpy()
    return gain, bias


def running(norm: nn.BatchNorm2d) -> tuple[Floats, Floats]:
    """Return the running moments of a batch norm, on the same memory."""
    assert norm.running_mean is not None and norm.running_var is not None
    return norm.running_mean.numpy(), norm.running_var.numpy()
