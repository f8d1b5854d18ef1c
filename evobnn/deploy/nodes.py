"""A graph as nodes of ONNX, as plain data: standard operations that any runtime reads, with ±1 in place of bits.

A site is a comparison and a choice between 1 and -1 (`Where`); ONNX's `Sign` has a third value. Binary weights are
int8, and cast.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from evobnn.deploy import traced
from evobnn.deploy.graph import Graph, Node
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
    Zeros,
    float32,
)
from evobnn.deploy.windows import parts

FLOAT = 1
"""ONNX's number of the type float32."""
LOGITS = "logits"
"""The name of the output."""


@dataclass(frozen=True)
class Step:
    """A node of ONNX: its kind, the names of what it reads and of its output, attributes, the path of its module."""

    kind: str
    inputs: tuple[str, ...]
    output: str
    attributes: Mapping[str, Any]
    path: str
    domain: str = ""


@dataclass
class Steps:
    """A network of ONNX in the making; `batch` images, any number where it is None."""

    graph: Graph
    batch: int | None = None
    steps: list[Step] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)
    path: str = ""
    _known: dict[tuple[Any, ...], str] = field(default_factory=dict)

    def call(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node and return the name of its output."""
        output = f"{len(self.steps)}_{kind}"
        self.steps.append(Step(kind, inputs, output, attributes, self.path, domain))
        return output

    def constant(self, values: Array) -> str:
        """Return the name of a constant; equal ones are one."""
        key = (values.dtype.str, values.shape, values.tobytes())
        if key not in self._known:
            self._known[key] = f"c{len(self.constants)}"
            self.constants[self._known[key]] = values
        return self._known[key]


Rule = Callable[[Steps, Any, Node, tuple[str, ...]], str]
"""`rule(steps, op, node, names of its inputs) -> name of its output`."""


def printed(graph: Graph, table: Mapping[type[Op], Rule], batch: int | None = None) -> tuple[Steps, dict[str, str]]:
    """Return the nodes of a graph and the name in them of each of its maps; logits (N, classes) are `LOGITS`."""
    steps = Steps(graph, batch)
    names = {graph.input.name: graph.input.name}
    for node in graph.nodes:
        steps.path = node.path
        names[node.output.name] = table[type(node.op)](steps, node.op, node, tuple(names[one] for one in node.inputs))
    steps.steps.append(Step("Flatten", (names[graph.output],), LOGITS, {"axis": 1}, ""))
    return steps, names


def _normalise(s: Steps, op: Normalise, n: Node, x: tuple[str, ...]) -> str:
    real = s.call("Cast", *x, to=FLOAT)
    centred = s.call("Sub", real, s.constant(float32(traced.column(op.mean))))
    return s.call("Div", centred, s.constant(float32(traced.column(op.deviation))))


def _convolution(s: Steps, op: Convolution, n: Node, x: tuple[str, ...]) -> str:
    bias = () if op.bias is None else (s.constant(op.bias),)
    return convolved(s, op, op.stride, op.padding, x[0], s.constant(op.weight), *bias)


def convolved(s: Steps, op: Any, stride: tuple[int, int], pads: tuple[int, int, int, int], *inputs: str) -> str:
    """Add a convolution of these inputs and return its output."""
    size, dilations = list(op.weight.shape[2:]), [op.dilation] * 2
    sizes: dict[str, Any] = {"kernel_shape": size, "strides": list(stride), "pads": list(pads), "dilations": dilations}
    return s.call("Conv", *inputs, group=op.groups, **sizes)


def bordered(s: Steps, op: BinaryConvolution, x: str) -> tuple[str, tuple[int, int, int, int]]:
    """Return a map padded by -1 where that is asked for, and the zeros that are left to the convolution."""
    if not op.border or op.zeros:
        return x, (op.border,) * 4
    ends = s.constant(np.array([0, 0, op.border, op.border] * 2, np.int64))
    return s.call("Pad", x, ends, s.constant(float32(-1.0))), (0, 0, 0, 0)


def _binary(s: Steps, op: BinaryConvolution, n: Node, x: tuple[str, ...]) -> str:
    weight = s.call("Cast", s.constant(np.where(op.weight, 1, -1).astype(np.int8)), to=FLOAT)
    padded, pads = bordered(s, op, x[0])
    return convolved(s, op, (op.stride,) * 2, pads, padded, weight)


def _elementwise(s: Steps, op: Elementwise, n: Node, x: tuple[str, ...]) -> str:
    found: str = traced.values(s, [op], x[0])
    return found


def _site(s: Steps, op: Site, n: Node, x: tuple[str, ...]) -> str:
    found: str = traced.signs(s, op, x[0])
    return found


def ends_of(op: MaxPool | AveragePool, shape: tuple[int, int, int]) -> list[int]:
    """Return how many pixels a pool pads above, left, below and right of a map."""
    after = [-(-size // op.stride) * op.stride - op.stride + op.kernel - size - op.padding for size in shape[1:]]
    return [op.padding] * 2 + [max(0, more) for more in after]


def _pool(s: Steps, op: MaxPool | AveragePool, n: Node, x: tuple[str, ...]) -> str:
    pads = ends_of(op, s.graph.values[n.inputs[0]].shape)
    kind = "MaxPool" if isinstance(op, MaxPool) else "AveragePool"
    return s.call(kind, *x, kernel_shape=[op.kernel] * 2, strides=[op.stride] * 2, pads=pads)


def averaging(size: int, count: int) -> Array:
    """Return the matrix (count, size) that averages the parts of a line."""
    found = np.zeros((count, size), np.float32)
    for n, (begin, end) in enumerate(parts(size, count)):
        found[n, begin:end] = 1.0 / (end - begin)
    return found


def _mean_of_parts(s: Steps, op: MeanOfParts, n: Node, x: tuple[str, ...]) -> str:
    """Parts that do not divide the map are a product with a matrix on either side."""
    _, h, w = s.graph.values[n.inputs[0]].shape
    if op.parts == 1:
        return s.call("GlobalAveragePool", *x)
    if h % op.parts == 0 and w % op.parts == 0:
        size = [h // op.parts, w // op.parts]
        return s.call("AveragePool", *x, kernel_shape=size, strides=size, pads=[0] * 4)
    across = s.call("MatMul", *x, s.constant(float32(averaging(w, op.parts).T)))
    return s.call("MatMul", s.constant(averaging(h, op.parts)), across)


def places(size: int, op: Subsample) -> Array:
    """Return which pixels of a line are picked."""
    return np.minimum(np.arange(op.first, size + op.first, op.stride), size - 1)


def _subsample(s: Steps, op: Subsample, n: Node, x: tuple[str, ...]) -> str:
    _, h, w = s.graph.values[n.inputs[0]].shape
    rows = s.call("Gather", *x, s.constant(places(h, op)), axis=2)
    return s.call("Gather", rows, s.constant(places(w, op)), axis=3)


def _zeros(s: Steps, op: Zeros, n: Node, x: tuple[str, ...]) -> str:
    """Without a fixed batch a single zero spreads to as many images as there are."""
    if s.batch is not None:
        return s.constant(np.zeros((s.batch, *n.output.shape), np.float32))
    count = s.call("Shape", s.graph.input.name, start=0, end=1)
    shape = s.call("Concat", count, s.constant(np.array(n.output.shape, np.int64)), axis=0)
    return s.call("Expand", s.constant(float32(0.0)), shape)


def _linear(s: Steps, op: Linear, n: Node, x: tuple[str, ...]) -> str:
    flat = s.call("Flatten", *x, axis=1)
    found = s.call("Gemm", flat, s.constant(op.weight), s.constant(op.bias), transB=1)
    if n.output.name == s.graph.output:
        return found
    return s.call("Unsqueeze", found, s.constant(np.array([2, 3], np.int64)))


PRINT: dict[type[Op], Rule] = {
    Normalise: _normalise,
    Convolution: _convolution,
    BinaryConvolution: _binary,
    **dict.fromkeys(traced.ELEMENTWISE, _elementwise),
    Site: _site,
    Signed: lambda s, op, n, x: x[0],
    MaxPool: _pool,
    AveragePool: _pool,
    MeanOfParts: _mean_of_parts,
    Add: lambda s, op, n, x: s.call("Add", *x),
    Concat: lambda s, op, n, x: s.call("Concat", *x, axis=1),
    Gather: lambda s, op, n, x: s.call("Gather", *x, s.constant(np.array(op.channels, np.int64)), axis=1),
    Subsample: _subsample,
    Zeros: _zeros,
    Linear: _linear,
}
"""The nodes of each kind of operation."""
