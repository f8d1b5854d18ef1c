"""The formats that packages run: without them one error, with them the answers of the reference and of PyTorch."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import evobnn
from evobnn.decode import Surround, decode
from evobnn.deploy import onnx, openvino, qonnx, runtimes
from evobnn.deploy.bits import Packed
from evobnn.deploy.forms import FORMS
from evobnn.deploy.graph import Graph, Node, Value
from evobnn.deploy.nodes import PRINT, printed
from evobnn.deploy.ops import (
    Add,
    AveragePool,
    BinaryConvolution,
    Concat,
    Convolution,
    Expression,
    Gather,
    Hardtanh,
    Linear,
    MaxPool,
    MeanOfParts,
    Normalise,
    Prelu,
    Scale,
    Signed,
    Site,
    Subsample,
    Table,
    Zeros,
    float32,
)
from evobnn.deploy.passes import fold_sites, watched_ranges
from evobnn.deploy.reference import apply, evaluate
from evobnn.deploy.twin import real_twin
from evobnn.deploy.verify import compared, signs_of
from evobnn.errors import NetworkError
from evobnn.spaces import Template
from evobnn.spaces.choice import Choice
from evobnn.spaces.gaaf import gaaf, genotype_2
from tests.deploy.conftest import GENOMES, answers, folded_of, lowered_network, made_of, pictures, settle

CLASSES = tuple("0123456789")
ABOUT = {"genome": "ü", "seed": 3}


# --- Without the packages -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "missing"), [("onnx", "onnxruntime"), ("qonnx", "qonnx"), ("openvino", "openvino")])
def test_a_package_that_is_not_there(name: str, missing: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is said before anything else is looked at: the training is not there either."""
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(NetworkError, match=rf"'{name}', got no .*{missing}.*pip install 'evobnn\[{name}\]'"):
        evobnn.export("no-such-training", to=("bits", name), out=tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [*GENOMES, "folded"])
def test_nodes_are_standard_and_none_is_a_sign(name: str) -> None:
    graph = folded_of("resnet") if name == "folded" else made_of(name)[1].graph
    for table, batch in ((PRINT, None), (qonnx.RULES, 1)):
        steps, names = printed(graph, table, batch)
        kinds = {step.kind for step in steps.steps}
        assert "Sign" not in kinds and kinds & {"Where", "BipolarQuant"} and "Conv" in kinds
        made = {graph.input.name, *steps.constants}
        for step in steps.steps:
            assert set(step.inputs) <= made, step
            made.add(step.output)
        read = {name for step in steps.steps for name in step.inputs}
        assert set(steps.constants) <= read and steps.steps[-1].output == "logits"
        assert {names[node.output.name] for node in graph.sites} <= made
    quantised = [step for step in steps.steps if step.kind == "BipolarQuant"]
    binary = sum(isinstance(node.op, BinaryConvolution) for node in graph.nodes)
    assert len(quantised) >= len(graph.sites) + binary > 2
    assert all(steps.constants[step.inputs[1]] == 1 for step in quantised)


def reference(turned: str = "", logits: float = 0.0) -> Any:
    """Return what runs a file as the reference does, but for the signs of a site or the logits."""

    def run(place: Path, graph: Graph, images: Any, *, sites: bool) -> Any:
        assert (place / "model").read_text() == "here"
        signs, found = signs_of(graph, images)
        return {path: bits ^ (path == turned) for path, bits in signs.items()} if sites else {}, found + logits

    return run


def checked(monkeypatch: pytest.MonkeyPatch, place: Path, run: Any, move: int = 0) -> list[str]:
    network, graph = made_of("resnet")[0], folded_of("resnet")
    images = pictures(graph.input.shape, 20)
    wanted = (answers(network, images)[1].argmax(1) + move) % 10

    def write(place: Path, packed: Packed) -> list[str]:
        (place / "model").write_text("here")
        return ["written"]

    monkeypatch.setitem(runtimes.RUNTIMES, "onnx", runtimes.Runtime((), write, run, 4, 20))
    told = answers(network, images)
    return runtimes.export("onnx", place, Packed(graph, CLASSES, {}), images, wanted, lambda some: told)[1]


def test_a_file_that_says_something_else_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert checked(monkeypatch, tmp_path, reference())[-1] == "onnx: 20 of 20 images in PyTorch's class."
    path = folded_of("resnet").sites[1].path
    with pytest.raises(NetworkError, match=rf"signs of the reference, got \d+ others from onnx at '{path}'"):
        checked(monkeypatch, tmp_path, reference(path))
    with pytest.raises(NetworkError, match="logits of the reference, got onnx is off by 0.5"):
        checked(monkeypatch, tmp_path, reference(logits=0.5))
    with pytest.raises(NetworkError, match="off by nan"):
        checked(monkeypatch, tmp_path, reference(logits=np.nan))
    with pytest.raises(NetworkError, match="PyTorch's class from onnx, got another one"):
        checked(monkeypatch, tmp_path, reference(), move=1)


