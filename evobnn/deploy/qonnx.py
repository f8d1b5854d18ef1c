"""A graph as QONNX: ONNX in which signs and binary weights pass through `BipolarQuant` of scale 1; batch 1.

What scales a convolution stands behind it. `qonnx` is imported here and nowhere else, by the functions that need it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from evobnn.deploy import onnx, traced
from evobnn.deploy.bits import Packed
from evobnn.deploy.graph import Graph, Node
from evobnn.deploy.nodes import LOGITS, PRINT, Rule, Steps, bordered, convolved, printed
from evobnn.deploy.ops import (
    Array,
    BinaryConvolution,
    Op,
    Site,
    float32,
)

FILE, DOMAIN = "model.qonnx.onnx", "qonnx.custom_op.general"


def quantised(s: Steps, x: str) -> str:
    """Return 1 where a number is at least 0, and -1 elsewhere."""
    return s.call("BipolarQuant", x, s.constant(float32(1.0)), domain=DOMAIN)


def _binary(s: Steps, op: BinaryConvolution, n: Node, x: tuple[str, ...]) -> str:
    """A padded map passes through `BipolarQuant` again, which changes nothing and says that it is bits."""
    weight = quantised(s, s.constant(float32(np.where(op.weight, 1, -1))))
    padded, pads = bordered(s, op, x[0])
    if padded != x[0]:
        padded = quantised(s, padded)
    return convolved(s, op, (op.stride,) * 2, pads, padded, weight)


def _site(s: Steps, op: Site, n: Node, x: tuple[str, ...]) -> str:
    """With a single threshold, `factor x + offset >= 0` with a factor of 1, -1 or 0, which rounding does not turn."""
    table = traced.single(op)
    if table is None:
        return quantised(s, traced.signs(s, op, x[0]))
    factor, offset = shifted(table.first, traced.threshold(table))
    moved = x[0] if (factor == 1).all() else s.call("Mul", x[0], s.constant(float32(traced.column(factor))))
    moved = moved if not offset.any() else s.call("Add", moved, s.constant(float32(traced.column(offset))))
    return quantised(s, moved)


def shifted(first: Array, threshold: Array) -> tuple[Array, Array]:
    """Return factor and offset (C,) with which `factor x + offset >= 0` says on which side of a threshold x lies."""
    without = np.isinf(threshold)
    below = np.nextafter(threshold, np.float32(-np.inf))
    factor = np.where(without, 0, np.where(first, -1, 1)).astype(np.float32)
    offset = np.where(without, np.where(first, 1, -1), np.where(first, below, -threshold)).astype(np.float32)
    return factor, offset


RULES: dict[type[Op], Rule] = {**PRINT, BinaryConvolution: _binary, Site: _site}
"""The nodes of each kind of operation."""


def made(packed: Packed, batch: int = 1) -> Any:
    """Return a network as qonnx's `ModelWrapper`, with the shapes and types of all its maps."""
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.infer_datatypes import InferDataTypes
    from qonnx.transformation.infer_shapes import InferShapes

    model = ModelWrapper(onnx.model(printed(packed.graph, RULES, batch)[0], packed, {DOMAIN: 1}))
    return model.transform(InferShapes()).transform(InferDataTypes())


def write(place: Path, packed: Packed) -> list[str]:
    """Write `model.qonnx.onnx` into a folder and return what is to be said of it."""
    made(packed).save(str(place / FILE))
    return [f"{FILE}: BipolarQuant of scale 1 at every site and binary weight, for one image at a time."]


def run(place: Path, graph: Graph, images: Array, *, sites: bool) -> tuple[dict[str, Array], Array]:
    """Return the signs of each site by its path, or none, and the logits (N, classes), by qonnx's own execution.

    With signs it is the file that runs, image by image, which takes seconds each. Without them the same nodes run,
    made for all images at once.
    """
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx

    if not sites:
        classes = tuple(map(str, range(graph.values[graph.output].shape[0])))
        together = made(Packed(graph, classes, {}), len(images))
        logits: Array = execute_onnx(together, {graph.input.name: images})[LOGITS]
        return {}, logits
    model = ModelWrapper(str(place / FILE))
    found: list[Mapping[str, Array]] = []
    names = printed(graph, RULES, 1)[1]
    for image in images:
        found.append(execute_onnx(model, {graph.input.name: image[None]}, return_full_exec_context=True))
    signs = {node.path: np.concatenate([one[names[node.output.name]] > 0 for one in found]) for node in graph.sites}
    return signs, np.concatenate([one[LOGITS] for one in found])
