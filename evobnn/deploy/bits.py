"""A graph as a file of tensors: binary weights in one bit each, thresholds, and the graph as JSON beside them.

In the JSON `layers` are the different operations, `[kind, shape, dtype, fields]`, and `nodes` the network:
`[number of its layer, numbers of the maps it reads]`. Map 0 is the image, map n the output of node n. `paths` names the
modules of the sites, in their order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from evobnn import _jsonl
from evobnn._seals import UNSEALED, seal_tensors, text_in, verify_tensors, with_text
from evobnn.deploy.graph import Graph, Node, Value
from evobnn.deploy.ops import OPS, Array, Op, Site, Table, float32
from evobnn.errors import RunError, message

NAME = "graph"
"""Under which the graph stands among the metadata of the file."""
FORMAT, VERSION = "evobnn-bits", 1
DTYPES: dict[str, Any] = {"bit": np.bool_, "f32": np.float32, "i16": np.int16, "u8": np.uint8}
"""The tensors in the file by name: all arrays of one type, one after another; bits are packed, the first one lowest."""


@dataclass(frozen=True)
class Packed:
    """What a file of bits holds.

    Attributes:
        graph: the network, for `evobnn.deploy.evaluate`.
        class_names: of the logits, in their order.
        about: what is known of it, by name: genome, accuracy and the like.

    >>> small = {"dataset.train_limit": 100, "recipe.kernels": "torch"}
    >>> training = evobnn.train(
    ...     "populations/digits:63", epochs=1, threads=1, settings=small, out="runs/for-packed"
    ... )
    >>> from evobnn.deploy import read_bits
    >>> exported = evobnn.export(training, to=["bits"], out="runs/packed")
    >>> read_bits("runs/packed/bits.safetensors").class_names[:3]
    ('0', '1', '2')
    """

    graph: Graph
    class_names: tuple[str, ...]
    about: Mapping[str, Any]


@dataclass(frozen=True)
class Sizes:
    """Bytes of a file of bits: of its tensors, and of all that stands before them."""

    tensors: int
    head: int


def pack(packed: Packed) -> bytes:
    """Return the file of a network; equal ones give equal bytes."""
    graph, store = packed.graph, _Store({name: [] for name in DTYPES})
    number = {graph.input.name: 0, **{node.output.name: n for n, node in enumerate(graph.nodes, 1)}}
    layers: dict[str, int] = {}
    nodes = []
    for node in graph.nodes:
        value = node.output
        layer = _text([_kind(node.op), value.shape, value.dtype, store.fields(node.op)])
        nodes.append([layers.setdefault(layer, len(layers)), *(number[name] for name in node.inputs)])
    row = {
        "format": FORMAT,
        "version": VERSION,
        "about": dict(packed.about),
        "class_names": list(packed.class_names),
        "input": list(graph.input.shape),
        "layers": list(map(json.loads, layers)),
        "nodes": nodes,
        "output": number[graph.output],
        "paths": [node.path for node in graph.sites],
    }
    tensors = {name: np.concatenate(parts) for name, parts in store.arrays.items() if parts}
    return seal_tensors(with_text(save(tensors, metadata=UNSEALED), NAME, _text(row)))


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def sizes(data: bytes) -> Sizes:
    """Return the sizes of a file of bits."""
    head = 8 + int.from_bytes(data[:8], "little")
    return Sizes(len(data) - head, head)


def read_bits(path: str | Path) -> Packed:
    """Return the network in a file of bits; nothing in it is executed.

    Raises RunError for a file that is not what was written, or is of a newer version.

    >>> small = {"dataset.train_limit": 100, "recipe.kernels": "torch"}
    >>> training = evobnn.train(
    ...     "populations/digits:63", epochs=1, threads=1, settings=small, out="runs/for-bits"
    ... )
    >>> from evobnn.deploy import evaluate, read_bits
    >>> exported = evobnn.export(training, to=["bits"], out="runs/read")
    >>> packed = read_bits("runs/read/bits.safetensors")
    >>> evaluate(packed.graph, training.test_images().images[:2]).shape
    (2, 10)
    """
    path = Path(path)
    try:
        data = path.read_bytes()
        verify_tensors(data, due=True)
        text = text_in(data, NAME)
        row = json.loads(text or "")
        if row["format"] != FORMAT:
            raise ValueError("another format")
        _jsonl.check_version(path, row, VERSION)
        return _unpacked(row, load(data))
    except RunError:
        raise
    except (OSError, SafetensorError, ValueError, LookupError, TypeError, AttributeError) as error:
        do = "Export the network again: evobnn export TRAINING --to bits."
        raise RunError(message(f"a network in bits in {path}", str(error), do)) from error


def _unpacked(row: Mapping[str, Any], tensors: Mapping[str, Array]) -> Packed:
    c, h, w = row["input"]
    source = _Source(tensors, dict.fromkeys(DTYPES, 0))
    values, paths = [Value("image", (c, h, w), "u8")], list(row["paths"])
    nodes = []
    for number, (layer, *read) in enumerate(row["nodes"], 1):
        kind, shape, dtype, given = row["layers"][layer]
        op = source.value({"op": kind, **given})
        output = Value(f"{number}_{kind}", (shape[0], shape[1], shape[2]), dtype)
        # Only sites are asked for by name.
        path = paths.pop(0) if isinstance(op, Site) else ""
        nodes.append(Node(op, tuple(values[n].name for n in read), output, path))
        values.append(output)
    if paths:
        raise ValueError(f"{len(paths)} names of sites too many")
    source.finish()
    return Packed(Graph(values[0], tuple(nodes), values[row["output"]].name), tuple(row["class_names"]), row["about"])


def _kind(op: Op) -> str:
    return next(name for name, kind in OPS.items() if kind is type(op))


def _runs(numbers: Sequence[int]) -> list[list[int]]:
    """Return whole numbers as runs, `[first, step, count]` each: which channels are gathered would be long lists."""
    found: list[list[int]] = []
    for number in numbers:
        first, step, count = found[-1] if found else (0, 0, 0)
        if count == 1:
            found[-1] = [first, number - first, 2]
        elif count and number == first + step * count:
            found[-1][2] += 1
        else:
            found.append([number, 0, 1])
    return found


@dataclass
class _Store:
    """Values as JSON, and their arrays apart, one after another by type."""

    arrays: dict[str, list[Array]]

    def fields(self, op: Op) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for one in fields(op):
            value = getattr(op, one.name)
            if not (isinstance(value, (int, str, tuple, type(None))) and value == one.default):
                found[one.name] = self.value(value)
        return found

    def value(self, value: Any) -> Any:
        if isinstance(value, Op):
            return {"op": _kind(value), **self.fields(value)}
        if isinstance(value, Table):
            return {"table": self.table(value)}
        if isinstance(value, np.ndarray):
            return self.array(value)
        if isinstance(value, Mapping):
            return {"map": {name: self.value(one) for name, one in value.items()}}
        if isinstance(value, tuple):
            runs = _runs(value) if all(isinstance(one, int) for one in value) else ()
            return {"runs": runs} if 0 < 3 * len(runs) < len(value) else [self.value(one) for one in value]
        return value

    def array(self, values: Array) -> dict[str, Any]:
        name = next(name for name, dtype in DTYPES.items() if values.dtype == dtype)
        flat = values.reshape(-1)
        self.arrays[name].append(np.packbits(flat, bitorder="little") if name == "bit" else flat)
        return {name: list(values.shape)}

    def table(self, table: Table) -> dict[str, Any]:
        """Thresholds one channel after another, in 16 bits where all of them are whole numbers that small.

        How many there are follows from `counts`, so that tables of as many channels are one layer.
        """
        there = np.isfinite(table.thresholds).T
        values = table.thresholds.T[there]
        whole = bool((abs(values) < 2**15).all()) and bool((values == np.round(values)).all())
        found = {
            "first": self.array(table.first),
            "counts": self.array(there.sum(1).astype(np.uint8)),
            "thresholds": next(iter(self.array(values.astype(np.int16) if whole else values))),
        }
        if not (np.isneginf(table.low) & np.isposinf(table.high)).all():
            found |= {"low": self.array(table.low), "high": self.array(table.high)}
        return found


@dataclass
class _Source:
    """Arrays in the order in which they were stored, and values made of them again."""

    tensors: Mapping[str, Array]
    places: dict[str, int]

    def value(self, value: Any) -> Any:
        if isinstance(value, list):
            return tuple(self.value(one) for one in value)
        if not isinstance(value, dict):
            return value
        if "op" in value:
            return OPS[value["op"]](**{name: self.value(one) for name, one in value.items() if name != "op"})
        (name, inner), *more = value.items()
        if more:
            raise ValueError(f"a value of several parts: {sorted(value)}")
        if name in DTYPES:
            return self.array(name, inner)
        if name == "runs":
            return tuple(first + step * n for first, step, count in inner for n in range(count))
        if name == "table":
            return self.table(inner)
        return {key: self.value(one) for key, one in inner.items()}

    def table(self, given: Mapping[str, Any]) -> Table:
        first, counts = self.value(given["first"]), self.value(given["counts"])
        thresholds = np.full((int(counts.max(initial=0)), len(counts)), np.inf, np.float32)
        there = np.arange(len(thresholds))[:, None] < counts
        thresholds.T[there.T] = self.array(given["thresholds"], [int(there.sum())])
        infinite = np.full(len(counts), np.inf, np.float32)
        low = self.value(given["low"]) if "low" in given else -infinite
        high = self.value(given["high"]) if "high" in given else infinite
        return Table(first, float32(thresholds), float32(low), float32(high))

    def array(self, name: str, shape: list[int]) -> Array:
        count = int(np.prod(shape))
        size, at = -(-count // 8) if name == "bit" else count, self.places[name]
        flat = self.tensors[name][at : at + size] if size else np.zeros(0, np.uint8 if name == "bit" else DTYPES[name])
        if len(flat) != size:
            raise ValueError(f"{len(flat)} of {size} numbers of type {name}")
        self.places[name] = at + size
        if name == "bit":
            return np.unpackbits(flat, count=count, bitorder="little").astype(bool).reshape(shape)
        return (float32(flat) if name in ("f32", "i16") else flat).reshape(shape)

    def finish(self) -> None:
        """Raise ValueError where something was left over."""
        for name, values in self.tensors.items():
            if len(values) != self.places[name]:
                raise ValueError(f"{len(values) - self.places[name]} numbers of type {name} too many")
