"""How each class of modules leaves PyTorch: every macro and every operation; here those that contain others."""

from __future__ import annotations

from typing import Any

from torch import nn

from evobnn.deploy.graph import Value
from evobnn.deploy.leaves import LEAVES, halved
from evobnn.deploy.lower import Builder, Rule, below
from evobnn.deploy.ops import (
    Add,
    Concat,
    MeanOfParts,
    Zeros,
)
from evobnn.nn import CellBlock, Head, Network, ResNet
from evobnn.nn.binary.layers import Layer
from evobnn.nn.cells.grouped import ResidualLayer
from evobnn.nn.networks.resnet import ResidualBlock


def _sequence(b: Builder, m: Any, path: str, x: Value) -> Value:
    for name, part in m.named_children():
        x = b.lower(part, below(path, name), x)
    return x


def _residual_layer(b: Builder, m: Any, path: str, x: Value) -> Value:
    out = x
    for name in ("norm", "site", "conv", "prelu", "shuffle"):
        out = b.lower(getattr(m, name), below(path, name), out)
    return b.add(Add(), out, x, path=path) if m.residual else out


def _residual_block(b: Builder, m: Any, path: str, x: Value) -> Value:
    out = b.lower(m.second, below(path, "second"), b.lower(m.first, below(path, "first"), x))
    return b.add(Add(), out, b.lower(m.shortcut, below(path, "shortcut"), x), path=path)


def _cell(b: Builder, m: Any, path: str, s0: Value, s1: Value) -> Value:
    if not any(m.wired):
        shape = halved(s1.shape, m.stride, m.nodes * m.channels)
        return b.add(Zeros(), path=path, shape=shape) if m.skip is None else b.lower(m.skip, below(path, "skip"), s1)
    given = (("pre0", m.pre0, s0, m.used[0]), ("pre1", m.pre1, s1, m.used[1]))
    values = [b.lower(pre, below(path, name), s) if pre is not None and used else s for name, pre, s, used in given]
    sized = halved((values[1] if m.reads[1] else values[0]).shape, m.stride, m.channels)
    for edges in m.wired:
        terms = [b.lower(m.ops[index], below(path, f"ops.{index}"), values[source]) for source, index in edges]
        total = terms[0] if terms else b.add(Zeros(), path=path, shape=sized)
        for term in terms[1:]:
            total = b.add(Add(), total, term, path=path)
        values.append(total)
    shape = (m.nodes * m.channels, *sized[1:])
    out = b.add(Concat(), *values[2:], path=path, shape=shape) if m.nodes > 1 else values[2]
    return out if m.skip is None else b.add(Add(), out, b.lower(m.skip, below(path, "skip"), s1), path=path)


def _network(b: Builder, m: Any, path: str, x: Value) -> Value:
    s0 = s1 = b.lower(m.stem, below(path, "stem"), x)
    if m.second is not None and m._reads_second:
        s1 = b.lower(m.second, below(path, "second"), s0)
    for number, (cell, live) in enumerate(zip(m.cells, m.live, strict=True)):
        s0, s1 = s1, b.lower(cell, below(path, f"cells.{number}"), s0, s1) if live else s1
    return b.lower(m.head, below(path, "head"), s1)


def _resnet(b: Builder, m: Any, path: str, x: Value) -> Value:
    for name in ("stem", "blocks", "relu", "head"):
        x = b.lower(getattr(m, name), below(path, name), x)
    return x


def _head(b: Builder, m: Any, path: str, x: Value) -> Value:
    x = b.add(MeanOfParts(m.size), x, path=path, shape=(x.shape[0], m.size, m.size))
    return b.lower(m.linear, below(path, "linear"), x)


RULES: dict[type[nn.Module], Rule] = {
    **LEAVES,
    nn.Sequential: _sequence,
    Layer: _sequence,
    ResidualLayer: _residual_layer,
    ResidualBlock: _residual_block,
    CellBlock: _cell,
    Network: _network,
    ResNet: _resnet,
    Head: _head,
}
"""The rule of each class of modules; see `evobnn.deploy.lower`."""