def test_the_twin_has_the_shapes_and_nothing_binary() -> None:
    graph = made_of("bnas")[1].graph
    twin = real_twin(graph)
    assert not any(isinstance(node.op, (Site, BinaryConvolution, Expression)) for node in twin.nodes)
    images = pictures(graph.input.shape, 2)
    assert evaluate(twin, images).shape == evaluate(graph, images).shape
    kept = {node.output.name: node.output.shape for node in graph.nodes}
    assert all(kept[node.output.name] == node.output.shape for node in twin.nodes)


# --- With them ------------------------------------------------------------------------------------------------------

MODULES: dict[str, Any] = {"onnx": onnx, "qonnx": qonnx, "openvino": openvino}
EXPRESSIONS = {
    "pole": "ratio(cos(x), erf(x))",
    # 71 % of what arrives at a site is exactly 0, a sign of +1.
    "zeros": "gaussdiff(zero, cube(x))",
    "encoding 2": str(genotype_2(8, 1, 3, 18, 2, 0)),
}


@pytest.fixture(params=["onnx", "openvino"])
def runtime(request: pytest.FixtureRequest) -> Any:
    for module in runtimes.RUNTIMES[request.param].modules:
        pytest.importorskip(module)
    return MODULES[request.param]


def agree(module: Any, place: Path, graph: Graph, network: Any, count: int) -> int:
    """Write a graph, run it, compare it with the reference and with PyTorch; return how many signs rounding turned."""
    images = pictures(graph.input.shape, count)
    said = module.write(place, Packed(graph, CLASSES, ABOUT))
    assert said and (place / module.FILE).exists()
    signs, logits = module.run(place, graph, images, sites=True)
    found = compared(graph, images, signs, logits)
    assert found.wrong == () and found.bits > 100 * count and found.logits < 1e-4
    nothing, again = module.run(place, graph, images, sites=False)
    assert nothing == {} and abs(again - logits).max() < 1e-4
    wanted, own = answers(network, images)[1], signs_of(graph, images)[1]
    same = again.argmax(1) == wanted.argmax(1)
    assert same.all() or (found.flips > 0 and (again.argmax(1) == own.argmax(1))[~same].all())
    return found.flips


@pytest.mark.extras
def test_it_says_what_the_reference_says(runtime: Any, macro: str, folded: Graph, tmp_path: Path) -> None:
    assert agree(runtime, tmp_path, folded, made_of(macro)[0], 8) == 0


@pytest.mark.extras
def test_sites_that_are_not_folded(runtime: Any, tmp_path: Path) -> None:
    """Forms are computed by the runtime; sums of odd channels and of wide ones are float and binary."""
    network, lowered = made_of("resnet")
    flips = agree(runtime, tmp_path, lowered.graph, network, 8)
    assert flips <= 8  # at most one sign an image that rounding turns; none where this was written


@pytest.mark.extras
@pytest.mark.parametrize("name", EXPRESSIONS)
def test_expressions_that_are_easily_wrong(runtime: Any, name: str, tmp_path: Path) -> None:
    template = Template(
        cells=2, width=9, reductions=0, skip="none", padding="minus_one", scale="mean", stem=1, macro="resnet"
    )
    space = gaaf(template, 8, None, Choice(sites="net", encoding=2 if name == "encoding 2" else 1))
    torch.manual_seed(2)
    network = settle(decode(space, space.parse(f"@net = {EXPRESSIONS[name]}"), Surround(template, (3, 8, 8), 10)), 2)
    lowered = lowered_network(network, (3, 8, 8))
    folded = fold_sites(lowered, watched_ranges(lowered.graph, pictures((3, 8, 8), 4)))[0]
    flips = agree(runtime, tmp_path, folded, network, 8)
    assert flips <= 8  # at most one sign an image that rounding turns; none where this was written


