"""How modules leave PyTorch that compute something by themselves: layers, pools, skips, what moves channels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from evobnn.deploy.graph import Shape, Value
from evobnn.deploy.lower import Builder, Rule, below
from evobnn.deploy.ops import (
    Affine,
    Array,
    AveragePool,
    BinaryConvolution,
    Concat,
    Convolution,
    Expression,
    Gather,
    Hardtanh,
    Linear,
    MaxPool,
    Op,
    Prelu,
    Relu,
    Scale,
    Signed,
    Site,
    Subsample,
    Zeros,
    float32,
)
from evobnn.errors import NetworkError, message
from evobnn.nn import BinaryConv2d, RealConv2d, TreeActivation
from evobnn.nn import Site as SiteModule
from evobnn.nn.binary.layers import batch_norm
from evobnn.nn.cells.blocks import FreeSkip, PublishedSkip
from evobnn.nn.cells.grouped import ChannelShuffle
from evobnn.nn.cells.ops import MeanPool, Zero
from evobnn.nn.cells.prelu import PReLU
from evobnn.nn.cells.reduction import FactorisedReduction


def _array(tensor: Tensor) -> Array:
    return float32(tensor.detach().numpy())


def halved(shape: Shape, stride: int, channels: int | None = None) -> Shape:
    """Return the shape of every stride-th pixel, with other channels if they are said."""
    c, h, w = shape
    return (channels or c, -(-h // stride), -(-w // stride))


# --- Layers ---------------------------------------------------------------------------------------------------------


def _norm(b: Builder, m: Any, path: str, x: Value) -> Value:
    """Factor and offset as PyTorch's CPU code has them in float32."""
    if m.running_mean is None or m.running_var is None:
        do = "Train it with running statistics; without them each image would depend on its batch."
        raise NetworkError(message("a batch norm with running statistics", f"none at '{path}'", do))
    factor = np.float32(1) / np.sqrt(_array(m.running_var) + np.float32(m.eps))
    if m.affine:
        factor = factor * _array(m.weight)
    offset = (_array(m.bias) if m.affine else np.float32(0)) - _array(m.running_mean) * factor
    return b.add(Affine(float32(factor), float32(offset)), x, path=path, torch=m)


def _tree(b: Builder, m: Any, path: str, x: Value) -> Value:
    parameters = {name: _array(values).reshape(-1) for name, values in m.named_parameters(recurse=False)}
    return b.add(Expression(m.tree, parameters), x, path=path, torch=m)


def _site(b: Builder, m: Any, path: str, x: Value) -> Value:
    for name in ("shift", "activation"):
        part = getattr(m, name)
        x = x if part is None else b.lower(part, below(path, name), x)
    if m.real:
        return b.add(Hardtanh(m.clip), x, path=path)
    return b.add(Site(), x, path=path, dtype="bit")


def _binary_conv(b: Builder, m: Any, path: str, x: Value) -> Value:
    """With real weights, or real numbers in front of binary ones, it is a real-valued convolution."""
    if m.taken > 1:
        x = b.add(Subsample(m.taken), x, path=path, shape=halved(x.shape, m.taken), dtype=x.dtype)
    shape = halved(x.shape, m.step, m.out_channels)
    signs, alpha = (m.weight, None) if m.real else m.parts()
    minus_one = m.padding == "minus_one" and m.border > 0
    if m.real or x.dtype != "bit":
        if minus_one:
            got = f"real numbers at '{path}'"
            do = "Export a network whose weights and activations are both binary, or with zero padding."
            raise NetworkError(message("bits where a convolution is padded by -1", got, do))
        if x.dtype == "bit":
            x = b.add(Signed(), x, path=path)
        pad = (m.border,) * 4
        op: Op = Convolution(_array(signs), None, (m.step,) * 2, pad, m.dilation, m.groups)
        x = b.add(op, x, path=path, shape=shape)
    else:
        weight = np.ascontiguousarray(signs.detach().numpy() > 0)
        op = BinaryConvolution(weight, m.step, m.dilation, m.groups, m.border, m.padding == "zero" and m.border > 0)
        x = b.add(op, x, path=path, shape=shape, dtype="i32")
    if alpha is not None:
        column = alpha.detach().view(1, -1, 1, 1)
        x = b.add(Scale(_array(alpha).reshape(-1)), x, path=path, torch=lambda t: t * column)
    return b.add(Relu(), x, path=path, torch=torch.relu) if m.rectify else x


