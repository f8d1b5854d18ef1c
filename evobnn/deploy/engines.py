"""What runs a network to be timed, by name: its C, PyTorch, and what other packages make of its graph or its twin.

Each runs on one thread. The real twin has the same shapes with float weights and ReLU at its sites.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch

from evobnn.data.batches import normalise
from evobnn.deploy import onnx, openvino
from evobnn.deploy.bits import Packed
from evobnn.deploy.compiled import Compiler
from evobnn.deploy.forms import check_forms
from evobnn.deploy.graph import Graph
from evobnn.deploy.ops import Array
from evobnn.deploy.runtimes import lacking
from evobnn.deploy.timed import Timed
from evobnn.deploy.timing import MOST, SCALAR, Spent, program, run_program, simd_flags
from evobnn.errors import EvobnnError, NetworkError

WARM = 3
"""Passes before those that are timed, in every turn, for others had the caches meanwhile."""


class AbsentError(EvobnnError):
    """Something cannot be run here; the message is the reason."""


Turn = Callable[[Array, float, int], Spent]
"""Passes a batch of images, uint8 (N, C, H, W), through a network for some seconds, at least so many times."""

Engine = Callable[[Timed, Path, Compiler | None], Turn]
"""Makes what runs a network, in an empty folder; raises AbsentError where it cannot be run here."""


def repeated(run: Callable[[Array], object]) -> Turn:
    """Return the turns of what runs in this process."""

    def turn(images: Array, seconds: float, least: int) -> Spent:
        for _ in range(WARM):
            run(images)
        wall, cpu = list[float](), list[float]()
        begun = time.perf_counter()
        while len(wall) < MOST and (len(wall) < least or time.perf_counter() - begun < seconds):
            before, spent = time.perf_counter(), time.process_time()
            run(images)
            wall.append(time.perf_counter() - before)
            cpu.append(time.process_time() - spent)
        return Spent(wall, cpu)

    return turn


def _torch(timed: Timed, place: Path, compiler: Compiler | None) -> Turn:
    mean, deviation = torch.from_numpy(np.array(timed.mean)), torch.from_numpy(np.array(timed.deviation))

    def run(images: Array) -> object:
        with torch.inference_mode():
            return timed.network(normalise(torch.from_numpy(images), mean, deviation))

    return repeated(run)


def c_with(timed: Timed, place: Path, compiler: Compiler | None, flags: tuple[str, ...] | None) -> Turn:
    """Return the turns of the C with these options of the compiler; None where the C has no SIMD."""
    return _compiled(timed.graph(), place, compiler, flags)


def _compiled(graph: Graph, place: Path, compiler: Compiler | None, flags: tuple[str, ...] | None) -> Turn:
    if compiler is None:
        raise AbsentError("there is no C compiler")
    if flags is None:
        raise AbsentError("the C has no SIMD for this processor")
    path = program(compiler, graph, flags, place)
    return lambda images, seconds, least: run_program(path, images, seconds, least)


def _c_simd(timed: Timed, place: Path, compiler: Compiler | None) -> Turn:
    return c_with(timed, place, compiler, None if compiler is None else simd_flags(compiler))


def _c_unfolded(timed: Timed, place: Path, compiler: Compiler | None) -> Turn:
    graph = timed.unfolded()
    try:
        check_forms(node.op for node in graph.nodes)
    except NetworkError as error:
        raise AbsentError("a form of your own is computed by torch alone") from error
    flags = None if compiler is None else simd_flags(compiler)
    return _compiled(graph, place, compiler, flags or SCALAR)


def _onnxruntime(timed: Timed, place: Path, compiler: Compiler | None) -> Turn:
    _need("onnx")
    graph = timed.twin()
    onnx.write(place, _packed(graph))
    session = onnx.session(str(place / onnx.FILE))
    return repeated(lambda images: session.run(None, {graph.input.name: images}))


def _openvino(graph: Callable[[Timed], Graph]) -> Engine:
    def engine(timed: Timed, place: Path, compiler: Compiler | None) -> Turn:
        _need("openvino")
        openvino.write(place, _packed(graph(timed)))
        request = openvino.compiled(str(place / openvino.FILE)).create_infer_request()

        def run(images: Array) -> None:
            for image in images:
                request.infer([image[None]], share_inputs=True)

        return repeated(run)

    return engine


def _need(extra: str) -> None:
    if missing := lacking(extra):
        raise AbsentError(f"it needs {', '.join(missing)}: pip install 'evobnn[{extra}]'")


def _packed(graph: Graph) -> Packed:
    classes = graph.values[graph.output].shape[0]
    return Packed(graph, tuple(map(str, range(classes))), {})


ENGINES: dict[str, Engine] = {
    "C, SIMD": _c_simd,
    "C, scalar": partial(c_with, flags=SCALAR),
    "C, unfolded": _c_unfolded,
    "torch": _torch,
    "onnxruntime, real twin": _onnxruntime,
    "OpenVINO, 1 bit": _openvino(lambda timed: timed.graph()),
    "OpenVINO, real twin": _openvino(lambda timed: timed.twin()),
}
"""By name, in the order of the table. The unfolded C computes the function of every site, with SIMD elsewhere."""
