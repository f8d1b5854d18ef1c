"""The times of layers, measured as the C runs them: all in one program, each in a stage of its own.

What works row by row shares a stage with what it reads, in networks and so here: with a pool of kernel 1, which is
measured alone too, and whose time is taken off.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from evobnn.deploy.c.stages import ROWWISE, stages
from evobnn.deploy.compiled import REPORT, Compiler
from evobnn.deploy.graph import Graph, Node, Shape, Value
from evobnn.deploy.layers import COSTS, Cost, Layer, name_of, site_of
from evobnn.deploy.ops import Gather, MaxPool, MeanOfParts, Normalise, Op, Site, Subsample, float32
from evobnn.deploy.timing import time_stages
from evobnn.errors import NetworkError, message

TOGETHER = 100
"""Layers of one program."""
SECONDS = 1.0
"""For which a program runs."""


def all_layers(layers: Iterable[Layer]) -> dict[str, Layer]:
    """Return layers by name, each site with every cost that it can have, on constants made up."""
    found: dict[str, Layer] = {}
    for layer in layers:
        sites = [site_of(layer.node, cost) for cost in COSTS] if isinstance(layer.node.op, Site) else []
        for node in sites or [layer.node]:
            name = name_of(node, layer.inputs)
            found.setdefault(name, Layer(name, node, layer.inputs))
    return found


def measured_layers(
    compiler: Compiler, flags: tuple[str, ...], layers: Mapping[str, Layer], shape: Shape
) -> dict[str, float]:
    """Return the milliseconds of each layer in networks on images (C, H, W).

    Raises NetworkError where they do not compile or run.
    """
    names, found = list(layers), dict[str, float]()
    image = np.random.default_rng(0).integers(0, 256, (1, *shape), dtype=np.uint8)
    for at in range(0, len(names), TOGETHER):
        part = {name: layers[name] for name in names[at : at + TOGETHER]}
        graph, homes = benchmark(part, shape)
        times = time_stages(compiler, graph, image, flags, SECONDS)
        order = stages(graph)
        place = {node.output.name: number for number, stage in enumerate(order) for node in stage.nodes}
        for name, (own, before) in homes.items():
            spent = times[place[own]] - (times[place[before]] if before else 0.0)
            found[name] = float(f"{max(spent, 0.0):.4g}")
    return found


def benchmark(layers: Mapping[str, Layer], shape: Shape) -> tuple[Graph, dict[str, tuple[str, str]]]:
    """Return a graph in which every layer runs, warm, and for each the map that it puts out, and that of the stage
    whose time is to be taken off, or an empty text.
    """
    making = _Making(shape)
    homes = {}
    for name, layer in layers.items():
        making.placed(layer)  # the first one fills the caches, as in a network the image before does
        homes[name] = making.placed(layer)
    # The graph puts out what no layer does, so that maps of layers are kept where those of networks are.
    output = making.add(MeanOfParts(1), (making.pixels,), (shape[0], 1, 1))
    return Graph(making.image, tuple(making.nodes), output.name), homes


@dataclass
class _Making:
    shape: Shape
    nodes: list[Node] = field(default_factory=list)
    kept: dict[tuple[str, Shape], Value] = field(default_factory=dict)
    bare: dict[tuple[str, Shape], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.image = Value("image", self.shape, "u8")
        channels = self.shape[0]
        op = Normalise(float32(np.full(channels, 127.5)), float32(np.full(channels, 64.0)))
        self.pixels = self.add(op, (self.image,), self.shape)

    def add(self, op: Op, inputs: tuple[Value, ...], shape: Shape, dtype: str = "f32") -> Value:
        output = Value(f"v{len(self.nodes)}", shape, dtype)
        self.nodes.append(Node(op, tuple(value.name for value in inputs), output, ""))
        return output

    def placed(self, layer: Layer) -> tuple[str, str]:
        inputs = tuple(self.image if value.dtype == "u8" else self.given(value) for value in layer.inputs)
        before = ""
        if isinstance(layer.node.op, ROWWISE) and inputs:
            before = self.alone(inputs[0])
            inputs = (self.behind(inputs[0]), *inputs[1:])
        output = Value(f"v{len(self.nodes)}", layer.node.output.shape, layer.node.output.dtype)
        self.nodes.append(replace(layer.node, inputs=tuple(value.name for value in inputs), output=output))
        return output.name, before

    def behind(self, value: Value) -> Value:
        """Return a copy of a map that is made in a stage of its own, whose rows other operations can share."""
        op = Subsample(1) if value.dtype == "bit" else MaxPool(1, 1, 0)
        return self.add(op, (value,), value.shape, value.dtype)

    def alone(self, value: Value) -> str:
        """Return the name of such a copy that nothing else shares a stage with, which is made once."""
        key = (value.dtype, value.shape)
        if key not in self.bare:
            self.bare[key] = self.behind(value).name
        return self.bare[key]

    def given(self, wanted: Value) -> Value:
        """Return a map like the one that a layer reads, which is made once."""
        key = (wanted.dtype, wanted.shape)
        if key not in self.kept:
            self.kept[key] = self.made(wanted)
        return self.kept[key]

    def made(self, wanted: Value) -> Value:
        if wanted.dtype == "bit":
            numbers = self.given(Value("", wanted.shape, "f32"))
            plain = Node(Site(), (numbers.name,), Value("", wanted.shape, "bit"), "")
            site = site_of(plain, Cost(1)).op
            return self.add(site, (self.behind(numbers),), wanted.shape, "bit")
        channels, height, width = wanted.shape
        value = self.pixels
        if value.shape[0] != channels:
            picked = tuple(k % value.shape[0] for k in range(channels))
            value = self.add(Gather(picked), (value,), (channels, *value.shape[1:]))
        while value.shape[1] > height or value.shape[2] > width:
            sides = -(-value.shape[1] // 2), -(-value.shape[2] // 2)
            if sides[0] < height or sides[1] < width:
                break
            value = self.add(Subsample(2), (value,), (channels, *sides))
        if value.shape[1:] != (height, width):
            if height != width:
                got = f"one of {height} x {width} from images of {self.shape[1]} x {self.shape[2]}"
                raise NetworkError(message("a map whose times can be measured", got, REPORT))
            value = self.add(MeanOfParts(height), (value,), wanted.shape)
        return value
