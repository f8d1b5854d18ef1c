"""A graph in OpenVINO's operations: 1-bit convolutions, behind comparisons that pack their bits.

A `FakeQuantize` of two levels tests x > t, so it gets the number before t; its outputs are 0 and 1, which the binary
convolution takes for -1 and 1. Maps of bits are 0 and 1 everywhere here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from evobnn.deploy import traced
from evobnn.deploy.graph import Graph, Node
from evobnn.deploy.nodes import LOGITS, averaging, ends_of, places
from evobnn.deploy.ops import (
    Add,
    Array,
    AveragePool,
    BinaryConvolution,
    Concat,
    Convolution,
    Elementwise,
    Gather,
    Linear,
    MaxPool,
    MeanOfParts,
    Normalise,
    Op,
    Signed,
    Site,
    Subsample,
    Table,
    Zeros,
    float32,
)
from evobnn.deploy.reference import apply

PACKED = 8
"""OpenVINO's binary convolution is wrong where its input channels are no multiple of this."""
KINDS = {
    **{kind: kind.lower() for kind in ("Add", "Exp", "Log", "Sin", "Cos", "Tan", "Atan", "Erf", "Abs", "Sqrt", "Relu")},
    **{"Sub": "subtract", "Mul": "multiply", "Div": "divide", "Neg": "negative", "Max": "maximum", "Min": "minimum"},
    **{"GreaterOrEqual": "greater_equal", "Greater": "greater", "Less": "less", "PRelu": "prelu", "Where": "select"},
    **{"Or": "logical_or", "Xor": "logical_xor"},
}
"""OpenVINO's operations by ONNX's names."""


@dataclass
class Sheet:
    """A network in the making by the package `openvino`, and its module of operations.

    `real` are the paths of binary convolutions that stay float.
    """

    library: Any
    ops: Any
    graph: Graph
    real: list[str] = field(default_factory=list)
    kept: list[Array] = field(default_factory=list)

    def call(self, kind: str, *inputs: Any) -> Any:
        """Add an operation by its name in ONNX."""
        return getattr(self.ops, KINDS[kind])(*inputs)

    def constant(self, values: Array) -> Any:
        """Return a constant."""
        return self.ops.constant(np.array(values))

    def packed_constant(self, bits: Array) -> Any:
        """Return a constant of one bit a number, the first one lowest. It does not copy its bytes, which are kept."""
        self.kept.append(np.packbits(bits.reshape(-1), bitorder="little"))
        shape, kind = self.library.Shape(bits.shape), self.library.Type.u1
        return self.ops.constant(self.library.Tensor(self.kept[-1], shape, kind))


@dataclass
class Bits:
    """The bits of a site over a map x, printed as they are asked for."""

    site: Site
    x: Any
    channels: int
    packed: Any = None
    ones: Any = None

    def as_ones(self, s: Sheet) -> Any:
        """Return them as 0.0 and 1.0."""
        if self.ones is None:
            self.ones = traced.signs(s, self.site, self.x, below=0.0)
        return self.ones

    def as_signs(self, s: Sheet) -> Any:
        """Return them as -1.0 and 1.0."""
        return s.ops.subtract(s.ops.multiply(self.as_ones(s), s.constant(float32(2.0))), s.constant(float32(1.0)))

    def as_packed(self, s: Sheet) -> Any:
        """Return what packs them, with channels of 0 behind them up to a multiple of `PACKED`."""
        if self.packed is None:
            table = traced.single(self.site)
            x = self.x if table else self.as_ones(s)
            known = table or HALF
            limit, first = np.broadcast_to(traced.threshold(known), self.channels), known.first
            limit = np.minimum(np.nextafter(limit, np.float32(-np.inf)), traced.LARGEST)
            if more := -self.channels % PACKED:
                ends = (s.ops.constant(np.array([0, n, 0, 0], np.int64)) for n in (0, more))
                x = s.ops.pad(x, *ends, "constant", s.constant(float32(0.0)))
                limit = np.append(limit, np.full(more, traced.LARGEST))
                first = np.append(np.broadcast_to(first, self.channels), np.zeros(more, bool))
            low = float32(traced.column(first.astype(np.float32)))
            at = s.constant(float32(traced.column(limit)))
            self.packed = s.ops.fake_quantize(x, at, at, s.constant(low), s.constant(1 - low), 2)
        return self.packed


HALF = Table(np.zeros(1, bool), float32([[0.5]]), float32([-np.inf]), float32([np.inf]))
"""What says whether 0.0 or 1.0 is 1."""

Rule = Callable[..., Any]
"""`rule(sheet, operation, node, *inputs) -> output`."""


def _binary(s: Sheet, op: BinaryConvolution, n: Node, x: Bits) -> Any:
    """Channels of -1 fill the last byte, with weights of both signs; what one without a partner adds is taken off."""
    sizes = [op.stride] * 2, [op.border] * 2, [op.border] * 2, [op.dilation] * 2
    if op.groups > 1:
        s.real.append(n.path)
        signs = x.as_signs(s)
        if op.border and not op.zeros:
            ends = s.constant(np.array([0, 0, op.border, op.border], np.int64))
            signs = s.ops.pad(signs, ends, ends, "constant", s.constant(float32(-1.0)))
            sizes = sizes[0], [0, 0], [0, 0], sizes[3]
        return _grouped(s, signs, float32(np.where(op.weight, 1, -1)), op.groups, sizes)
    filters, inputs, *kernel = op.weight.shape
    more = -inputs % PACKED
    added = np.tile(np.arange(more).reshape(1, -1, 1, 1) % 2 == 1, (filters, 1, *kernel))
    weight = s.packed_constant(np.concatenate((op.weight, added), 1))
    found = s.ops.binary_convolution(x.as_packed(s), weight, *sizes, "xnor-popcount", 0.0 if op.zeros else -1.0)
    if more % 2 == 0:
        return found
    alone = replace(op, weight=np.zeros((1, 1, *kernel), bool))
    extra = apply(alone, [np.zeros((1, 1, *s.graph.values[n.inputs[0]].shape[1:]), bool)])
    return s.ops.subtract(found, s.constant(float32(extra)))


