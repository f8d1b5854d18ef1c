"""A graph as a file of ONNX, and how onnxruntime runs it.

`onnx` and `onnxruntime` are imported here and nowhere else, by the functions that need them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from evobnn.deploy.bits import Packed
from evobnn.deploy.graph import Graph
from evobnn.deploy.nodes import LOGITS, PRINT, Steps, printed
from evobnn.deploy.ops import Array

FILE, OPSET, IR_VERSION = "model.onnx", 17, 10
BATCH = 64
"""Images that go through a network at once, where they are run here."""


def model(steps: Steps, packed: Packed, domains: Mapping[str, int] | None = None) -> Any:
    """Return nodes as a model of the package `onnx`; raises its error where they are none."""
    import onnx
    from onnx import helper, numpy_helper

    made = [
        helper.make_node(
            one.kind, one.inputs, [one.output], one.output, one.path or None, one.domain or None, **one.attributes
        )
        for one in steps.steps
    ]
    image = packed.graph.input
    batch: Any = steps.batch or "N"
    given = helper.make_tensor_value_info(image.name, onnx.TensorProto.UINT8, [batch, *image.shape])
    told = helper.make_tensor_value_info(LOGITS, onnx.TensorProto.FLOAT, [batch, len(packed.class_names)])
    constants = [numpy_helper.from_array(np.array(values), name) for name, values in steps.constants.items()]
    graph = helper.make_graph(made, "evobnn", [given], [told], constants)
    versions = [helper.make_opsetid(domain, version) for domain, version in {"": OPSET, **(domains or {})}.items()]
    found = helper.make_model(graph, opset_imports=versions, ir_version=IR_VERSION, producer_name="evobnn")
    about = {"class_names": list(packed.class_names), **packed.about}
    helper.set_model_props(found, {name: text_of(value) for name, value in about.items()})
    return found


def text_of(value: Any) -> str:
    """Return what is kept beside a network as text: JSON, but for what is text."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def write(place: Path, packed: Packed) -> list[str]:
    """Write `model.onnx` into a folder and return what is to be said of it."""
    import onnx

    found = model(printed(packed.graph, PRINT)[0], packed)
    onnx.checker.check_model(found, full_check=True)
    (place / FILE).write_bytes(found.SerializeToString())
    return [f"{FILE}: opset {OPSET}, from grey values 'image' (N, C, H, W), uint8, to 'logits'; bits are ±1."]


def session(model: str | bytes) -> Any:
    """Return what runs a model, or the file of one, by onnxruntime: one thread, all optimisations of graphs."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])


def run(place: Path, graph: Graph, images: Array, *, sites: bool) -> tuple[dict[str, Array], Array]:
    """Return the signs of each site by its path, or none, and the logits (N, classes), by onnxruntime on one thread."""
    import onnx

    loaded = onnx.load(place / FILE)
    names = {node.path: printed(graph, PRINT)[1][node.output.name] for node in graph.sites} if sites else {}
    for name in names.values():
        loaded.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    runner = session(loaded.SerializeToString())
    asked = [LOGITS, *names.values()]
    found = [runner.run(asked, {graph.input.name: images[at : at + BATCH]}) for at in range(0, len(images), BATCH)]
    logits, *signs = (np.concatenate(part) for part in zip(*found, strict=True))
    return {path: part > 0 for path, part in zip(names, signs, strict=True)}, logits
