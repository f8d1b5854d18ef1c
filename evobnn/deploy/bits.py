"""A graph as a file of tensors: binary weights in one bit each, thresholds, and the graph as JSON beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from evobnn import _jsonl
from evobnn._seals import UNSEALED, seal_tensors, text_in, verify_tensors, with_text
from evobnn.deploy.graph import OPS, Array, Graph, Node, Op, Table, Value, float32
from evobnn.errors import RunError, message

NAME = "graph"
"""Under which the graph stands among the metadata of the file."""
FORMAT, VERSION = "evobnn-bits", 1


@dataclass(frozen=True)
class Packed:
    """What a file of bits holds.

    Attributes:
        graph: the network, for `evobnn.deploy.evaluate`.
        class_names: of the logits, in their order.
        about: what is known of it, by name: genome, accuracy and the like.
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
    graph, store = packed.graph, _Store({})
    number = {graph.input.name: 0, **{node.output.name: n for n, node in enumerate(graph.nodes, 1)}}
    nodes = []
    for node in graph.nodes:
        value = node.output
        place = {"in": [number[name] for name in node.inputs], "out": [*value.shape, value.dtype], "at": node.path}
        nodes.append({**store.op(node.op), **place})
    row = {
        "format": FORMAT,
        "version": VERSION,
        "about": dict(packed.about),
        "class_names": list(packed.class_names),
        "input": list(graph.input.shape),
        "output": number[graph.output],
        "nodes": nodes,
    }
    text = json.dumps(row, separators=(",", ":"), ensure_ascii=False)
    return seal_tensors(with_text(save(store.tensors, metadata=UNSEALED), NAME, text))


def sizes(data: bytes) -> Sizes:
    """Return the sizes of a file of bits."""
    head = 8 + int.from_bytes(data[:8], "little")
    return Sizes(len(data) - head, head)


def read_bits(path: str | Path) -> Packed:
    """Return the network in a file of bits; nothing in it is executed.

    Raises RunError for a file that is not what was written, or is of a newer version.
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
    names = [Value("image", (c, h, w), "u8")]
    nodes = []
    for number, one in enumerate(row["nodes"], 1):
        *shape, dtype = one["out"]
        op = _read({name: value for name, value in one.items() if name not in ("in", "out", "at")}, tensors)
        output = Value(f"{number}_{one['op']}", (shape[0], shape[1], shape[2]), dtype)
        nodes.append(Node(op, tuple(names[n].name for n in one["in"]), output, one["at"]))
        names.append(output)
    return Packed(Graph(names[0], tuple(nodes), names[row["output"]].name), tuple(row["class_names"]), row["about"])


@dataclass
class _Store:
    """Values as JSON, their arrays apart."""

    tensors: dict[str, Array]

    def op(self, op: Op) -> dict[str, Any]:
        found: dict[str, Any] = {"op": type(op).__name__.lower()}
        for one in fields(op):
            value = getattr(op, one.name)
            if not (isinstance(value, (int, str, tuple, type(None))) and value == one.default):
                found[one.name] = self.value(value)
        return found

    def value(self, value: Any) -> Any:
        if isinstance(value, Op):
            return self.op(value)
        if isinstance(value, Table):
            return self.table(value)
        if isinstance(value, np.ndarray):
            return self.array(value)
        if isinstance(value, Mapping):
            return {"map": {name: self.value(one) for name, one in value.items()}}
        if isinstance(value, tuple):
            return [self.value(one) for one in value]
        return value

    def array(self, values: Array) -> dict[str, Any]:
        name = str(len(self.tensors))
        if values.dtype == bool:
            self.tensors[name] = np.packbits(values, bitorder="little")
            return {"bits": name, "shape": list(values.shape)}
        self.tensors[name] = values
        return {"tensor": name}

    def table(self, table: Table) -> dict[str, Any]:
        """Thresholds one channel after another, in 16 bits where all of them are whole numbers that small."""
        there = np.isfinite(table.thresholds).T
        values = table.thresholds.T[there]
        short = values.astype(np.int16, copy=True) if (abs(values) < 2**15).all() else values
        found = {
            "first": self.array(table.first),
            "counts": self.array(there.sum(1).astype(np.uint8)),
            "thresholds": self.array(short if (short == values).all() else values),
        }
        if not (np.isneginf(table.low) & np.isposinf(table.high)).all():
            found |= {"low": self.array(table.low), "high": self.array(table.high)}
        return {"table": found}


def _read(value: Any, tensors: Mapping[str, Array]) -> Any:
    if isinstance(value, list):
        return tuple(_read(one, tensors) for one in value)
    if not isinstance(value, dict):
        return value
    if "op" in value:
        return OPS[value["op"]](**{name: _read(one, tensors) for name, one in value.items() if name != "op"})
    if "tensor" in value:
        found = tensors[value["tensor"]]
        return found if found.dtype == np.uint8 else float32(found)
    if "bits" in value:
        count = int(np.prod(value["shape"]))
        flat = np.unpackbits(tensors[value["bits"]], count=count, bitorder="little")
        return flat.astype(bool).reshape(value["shape"])
    if "map" in value:
        return {name: _read(one, tensors) for name, one in value["map"].items()}
    return _table({name: _read(one, tensors) for name, one in value["table"].items()})


def _table(read: Mapping[str, Array]) -> Table:
    counts = read["counts"]
    thresholds = np.full((int(counts.max(initial=0)), len(counts)), np.inf, np.float32)
    there = np.arange(len(thresholds))[:, None] < counts
    thresholds.T[there.T] = read["thresholds"]
    infinite = np.full(len(counts), np.inf, np.float32)
    ends = (read.get("low", -infinite), read.get("high", infinite))
    return Table(read["first"], float32(thresholds), float32(ends[0]), float32(ends[1]))
