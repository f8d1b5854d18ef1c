"""The layers of networks by name, what sites are taken to cost, and the program in which layers are timed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from evobnn._seeding import generator
from evobnn.decode import Surround, decode
from evobnn.deploy import compiled
from evobnn.deploy import latency as own
from evobnn.deploy.c import Described, source
from evobnn.deploy.c.stages import stages
from evobnn.deploy.layers import LEVELS, Cost, Layer, layers_of
from evobnn.deploy.layertimes import TOGETHER, all_layers, benchmark, measured_layers
from evobnn.deploy.reference import evaluate
from evobnn.spaces import SPACES, Choice, Template, joint
from evobnn.spaces.covering import covering

SHAPE = (1, 8, 8)
CELLS = (
    "normal[2 = conv3(0) + max3(1); 3 = avg3(1) + conv3(2); 4 = zero(0) + zero(1); 5 = dil3(0) + conv3(3)] "
    "reduction[2 = conv3(0) + max3(1); 3 = avg3(1) + zero(2); 4 = zero(0) + conv3(2); 5 = zero(0) + zero(1)]"
)
CHOICE = Choice()
TEMPLATE = Template(cells=2, width=4, reductions=1, skip="free", padding="minus_one", stem=1, head=2)


def network(text: str, seed: int = 0, template: Template = TEMPLATE, choice: Choice = CHOICE) -> Any:
    space = joint(template, 8, choice=choice)
    torch.manual_seed(seed)
    return decode(space, space.parse(text), Surround(template, SHAPE, 10, "clipped_identity", 1.0))


def layers(expression: str = "x", **more: Any) -> tuple[Layer, ...]:
    return layers_of(network(f"{CELLS} @net = {expression}", **more), SHAPE)


def names(expression: str = "x", **more: Any) -> list[str]:
    return [layer.name for layer in layers(expression, **more)]


def test_names_depend_on_shapes_and_expressions_alone() -> None:
    plain = names()
    assert plain == names(seed=1)
    assert "binaryconvolution kernel=3x3 stride=1 dilation=2 groups=1 border=2 zeros=0 bit 4x8x8 > i32 4x8x8" in plain
    assert "maxpool kernel=3 stride=2 padding=1 f32 8x8x8 > f32 8x4x4" in plain
    assert plain[0] == "normalise u8 1x8x8 > f32 1x8x8" and plain[-1] == "linear f32 32x2x2 > f32 10x1x1"
    assert not [name for name in plain if name.startswith("expression")]
    sine = names("sin(x)")
    assert [name for name in plain if not name.startswith("site")] == [n for n in sine if not n.startswith("site")]
    assert len(plain) == len(sine) and plain != sine


@pytest.mark.parametrize(
    ("expression", "cost"),
    [
        ("x", Cost(1)),
        ("neg(x)", Cost(1)),
        ("square(x)", Cost(0)),
        ("sub(square(x), abs(x))", Cost(4)),  # -1, 1 and around 0: three, counted as four
        ("sin(x)", Cost(4, seen=True)),  # -pi, 0, pi where it was seen; 21 on the whole range
        ("cos(x)", Cost(4, seen=True)),  # four
        ("sin(cube(x))", Cost(steps=1)),
        ("mul(sin(cube(x)), cos(x))", Cost(steps=2)),
    ],
)
def test_a_site_costs_its_changes_of_sign(expression: str, cost: Cost) -> None:
    choice = Choice(encoding=2) if "cube" in expression else Choice()
    found = {
        name.split(" f32")[0] for name in names(expression, choice=choice) if name.startswith("site") and " f32" in name
    }
    assert found == {f"site {cost.words}"}


@pytest.mark.parametrize(
    ("expression", "function"), [("sin(x)", np.sin), ("sin(cube(x))", lambda x: np.sin(x**3)), ("cos(x)", np.cos)]
)
def test_a_site_behind_binary_sums_costs_the_changes_of_sign_between_them(expression: str, function: Any) -> None:
    """A sum of n terms of ±1 spreads by the root of n, by which the norm divides; nothing lies between two sums."""
    choice = Choice(encoding=2) if "cube" in expression else Choice()
    listed = layers(expression, choice=choice)
    makers = {layer.node.output.name: layer.node for layer in listed}
    seen = set()
    for layer in listed:
        if layer.name.startswith("site") and layer.inputs[0].dtype == "i32":
            op = makers[layer.node.inputs[0]].op
            channels, kernel = op.weight.shape[1], op.weight.shape[2]
            terms = channels * kernel * kernel
            sums = np.arange(-terms, terms + 1, 1 if op.zeros else 2)
            signs = function((sums / np.float32(np.sqrt(terms))).astype(np.float32)) >= 0
            changes = int((signs[1:] != signs[:-1]).sum())
            wanted = min(level for level in LEVELS if level >= changes)
            assert changes < 16 and layer.name.startswith(f"site thresholds={wanted} i32")
            seen.add(terms)
    assert seen


SPACES_OF: dict[str, tuple[str, Choice, dict[str, Any], int]] = {
    "joint": ("joint", Choice(), {"skip": "free", "padding": "minus_one"}, 9),
    "bnas": ("bnas", Choice(), {"skip": "published", "padding": "zero", "scale": "learnable"}, 8),
    "bats": ("joint", Choice(topology="bats", encoding=2), {"macro": "bats", "skip": "free"}, 8),
    "bats without skips": ("bats", Choice(), {"macro": "bats", "skip": "none", "padding": "zero"}, 8),
    "cpnas": ("joint", Choice(topology="cpnas"), {"macro": "cpnas", "skip": "none", "padding": "zero"}, 7),
    "imagenet": ("joint", Choice(topology="bats"), {"macro": "bats", "skip": "free", "style": "imagenet"}, 35),
    "gaaf": ("gaaf", Choice(), {"macro": "resnet", "skip": "none", "scale": "none"}, 8),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SPACES_OF)
def test_the_layers_of_a_space_are_those_of_all_its_networks(name: str) -> None:
    kind, choice, said, side = SPACES_OF[name]
    template = Template(**{"cells": 4, "width": 8, "reductions": 1, "stem": 1, "head": 1, **said})
    space, shape = SPACES[kind](template, side, choice=choice), (3, side, side)
    surround = Surround(template, shape, 10, "clipped_identity", 1.0)

    def of(genome: Any) -> tuple[Layer, ...]:
        return layers_of(decode(space, genome, surround), shape)

    known = all_layers(layer for genome in covering(space) for layer in of(genome))
    rng = generator(7, "others")
    assert {layer.name for _ in range(40) for layer in of(space.sample(rng))} <= set(known)
    one = next(layer for layer in known.values() if layer.name.startswith("site"))
    maps = one.name.partition(" f32")[2] or one.name.partition(" i32")[2]
    assert sum(name.startswith("site") and name.endswith(maps) for name in known) % (2 * len(LEVELS) + 3) == 0
    graph, _ = benchmark(known, shape)
    assert source(graph, Described(["0", "1", "2"]), marks=True).code.count("evobnn_mark(") == 1 + len(stages(graph))


@pytest.fixture
def some() -> dict[str, Layer]:
    return all_layers(layers())


def test_every_layer_runs_once_on_maps_of_its_own_kind(some: dict[str, Layer]) -> None:
    graph, homes = benchmark(some, SHAPE)
    shapes: dict[str, tuple[int, ...]] = {}
    types: dict[str, Any] = {}

    def watch(node: Any, inputs: list[Any], output: Any) -> None:
        shapes[node.output.name], types[node.output.name] = output.shape[1:], output.dtype

    image = np.random.default_rng(0).integers(0, 256, (1, *SHAPE), dtype=np.uint8)
    evaluate(graph, image, watch)
    assert set(homes) == set(some)
    assert len({own for own, _ in homes.values()}) == len(some)
    values = graph.values
    for name, (output, _) in homes.items():
        node = graph.producers[output]
        assert shapes[output] == some[name].node.output.shape
        given = [(values[one].dtype, values[one].shape) for one in node.inputs]
        like = [(one.dtype, one.shape) for one in some[name].inputs]
        assert [("f32" if dtype == "i32" else dtype, shape) for dtype, shape in like] == [
            ("f32" if dtype == "i32" else dtype, shape) for dtype, shape in given
        ]


def test_what_shares_a_stage_is_measured_without_the_others(
    some: dict[str, Layer], monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[Any] = []

    def times(cc: Any, graph: Any, image: Any, flags: Any, seconds: float) -> list[float]:
        taken.append(graph)
        sizes = {"MaxPool": 100.0, "Subsample": 100.0, "Site": 1.0, "Add": 2.0, "Relu": 0.0, "Concat": 3.0}
        return [sum(sizes.get(type(node.op).__name__, 50.0) for node in stage.nodes) for stage in stages(graph)]

    monkeypatch.setattr("evobnn.deploy.layertimes.time_stages", times)
    found = measured_layers(compiled.Compiler(("cc",), "cc"), (), some, SHAPE)
    kinds = {
        kind: {ms for name, ms in found.items() if name.startswith(kind)} for kind in ("site", "add", "relu", "concat")
    }
    assert kinds == {"site": {1.0}, "add": {2.0}, "relu": {0.0}, "concat": {3.0}}
    assert {ms for name, ms in found.items() if name.startswith("maxpool")} == {100.0}
    assert {ms for name, ms in found.items() if name.startswith("binaryconvolution")} == {50.0}
    assert len(taken) == 1 + (len(some) - 1) // TOGETHER


# --- The table in the cache -------------------------------------------------------------------------------------------


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Return what was measured, call by call; everything takes 1 ms."""
    calls: list[list[str]] = []

    def measured(cc: Any, flags: Any, given: dict[str, Layer], shape: Any) -> dict[str, float]:
        calls.append(list(given))
        return dict.fromkeys(given, 1.0)

    monkeypatch.setattr(own, "measured_layers", measured)
    monkeypatch.setattr(own.CTimer, "found", lambda self: compiled.Compiler(("cc",), self.compiler or "cc 1"))
    monkeypatch.setattr(own, "simd_flags", lambda cc: None)
    monkeypatch.setattr(own, "say", lambda sentence: None)
    return calls


