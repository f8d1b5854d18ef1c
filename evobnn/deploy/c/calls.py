"""What each kind of operation is in C: its constants, and the call that computes one row of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from evobnn.deploy.c.arena import bytes_of
from evobnn.deploy.c.text import NEVER, number
from evobnn.deploy.c.weights import interleaved, of_channels, of_groups
from evobnn.deploy.c.writer import Writer
from evobnn.deploy.graph import Node, Value
from evobnn.deploy.ops import (
    Add,
    Affine,
    AveragePool,
    BinaryConvolution,
    Concat,
    Convolution,
    Expression,
    Gather,
    Hardtanh,
    Linear,
    MaxPool,
    MeanOfParts,
    Normalise,
    Op,
    Prelu,
    Relu,
    Scale,
    Signed,
    Site,
    Subsample,
    Zeros,
)


def written(writer: Writer, node: Node) -> str:
    """Return the call that computes row y of a node's output, and write what it needs."""
    return WRITE[type(node.op)](writer, node, node.op)


def _in(w: Writer, node: Node) -> Value:
    return w.graph.values[node.inputs[0]]


def _line(node: Node) -> int:
    return node.output.shape[0] * node.output.shape[2]


def _normalise(w: Writer, n: Node, op: Normalise) -> str:
    w.call("normalise")
    c, h, wide = n.output.shape
    moments = f"{w.keep(op.mean)}, {w.keep(op.deviation)}"
    return f"normalise_row(image + {wide} * y, {h * wide}, {wide}, {c}, {moments}, {w.row(n.output.name)})"


def _convolution(w: Writer, n: Node, op: Convolution) -> str:
    w.call("convolution")
    c, h, wide = _in(w, n).shape
    filters, _, rows, columns = op.weight.shape
    weights = w.keep(np.ascontiguousarray(op.weight.transpose(1, 2, 3, 0)))
    bias = "0" if op.bias is None else w.keep(op.bias)
    shape = (h, wide, c, filters, op.groups, rows, columns, *op.stride, op.dilation, *op.padding[:2])
    layer = w.layer("real_layer", *shape, weights, bias)
    return f"real_row(&{layer}, {w.whole(n.inputs[0])}, y, {n.output.shape[2]}, {w.row(n.output.name)})"


def _binary(w: Writer, n: Node, op: BinaryConvolution) -> str:
    c, h, wide = _in(w, n).shape
    filters, _, kernel, _ = op.weight.shape
    shape = (h, wide, c, bytes_of(_in(w, n)), filters, op.groups)
    sizes = (kernel, op.stride, op.dilation, op.border, int(op.zeros))
    if op.groups == c == filters:
        w.call("layer", "depthwise")
        layer = w.layer("binary_layer", *shape, 0, *sizes, "0", w.keep(of_channels(op.weight)))
        name = "depthwise_row"
    else:
        together = op.groups == 1
        packed, words = (interleaved if together else of_groups)(op.weight)
        w.window = max(w.window, words)
        w.call("popcount", "layer", "pack", *(("window", "binary") if together else ("grouped",)))
        layer = w.layer("binary_layer", *shape, words, *sizes, w.keep(packed), "0")
        name = "binary_row" if together else "grouped_row"
    return f"{name}(&{layer}, {w.whole(n.inputs[0])}, y, {n.output.shape[2]}, {w.row(n.output.name)})"


def _per_channel(part: str, *fields: str) -> Callable[[Writer, Node, Any], str]:
    def write(w: Writer, n: Node, op: Op) -> str:
        w.call(part)
        c, _, wide = n.output.shape
        given = ", ".join(w.keep(getattr(op, name)) for name in fields)
        return f"{part}_row({w.row(n.inputs[0])}, {wide}, {c}, {given}, {w.row(n.output.name)})"

    return write


def _relu(w: Writer, n: Node, op: Relu) -> str:
    w.call("relu")
    return f"relu_row({w.row(n.inputs[0])}, {_line(n)}, {w.row(n.output.name)})"


def _hardtanh(w: Writer, n: Node, op: Hardtanh) -> str:
    w.call("hardtanh")
    return f"hardtanh_row({w.row(n.inputs[0])}, {_line(n)}, {number(op.bound)}, {w.row(n.output.name)})"


def _expression(w: Writer, n: Node, op: Expression) -> str:
    w.call("expression")
    name = w.function([op], sign=False)
    c, _, wide = n.output.shape
    return f"expression_row({w.row(n.inputs[0])}, {wide}, {c}, {name}, {w.row(n.output.name)})"


