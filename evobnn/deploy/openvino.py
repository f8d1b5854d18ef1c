"""A graph as a file of OpenVINO, and how OpenVINO runs it.

`openvino` is imported here and nowhere else, by the functions that need it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from evobnn.deploy.bits import Packed
from evobnn.deploy.compiled import REPORT
from evobnn.deploy.graph import Graph
from evobnn.deploy.nodes import LOGITS
from evobnn.deploy.onnx import text_of
from evobnn.deploy.ops import Array
from evobnn.deploy.reference import apply
from evobnn.deploy.sheet import Sheet, printed
from evobnn.errors import NetworkError, message

FILE = "model.xml"
EXACT = {
    "INFERENCE_PRECISION_HINT": "f32",
    "INFERENCE_NUM_THREADS": 1,
    "NUM_STREAMS": 1,
    "PERFORMANCE_HINT": "LATENCY",
}
"""Without the first, OpenVINO computes in bfloat16 on processors that have it."""


def write(place: Path, packed: Packed) -> list[str]:
    """Write `model.xml` and `model.bin` into a folder and return what is to be said of them."""
    import openvino
    from openvino import opset13

    sheet = Sheet(openvino, opset13, packed.graph)
    model = printed(sheet)
    for name, value in {"class_names": list(packed.class_names), **packed.about}.items():
        model.set_rt_info(text_of(value), ["evobnn", name])
    openvino.save_model(model, str(place / FILE), compress_to_fp16=False)
    said = [f"{FILE}: 1-bit convolutions, for one image at a time; compile it with INFERENCE_PRECISION_HINT=f32."]
    if sheet.real:
        paths = ", ".join(sheet.real)
        said.append(f"{FILE} computes in float32, as OpenVINO has no 1-bit convolution in groups: {paths}.")
    return said


def compiled(model: Any) -> Any:
    """Return a model, or the path of one, compiled for the CPU: one thread, float32."""
    import openvino

    return openvino.Core().compile_model(model, "CPU", EXACT)


def run(place: Path, graph: Graph, images: Array, *, sites: bool) -> tuple[dict[str, Array], Array]:
    """Return the signs of each site by its path, or none, and the logits (N, classes), by OpenVINO on one thread.

    Bits that are only packed cannot be read: theirs are those of the reference at the numbers that arrive, if they
    explain every sum of the convolutions behind them.

    Raises NetworkError where they do not.
    """
    import openvino

    model = openvino.Core().read_model(str(place / FILE))
    there = {name for op in model.get_ops() for end in op.outputs() for name in end.get_names()}
    readers = graph.readers()
    asked = []
    for node in graph.sites if sites else ():
        packed = node.output.name not in there
        asked += [node.inputs[0], *(one.output.name for one in readers[node.output.name])] if packed else []
        asked += [] if packed else [node.output.name]
    asked = list(dict.fromkeys(asked))
    for name in asked:
        model.add_outputs(name)
    network = compiled(model)
    found: dict[str, list[Array]] = {name: [] for name in (LOGITS, *asked)}
    for image in images:
        results = network([image[None]])
        for name, parts in found.items():
            parts.append(np.array(results[name]))
    maps = {name: np.concatenate(parts) for name, parts in found.items()}
    signs = {}
    for node in graph.sites if sites else ():
        if node.output.name in maps:
            signs[node.path] = maps[node.output.name] > 0.5
            continue
        signs[node.path] = apply(node.op, [maps[node.inputs[0]]])
        for one in readers[node.output.name]:
            if not np.array_equal(apply(one.op, [signs[node.path]]), maps[one.output.name]):
                raise NetworkError(message("the sums of the reference", f"others at '{one.path}'", REPORT))
    return signs, maps[LOGITS]
