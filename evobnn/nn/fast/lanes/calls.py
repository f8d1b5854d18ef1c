"""A binary layer's numbers as the compiled loops of `evobnn.nn.fast.lanes.layer` read them, there and back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from evobnn.nn.fast.compiling import ready
from evobnn.nn.fast.lanes.geometry import Plan, plan, up
from evobnn.nn.fast.maps import Floats, as_array, empty, is_last, running, scales

Lanes = npt.NDArray[np.float32]
"""A map (C, H, W, N)."""
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


@dataclass(frozen=True, eq=False)
class Kept:
    """What the backward pass of a layer needs again; `made` is its output, or where the norm is behind what that is of.

    `program` is an expression's steps and parameters, see `evobnn.nn.fast.programs`; `batch` whether the norm took the
    moments of the batch; the rest is as `lanes.layer.layer` says.
    """

    how: How
    where: Plan
    weight: Floats
    normed: int
    batch: bool
    gain: Floats
    signs: Floats
    notes: npt.NDArray[np.float64]
    program: tuple[Any, Floats]
    made: Lanes


@cache
def loops() -> tuple[Any, Any]:
    """Return the modules of compiled loops, of layers and of pools; imported when they are first needed, as Numba takes
    half a second.
    """
    ready()
    from evobnn.nn.fast.lanes import layer, pools

    return layer, pools


def forward(
    x: Lanes, norm: nn.BatchNorm2d | None, program: tuple[Any, Floats], weight: Tensor, how: How, *,
    watched: bool = False, out: Lanes | None = None,
) -> tuple[Lanes, Kept, bool]:  # fmt: skip
    """Return a layer's output, in `out` where there is one, what its backward pass needs, and whether all that came
    before a sign was finite, unless it is not `watched`. Running moments follow.

    Arguments:
        x: a map.
        norm: in front of the sign or, see `How`, behind it all, or None.
        program: steps and parameters (P, C) of the expression in front of the sign, see `evobnn.nn.fast.programs`.
        weight: latent, (filters, C, kernel, kernel).
        how: everything else.
        watched: look whether something is not finite.
        out: memory for the output.
    """
    layer, _ = loops()
    channels, height, width, images = x.shape
    filters, _, kernel, _ = weight.shape
    where = plan(height, width, kernel, how.stride, how.dilation)
    out = np.empty((filters, *where.goal.shape, images), np.float32) if out is None else out
    made = np.empty(out.shape, np.float32) if norm is not None and how.behind else out
    signs = np.empty((up(channels, 4), where.places * images), np.float32)
    latent = np.ascontiguousarray(weight.detach().numpy().reshape(filters, channels, -1))
    if norm is None:
        normed, batch, own, moments, eps, share = 0, False, (_NONE, _NONE), (_NONE, _NONE), 0.0, 0.0
    else:
        normed, batch = (layer.BEHIND if how.behind else layer.FRONT), norm.training
        own, moments, eps, share = scales(norm, norm.num_features), running(norm), norm.eps, norm.momentum or 0.0
    notes = np.empty((5, max(channels, filters)))
    finite = layer.layer(
        x, latent, normed, batch, *own, *moments, eps, share, how.scaled, how.floor, np.float32(how.filler), watched,
        where.run, where.strip, where.place, where.taps, where.goal, where.inside, signs, notes, *layer.addresses(),
        *program, made, out,
    )  # fmt: skip
    return out, Kept(how, where, latent, normed, batch, own[0], signs, notes, program, made), bool(finite)


def backward(grad: Lanes, x: Lanes, slope: Floats, kept: Kept) -> tuple[Lanes, Tensor, Floats, Floats]:
    """Return the gradients of x, of the latent weights, of the norm's gain and bias, (2, channels or filters), and of
    the expression's parameters, (P, C).

    Arguments:
        grad: of the output.
        x: as it was.
        slope: of the surrogate, see `evobnn.nn.fast.loops.sums_behind`.
        kept: by the forward pass.
    """
    layer, _ = loops()
    where, program, weight = kept.where, kept.program, kept.weight
    gx, gw = np.empty(x.shape, np.float32), np.empty(weight.shape, np.float32)
    gains, learned = np.empty((2, len(kept.gain)), np.float32), np.empty(program[1].shape, np.float32)
    layer.layer_backward(
        grad, x, kept.made, weight, kept.normed, kept.batch, kept.gain, slope, kept.how.floor, where.run, where.strip,
        where.place, where.taps, where.goal, kept.signs, kept.notes, *layer.addresses(), *program, gx, gw, gains,
        learned,
    )  # fmt: skip
    kernel = round(weight.shape[2] ** 0.5)
    return gx, torch.from_numpy(gw.reshape(*weight.shape[:2], kernel, kernel)), gains, learned


def lanes_of(x: Tensor) -> Lanes:
    """Return a map (N, C, H, W) as a new array (C, H, W, N)."""
    images, channels, height, width = x.shape
    out = np.empty((channels, height, width, images), np.float32)
    if is_last(x):
        loops()[1].swapped(as_array(x).reshape(images, -1, channels), out.reshape(channels, -1, images))
    else:
        loops()[1].swapped(x.detach().contiguous().numpy().reshape(images, 1, -1), out.reshape(-1, 1, images))
    return out


def tensor_of(x: Lanes, *, last: bool = False) -> Tensor:
    """Return an array (C, H, W, N) as a new map (N, C, H, W), `last` with channels last."""
    channels, height, width, images = x.shape
    if last:
        out = empty((images, channels, height, width))
        loops()[1].swapped(x.reshape(channels, -1, images), as_array(out).reshape(images, -1, channels))
    else:
        out = torch.empty((images, channels, height, width))
        loops()[1].swapped(x.reshape(-1, 1, images), out.numpy().reshape(images, 1, -1))
    return out