def _site(w: Writer, n: Node, op: Site) -> str:
    w.call("site")
    c, _, wide = n.output.shape
    size, direct, low, high, first, thresholds, most = bytes_of(n.output), "0", "0", "0", "0", "0", 0
    if not op.whole:
        direct = w.function(op.direct, sign=True)
    if op.table is not None:
        most = len(op.table.thresholds)
        first = w.keep(np.packbits(op.table.first, bitorder="little"))
        if most:
            filled = np.full((most, 8 * size), NEVER, np.float32)
            filled[:, :c] = np.minimum(op.table.thresholds, NEVER)
            thresholds = w.keep(filled)
        if not op.whole:
            ends = np.zeros((2, 8 * size), np.float32)
            ends[:, :c] = np.clip((op.table.low, op.table.high), -NEVER, NEVER)
            low, high = w.keep(ends[0]), w.keep(ends[1])
    layer = w.layer("site_layer", c, size, most, first, thresholds, low, high, direct)
    return f"site_row(&{layer}, {w.row(n.inputs[0])}, {wide}, {w.row(n.output.name)})"


def _signed(w: Writer, n: Node, op: Signed) -> str:
    w.call("signed")
    c, _, wide = n.output.shape
    return f"signed_row({w.row(n.inputs[0])}, {wide}, {c}, {bytes_of(_in(w, n))}, {w.row(n.output.name)})"


def _pool(part: str, name: str) -> Callable[[Writer, Node, Any], str]:
    def write(w: Writer, n: Node, op: MaxPool | AveragePool) -> str:
        c, h, wide = _in(w, n).shape
        ends = f"y, {n.output.shape[2]}, {w.row(n.output.name)}"
        if isinstance(op, AveragePool) and op.columns:
            w.call("boxmean")
            return f"box_row({w.whole(n.inputs[0])}, {h}, {wide}, {c}, {ends})"
        w.call(part)
        sizes = f"{h}, {wide}, {c}, {op.kernel}, {op.stride}, {op.padding}"
        return f"{name}({w.whole(n.inputs[0])}, {sizes}, {ends})"

    return write


def _mean_of_parts(w: Writer, n: Node, op: MeanOfParts) -> str:
    w.call("meanofparts")
    c, h, wide = _in(w, n).shape
    return f"mean_parts_row({w.whole(n.inputs[0])}, {h}, {wide}, {c}, {op.parts}, y, {w.row(n.output.name)})"


def _add(w: Writer, n: Node, op: Add) -> str:
    w.call("add")
    return f"add_row({w.row(n.inputs[0])}, {w.row(n.inputs[1])}, {_line(n)}, {w.row(n.output.name)})"


def _concat(w: Writer, n: Node, op: Concat) -> str:
    w.call("concat")
    at, calls = 0, []
    for name in n.inputs:
        c = w.graph.values[name].shape[0]
        sizes = f"{n.output.shape[2]}, {c}, {at}, {n.output.shape[0]}"
        calls.append(f"place_row({w.row(name)}, {sizes}, {w.row(n.output.name)})")
        at += c
    return ";\n        ".join(calls)


def _gather(w: Writer, n: Node, op: Gather) -> str:
    w.call("gather")
    channels = w.keep(np.array(op.channels, np.uint16))
    sizes = f"{n.output.shape[2]}, {_in(w, n).shape[0]}, {n.output.shape[0]}"
    return f"gather_row({w.row(n.inputs[0])}, {sizes}, {channels}, {w.row(n.output.name)})"


def _subsample(w: Writer, n: Node, op: Subsample) -> str:
    w.call("subsample")
    value = _in(w, n)
    size = bytes_of(value) if value.dtype == "bit" else 4 * value.shape[0]
    sizes = f"{value.shape[1]}, {value.shape[2]}, {size}, {op.stride}, {op.first}"
    return f"pick_row({w.whole(n.inputs[0])}, {sizes}, y, {n.output.shape[2]}, {w.row(n.output.name)})"


def _zeros(w: Writer, n: Node, op: Zeros) -> str:
    w.call("zeros")
    return f"zeros_row({_line(n)}, {w.row(n.output.name)})"


def _linear(w: Writer, n: Node, op: Linear) -> str:
    w.call("linear")
    c, h, wide = _in(w, n).shape
    weights = w.keep(np.ascontiguousarray(op.weight.T))
    given = f"{h * wide}, {c}, {len(op.bias)}, {weights}, {w.keep(op.bias)}"
    return f"linear({w.whole(n.inputs[0])}, {given}, {w.row(n.output.name)})"


WRITE: dict[type[Op], Callable[..., str]] = {
    Normalise: _normalise,
    Convolution: _convolution,
    BinaryConvolution: _binary,
    Scale: _per_channel("scale", "factor"),
    Affine: _per_channel("affine", "factor", "offset"),
    Relu: _relu,
    Prelu: _per_channel("prelu", "slope"),
    Hardtanh: _hardtanh,
    Expression: _expression,
    Site: _site,
    Signed: _signed,
    MaxPool: _pool("maxpool", "max_row"),
    AveragePool: _pool("averagepool", "mean_row"),
    MeanOfParts: _mean_of_parts,
    Add: _add,
    Concat: _concat,
    Gather: _gather,
    Subsample: _subsample,
    Zeros: _zeros,
    Linear: _linear,
}
"""The C of each kind of operation."""
