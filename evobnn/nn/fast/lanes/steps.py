"""What stands on the edges of a cell, for maps with the images innermost: each step is made from a module and computes
what that computes, forward and backward.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from evobnn.nn.binary.forms import TreeActivation
from evobnn.nn.binary.layers import Layer
from evobnn.nn.binary.weights import BY_MEAN
from evobnn.nn.cells.blocks import FreeSkip
from evobnn.nn.cells.ops import MeanPool
from evobnn.nn.fast.expressed import learned, steps_of
from evobnn.nn.fast.lanes.calls import How, Lanes, backward, forward, loops
from evobnn.nn.fast.layer import SLOPES, slope_of, to_be_fused


class Step(ABC):
    """One operation. `modules` are those that it stands for; somebody may hang a hook on them.

    Attributes:
        parameters: what it learns, in the order in which `backward` returns their gradients.
    """

    modules: tuple[nn.Module, ...] = ()
    parameters: tuple[nn.Parameter, ...] = ()

    @property
    def ready(self) -> bool:
        """Tell whether its modules still are as they were when it was made, and nobody listens at them."""
        return not any(module._forward_hooks or module._forward_pre_hooks for module in self.modules)

    @abstractmethod
    def forward(self, x: Lanes, learning: bool, out: Lanes | None = None) -> tuple[Lanes, Any]:
        """Return the output, in `out` where there is one, and what `backward` needs."""

    @abstractmethod
    def backward(self, grad: Lanes, x: Lanes, kept: Any) -> tuple[Lanes, tuple[Tensor, ...]]:
        """Return the gradients of the input and of the parameters."""


def _room(shape: tuple[int, ...], out: Lanes | None) -> Lanes:
    return np.empty(shape, np.float32) if out is None else out


class LayerStep(Step):
    """A binary layer: norm, site and convolution, or these with the norm behind; see `evobnn.nn.fast.layer.Layer`."""

    def __init__(self, layer: Layer) -> None:
        self.norm, self.site, self.conv = layer.norm, layer.site, layer.conv
        self.modules = (layer, layer.norm, layer.site, layer.conv, *layer.site.children())
        tree = layer.site.activation
        self.tree = tree if isinstance(tree, TreeActivation) else None
        self.trees = () if self.tree is None else tuple(self.tree.parameters())
        self.norms = () if layer.norm.weight is None else (layer.norm.weight, layer.norm.bias)
        self.latent, self.gain = layer.conv.weight, layer.norm.weight
        self.parameters = (*self.norms, self.latent, *self.trees)
        self.slope = slope_of(layer.site.surrogate, layer.site.clip)
        conv, filler = layer.conv, -1.0 if layer.conv.padding == "minus_one" else 0.0
        said = conv.stride, conv.dilation, filler, conv.scale != "none", conv.rectify, is_behind(layer)
        self.how = How(*said, learning=False), How(*said, learning=True)

    @property
    def ready(self) -> bool:
        same = self.conv.weight is self.latent and self.norm.weight is self.gain and self.site.activation is self.tree
        return same and to_be_fused(self.conv) and super().ready

    def forward(self, x: Lanes, learning: bool, out: Lanes | None = None) -> tuple[Lanes, Any]:
        site, program = self.site, (steps_of(self.tree), learned(self.trees, len(x)))
        how, watched = self.how[learning], self.site.watching
        made, kept, finite = forward(x, self.norm, program, self.conv.weight, how, watched=watched, out=out)
        if site.watching:
            site.finite = site.finite & torch.tensor(finite)
        return made, kept if learning else None

    def backward(self, grad: Lanes, x: Lanes, kept: Any) -> tuple[Lanes, tuple[Tensor, ...]]:
        gx, gw, gains, gl = backward(grad, x, self.slope, kept)
        norms = tuple(map(torch.from_numpy, gains)) if self.norms else ()
        trees = (torch.from_numpy(row.reshape(one.shape)) for row, one in zip(gl, self.trees, strict=True))
        return gx, (*norms, gw, *trees)


class MaxStep(Step):
    """Maximum over 3x3."""

    def __init__(self, pool: nn.MaxPool2d) -> None:
        self.modules, self.stride = (pool,), 1 if pool.stride == 1 else 2

    def forward(self, x: Lanes, learning: bool, out: Lanes | None = None) -> tuple[Lanes, Any]:
        out = _room(_strided(x.shape, self.stride), out)
        which = np.empty(out.shape, np.uint8)
        loops()[1].greatest(x, self.stride, out, which)
        return out, which

    def backward(self, grad: Lanes, x: Lanes, kept: Any) -> tuple[Lanes, tuple[Tensor, ...]]:
        gx = np.empty_like(x)
        loops()[1].greatest_backward(grad, self.stride, kept, gx)
        return gx, ()


class MeanStep(Step):
    """Mean over those of 3x3 that lie inside the map."""

    def __init__(self, pool: MeanPool) -> None:
        self.modules, self.stride = (pool,), pool.stride

    def forward(self, x: Lanes, learning: bool, out: Lanes | None = None) -> tuple[Lanes, Any]:
        out = _room(_strided(x.shape, self.stride), out)
        loops()[1].mean(x, self.stride, out)
        return out, None

    def backward(self, grad: Lanes, x: Lanes, kept: Any) -> tuple[Lanes, tuple[Tensor, ...]]:
        gx = np.empty_like(x)
        loops()[1].mean_backward(grad, self.stride, gx)
        return gx, ()


class SkipStep(Step):
    """The skip around a reduction that has no parameter."""

    def __init__(self, skip: FreeSkip) -> None:
        self.modules, self.channels = (skip,), skip.out_channels

    def forward(self, x: Lanes, learning: bool, out: Lanes | None = None) -> tuple[Lanes, Any]:
        out = _room((self.channels, *_strided(x.shape, 2)[1:]), out)
        loops()[1].halved(x, out)
        return out, None

    def backward(self, grad: Lanes, x: Lanes, kept: Any) -> tuple[Lanes, tuple[Tensor, ...]]:
        gx = np.empty_like(x)
        loops()[1].halved_backward(grad, gx)
        return gx, ()


class IdentityStep(Step):
    """What comes in goes out: the same array, both ways."""

    def __init__(self, module: nn.Module) -> None:
        self.modules = (module,)

    def forward(self, x: Lanes, learning: bool, out: Lanes | None = None) -> tuple[Lanes, Any]:
        if out is not None:
            out[:] = x
        return x if out is None else out, None

    def backward(self, grad: Lanes, x: Lanes, kept: Any) -> tuple[Lanes, tuple[Tensor, ...]]:
        return grad, ()


def _strided(shape: tuple[int, ...], stride: int) -> tuple[int, ...]:
    channels, height, width, images = shape
    return channels, -(-height // stride), -(-width // stride), images


def step_of(module: nn.Module) -> Step | None:
    """Return the step that computes what a module computes, or None where there is none."""
    if type(module) is nn.Identity:
        return IdentityStep(module)
    if type(module) is FreeSkip:
        return SkipStep(module)
    if type(module) is MeanPool:
        return MeanStep(module)
    if type(module) is nn.MaxPool2d:
        plain = (module.kernel_size, module.padding, module.dilation, module.ceil_mode) == (3, 1, 1, False)
        return MaxStep(module) if plain and module.stride in (1, 2) else None
    if type(module) is Layer and _fits(module):
        return LayerStep(module)
    return None


MOST_CHANNELS = 64
"""Beyond, a library's convolution is quicker."""


def _fits(layer: Layer) -> bool:
    """Tell whether a layer is one of the plain kind in float32, with an expression that is built in or none."""
    site, conv, tree = layer.site, layer.conv, layer.site.activation
    return (
        not (site.real or conv.real or site.shift is not None)
        and (tree is None or bool(isinstance(tree, TreeActivation) and tree.known))
        and conv.groups == 1
        and conv.precision == "fp32"
        and conv.scale in BY_MEAN
        and not (conv.rectify and is_behind(layer))
        and site.surrogate in SLOPES
        and max(conv.in_channels, conv.out_channels) <= MOST_CHANNELS
    )


def is_behind(layer: Layer) -> bool:
    """Tell whether a layer's norm stands behind its convolution."""
    return next(iter(layer._modules)) != "norm"