@pytest.mark.extras
def test_every_form(runtime: Any, tmp_path: Path) -> None:
    """At 256 numbers from -8 to 8, exact 0 among them."""
    image = Value("image", (1, 16, 16), "u8")
    nodes = [Node(Normalise(float32([128]), float32([16])), ("image",), Value("x", (1, 16, 16), "f32"), "")]
    for name, form in FORMS.items():
        two = name in ("add", "sub", "mul", "div", "ratio", "max", "min", "gate", "gaussdiff", "expdiff", "mix")
        leaves = () if name in ("x", "zero", "const") else (("x",), ("cos", ("x",)))[: 1 + two]
        learned = {"p_c": float32([0.7])} if name in ("scale", "shift", "const", "mix") else {}
        assert form.c and not (two and len(leaves) < 2)
        nodes.append(Node(Expression((name, *leaves), learned), ("x",), Value(name, (1, 16, 16), "f32"), name))
    both = Value("all", (len(FORMS), 16, 16), "f32")
    graph = Graph(image, (*nodes, Node(Concat(), tuple(FORMS), both, "")), "all")
    images = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    runtime.write(tmp_path, Packed(graph, tuple(map(str, range(256 * len(FORMS)))), {}))
    found = runtime.run(tmp_path, graph, images, sites=False)[1].reshape(len(FORMS), -1)
    wanted = evaluate(graph, images).reshape(len(FORMS), -1)
    for name, own, theirs in zip(FORMS, found, wanted, strict=True):
        np.testing.assert_allclose(own, theirs, rtol=2e-4, atol=2e-6, err_msg=name)
        assert ((own >= 0) == (theirs >= 0)).mean() > 0.99, name


@pytest.mark.extras
def test_parts_that_do_not_divide_the_map(runtime: Any, tmp_path: Path) -> None:
    shape = (2, 7, 5)
    first = Node(Normalise(float32([3, 4]), float32([5, 6])), ("image",), Value("x", shape, "f32"), "")
    for parts in (1, 2, 3):
        node = Node(MeanOfParts(parts), ("x",), Value("y", (2, parts, parts), "f32"), "")
        graph = Graph(Value("image", shape, "u8"), (first, node), "y")
        images = pictures(shape, 3)
        runtime.write(tmp_path, Packed(graph, tuple(map(str, range(2 * parts * parts))), {}))
        found = runtime.run(tmp_path, graph, images, sites=False)[1]
        np.testing.assert_allclose(found, evaluate(graph, images), rtol=1e-5, atol=1e-5)


def assorted() -> Graph:
    """Return a graph of operations that no macro above has in this way, on maps of odd size."""
    rng = np.random.default_rng(5)
    moments = Normalise(float32([128, 120]), float32([30, 40]))
    nodes = [Node(moments, ("image",), f32("x", (2, 7, 7)), "")]

    def add(op: Any, *inputs: str, shape: tuple[int, int, int], dtype: str = "f32") -> str:
        name = f"{len(nodes)}"
        nodes.append(Node(op, inputs, Value(name, shape, dtype), f"at{name}"))
        return name

    weight = float32(rng.normal(size=(4, 2, 2, 3)))
    real = add(Convolution(weight, float32([1, 0, -1, 2]), (1, 2), (1, 0, 0, 2)), "x", shape=(4, 7, 4))
    bounded = add(Prelu(float32([0.5, -0.2, 0, 2])), add(Hardtanh(1.3), real, shape=(4, 7, 4)), shape=(4, 7, 4))
    bits = add(Site((), table_of(4, rng), whole=True), bounded, shape=(4, 7, 4), dtype="bit")
    picked = add(Subsample(2, 1), bits, shape=(4, 4, 2), dtype="bit")
    kernel = rng.random((6, 2, 3, 3)) < 0.5
    grouped = add(BinaryConvolution(kernel, 1, 2, 2, 2, False), picked, shape=(6, 4, 2), dtype="i32")
    whole = add(
        BinaryConvolution(rng.random((6, 4, 5, 5)) < 0.5, 1, 1, 1, 2, True), picked, shape=(6, 4, 2), dtype="i32"
    )
    depthwise = Convolution(float32(rng.normal(size=(4, 1, 3, 3))), None, (1, 1), (1,) * 4, 1, 4)
    signed = add(depthwise, add(Signed(), picked, shape=(4, 4, 2)), shape=(4, 4, 2))
    zeros = add(Zeros(), shape=(2, 4, 2))
    both = add(Concat(), signed, zeros, shape=(6, 4, 2))
    total = add(Add(), both, add(Scale(float32(rng.normal(size=6))), grouped, shape=(6, 4, 2)), shape=(6, 4, 2))
    total = add(Add(), total, add(Gather((5, 0, 0, 1, 2, 3)), whole, shape=(6, 4, 2)), shape=(6, 4, 2))
    pooled = add(MaxPool(3, 2, 1), add(AveragePool(3, 1, 1, True), total, shape=(6, 4, 2)), shape=(6, 2, 1))
    linear = Linear(float32(rng.normal(size=(10, 12))), float32(rng.normal(size=10)))
    logits = add(linear, pooled, shape=(10, 1, 1))
    return Graph(Value("image", (2, 7, 7), "u8"), tuple(nodes), logits)


