"""A file of packed bits: small, read back as the same network, and refused where it is not what was written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from evobnn._seals import UNSEALED, seal_tensors, text_in, with_text
from evobnn.deploy.bits import NAME, Packed, pack, read_bits, sizes
from evobnn.deploy.graph import Graph, Node, Value
from evobnn.deploy.lower import Lowered
from evobnn.deploy.ops import BinaryConvolution, Gather, Site
from evobnn.deploy.verify import signs_of
from evobnn.errors import RunError
from evobnn.nn import profile
from tests.deploy.conftest import pictures


@pytest.fixture
def packed(folded: Graph) -> Packed:
    return Packed(folded, ("one", "two"), {"genome": "@net = x"})


def test_read_back_it_is_the_same(packed: Packed, made: tuple[nn.Module, Lowered], tmp_path: Path) -> None:
    data = pack(packed)
    (path := tmp_path / "bits.safetensors").write_bytes(data)
    again = read_bits(path)
    assert (again.class_names, again.about) == (packed.class_names, packed.about)
    images = pictures(packed.graph.input.shape, 5, seed=3)
    (signs, logits), (others, also) = signs_of(packed.graph, images), signs_of(again.graph, images)
    assert np.array_equal(logits, also) and signs.keys() == others.keys()
    assert all(np.array_equal(signs[name], others[name]) for name in signs)
    assert pack(again) == data
    found = sizes(data)
    assert found.tensors + found.head == len(data)
    assert found.head <= 8 * 1024  # tables, paths and repeated layers take little
    thresholds = [
        node.op.table.thresholds for node in packed.graph.sites if isinstance(node.op, Site) and node.op.table
    ]
    if max(map(len, thresholds)) == 1:
        assert found.tensors <= 1.05 * profile(made[0], packed.graph.input.shape).bits / 8
    else:
        assert found.tensors <= 3 * profile(made[0], packed.graph.input.shape).bits / 8


def test_weights_take_one_bit_each(packed: Packed) -> None:
    from safetensors.numpy import load

    count = sum(-(-node.op.weight.size // 8) for node in packed.graph.nodes if isinstance(node.op, BinaryConvolution))
    firsts = sum(-(-len(node.op.table.first) // 8) for node in packed.graph.sites if node.op.table)
    assert load(pack(packed))["bit"].nbytes == count + firsts


def test_equal_layers_stand_once(packed: Packed) -> None:
    row = json.loads(text_in(pack(packed), NAME) or "")
    layers = [json.dumps(layer) for layer in row["layers"]]
    assert len(set(layers)) == len(layers) < 0.7 * len(row["nodes"])
    assert row["paths"] == [node.path for node in packed.graph.sites]


def test_channels_that_are_gathered_are_runs(packed: Packed, tmp_path: Path) -> None:
    """Repeated, shuffled in groups, and without any order, of 200 channels."""
    rng = np.random.default_rng(0)
    shuffled = tuple(np.arange(200).reshape(4, 50).T.reshape(-1).tolist())
    for channels, most in (
        ((*range(100), *range(100)), 80),
        (shuffled, 700),
        (tuple(rng.integers(0, 200, 200).tolist()), 900),
    ):
        graph = Graph(Value("image", (200, 1, 1), "f32"), (), "out")
        node = Node(Gather(channels), ("image",), Value("out", (200, 1, 1), "f32"), "")
        data = pack(Packed(replace(graph, nodes=(node,)), (), {}))
        (layer,) = json.loads(text_in(data, NAME) or "")["layers"]
        assert len(json.dumps(layer, separators=(",", ":"))) < most
        (path := tmp_path / "bits.safetensors").write_bytes(data)
        assert read_bits(path).graph.nodes[0].op.channels == channels


def test_names_of_sites_that_are_too_many_or_too_few(packed: Packed, tmp_path: Path) -> None:
    data, path = pack(packed), tmp_path / "bits.safetensors"
    from safetensors.numpy import load, save

    for change in (lambda paths: [*paths, "more"], lambda paths: paths[1:]):
        row = json.loads(text_in(data, NAME) or "")
        row["paths"] = change(row["paths"])
        path.write_bytes(seal_tensors(with_text(save(load(data), metadata=UNSEALED), NAME, json.dumps(row))))
        with pytest.raises(RunError, match="Expected a network in bits"):
            read_bits(path)


def test_damage_is_noticed(packed: Packed, tmp_path: Path) -> None:
    data, path = pack(packed), tmp_path / "bits.safetensors"
    for broken in (
        data[:-1],
        data[:-9] + bytes([data[-9] ^ 1]) + data[-8:],
        b"",
        data.replace(b"affine", b"afine ", 1),
    ):
        path.write_bytes(broken)
        with pytest.raises(RunError, match="Expected a network in bits in .*, got .*evobnn export TRAINING --to bits"):
            read_bits(path)
    with pytest.raises(RunError, match="Expected a network in bits"):
        read_bits(tmp_path / "none")


@pytest.mark.parametrize(
    "text", ["", "[]", '{"format": "other"}', '{"format": "evobnn-bits", "version": 1, "input": [1, 2, 2], "nodes": 3}']
)
def test_other_texts_are_refused(text: str, tmp_path: Path) -> None:
    from safetensors.numpy import save

    empty = save({"u8": np.zeros(3, np.uint8)}, metadata=UNSEALED)
    (path := tmp_path / "bits.safetensors").write_bytes(seal_tensors(with_text(empty, NAME, text)))
    with pytest.raises(RunError, match="Expected a network in bits"):
        read_bits(path)
    newer = seal_tensors(with_text(empty, NAME, '{"format": "evobnn-bits", "version": 2}'))
    path.write_bytes(newer)
    with pytest.raises(RunError, match="version"):
        read_bits(path)