def test_layers_are_measured_once_on_a_machine(
    some: dict[str, Layer], counted: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timer = own.CTimer(cache=tmp_path)
    few = dict(list(some.items())[:5])
    assert timer.times_of(few, SHAPE).milliseconds == dict.fromkeys(sorted(few), 1.0)
    assert timer.times_of(few, SHAPE).of(few) == 5.0 and counted == [list(few)]
    table = timer.times_of(some, SHAPE)
    assert set(counted[1]) == set(some) - set(few) and set(table.milliseconds) == set(some)

    assert own.CTimer("cc 2", cache=tmp_path).times_of(few, SHAPE).compiler.startswith("cc 2, -O3 ")
    assert len(counted) == 3
    monkeypatch.setattr(own.facts, "processor", lambda: "another")
    assert timer.times_of(few, SHAPE).processor == "another" and len(counted) == 4
    (path,) = (one for one in tmp_path.glob("latency-*.json") if '"another"' in one.read_text())
    path.write_text(path.read_text()[:-20])
    assert timer.times_of(few, SHAPE).of(few) == 5.0 and len(counted) == 5
    timer.times_of(few, SHAPE)
    assert len(counted) == 5


def test_a_table_is_of_the_options_of_a_compiler_too(
    some: dict[str, Layer], counted: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own, "simd_flags", lambda cc: ("-O3", "-mine"))
    plain, portable = own.CTimer(cache=tmp_path), own.CTimer(cache=tmp_path, portable=True)
    assert plain.times_of(some, SHAPE).compiler == "cc 1, -O3 -mine"
    assert portable.times_of(some, SHAPE).compiler == "cc 1, -O3 -DEVOBNN_PORTABLE"
    monkeypatch.setattr(own.CTimer, "found", lambda self: compiled.Compiler(("cc", "-fslow"), "cc 1"))
    assert plain.times_of(some, SHAPE).compiler == "cc 1, -fslow -O3 -mine"
    assert len(counted) == 3


def test_a_table_of_networks_holds_their_layers_alone(counted: list[list[str]], tmp_path: Path) -> None:
    timer = own.CTimer(cache=tmp_path)
    timer.measured([network(f"{CELLS} @net = sin(x)")], SHAPE)
    table = timer.measured([network("normal[2 = max3(0)] reduction[2 = max3(0)] @net = x")], SHAPE)
    assert not [name for name in table.milliseconds if name.startswith("concat f32 4x8x8 f32 4x8x8 f32 4x8x8 bit")]
    made = timer.layers(network("normal[2 = max3(0)] reduction[2 = max3(0)] @net = sin(x)"), SHAPE)
    assert table.of(made) == len(made)
    assert list(table.milliseconds) == sorted(table.milliseconds)
    assert len(table.milliseconds) < sum(map(len, counted))


def test_no_place_for_a_table(tmp_path: Path, counted: list[list[str]]) -> None:
    (tmp_path / "file").write_text("")
    from evobnn.errors import NetworkError

    with pytest.raises(NetworkError, match="EVOBNN_CACHE"):
        own.CTimer(cache=tmp_path / "file").times_of({}, SHAPE)


def test_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    check: Callable[[], None] = own.CTimer().check
    with pytest.raises(Exception, match="layers are timed for latency, got none, for CC says 'no-such-compiler'"):
        check()