@pytest.mark.extras
def test_operations_that_no_macro_has_in_this_way(runtime: Any, tmp_path: Path) -> None:
    graph = assorted()
    assert {type(node.op) for node in graph.nodes} >= {Signed, Hardtanh, Prelu, Zeros, Subsample, MaxPool}
    images = pictures((2, 7, 7), 6)
    runtime.write(tmp_path, Packed(graph, CLASSES, {}))
    signs, logits = runtime.run(tmp_path, graph, images, sites=True)
    found = compared(graph, images, signs, logits)
    assert found.wrong == () and found.bits == 6 * 4 * 7 * 4 and found.logits < 1e-4
    np.testing.assert_allclose(runtime.run(tmp_path, graph, images, sites=False)[1], logits, atol=1e-4)


@pytest.mark.extras
@pytest.mark.parametrize("name", ["resnet", "bats"])
def test_qonnx(name: str, tmp_path: Path) -> None:
    """qonnx's own analysis counts every binary product as one of bipolar numbers."""
    pytest.importorskip("qonnx")
    graph = folded_of(name)
    assert agree(qonnx, tmp_path, graph, made_of(name)[0], 2) == 0
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.util.inference_cost import inference_cost

    cost = inference_cost(ModelWrapper(str(tmp_path / qonnx.FILE)), discount_sparsity=False)
    products = sum(
        node.output.shape[0] * node.output.shape[1] * node.output.shape[2] * node.op.terms
        for node in graph.nodes
        if isinstance(node.op, BinaryConvolution)
    )
    cost = cost.get("total_cost", cost)
    assert cost["op_mac_BIPOLAR_BIPOLAR"] == products > 10_000


@pytest.mark.extras
@pytest.mark.parametrize("channels", [3, 6, 8, 9, 40])
def test_openvino_has_one_bit_weights_in_any_number_of_channels(channels: int, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    rng = np.random.default_rng(channels)
    weight = rng.random((5, channels, 3, 3)) < 0.5
    shape = (channels, 6, 6)
    site = Site((), table_of(channels, rng), whole=True)
    nodes = [
        Node(Normalise(float32(np.full(channels, 128)), float32(np.ones(channels))), ("image",), f32("x", shape), ""),
        Node(site, ("x",), replace(f32("s", shape), dtype="bit"), "site"),
    ]
    for zeros in (False, True):
        conv = BinaryConvolution(weight, 1, 1, 1, 1, zeros)
        out = replace(f32("y", (5, 6, 6)), dtype="i32")
        graph = Graph(Value("image", shape, "u8"), (*nodes, Node(conv, ("s",), out, "conv")), "y")
        images = pictures(shape, 4)
        said = openvino.write(tmp_path, Packed(graph, tuple(map(str, range(180))), {}))
        assert len(said) == 1 and "BinaryConvolution" in (tmp_path / openvino.FILE).read_text()
        signs, found = openvino.run(tmp_path, graph, images, sites=True)
        np.testing.assert_array_equal(found, evaluate(graph, images))
        np.testing.assert_array_equal(signs["site"], apply(site, [images.astype("f4") - 128]))


@pytest.mark.extras
def test_openvino_names_what_stays_float(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    graph = made_of("bats")[1].graph
    grouped = [n.path for n in graph.nodes if isinstance(n.op, BinaryConvolution) and n.op.groups > 1]
    said = openvino.write(tmp_path, Packed(graph, CLASSES, {}))
    assert len(grouped) > 3 and said[1].endswith(f"no 1-bit convolution in groups: {', '.join(grouped)}.")


def f32(name: str, shape: tuple[int, int, int]) -> Value:
    return Value(name, shape, "f32")


def table_of(channels: int, rng: np.random.Generator) -> Any:
    limits = float32(rng.integers(-60, 60, (1, channels)))
    limits = float32(np.where(np.arange(channels) == 2, np.inf, limits))
    infinite = np.full(channels, np.inf, np.float32)
    return Table(rng.random(channels) < 0.5, limits, float32(-infinite), float32(infinite))


@pytest.mark.extras
def test_exported_from_a_training(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in MODULES:
        for module in runtimes.RUNTIMES[name].modules:
            pytest.importorskip(module)
    monkeypatch.setitem(runtimes.RUNTIMES, "qonnx", replace(runtimes.RUNTIMES["qonnx"], compared=1, checked=1))
    found = evobnn.export(f"{trained}:4", to=("openvino", "qonnx", "onnx"), out=tmp_path / "out")
    assert set(found.files) == {"model.onnx", "model.qonnx.onnx", "model.xml", "model.bin"}
    for name, count in (("onnx", 100), ("qonnx", 1), ("openvino", 100)):
        assert any(line.startswith(f"{name}: {count} of {count} images") for line in found.said), found.said
        assert found.answered[name].images == found.answered[name].same == count, found.answered
    import onnx as package

    kept = {prop.key: prop.value for prop in package.load(tmp_path / "out" / onnx.FILE).metadata_props}
    assert kept["seed"] == "4" and kept["genome"].startswith("normal[") and kept["class_names"].startswith('["0", "1"')