def _conv(b: Builder, m: Any, path: str, x: Value) -> Value:
    (down, right), (left_right), (dilation, other) = m.stride, m.padding, m.dilation
    if m.padding_mode != "zeros" or isinstance(m.padding, str) or dilation != other:
        do = "Use numbers of zeros for padding and one dilation, or pass a rule of your own."
        raise NetworkError(message("a convolution padded by zeros", f"another one at '{path}'", do))
    above, left = left_right
    bias = None if m.bias is None else _array(m.bias)
    op = Convolution(_array(m.weight), bias, (down, right), (above, left, above, left), dilation, m.groups)
    kernel = [dilation * (k - 1) + 1 for k in m.kernel_size]
    h, w = ((s + 2 * p - k) // t + 1 for s, p, k, t in zip(x.shape[1:], m.padding, kernel, m.stride, strict=True))
    return b.add(op, x, path=path, shape=(m.out_channels, h, w))


def _prelu(b: Builder, m: Any, path: str, x: Value) -> Value:
    slope = np.broadcast_to(_array(m.weight), (x.shape[0],))
    return b.add(Prelu(float32(slope)), x, path=path, torch=m)


def _linear(b: Builder, m: Any, path: str, x: Value) -> Value:
    bias = np.zeros(m.out_features, np.float32) if m.bias is None else _array(m.bias)
    return b.add(Linear(_array(m.weight), float32(bias)), x, path=path, shape=(m.out_features, 1, 1))


# --- Pools, skips and what moves channels -----------------------------------------------------------------------------


def _max_pool(b: Builder, m: Any, path: str, x: Value) -> Value:
    whole = all(isinstance(n, int) for n in (m.kernel_size, m.stride, m.padding))
    if not whole or m.dilation != 1 or m.ceil_mode or 2 * m.padding != m.kernel_size - 1:
        do = "Use an odd kernel and half of it as padding, or pass a rule of your own."
        raise NetworkError(message("a max pool that keeps the size or divides it", f"another one at '{path}'", do))
    op = MaxPool(m.kernel_size, m.stride, m.padding)
    return b.add(op, x, path=path, shape=halved(x.shape, m.stride))


def _mean_pool(b: Builder, m: Any, path: str, x: Value) -> Value:
    op = AveragePool(3, m.stride, 1, columns=m.stride == 1)
    return b.add(op, x, path=path, shape=halved(x.shape, m.stride))


def _free_skip(b: Builder, m: Any, path: str, x: Value) -> Value:
    x = b.add(AveragePool(2, 2), x, path=path, shape=halved(x.shape, 2))
    if m.out_channels == m.in_channels:
        return x
    channels = tuple(k % m.in_channels for k in range(m.out_channels))
    return b.add(Gather(channels), x, path=path, shape=(m.out_channels, *x.shape[1:]))


def _published_skip(b: Builder, m: Any, path: str, x: Value) -> Value:
    x = b.lower(m.norm, below(path, "norm"), x)
    h, w = x.shape[1:]
    op = Convolution(_array(m.conv.weight), _array(m.conv.bias), (2, 2), (0, 0, h % 2, w % 2))
    return b.add(op, x, path=below(path, "conv"), shape=halved(x.shape, 2, m.conv.out_channels))


def _shuffle(b: Builder, m: Any, path: str, x: Value) -> Value:
    if m.groups == 1:
        return x
    order = np.arange(x.shape[0]).reshape(m.groups, -1).T.reshape(-1)
    return b.add(Gather(tuple(map(int, order))), x, path=path)


def _factorised(b: Builder, m: Any, path: str, x: Value) -> Value:
    halves = []
    for first, name in ((0, "even"), (1, "odd")):
        part = getattr(m, name)
        if part is not None:
            picked = b.add(Subsample(2, first), x, path=path, shape=halved(x.shape, 2), dtype=x.dtype)
            halves.append(b.lower(part, below(path, name), picked))
    if len(halves) == 1:
        return halves[0]
    shape = (sum(half.shape[0] for half in halves), *halves[0].shape[1:])
    return b.add(Concat(), *halves, path=path, shape=shape, dtype=halves[0].dtype)


def _simple(make: Callable[[Any], Op], torch: Callable[[Any], Any] = lambda m: None) -> Rule:
    return lambda b, m, path, x: b.add(make(m), x, path=path, torch=torch(m))


LEAVES: dict[type[nn.Module], Rule] = {
    type(batch_norm(1)): _norm,
    nn.BatchNorm2d: _norm,
    TreeActivation: _tree,
    SiteModule: _site,
    BinaryConv2d: _binary_conv,
    RealConv2d: _conv,
    nn.Conv2d: _conv,
    nn.ReLU: _simple(lambda m: Relu(), lambda m: torch.relu),
    PReLU: _prelu,
    nn.PReLU: _prelu,
    nn.Linear: _linear,
    nn.MaxPool2d: _max_pool,
    MeanPool: _mean_pool,
    FreeSkip: _free_skip,
    PublishedSkip: _published_skip,
    ChannelShuffle: _shuffle,
    FactorisedReduction: _factorised,
    nn.Identity: lambda b, m, path, x: x,
    Zero: lambda b, m, path, x: b.add(Zeros(), path=path, shape=halved(x.shape, m.stride)),
}
"""The rules of these modules."""
