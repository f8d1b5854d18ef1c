"""What one bit saves in runtimes that others write: milliseconds an image, one thread, batch 1, in turns.

A stack of residual blocks of 64 channels on 16x16 maps, weights random: OpenVINO with 1-bit convolutions, OpenVINO and
onnxruntime on the real-valued twin (ReLU at its sites, their optimisations on), and onnxruntime on the binary network
as ±1 in float32. In every round each is run until `--seconds` are over, and its median counts; a ratio compares those
of one round. Needs the extras onnx and openvino.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from figures import Spread, heading, write

from evobnn.decode import Surround, decode
from evobnn.deploy import onnx, openvino
from evobnn.deploy.bits import Packed
from evobnn.deploy.graph import Graph
from evobnn.deploy.lower import lower
from evobnn.deploy.ops import BinaryConvolution
from evobnn.deploy.passes import fold_sites, live, watched_ranges
from evobnn.deploy.runtimes import require
from evobnn.deploy.twin import real_twin
from evobnn.errors import NetworkError
from evobnn.spaces import Template
from evobnn.spaces.gaaf import gaaf

CLASSES = 10
BINARY = "OpenVINO, 1 bit"
BESIDE = ("OpenVINO, real twin", "onnxruntime, real twin", "onnxruntime, ±1 in float")

Run = Callable[[Any], Any]


def graphs(channels: int, side: int, blocks: int) -> tuple[Graph, Graph]:
    """Return a network of random weights, folded, and its twin."""
    template = Template(blocks, channels, 0, "none", "zero", "none", 1, macro="resnet")
    shape = (3, side, side)
    space = gaaf(template, side)
    torch.manual_seed(0)
    network = decode(space, space.parse("@net = x"), Surround(template, shape, CLASSES)).eval()
    lowered = lower(network, shape, np.full(3, 127.5), np.full(3, 73.9))
    images = np.random.default_rng(0).integers(0, 256, (4, *shape), dtype=np.uint8)
    return fold_sites(lowered, watched_ranges(lowered.graph, images))[0], live(real_twin(lowered.graph))


def runs(binary: Graph, twin: Graph, place: Path) -> dict[str, Run]:
    """Return what puts an image through each of the networks."""
    import onnxruntime

    found: dict[str, Run] = {}
    for name, graph in ((BINARY, binary), (BESIDE[0], twin)):
        (own := place / name).mkdir()  # a file in use is mapped into memory
        openvino.write(own, Packed(graph, tuple(map(str, range(CLASSES))), {}))
        request = openvino.compiled(str(own / openvino.FILE)).create_infer_request()
        found[name] = lambda image, request=request: request.infer([image], share_inputs=True)
    for name, graph in ((BESIDE[1], twin), (BESIDE[2], binary)):
        onnx.write(place, Packed(graph, tuple(map(str, range(CLASSES))), {}))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(str(place / onnx.FILE), options, ["CPUExecutionProvider"])
        found[name] = lambda image, session=session: session.run(None, {"image": image})
    return found


def timed(run: Run, image: Any, seconds: float) -> float:
    """Return the median of the milliseconds of an image, over as many as there is time for and 5 at least."""
    end, taken = time.perf_counter() + seconds, []
    while len(taken) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        run(image)
        taken.append(1000.0 * (time.perf_counter() - start))
    return median(taken)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--channels", type=int, default=64, help="of every map (default: 64)")
    parser.add_argument("--side", type=int, default=16, help="of the images and maps in pixels (default: 16)")
    parser.add_argument("--blocks", type=int, default=4, help="of two binary convolutions 3x3 each (default: 4)")
    parser.add_argument("--rounds", type=int, default=5, help="in each of which all take their turn (default: 5)")
    parser.add_argument("--seconds", type=float, default=1.0, help="of a turn (default: 1)")
    parser.add_argument("--json", type=Path, help="write all figures here")
    given = parser.parse_args(arguments)
    try:
        require("onnx")
        require("openvino")
    except NetworkError as error:
        print(error)
        return
    torch.set_num_threads(1)
    print(heading())
    print(", ".join(f"{name} {version(name)}" for name in ("onnxruntime", "openvino")))
    binary, twin = graphs(given.channels, given.side, given.blocks)
    layers = sum(isinstance(node.op, BinaryConvolution) for node in binary.nodes)
    image = np.random.default_rng(1).integers(0, 256, (1, 3, given.side, given.side), dtype=np.uint8)
    with TemporaryDirectory() as place:
        networks = runs(binary, twin, Path(place))
        for run in networks.values():
            timed(run, image, 0.2)
        taken: dict[str, list[float]] = {name: [] for name in networks}
        for _ in range(given.rounds):
            for name, run in networks.items():
                taken[name].append(timed(run, image, given.seconds))
    size = f"{given.channels} channels, {given.side}x{given.side}, {layers} binary convolutions"
    print(f"\n{size}, one thread, batch 1, median of {given.rounds} rounds with the range\n")
    print(f"{'':26}{'ms an image':>28}{'times OpenVINO, 1 bit':>28}")
    rows = []
    for name, values in taken.items():
        ratio = Spread(tuple(one / own for one, own in zip(values, taken[BINARY], strict=True)))
        spread = Spread(tuple(values))
        print(f"{name:26}{spread!s:>28}{'' if name == BINARY else str(ratio):>28}")
        rows.append({"name": name, "milliseconds": spread.plain(), "ratio": ratio.plain()})
    write(given.json, vars(given), rows)


if __name__ == "__main__":
    main()