def _grouped(s: Sheet, x: Any, weight: Array, groups: int, sizes: Any) -> Any:
    if groups == 1:
        return s.ops.convolution(x, s.constant(weight), *sizes)
    split = weight.reshape(groups, len(weight) // groups, *weight.shape[1:])
    return s.ops.group_convolution(x, s.constant(split), *sizes)


def _convolution(s: Sheet, op: Convolution, n: Node, x: Any) -> Any:
    top, left, bottom, right = op.padding
    sizes = list(op.stride), [top, left], [bottom, right], [op.dilation] * 2
    found = _grouped(s, x, op.weight, op.groups, sizes)
    return found if op.bias is None else s.ops.add(found, s.constant(op.bias.reshape(1, -1, 1, 1)))


def _normalise(s: Sheet, op: Normalise, n: Node, x: Any) -> Any:
    mean, deviation = (s.constant(float32(traced.column(part))) for part in (op.mean, op.deviation))
    return s.ops.divide(s.ops.subtract(s.ops.convert(x, "f32"), mean), deviation)


def _pool(s: Sheet, op: MaxPool | AveragePool, n: Node, x: Any) -> Any:
    ends = ends_of(op, s.graph.values[n.inputs[0]].shape)
    strides, kernel = [op.stride] * 2, [op.kernel] * 2
    if isinstance(op, MaxPool):
        return s.ops.max_pool(x, strides, [1, 1], ends[:2], ends[2:], kernel).output(0)
    return s.ops.avg_pool(x, strides, ends[:2], ends[2:], kernel, True)


def _mean_of_parts(s: Sheet, op: MeanOfParts, n: Node, x: Any) -> Any:
    _, h, w = s.graph.values[n.inputs[0]].shape
    across = s.ops.matmul(x, s.constant(float32(averaging(w, op.parts).T)), False, False)
    return s.ops.matmul(s.constant(averaging(h, op.parts)), across, False, False)


def _gathered(s: Sheet, x: Any, places: Array, axis: int) -> Any:
    return s.ops.gather(x, s.constant(places.astype(np.int64)), s.constant(np.array(axis, np.int64)))


def _subsample(s: Sheet, op: Subsample, n: Node, x: Any) -> Any:
    c, h, w = s.graph.values[n.inputs[0]].shape
    ones = x.as_ones(s) if isinstance(x, Bits) else x
    found = _gathered(s, _gathered(s, ones, places(h, op), 2), places(w, op), 3)
    return Bits(Site(table=HALF, whole=True), found, c) if isinstance(x, Bits) else found


def _linear(s: Sheet, op: Linear, n: Node, x: Any) -> Any:
    flat = s.ops.reshape(x, s.constant(np.array([1, -1], np.int64)), False)
    found = s.ops.add(s.ops.matmul(flat, s.constant(op.weight), False, True), s.constant(op.bias[None]))
    return s.ops.reshape(found, s.constant(np.array([1, -1, 1, 1], np.int64)), False)


def _elementwise(s: Sheet, op: Elementwise, n: Node, x: Any) -> Any:
    return traced.values(s, [op], x)


PRINT: dict[type[Op], Rule] = {
    Normalise: _normalise,
    Convolution: _convolution,
    BinaryConvolution: _binary,
    **dict.fromkeys(traced.ELEMENTWISE, _elementwise),
    Site: lambda s, op, n, x: Bits(op, x, n.output.shape[0]),
    Signed: lambda s, op, n, x: x.as_signs(s),
    MaxPool: _pool,
    AveragePool: _pool,
    MeanOfParts: _mean_of_parts,
    Add: lambda s, op, n, a, b: s.ops.add(a, b),
    Concat: lambda s, op, n, *maps: s.ops.concat(list(maps), 1),
    Gather: lambda s, op, n, x: _gathered(s, x, np.array(op.channels), 1),
    Subsample: _subsample,
    Zeros: lambda s, op, n: s.constant(np.zeros((1, *n.output.shape), np.float32)),
    Linear: _linear,
}
"""The operations of each kind of operation."""


def printed(sheet: Sheet) -> Any:
    """Return the model of a sheet's graph for one image, `image` to `logits`.

    Its maps have the names of the graph, but for bits that are only packed: reading those is a crash of OpenVINO.
    """
    graph = sheet.graph
    image = sheet.ops.parameter([1, *graph.input.shape], np.uint8, graph.input.name)
    made: dict[str, Any] = {graph.input.name: image}
    for node in graph.nodes:
        made[node.output.name] = PRINT[type(node.op)](sheet, node.op, node, *(made[name] for name in node.inputs))
    flat = sheet.ops.reshape(made[graph.output], sheet.constant(np.array([1, -1], np.int64)), False)
    for name, found in {**made, LOGITS: flat}.items():
        shown = found.ones if isinstance(found, Bits) else found
        if shown is not None:
            end = shown.output(0) if hasattr(shown, "output") else shown
            end.get_tensor().add_names({name})
    return sheet.library.Model([flat], [image], "evobnn")
